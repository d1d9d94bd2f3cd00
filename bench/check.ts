/** Whether a run is worse than the committed one: by ratios only, which drift less than a machine does. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Line } from "./harness.ts";
import { ROOT } from "./scratch.ts";

/** A ratio may be so much worse before it counts: the same run twice differed by up to a fifth. */
export const TOLERANCE = 0.3;

/** What a run wrote with `--json`. */
export interface Run {
  readonly where: string;
  readonly command: string;
  /** What each peer keeps and promises. */
  readonly notes: Readonly<Record<string, string>>;
  readonly lines: readonly Line[];
}

export interface Compared {
  readonly what: string;
  readonly before: number;
  readonly now: number;
  readonly isWorse: boolean;
}

export const COMMITTED = join(ROOT, "docs/bench");

/** In the order of their names: those of `full` first. */
export function committedRuns(): readonly Run[] {
  return readdirSync(COMMITTED)
    .filter((name) => name.endsWith(".json"))
    .toSorted((a, b) => a.localeCompare(b))
    .map((name) => JSON.parse(readFileSync(join(COMMITTED, name), "utf8")) as Run);
}

/** The committed lines by what they measure; of two the first. */
export function committed(): ReadonlyMap<string, Line> {
  const lines = committedRuns().flatMap((run) => run.lines);
  return new Map(lines.toReversed().map((line) => [line.what, line]));
}

/** Each row that has a ratio to the floor, or is one itself, in both runs. */
export function compare(lines: readonly Line[], before: ReadonlyMap<string, Line>): readonly Compared[] {
  return lines.flatMap((line) => {
    const [old, now] = [ratioOf(before.get(line.what)), ratioOf(line)];
    if (old === undefined || now === undefined) return [];
    // More is better of a rate, less of everything else. Beside a backlog nothing can be faster than without one but by chance.
    const worse = line.unit === "tasks/s" ? old / now : now / (line.unit === "times" ? Math.max(old, 1) : old);
    return [{ what: line.what, before: old, now, isWorse: worse > 1 + TOLERANCE }];
  });
}

function ratioOf(line: Line | undefined): number | undefined {
  return line?.unit === "times" ? line.measured.omniq : line?.measured.ratio;
}
