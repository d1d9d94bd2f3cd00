/** How the bench measures: OmniQ and the floor in turn, round by round in one run, and the medians of the rounds. */
import type { Durability } from "./floor.ts";
import type { Scratch } from "./scratch.ts";

/** What one round of a workload came to, by the key of its row. */
export type Values = Readonly<Record<string, number>>;

/** `tasks/s` is better the more, everything else the less. */
export type Unit = "tasks/s" | "ms" | "%" | "bytes" | "MB" | "times";

/** The medians of a row. `ratio` is OmniQ to the floor, `over` what OmniQ takes beyond it: both of each round, since the machine drifts. */
export interface Measured {
  readonly omniq: number;
  readonly floor?: number;
  readonly ratio?: number;
  readonly over?: number;
  /** Each peer, and OmniQ to it. */
  readonly peers: Readonly<Record<string, { readonly value: number; readonly ratio: number }>>;
}

export interface Target {
  readonly text: string;
  met(measured: Measured): boolean;
}

export interface Row {
  readonly key: string;
  readonly what: string;
  readonly unit: Unit;
  readonly target?: Target;
}

export interface Workload {
  /** What `--only` matches. */
  readonly name: string;
  readonly rows: readonly Row[];
  /** Rounds at most, where one is long or never varies. */
  readonly rounds?: number;
  readonly omniq: (settings: Settings) => Promise<Values>;
  readonly floor?: (settings: Settings) => Promise<Values>;
  /** Other queues at the same work. */
  readonly peers?: Readonly<Record<string, (settings: Settings) => Promise<Values>>>;
}

export interface Settings {
  readonly scratch: Scratch;
  readonly durability: Durability;
  /** A tenth of the work: to see that it runs, not to measure. */
  readonly quick: boolean;
}

export interface Line extends Omit<Row, "target"> {
  readonly measured: Measured;
  /** In words, since a line is written down. */
  readonly target?: { readonly text: string; readonly isMet: boolean };
  readonly rounds: {
    readonly omniq: readonly number[];
    readonly floor: readonly number[];
    readonly peers: Readonly<Record<string, readonly number[]>>;
  };
}

export const atLeast = (ratio: number): Target => ({
  text: `≥ ${ratio} of the floor`,
  met: (measured) => (measured.ratio ?? 0) >= ratio,
});
export const atLeastPeer = (ratio: number, peer: string): Target => ({
  text: `≥ ${ratio} × ${peer}`,
  met: ({ peers }) => (peers[peer]?.ratio ?? Number.POSITIVE_INFINITY) >= ratio,
});
export const allOf = (...targets: readonly Target[]): Target => ({
  text: targets.map(({ text }) => text).join(", "),
  met: (measured) => targets.every((target) => target.met(measured)),
});
export const atMost = (value: number, unit: Unit): Target => ({ text: `≤ ${value} ${unit}`, met: ({ omniq }) => omniq <= value });
export const atMostOver = (value: number, unit: Unit): Target => ({
  text: `≤ ${value} ${unit} over bare Node`,
  met: ({ over }) => (over ?? Number.POSITIVE_INFINITY) <= value,
});

/** Runs a workload round by round: floor, peers, OmniQ, floor, peers, OmniQ, … */
export async function measure(workload: Workload, settings: Settings, rounds: number): Promise<readonly Line[]> {
  const ours: Values[] = [];
  const floors: Values[] = [];
  const others = Object.entries(workload.peers ?? {}).map(([name, run]) => ({ name, run, values: [] as Values[] }));
  for (let round = 0; round < Math.min(rounds, workload.rounds ?? rounds); round++) {
    if (workload.floor !== undefined) floors.push(await settled(() => workload.floor?.(settings)));
    for (const { run, values } of others) values.push(await settled(() => run(settings)));
    ours.push(await settled(() => workload.omniq(settings)));
  }
  return workload.rows.map((row) => {
    const omniq = valuesOf(ours, row.key);
    const floor = valuesOf(floors, row.key);
    const peers = Object.fromEntries(others.map(({ name, values }) => [name, valuesOf(values, row.key)]));
    const measured = measuredOf(omniq, floor, peers);
    const { target, ...rest } = row;
    const line = { ...rest, measured, rounds: { omniq, floor, peers } };
    return target === undefined ? line : { ...line, target: { text: target.text, isMet: target.met(measured) } };
  });
}

/** Without the garbage of what was measured before. */
async function settled(run: () => Promise<Values> | undefined): Promise<Values> {
  globalThis.gc?.();
  return (await run()) ?? {};
}

function valuesOf(rounds: readonly Values[], key: string): readonly number[] {
  return rounds.flatMap((values) => values[key] ?? []);
}

function measuredOf(omniq: readonly number[], floor: readonly number[], others: Readonly<Record<string, readonly number[]>>): Measured {
  const each = (bare: readonly number[], of: (ours: number, bare: number) => number): number =>
    median(omniq.map((value, i) => of(value, bare[i] ?? Number.NaN)));
  const ratio = (bare: readonly number[]): number => each(bare, (a, b) => a / b);
  const peers = Object.fromEntries(Object.entries(others).map(([name, theirs]) => [name, { value: median(theirs), ratio: ratio(theirs) }]));
  if (floor.length === 0) return { omniq: median(omniq), peers };
  return { omniq: median(omniq), floor: median(floor), ratio: ratio(floor), over: each(floor, (a, b) => a - b), peers };
}

export const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The value below which so much of them lies, by nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** Tasks a second. */
export async function rate(tasks: number, work: () => unknown): Promise<number> {
  const began = performance.now();
  await work();
  return tasks / ((performance.now() - began) / 1_000);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
