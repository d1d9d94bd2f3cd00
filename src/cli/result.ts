/** A result for people: the value, or the error with its stack. */
import type { TaskResult } from "../index.ts";
import type { Terminal } from "./terminal.ts";
import { count, cut, jsonLines, plain, plainLines, wrapped } from "./text.ts";

/** Lines of a result or a stack that are shown; `--json` shows all. */
const LINES = 40;
const READABLE = 120;

export function printResult(terminal: Terminal, result: TaskResult): void {
  if (result.status === "failed") {
    for (const line of wrapped(plain(result.error ?? "failed"), terminal.width)) terminal.line(terminal.paint(["red", "bold"], line));
    // Its first line is the message again.
    for (const line of plainLines(result.errorTraceback ?? "").slice(1, LINES))
      terminal.line(terminal.paint("dim", cut(line, terminal.width)));
    return;
  }
  terminal.line(terminal.paint("dim", "result"));
  const lines = jsonLines(result.toJSON()["result"] ?? null, Math.min(terminal.width, READABLE) - 2);
  for (const line of lines.slice(0, LINES)) terminal.line(`  ${cut(line, terminal.width - 2)}`);
  if (lines.length > LINES) terminal.line(terminal.paint("dim", `  … ${count(lines.length - LINES, "more line")}; --json shows all`));
}
