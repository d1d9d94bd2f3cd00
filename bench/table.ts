/** The measured rows as a Markdown table, aligned to be read as it is. */
import type { Line, Unit } from "./harness.ts";

const HEAD = ["what", "OmniQ", "floor", "OmniQ / floor", "target", "met"] as const;

export function tableOf(lines: readonly Line[]): string {
  const rows = [HEAD, ...lines.map((line) => cellsOf(line))];
  const widths = HEAD.map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)));
  const text = rows.map(
    (row) => `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(" | ")} |`,
  );
  const rule = `| ${widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  return [text[0], rule, ...text.slice(1)].join("\n");
}

function cellsOf({ what, unit, target, measured }: Line): readonly string[] {
  const { omniq, floor, ratio } = measured;
  return [
    what,
    `${number(omniq, unit)} ${unit}`,
    floor === undefined ? "" : `${number(floor, unit)} ${unit}`,
    ratio === undefined ? "" : ratio.toFixed(2),
    target?.text ?? "",
    target === undefined ? "" : target.met(measured) ? "yes" : "NO",
  ];
}

function number(value: number, unit: Unit): string {
  const digits = unit === "ms" && value < 20 ? 2 : unit === "%" ? 3 : unit === "MB" ? 1 : 0;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
