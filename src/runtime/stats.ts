/** The whole in numbers, and cleaning up all that is past its time. */
import type { ResultStats, SweepAsk } from "../core/backend.ts";
import { refuseUnknown } from "../core/nearest.ts";
import { PHASES } from "../core/task.ts";
import type { Final, Phase } from "../core/task.ts";
import { COUNTED } from "./queues-desk.ts";
import type { Shared } from "./shared.ts";

export interface Stats {
  /** Tasks by phase, each counted up to 10,000 a queue. */
  readonly tasks: Readonly<Record<Phase, number>>;
  /** What has not ended, by queue. */
  readonly queues: Readonly<Record<string, Readonly<Partial<Record<Phase, number>>>>>;
  /** Whether counting stopped at the bound somewhere: the numbers are at least these. */
  readonly more: boolean;
  /** The newest 10,000 are counted. */
  readonly results: ResultStats;
  /** The newest 10,000 are counted; `oldest` and `newest` are those of all. */
  readonly events: {
    readonly total: number;
    readonly byType: Readonly<Record<string, number>>;
    readonly oldest: Date | undefined;
    readonly newest: Date | undefined;
    /** Whether there are more than were counted. */
    readonly more: boolean;
  };
}

/** How many were taken away. */
export interface CleanedUp {
  /** Ended tasks, with their results, by how they ended. */
  readonly tasks: Readonly<Record<Final, number>>;
  /** Results past their TTL. */
  readonly results: number;
  readonly events: number;
}

export async function statsOf(shared: Shared): Promise<Stats> {
  return shared.access.use(async ({ main, results, events }) => {
    const counts = await main.desk.count(COUNTED);
    const tasks: Record<Phase, number> = Object.assign({}, ...PHASES.map((phase) => ({ [phase]: 0 })));
    const queues = new Map<string, Partial<Record<Phase, number>>>();
    for (const { phase, queue, tasks: count } of counts) {
      tasks[phase] += count;
      if (queue !== undefined) queues.set(queue, { ...queues.get(queue), [phase]: count });
    }
    const { oldest, newest, ...counted } = await events.events.stats(COUNTED);
    return {
      tasks,
      queues: Object.fromEntries(queues),
      more: counts.some((count) => count.more),
      results: await results.results.stats(COUNTED),
      events: {
        ...counted,
        oldest: oldest === undefined ? undefined : new Date(oldest),
        newest: newest === undefined ? undefined : new Date(newest),
      },
    };
  });
}

export interface CleanupOptions {
  /** Told after each batch what has been taken away so far. What it throws ends the cleanup, and is what it rejects with. */
  readonly onProgress?: ((soFar: CleanedUp) => void) | undefined;
}

/** In small batches, between which others get their turn, until nothing is left. */
export async function cleanUp(shared: Shared, sweeps: readonly SweepAsk[], options: CleanupOptions): Promise<CleanedUp> {
  refuseUnknown(options, ["onProgress"], "cleanup()");
  const tasks = { completed: 0, failed: 0, cancelled: 0, expired: 0 };
  const others = { results: 0, events: 0, workers: 0, occurrences: 0 };
  await shared.access.use(async (stores) => {
    for (const ask of sweeps) {
      let more = true;
      while (more && !shared.access.closed) {
        const swept = await stores.sweep(ask);
        if (ask.what === "tasks") tasks[ask.status] += swept.removed;
        else others[ask.what] += swept.removed;
        ({ more } = swept);
        options.onProgress?.({ tasks: { ...tasks }, results: others.results, events: others.events });
      }
    }
  });
  return { tasks, results: others.results, events: others.events };
}
