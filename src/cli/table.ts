/** Tables: as wide as the terminal at most, with the long values of the columns that can bear it cut. */
import type { Style, Terminal } from "./terminal.ts";
import { cut, cutStart, plain, widthOf } from "./text.ts";

export interface Column {
  readonly head: string;
  /** Numbers stand at the right. */
  readonly align?: "left" | "right";
  /** What is cut when the table is too wide: the end of a value, or its start. A column without it keeps its width. */
  readonly cut?: "end" | "start";
  readonly style?: (value: string) => Style | undefined;
}
/** Cells are text as it comes from the data: control characters are shown escaped. */
export type Rows = readonly (readonly string[])[];

const GAP = 2;
/** A column that is cut keeps at least so much. */
const LEAST = 8;

/** Prints a table; without rows only its heads. */
export async function printTable(terminal: Terminal, columns: readonly Column[], rows: Rows): Promise<void> {
  const { default: CliTable } = await import("cli-table3");
  const cells = rows.map((row) => row.map((cell) => plain(cell)));
  const widths = fit(columns, cells, terminal.width);
  const table = new CliTable({
    head: columns.map(({ head }, i) => terminal.paint("bold", cut(head, widths[i] ?? 0))),
    colWidths: [...widths],
    colAligns: columns.map(({ align }) => align ?? "left"),
    style: { head: [], border: [], compact: true, "padding-left": 0, "padding-right": 0 },
    chars: frame(terminal),
  });
  for (const row of cells) table.push(row.map((cell, i) => painted(terminal, columns[i], cell, widths[i] ?? 0)));
  for (const line of table.toString().split("\n")) terminal.line(line.trimEnd());
}

/** The same for a view that is drawn over: no rule, the heads dim, and never wider than `total`: what finds no room at the right is left out. */
export function tableLines(terminal: Terminal, all: readonly Column[], rows: Rows, total: number): readonly string[] {
  const cells = rows.map((row) => row.map((cell) => plain(cell)));
  let columns = all;
  let widths = fit(columns, cells, total);
  while (columns.length > 1 && widths.reduce((sum, width) => sum + width + GAP, -GAP) > total) {
    columns = columns.slice(0, -1);
    widths = fit(columns, cells, total);
  }
  const lineOf = (paint: (i: number) => string, width: (i: number) => number): string =>
    columns
      .map(({ align }, i) => {
        const space = " ".repeat(Math.max(0, (widths[i] ?? 0) - width(i)));
        return align === "right" ? `${space}${paint(i)}` : `${paint(i)}${space}`;
      })
      .join(" ".repeat(GAP));
  const heads = lineOf(
    (i) => terminal.paint(i === 0 ? "bold" : "dim", cut(columns[i]?.head ?? "", widths[i] ?? 0)),
    (i) => Math.min(widthOf(columns[i]?.head ?? ""), widths[i] ?? 0),
  );
  const body = cells.map((row) =>
    lineOf(
      (i) => painted(terminal, columns[i], row[i] ?? "", widths[i] ?? 0),
      (i) => Math.min(widthOf(row[i] ?? ""), widths[i] ?? 0),
    ),
  );
  return [heads, ...body].map((line) => line.trimEnd());
}

/** A rule under the heads for people, nothing but the columns for programs. */
function frame(terminal: Terminal): Record<string, string> {
  const none = ["top", "bottom", "left", "right", "left-mid", "right-mid", "top-left", "top-right", "top-mid"];
  const rule = terminal.isInteractive ? terminal.paint("dim", "─") : "";
  return {
    ...Object.fromEntries([...none, "bottom-left", "bottom-right", "bottom-mid"].map((name) => [name, ""])),
    mid: rule,
    "mid-mid": rule.repeat(GAP),
    middle: " ".repeat(GAP),
  };
}

function painted(terminal: Terminal, column: Column | undefined, cell: string, width: number): string {
  const text = column?.cut === "start" ? cutStart(cell, width) : cut(cell, width);
  const style = column?.style?.(cell);
  return style === undefined ? text : terminal.paint(style, text);
}

/** The width of each column: its longest value; where that is too much, the widest of those that may be cut give way first. */
function fit(columns: readonly Column[], rows: Rows, total: number): readonly number[] {
  const widths = columns.map(({ head }, i) => Math.max(widthOf(head), 1, ...rows.map((row) => widthOf(row[i] ?? ""))));
  let over = widths.reduce((sum, width) => sum + width + GAP, -GAP) - total;
  while (over > 0) {
    const [widest] = columns
      .flatMap((column, i) => (column.cut === undefined || (widths[i] ?? 0) <= LEAST ? [] : [i]))
      .toSorted((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0));
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    over--;
  }
  return widths;
}

/** Prints names with their values, one a line. */
export function printFields(terminal: Terminal, fields: readonly (readonly [name: string, value: string | undefined])[]): void {
  const given = fields.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  const width = Math.max(0, ...given.map(([name]) => name.length));
  for (const [name, value] of given) {
    const room = terminal.width - width - GAP;
    terminal.line(`${terminal.paint("dim", name.padEnd(width))}${" ".repeat(GAP)}${cut(plain(value), Math.max(room, LEAST))}`);
  }
}
