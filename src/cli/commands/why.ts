/** `omniq why`: the sentence, and what it is made of. */
import type { Why } from "../../index.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { printFields } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { jsonLine, plain, time, wrapped } from "../text.ts";

export const run: Run = (given, terminal) =>
  withDatabase(given, terminal, async (omniq) => {
    const why = await omniq.tasks.why(given.argument(0) ?? "");
    if (given.flag("json")) terminal.json(why);
    else if (why.reason === "missing") terminal.note(plain(why.text));
    else print(terminal, why);
    return why.reason === "missing" ? EXIT.failed : EXIT.fine;
  });

function print(terminal: Terminal, why: Why): void {
  for (const line of wrapped(plain(why.text), terminal.width)) terminal.line(line);
  terminal.line();
  const details = Object.entries(why.details).map(([name, value]) => [words(name), readable(value)] as const);
  printFields(terminal, [["phase", why.phase], ["reason", why.reason], ...details]);
}

/** `openParents` as `open parents`. */
function words(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function readable(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (value instanceof Date) return time(value);
  return typeof value === "string" ? value : jsonLine(value);
}
