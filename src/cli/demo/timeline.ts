/** What the event log tells of a run: how long tasks waited and ran, how often they were tried again, how many were done a second. */
import type { OmniQ, TaskEvent } from "../../index.ts";
import { runTag } from "./runs.ts";
import type { DemoRun } from "./runs.ts";

export interface Spread {
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}
export interface Timeline {
  /** From `enqueued` to the first `executing`, in milliseconds. */
  readonly waited: Spread;
  /** How long the handlers ran, in milliseconds. */
  readonly ran: Spread;
  readonly slowest: readonly { readonly taskId: string; readonly ms: number }[];
  readonly retries: readonly { readonly taskId: string; readonly error: string }[];
  /** Runs that were cut off by the end of their process. */
  readonly crashes: number;
  /** Completed since the given time, and in how many milliseconds. */
  readonly recent: { readonly tasks: number; readonly ms: number };
}

const PAGE = 10_000;
const SLOWEST = 5;

/** All events of a run, newest first. */
export async function eventsOf(omniq: OmniQ, run: DemoRun, from: Date): Promise<readonly TaskEvent[]> {
  const events = new Map<string, TaskEvent>();
  let to: Date | undefined;
  for (;;) {
    const page = await omniq.events.find({ from, to, limit: PAGE });
    const known = events.size;
    for (const event of page) events.set(event.id, event);
    to = page.at(-1)?.timestamp;
    // Pages overlap by the events of one millisecond.
    if (page.length < PAGE || events.size === known) break;
  }
  return [...events.values()].filter(({ taskId }) => taskId?.startsWith(`${runTag(run)}-`));
}

/** @param events newest first. @param since when this process began to work on the run. */
export function timelineOf(events: readonly TaskEvent[], since: Date): Timeline {
  const of = (type: TaskEvent["eventType"]): readonly TaskEvent[] => events.filter((event) => event.eventType === type);
  const completed = of("completed");
  const recent = completed.filter(({ timestamp }) => timestamp >= since);
  const end = Math.max(since.getTime(), ...recent.map(({ timestamp }) => timestamp.getTime()));
  const ran = completed.map(({ taskId = "", executionTime = 0 }) => ({ taskId, ms: executionTime }));
  return {
    waited: spreadOf(waits(of("enqueued"), of("executing"))),
    ran: spreadOf(ran.map(({ ms }) => ms)),
    slowest: ran.toSorted((a, b) => b.ms - a.ms).slice(0, SLOWEST),
    retries: of("retrying").map(({ taskId = "", error = "" }) => ({ taskId, error })),
    crashes: of("crashed").length,
    recent: { tasks: recent.length, ms: end - since.getTime() },
  };
}

function waits(enqueued: readonly TaskEvent[], executing: readonly TaskEvent[]): readonly number[] {
  // Newest first: what is set last is the first start.
  const starts = new Map(executing.map(({ taskId, timestamp }) => [taskId, timestamp.getTime()]));
  return enqueued.flatMap(({ taskId, timestamp }) => {
    const start = starts.get(taskId);
    return start === undefined ? [] : [start - timestamp.getTime()];
  });
}

/** Of values in any order; zeros where there are none. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}
