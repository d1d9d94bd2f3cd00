/** The measured rows as Markdown tables, aligned to be read as they are. */
import type { Line, Unit } from "./harness.ts";

const HEAD = ["what", "OmniQ", "floor", "OmniQ / floor", "target", "met"] as const;

export function tableOf(lines: readonly Line[]): string {
  return aligned(
    HEAD,
    lines.map((line) => cellsOf(line)),
  );
}

/** The rows that were measured beside other queues; empty where there are none. */
export function peersTableOf(lines: readonly Line[]): string {
  const names = [...new Set(lines.flatMap(({ measured }) => Object.keys(measured.peers)))];
  if (names.length === 0) return "";
  const beside = lines.filter(({ measured }) => Object.keys(measured.peers).length > 0);
  const rows = beside.map(({ what, unit, measured }) => {
    const peers = names.map((name) => {
      const peer = measured.peers[name];
      return peer === undefined ? "" : `${number(peer.value, unit)} (${peer.ratio.toFixed(peer.ratio < 10 ? 2 : 0)} ×)`;
    });
    return [what, `${number(measured.omniq, unit)} ${unit}`].concat(peers);
  });
  return aligned(["what", "OmniQ", ...names.map((name) => `${name} (OmniQ to it)`)], rows);
}

function aligned(head: readonly string[], body: readonly (readonly string[])[]): string {
  const rows = [head, ...body];
  const widths = head.map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)));
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
  const digits = unit === "times" || (unit === "ms" && value < 20) ? 2 : unit === "%" ? 3 : unit === "MB" ? 1 : 0;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
