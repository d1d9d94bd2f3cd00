/** Queues and the workers that serve them. */
import type { WorkerRow } from "../core/backend.ts";
import type { Ms } from "../core/record.ts";
import type { Phase } from "../core/task.ts";
import { TaskQueue } from "../components/task-queue.ts";
import { queueName } from "./defaults.ts";
import { lifeOf } from "./life.ts";
import type { Life } from "./life.ts";
import type { Shared } from "./shared.ts";

/** A queue that is or was paused, or has tasks that have not ended. */
export interface QueueInfo {
  readonly name: string;
  readonly paused: boolean;
  readonly pausedAt: Date | undefined;
  /** Tasks that have not ended, by phase, each counted up to 10,000. */
  readonly tasks: Readonly<Partial<Record<Phase, number>>>;
  /** Since when the first of its ready tasks waits; absent where none does. Behind 10,000 it may be older still. */
  readonly readySince: Date | undefined;
}

export interface WorkerInfo {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly queues: readonly string[];
  /** The names of the tasks that it can run, aliases too. */
  readonly tasks: readonly string[];
  readonly concurrency: number;
  readonly startedAt: Date;
  readonly seenAt: Date;
  /** Whether it was seen within its lease, and its process has not certainly ended. */
  readonly alive: boolean;
  /** Whether this machine knows that its process has ended: then it is not alive, however recently it was seen. */
  readonly gone: boolean;
}

/** Tasks of a phase are counted up to here. */
export const COUNTED = 10_000;
const WORKERS = 1_000;

export class QueuesDesk {
  readonly #shared: Shared;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** At most 1,000. */
  async list(): Promise<readonly QueueInfo[]> {
    return this.#shared.access.use(async ({ main }) => {
      const rows = await main.desk.queues();
      const counts = await main.desk.count(COUNTED);
      return rows.map(({ name, pausedAt }) => {
        const own = counts.filter((count) => count.queue === name);
        return {
          name,
          paused: pausedAt !== undefined,
          pausedAt: maybeDate(pausedAt),
          tasks: Object.fromEntries(own.map(({ phase, tasks }) => [phase, tasks])),
          readySince: maybeDate(own.find(({ phase }) => phase === "ready")?.since),
        };
      });
    });
  }

  /** No worker takes a task of it any more; what runs goes on. */
  async pause(name: string): Promise<void> {
    await this.#setPaused(name, true);
  }

  async resume(name: string): Promise<void> {
    await this.#setPaused(name, false);
  }

  /**
   * Deletes what waits in a queue and answers how many; what runs or has ended stays, and so does a task on which one in another
   * queue waits.
   */
  async clear(name: string): Promise<number> {
    queueName(name, "name");
    const { clock, random, newId } = this.#shared;
    return this.#shared.access.use(({ main }) => new TaskQueue({ backend: main, queues: [name], clock, random, newId }).clear());
  }

  async #setPaused(name: string, paused: boolean): Promise<void> {
    queueName(name, "name");
    await this.#shared.access.use(({ main }) => main.desk.setPaused(name, paused));
  }
}

export class WorkersDesk {
  readonly #shared: Shared;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** Those that are known, also the silent ones until they are swept, in the order that they came; at most 1,000, those last seen. */
  async list(): Promise<readonly WorkerInfo[]> {
    return this.#shared.access.use(async ({ main }) => {
      const now = await main.now();
      const rows = await main.presence.workers(WORKERS);
      const workers = rows.filter((row) => row.role === "worker").toSorted((a, b) => a.arrivedAt - b.arrivedAt);
      return workers.map((row) => infoOf(row, lifeOf(row, now, this.#shared.isGone)));
    });
  }
}

function maybeDate(ms: Ms | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}

function infoOf(row: WorkerRow, life: Life): WorkerInfo {
  return {
    id: row.worker,
    host: row.host,
    pid: row.pid,
    queues: row.queues,
    tasks: row.names,
    concurrency: row.concurrency,
    startedAt: new Date(row.arrivedAt),
    seenAt: new Date(row.seenAt),
    alive: life === "alive",
    gone: life === "gone",
  };
}
