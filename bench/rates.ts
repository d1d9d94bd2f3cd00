/** Tasks a second: enqueue and drain, on both engines and beside the queues that people use there. */
import { rate } from "./harness.ts";
import type { Row, Settings, Target, Workload } from "./harness.ts";
import { raced, withQueue } from "./queue.ts";
import type { Contender, Field } from "./queue.ts";

interface Enqueue {
  readonly tasks: number;
  /** How many share one call or one moment. */
  readonly together: number;
  readonly inOne: boolean;
}

/** By what `await` waits for: each task, a `Promise.all` of 100, one call for 1,000. */
const ENQUEUES = {
  "one by one": { tasks: 2_000, together: 1, inOne: false },
  "100 concurrent": { tasks: 20_000, together: 100, inOne: false },
  "enqueueMany of 1,000": { tasks: 20_000, together: 1_000, inOne: true },
} as const satisfies Readonly<Record<string, Enqueue>>;
const SLOTS = [1, 10, 100] as const;

export type How = keyof typeof ENQUEUES;
/** What is to be reached, by how it is enqueued and by how many slots drain. */
export type Targets = Readonly<Partial<Record<How | (typeof SLOTS)[number], Target>>>;

/** A slow peer's part, in whole sets where there are sets. */
export function shareOf({ share = 1 }: Contender, tasks: number, { quick }: Settings, together = 1): number {
  return Math.max(together, Math.round((tasks * share) / (quick ? 10 : 1) / together) * together);
}

const rowOf = (what: string, target: Target | undefined): Row =>
  target === undefined ? { key: "rate", what, unit: "tasks/s" } : { key: "rate", what, unit: "tasks/s", target };

/** What stands before the names of the workloads and rows of a field. */
export interface Of {
  readonly name: string;
  readonly what: string;
}

export function ratesOf(field: Field, of: Of, targets: Targets): readonly Workload[] {
  const enqueues = Object.entries(ENQUEUES).map(([how, { tasks, together, inOne }]) =>
    raced(
      field,
      {
        name: `${of.name}enqueue ${how}`,
        rows: [rowOf(`${of.what}enqueue, ${how}`, targets[how as How])],
        needs: inOne ? ["set"] : [],
      },
      (contender, settings) =>
        withQueue(contender, settings, async (queue) => {
          const count = shareOf(contender, tasks, settings, together);
          return { rate: await rate(count, () => queue.enqueue(count, together, inOne)) };
        }),
    ),
  );
  return [...enqueues, ...SLOTS.map((slots) => drainOf(field, of, slots, targets[slots]))];
}

/** @param how what is special about it: it stands behind the names. */
export function drainOf(field: Field, of: Of, slots: number, target: Target | undefined, how = ""): Workload {
  const base = {
    name: `${of.name}drain ${slots}${how}`,
    rows: [rowOf(`${of.what}drain, ${slots} slot${slots === 1 ? "" : "s"}${how}`, target)],
    needs: slots === 1 ? (["drain", "drain at 1 slot"] as const) : (["drain"] as const),
  };
  return raced(field, base, (contender, settings) =>
    withQueue(contender, settings, async (queue) => {
      const count = shareOf(contender, slots === 1 ? 5_000 : 20_000, settings);
      await fill(contender, queue, count);
      return { rate: await rate(count, () => queue.drain(slots, count)) };
    }),
  );
}

/** Puts so many tasks there by the fastest call that the queue has. */
export async function fill({ without = [] }: Contender, queue: Awaited<ReturnType<Contender["open"]>>, count: number): Promise<void> {
  const sets = !without.includes("set");
  await queue.enqueue(count, Math.min(count, sets ? 1_000 : 100), sets);
}
