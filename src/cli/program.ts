/** The parser, made from the command table. */
import { styleText } from "node:util";
import { Argument, Command, Option } from "commander";
import { withoutSecrets } from "../config/url.ts";
import { nearest } from "../core/nearest.ts";
import { Given } from "./command.ts";
import type { ArgumentSpec, CommandSpec, OptionSpec } from "./command.ts";
import { COMMANDS, GROUPS, optionsOf } from "./commands.ts";
import { COMMON, DATABASE } from "./options.ts";
import { readerOf } from "./values.ts";
import type { Terminal } from "./terminal.ts";
import { plainLines } from "./text.ts";

const ABOUT = "Background tasks, schedules, results and events on one SQLite file.";

/** Which command was asked for, and what it was given. */
export interface Asked {
  readonly spec: CommandSpec;
  readonly given: Given;
}

/**
 * Reads the arguments; what `--help` and `--version` print is printed on the way.
 * @throws CommanderError for everything but a command that is to be run.
 */
export function parse(argv: readonly string[], version: string, terminal: Terminal): Asked | undefined {
  let asked: Asked | undefined;
  const program = new Command("omniq")
    .description(ABOUT)
    .version(version, "-v, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      // What was typed stands in them.
      outputError: (text, write) => write(plainLines(withoutSecrets(text)).join("\n")),
      getOutHelpWidth: () => Math.min(terminal.width, 120),
    })
    .configureHelp({ showGlobalOptions: true, styleTitle: (title) => styleText("bold", title, { validateStream: false }) })
    .addHelpText("after", examplesOf(EXAMPLES));
  for (const option of COMMON) program.addOption(optionOf(option));
  for (const spec of COMMANDS) {
    commandOf(program, spec).action((...args: unknown[]) => {
      const command = args.at(-1);
      if (command instanceof Command) asked = { spec, given: new Given(command.args, command.optsWithGlobals(), argv) };
    });
  }
  for (const command of allOf(program)) {
    command.showHelpAfterError(`Try: ${nameOf(command)} --help`);
    // A group, or the whole, has few options of its own: who gives it another one has not come to the command yet.
    if (command.commands.length > 0)
      command.configureOutput({ outputError: (text, write) => write(plainLines(withoutSecrets(withHint(text))).join("\n")) });
  }
  program.parse([...argv], { from: "user" });
  return asked;
}

/** To an unknown option that the parser has nothing like: where it, or one like it, is taken. */
function withHint(message: string): string {
  const [, typed] = /^error: unknown option '(--[^'=]+)(?:=[^']*)?'\n$/.exec(message) ?? [];
  if (typed === undefined) return message;
  const known = COMMANDS.flatMap((spec) => optionsOf(spec)).map(({ flags }) => /--[\w-]+/.exec(flags)?.[0] ?? "");
  if (known.includes(typed)) return `${message}(${typed} stands behind its command)\n`;
  const near = nearest(typed, known);
  return near === undefined ? message : `${message}(Did you mean ${near}, behind its command?)\n`;
}

const EXAMPLES: CommandSpec["examples"] = [
  ["omniq init && omniq dev", "from an empty folder to a scheduled task that runs"],
  ["omniq demo", "see it work, on the files under ./node_modules"],
  ["omniq tasks list --project demo", "then look at what it left behind"],
  ["omniq stats --project demo --json", "the same for programs"],
];

/** The command, inside its group if its name has one. */
function commandOf(program: Command, spec: CommandSpec): Command {
  const [first = "", second] = spec.name.split(" ");
  const parent = second === undefined ? program : groupOf(program, first);
  const command = parent.command(second ?? first).description(spec.about);
  for (const argument of spec.arguments ?? []) command.addArgument(argumentOf(argument));
  for (const option of spec.options ?? []) command.addOption(optionOf(option));
  if (spec.database) for (const option of DATABASE) command.addOption(optionOf(option).helpGroup("Which database:"));
  return command.addHelpText("after", examplesOf(spec.examples));
}

function groupOf(program: Command, name: string): Command {
  return program.commands.find((command) => command.name() === name) ?? program.command(name).description(GROUPS[name] ?? "");
}

function allOf(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap((each) => allOf(each))];
}

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

function argumentOf({ name, about, choices }: ArgumentSpec): Argument {
  const argument = new Argument(name, about);
  if (choices === undefined) return argument;
  const read = readerOf({ choices });
  argument.choices(choices);
  return read === undefined ? argument : argument.argParser(read);
}

function optionOf(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.about);
  if (spec.default !== undefined) option.default(spec.default);
  if (spec.choices !== undefined) option.choices(spec.choices);
  const read = readerOf(spec) ?? ((text: string): unknown => text);
  if (spec.repeatable !== true) return option.argParser(read);
  return option.argParser((text: string, before: readonly unknown[] | undefined) => [...(before ?? []), read(text)]);
}

function examplesOf(examples: CommandSpec["examples"]): string {
  const width = Math.max(...examples.map(([command]) => command.length));
  return ["", "Examples:", ...examples.map(([command, about]) => `  ${command.padEnd(width)}  ${about}`), ""].join("\n");
}
