/** What a round of torture comes to: numbers that can be added up, and what was found to be broken. */
import type { Faults } from "./oracle.ts";

export interface Round {
  /** How often the process was killed, frozen, … */
  readonly done: number;
  /** Further numbers, by their names in the report. */
  readonly counts: Readonly<Record<string, number>>;
  /** Milliseconds from a fault until a task that it stopped ran again. */
  readonly recovery: readonly number[];
  /** By kind; empty lists where all is well. */
  readonly faults: Faults;
}

export const NO_FAULTS: Faults = { lost: [], settledTwice: [], lateAccepted: [], corrupt: [], other: [] };

export function isSound(faults: Faults): boolean {
  return Object.values(faults).every((lines: readonly string[]) => lines.length === 0);
}

export function addFaults(a: Faults, b: Faults): Faults {
  const both = (kind: keyof Faults): readonly string[] => [...new Set([...a[kind], ...b[kind]])];
  return {
    lost: both("lost"),
    settledTwice: both("settledTwice"),
    lateAccepted: both("lateAccepted"),
    corrupt: both("corrupt"),
    other: both("other"),
  };
}

export function addRounds(a: Round, b: Round): Round {
  const names = new Set([...Object.keys(a.counts), ...Object.keys(b.counts)]);
  return {
    done: a.done + b.done,
    counts: Object.fromEntries([...names].map((name) => [name, (a.counts[name] ?? 0) + (b.counts[name] ?? 0)])),
    recovery: [...a.recovery, ...b.recovery],
    faults: addFaults(a.faults, b.faults),
  };
}

export const NO_ROUND: Round = { done: 0, counts: {}, recovery: [], faults: NO_FAULTS };
