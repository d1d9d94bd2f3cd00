/** Queues as the command line sees them: also those that hold nothing, but that a worker serves. */
import { nearest } from "../core/nearest.ts";
import type { Phase } from "../core/task.ts";
import type { OmniQ, QueueInfo, WorkerInfo } from "../index.ts";
import type { Terminal } from "./terminal.ts";
import { plain } from "./text.ts";

export interface ServedQueue extends QueueInfo {
  /** Live workers that serve it. */
  readonly workers: number;
}

/** The phases of what has not ended, in the order in which they are shown. */
export const OPEN: readonly Phase[] = ["ready", "delayed", "retrying", "blocked", "running"];

/** By name. */
export async function queuesOf(omniq: OmniQ): Promise<readonly ServedQueue[]> {
  const [queues, workers] = await Promise.all([omniq.queues.list(), omniq.workers.list()]);
  return withWorkers(queues, workers);
}

export function withWorkers(queues: readonly QueueInfo[], workers: readonly WorkerInfo[]): readonly ServedQueue[] {
  const alive = workers.filter((worker) => worker.alive);
  const named = new Map(queues.map((queue) => [queue.name, queue]));
  const served = alive.flatMap((worker) => worker.queues).filter((name) => !named.has(name));
  for (const name of served) named.set(name, { name, paused: false, pausedAt: undefined, tasks: {}, readySince: undefined });
  return [...named.values()]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((queue) => Object.assign({ workers: alive.filter((worker) => worker.queues.includes(queue.name)).length }, queue));
}

/** Says on stderr which of these names nobody knows: it may be a typo, or a queue that is still to be filled. */
export function doubt(terminal: Terminal, names: readonly string[], known: readonly QueueInfo[]): void {
  for (const name of names) {
    if (known.some((queue) => queue.name === name)) continue;
    const near = nearest(
      name,
      known.map((queue) => queue.name),
    );
    const hint = near === undefined ? "" : ` Did you mean ${plain(near)}?`;
    terminal.note(
      `${terminal.paintNote("yellow", "note:")} no task waits in a queue named ${plain(name)}, and no live worker serves it.${hint}`,
    );
  }
}
