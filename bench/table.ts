/** The measured rows as Markdown tables, aligned to be read as they are. */
import type { Line, Unit } from "./harness.ts";

const HEAD = ["what", "OmniQ", "floor", "OmniQ / floor", "target", "met"] as const;

export function tableOf(lines: readonly Line[]): string {
  return aligned(
    HEAD,
    lines.map((line) => cellsOf(line)),
  );
}

/** The rows that were measured beside other queues, a table for those who share a field; empty where there are none. */
export function peersTableOf(lines: readonly Line[]): string {
  const beside = lines.filter(({ measured }) => Object.keys(measured.peers).length > 0);
  const fields = [beside.filter(({ what }) => !onServer(what)), beside.filter(({ what }) => onServer(what))];
  return fields
    .filter((field) => field.length > 0)
    .map((field) => besideOf(field))
    .join("\n\n");
}

const onServer = (what: string): boolean => what.startsWith("PostgreSQL: ");

function besideOf(lines: readonly Line[]): string {
  const names = [...new Set(lines.flatMap(({ measured }) => Object.keys(measured.peers)))];
  const rows = lines.map(({ what, unit, measured }) => {
    const peers = names.map((name) => {
      const peer = measured.peers[name];
      return peer === undefined ? "" : `${number(peer.value, unit)} (${times(peer.ratio)} ×)`;
    });
    return [what, `${number(measured.omniq, unit)} ${unit}`].concat(peers);
  });
  return aligned(["what (OmniQ to it)", "OmniQ", ...names], rows);
}

/** Where another queue does more, or takes less, by more than the noise of the machine. */
export function behindOf(lines: readonly Line[]): string {
  const found = lines.flatMap(({ what, unit, measured }) =>
    Object.entries(measured.peers)
      .filter(([, { ratio }]) => (unit === "tasks/s" ? ratio < 0.95 : ratio > 1.05))
      .map(([name, { ratio }]) => `- ${what}: ${times(ratio)} × ${name}`),
  );
  return found.length === 0 ? "" : `Where OmniQ is behind:\n\n${found.join("\n")}`;
}

const times = (ratio: number): string => ratio.toFixed(ratio < 10 ? 2 : 0);

export function aligned(head: readonly string[], body: readonly (readonly string[])[]): string {
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
    target === undefined ? "" : target.isMet ? "yes" : "NO",
  ];
}

function number(value: number, unit: Unit): string {
  const digits = unit === "times" || (unit === "ms" && value < 20) ? 2 : unit === "%" ? 3 : unit === "MB" ? 1 : 0;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
