/** The command line: from the arguments to an exit code. Whatever goes wrong comes to people as one sentence, never as a stack. */
import { CommanderError } from "commander";
import { withoutSecrets } from "../config/url.ts";
import { InvalidOptionError, OmniQError } from "../core/errors.ts";
import { EXIT, UsageError } from "./command.ts";
import type { CommandSpec, ExitCode, Run } from "./command.ts";
import { messageOf } from "./flag-names.ts";
import { Interrupted } from "./interrupt.ts";
import { ownVersion } from "./own-package.ts";
import { parse } from "./program.ts";
import { Terminal } from "./terminal.ts";
import { systemSentence } from "./system-error.ts";
import { plain, plainLines } from "./text.ts";
import { uncaught } from "./user-code.ts";

/** Runs one command and sets the exit code of the process. @param as instead of what the command does. */
export async function main(argv: readonly string[], as?: Run): Promise<void> {
  const terminal = new Terminal(process);
  process.on("uncaughtException", (error, origin) => {
    // Nothing is known of what still runs.
    process.exit(complain(terminal, uncaught(error, origin), argv));
  });
  // Reached only where nothing is left to wait for: a module of the user's whose promise never settles must not look like success.
  const stuck = (): void => {
    terminal.note(`${terminal.paintNote(["red", "bold"], "error:")} It waits for a promise that nothing will settle any more.`);
    process.exitCode = EXIT.failed;
  };
  process.once("beforeExit", stuck);
  process.exitCode = await execute(argv, terminal, as);
  process.off("beforeExit", stuck);
}

/**
 * Runs one command and answers its exit code.
 * @param as instead of what the command does.
 */
export async function execute(argv: readonly string[], terminal: Terminal, as?: Run): Promise<ExitCode> {
  let spec: CommandSpec | undefined;
  try {
    const asked = parse(argv, ownVersion(), terminal);
    spec = asked?.spec;
    if (asked === undefined) return EXIT.fine;
    const run = as ?? (await asked.spec.load()).run;
    return await run(asked.given, terminal);
  } catch (error) {
    return complain(terminal, error, argv, spec);
  }
}

/** Says what went wrong, and answers the exit code for it. */
function complain(terminal: Terminal, error: unknown, argv: readonly string[], spec?: CommandSpec): ExitCode {
  // The parser has said it already; help and version come this way, too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.misused;
  if (error instanceof Interrupted) return EXIT.interrupted;
  const system = systemSentence(error);
  const message = system ?? (error instanceof Error ? messageOf(error, spec) : String(error));
  const code = error instanceof OmniQError ? ` (${error.code})` : "";
  terminal.note(`${terminal.paintNote(["red", "bold"], "error:")} ${plain(withoutSecrets(message))}${code}`);
  if (argv.includes("--debug") && error instanceof Error)
    for (const line of plainLines(withoutSecrets(stackOf(error)))) terminal.note(line);
  else if (!(system !== undefined || error instanceof OmniQError || error instanceof UsageError))
    terminal.note("This was not foreseen; --debug shows where it happened.");
  return error instanceof UsageError || error instanceof InvalidOptionError ? EXIT.misused : EXIT.failed;
}

function stackOf(error: Error): string {
  const stack = error.stack ?? "";
  return error.cause instanceof Error ? `${stack}\ncaused by ${stackOf(error.cause)}` : stack;
}
