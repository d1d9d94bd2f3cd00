/** Two places that are given the same random commands at the same times must answer alike and hold the same. */
import type { StoredTask } from "../../core/task.ts";
import { TestClock } from "../clock.ts";
import { everything, findAll, workerRow } from "./bench.ts";
import type { Expect, Open, Tools } from "./bench.ts";
import { throwCommand } from "./commands.ts";
import { Dice } from "./dice.ts";
import { Throws } from "./throws.ts";
import type { Place } from "./throws.ts";

export interface EquivalenceOptions {
  /** What is tested, as the report names it. */
  readonly name: string;
  readonly open: Open;
  /** What it is compared with: `ModelBackend`. */
  readonly model: Open;
  /** A sequence of commands each. */
  readonly seeds: readonly number[];
  /** Commands of a sequence; at most 200, so that all events can be compared. */
  readonly steps: number;
  readonly tools: Tools;
}

/** Runs random commands on a backend and on the model, and compares answers and state after each: a test a seed. */
export function equivalence({ name, open, model, seeds, steps, tools }: EquivalenceOptions): void {
  tools.describe(`${name} is equivalent to the model`, () => {
    for (const seed of seeds) {
      tools.test(`seed ${seed}, ${steps} steps`, async () => {
        await compare({ open, model, seed, steps, expect: tools.expect });
      });
    }
  });
}

interface Comparison {
  readonly open: Open;
  readonly model: Open;
  readonly seed: number;
  readonly steps: number;
  readonly expect: Expect;
}

export async function compare({ open, model, seed, steps, expect }: Comparison): Promise<void> {
  const tested = await settle(open);
  const oracle = await settle(model);
  const throws = new Throws(new Dice(seed));
  const fences = new Map<string, number>();
  try {
    for (let step = 1; step <= steps; step++) {
      const command = throwCommand(throws);
      const at = `seed ${seed}, step ${step}: ${command.what}`;
      const wanted = await outcomeOf(() => command.run(oracle));
      expect({ at, answer: await outcomeOf(() => command.run(tested)) }, at).toEqual({ at, answer: wanted });
      expect({ at, ...(await everything(tested.backend, throws.ids)) }, at).toEqual({
        at,
        ...(await everything(oracle.backend, throws.ids)),
      });
      expect(broken(await findAll(tested.backend, { limit: 1_000 }), fences), `${at}: rules that do not hold`).toEqual([]);
    }
  } finally {
    await tested.backend.close();
    await oracle.backend.close();
  }
}

async function settle(open: Open): Promise<Place> {
  const clock = new TestClock();
  const backend = await open(clock);
  await backend.open();
  for (const worker of ["w1", "w2", "w3"]) await backend.presence.arrive(workerRow(worker));
  return { backend, clock, claims: [], cursor: undefined };
}

/** The answer without what each backend counts or words in its own way, or the code of the error. */
export async function outcomeOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return plain(await call());
  } catch (error) {
    if (error instanceof Error && "code" in error) return { failed: error.code };
    throw error;
  }
}

/** What each backend counts or words in its own way. */
const OWN = new Set(["revision", "detail", "beat"]);

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => plain(item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([key, item]) => (OWN.has(key) ? [] : [[key, plain(item)]])));
}

/** What must hold of every task after every command. */
const RULES: Readonly<Record<string, (task: StoredTask) => boolean>> = {
  "phase running, status running and a start go together": ({ phase, status, worker, startedAt }) =>
    (phase === "running") === (status === "running") && (phase !== "running" || (worker !== undefined && startedAt !== undefined)),
  "only what runs or waits to be ended is held": ({ worker, phase, mark }) =>
    worker === undefined || phase === "running" || mark !== undefined,
  "what has ended has its time, and nothing is left to do": (task) =>
    !hasEnded(task) ||
    (task.completedAt !== undefined && task.worker === undefined && task.nextRetryAt === undefined && task.openParents === 0),
  "what has not ended has no such time": (task) => hasEnded(task) || task.completedAt === undefined,
  "blocked means open parents": ({ phase, openParents }) => phase !== "blocked" || openParents > 0,
  "open parents mean blocked or marked": ({ phase, openParents, mark }) => openParents === 0 || phase === "blocked" || mark !== undefined,
  "failed but not ended means that a retry is due": (task) => task.status !== "failed" || hasEnded(task) || task.nextRetryAt === task.dueAt,
  "pending means that no retry is due": ({ status, nextRetryAt }) => status !== "pending" || nextRetryAt === undefined,
  "counts are not negative": ({ attempt, retryCount, crashCount, openParents }) =>
    Math.min(attempt, retryCount, crashCount, openParents) >= 0,
};

function hasEnded({ status, phase, mark }: StoredTask): boolean {
  return mark === undefined && status === phase && status !== "running";
}

function broken(tasks: readonly StoredTask[], fences: Map<string, number>): readonly string[] {
  return tasks.flatMap((task) => {
    const before = fences.get(task.id) ?? 0;
    fences.set(task.id, Math.max(before, task.fence));
    const rules = Object.entries(RULES).flatMap(([rule, holds]) => (holds(task) ? [] : [`${task.id}: ${rule}`]));
    // A new row under an id that was used before has none until it is claimed.
    return task.fence > 0 && task.fence < before ? [...rules, `${task.id}: a fence never falls`] : rules;
  });
}
