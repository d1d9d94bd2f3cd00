/** The page docs/reference/cli.md, from the command table. `--check` only says whether it is current. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { CommandSpec, OptionSpec } from "../src/cli/command.ts";
import { COMMANDS, GROUPS } from "../src/cli/commands.ts";
import { COMMON, DATABASE } from "../src/cli/options.ts";

const PAGE = new URL("../docs/reference/cli.md", import.meta.url);

/** The page as it should be now. */
export function cliPage(): string {
  const groups = [...new Set(COMMANDS.map(({ name }) => groupOf(name)))];
  return `${[INTRO, contents(groups), common(), ...groups.map((group) => partOf(group))].join("\n\n")}\n`;
}

const INTRO = `# The command line

<!-- made by scripts/docs-cli.ts from the command table; do not edit -->

\`omniq\` comes with the package: \`npx omniq --help\`. A command that looks at a database never makes or changes one that is not there or is
not ours; the error says where it looked, and what it found instead.

- **Output.** The answer goes to standard output, all else to standard error. \`--json\` answers JSON: one value, or one value a line for lists and
  streams (NDJSON). Tables are cut to the width of a terminal and never elsewhere. Colours follow \`NO_COLOR\`, \`FORCE_COLOR\` and \`TERM=dumb\`.
- **Data is no code.** Control characters in ids, names, errors and results are shown escaped.
- **Questions.** What changes many tasks at once says how many and asks. Without a terminal it does nothing and ends with 2, unless \`--yes\` is given;
  \`--dry-run\` only tells.
- **Times** are \`2026-12-31\` or \`2026-12-31T23:59:59Z\`; without a zone they are those of this machine. Where a time has passed, \`90m\` or \`7d\` means so
  long ago. **Durations** are milliseconds or text such as \`5s\`, \`1h30m\`, \`7d\`.
- **Interrupted.** Ctrl-C or SIGTERM ends what runs in order, with 130; a second one ends it at once. \`worker\` and \`dev\` end with 0 at the first:
  to be asked is how they end. \`backup\` ends by SIGINT itself, which is 130 to a shell. A reader that leaves early (\`| head\`) is no error.

| exit code | means |
| --- | --- |
| 0 | done |
| 1 | failed, or what was asked for is not there |
| 2 | used wrongly; nothing was done |
| 130 | interrupted |`;

function contents(groups: readonly string[]): string {
  const rows = groups
    .flatMap((group) => commandsOf(group))
    .map(({ name, about }) => `| [\`omniq ${name}\`](#${anchorOf(name)}) | ${cell(about)} |`);
  return ["| command | what it does |", "| --- | --- |", ...rows].join("\n");
}

const common = (): string => `## Common options

Every command takes these:

${table(COMMON)}

Every command that reads a database also takes these; without them the \`OMNIQ_…\` variables say which:

${table(DATABASE)}`;

const groupOf = (name: string): string => name.split(" ")[0] ?? name;
const commandsOf = (group: string): readonly CommandSpec[] => COMMANDS.filter(({ name }) => groupOf(name) === group);
const anchorOf = (name: string): string => `omniq-${name.replaceAll(" ", "-")}`;
/** What would otherwise be markup. */
const cell = (text: string): string => text.replaceAll(/[|<*]/g, String.raw`\$&`);

function partOf(group: string): string {
  const commands = commandsOf(group);
  const intro = commands.some(({ name }) => name.includes(" ")) ? [`## omniq ${group}\n\n${sentence(GROUPS[group] ?? "")}`] : [];
  return [...intro, ...commands.map((spec) => commandPart(spec, intro.length > 0 ? "###" : "##"))].join("\n\n");
}

function commandPart({ name, about, arguments: args = [], options = [], database, examples }: CommandSpec, heading: string): string {
  const usage = ["omniq", name, ...args.map((each) => each.name), "[options]"].join(" ");
  const width = Math.max(...examples.map(([command]) => command.length));
  return [
    `${heading} omniq ${name}`,
    sentence(about),
    `\`\`\`text\n${usage}\n\`\`\``,
    ...(args.length === 0 ? [] : [argumentTable(args)]),
    ...(options.length === 0 ? [] : [table(options)]),
    `Also the [common options](#common-options)${database ? ", with those that say which database" : ""}.`,
    `\`\`\`sh\n${examples.map(([command, what]) => `${command.padEnd(width)}  # ${what}`).join("\n")}\n\`\`\``,
  ].join("\n\n");
}

function argumentTable(args: NonNullable<CommandSpec["arguments"]>): string {
  const rows = args.map(({ name, about, choices }) => `| \`${name}\` | ${cell(about)}${choiceText(choices)} |`);
  return ["| argument | what it is |", "| --- | --- |", ...rows].join("\n");
}

function table(options: readonly OptionSpec[]): string {
  const rows = options.map(({ flags, about, choices, default: initial }) => {
    const standard = initial === undefined ? "" : ` (default: ${initial})`;
    return `| \`${flags}\` | ${cell(about)}${choiceText(choices)}${standard} |`;
  });
  return ["| option | what it does |", "| --- | --- |", ...rows].join("\n");
}

function choiceText(choices: readonly string[] | undefined): string {
  return choices === undefined ? "" : `: ${choices.map((choice) => `\`${choice}\``).join(", ")}`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wanted = cliPage();
  if (!process.argv.includes("--check")) writeFileSync(PAGE, wanted);
  else if (readFileSync(PAGE, "utf8") !== wanted) {
    process.stderr.write("docs/reference/cli.md is not current: run `node scripts/docs-cli.ts`\n");
    process.exitCode = 1;
  }
}
