/** The figures of a campaign, as they stand in docs/reliability.md. */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { number } from "../../src/cli/text.ts";
import type { Saved } from "./campaign.ts";
import type { Round } from "./round.ts";

const [BEGIN, END] = ["<!-- torture: begin -->", "<!-- torture: end -->"] as const;

/** What is counted of each kind, in the order of the page. */
const NAMES: Readonly<Record<string, string>> = {
  kills: "`kill -9`",
  "kills on PostgreSQL": "`kill -9`, on PostgreSQL (`--postgres`)",
  freezes: "`SIGSTOP` past the lease",
  "freezes on PostgreSQL": "`SIGSTOP` past the lease, on PostgreSQL (`--postgres`)",
  power: "power-loss states",
  contention: "contention: tasks",
};

function recoveryOf({ recovery }: Round): string {
  const sorted = recovery.toSorted((a, b) => a - b);
  const [half, last] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  return half === undefined || last === undefined ? "" : `${(half / 1_000).toFixed(1)} s / ${(last / 1_000).toFixed(1)} s`;
}

/** How many of each kind; a share or a time is no number to be grouped. */
function countsOf({ counts }: Round): string {
  const told = Object.entries(counts).toSorted(([a], [b]) => a.localeCompare(b));
  return told.map(([name, count]) => `${name}: ${Number.isInteger(count) ? number(count) : count.toFixed(2)}`).join(" · ");
}

export function tableOf(saved: Saved, targets: Readonly<Record<string, number>>): string {
  const rows = Object.entries(NAMES).flatMap(([key, name]) => {
    const total = saved[key]?.total;
    if (total === undefined) return [];
    const { lost, settledTwice, lateAccepted, corrupt, other } = total.faults;
    const of = targets[key.split(" ")[0] ?? ""] ?? 0;
    const done = total.done < of ? `${number(total.done)} of ${number(of)}` : number(total.done);
    const broken = [lost, settledTwice, lateAccepted, corrupt, other].map((faults) => number(faults.length));
    return [`| ${[name, done, ...broken, recoveryOf(total)].join(" | ")} |`];
  });
  const head = "| torture | done | lost | settled twice | late accepted | corrupt | else wrong | recovery p50 / max |";
  const more = Object.entries(NAMES).flatMap(([key, name]) => {
    const total = saved[key]?.total;
    return total === undefined ? [] : [`- ${name}: ${countsOf(total)}.`];
  });
  return [head, `|${" --- |".repeat(8)}`, ...rows, "", ...more].join("\n");
}

/** Puts the figures between the marks of the page. */
export function writeReport(page: string, table: string, command: string): void {
  const text = readFileSync(page, "utf8");
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`Expected ${BEGIN} and ${END} in ${page}`);
  const machine = `Node ${process.versions.node}, SQLite ${process.versions["sqlite"] ?? "?"}, ${process.platform}, ${cpus().length} cores`;
  const when = new Date().toISOString().slice(0, 10);
  writeFileSync(page, `${before}${BEGIN}\n${when}, ${machine}: \`${command}\`\n\n${table}\n${END}${after}`);
}
