/** What `omniq doctor` finds, and how it is shown. */
import type { Style, Terminal } from "../terminal.ts";
import { plain } from "../text.ts";

/** A `problem` needs somebody now; a `warning` will, or would not surprise who knows why; a `note` is worth knowing. */
export type Severity = "ok" | "note" | "warning" | "problem";

export interface Finding {
  /** A stable name, for programs: `wal`, `queues.no-worker`. */
  readonly check: string;
  readonly severity: Severity;
  readonly text: string;
  /** What helps, often a command to type. */
  readonly remedy?: string;
}

export const ok = (check: string, text: string): Finding => ({ check, severity: "ok", text });
export const note = (check: string, text: string, remedy?: string): Finding => withRemedy({ check, severity: "note", text }, remedy);
export const warning = (check: string, text: string, remedy: string): Finding => ({ check, severity: "warning", text, remedy });
export const problem = (check: string, text: string, remedy: string): Finding => ({ check, severity: "problem", text, remedy });

function withRemedy(finding: Finding, remedy: string | undefined): Finding {
  return remedy === undefined ? finding : { ...finding, remedy };
}

const MARKS: Readonly<Record<Severity, readonly [mark: string, style: Style]>> = {
  ok: ["ok", "green"],
  note: ["note", "cyan"],
  warning: ["warning", "yellow"],
  problem: ["problem", "red"],
};
const MARK_WIDTH = 9;

export function printFinding(terminal: Terminal, { severity, text, remedy }: Finding): void {
  const [mark, style] = MARKS[severity];
  terminal.line(`${terminal.paint(style, mark.padEnd(MARK_WIDTH))}${plain(text)}`);
  if (remedy !== undefined) terminal.line(`${" ".repeat(MARK_WIDTH)}${terminal.paint("dim", `→ ${plain(remedy)}`)}`);
}

export function countOf(findings: readonly Finding[], severity: Severity): number {
  return findings.filter((finding) => finding.severity === severity).length;
}
