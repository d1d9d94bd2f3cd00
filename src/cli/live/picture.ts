/** One look at a database, from all sides: what the live view shows, and what a program gets each tick. */
import { formatDuration } from "../../core/duration.ts";
import type { OmniQ, ScheduleInfo, WorkerInfo } from "../../index.ts";
import { withWorkers } from "../queues.ts";
import type { ServedQueue } from "../queues.ts";
import type { Board, Failure, Running } from "./board.ts";
import type { Rates } from "./pulse.ts";

export interface Picture {
  readonly at: Date;
  /** Since when the task waits that has been ready for longest. */
  readonly oldestReady: Date | undefined;
  /** A second, lately. */
  readonly perSecond: Rates;
  readonly queues: readonly ServedQueue[];
  /** The longest first. */
  readonly running: readonly (Running & { readonly func: string })[];
  /** How many run in all. */
  readonly runningCount: number;
  /** Of the last quarter of an hour, those that fail most first. */
  readonly failing: readonly Failing[];
  /** The next first. */
  readonly due: readonly Due[];
  readonly workers: readonly WorkerInfo[];
}
export interface Failing {
  readonly func: string;
  /** For good. */
  readonly failed: number;
  readonly retried: number;
  readonly lastAt: Date;
  readonly lastError: string;
}
export interface Due {
  readonly id: string;
  readonly name: string | undefined;
  readonly rule: string;
  readonly nextRunAt: Date;
}

/** Rows of a kind that anybody could look at. */
const ROWS = 50;

export async function look(omniq: OmniQ, board: Board): Promise<Picture> {
  const at = new Date();
  board.pulse.prune(at.getTime());
  const [queues, workers, schedules] = await Promise.all([
    omniq.queues.list(),
    omniq.workers.list(),
    omniq.schedules.list({ status: "active", limit: ROWS }),
  ]);
  const { running } = board;
  const shown = running.slice(0, ROWS);
  const failures = board.failures(at.getTime());
  const funcs = await board.funcsOf(omniq, [...shown.map(({ id }) => id), ...failures.map(({ taskId }) => taskId)]);
  const ready = queues.flatMap(({ readySince }) => readySince?.getTime() ?? []);
  return {
    at,
    oldestReady: ready.length === 0 ? undefined : new Date(Math.min(...ready)),
    perSecond: board.pulse.rates(at.getTime()),
    queues: withWorkers(queues, workers),
    running: shown.map((each) => Object.assign({ func: funcs.get(each.id) ?? "?" }, each)),
    runningCount: queues.reduce((sum, { tasks }) => sum + (tasks.running ?? 0), 0),
    failing: failingOf(failures, funcs),
    due: schedules.flatMap((schedule) => dueOf(schedule)),
    workers,
  };
}

function failingOf(failures: readonly Failure[], funcs: ReadonlyMap<string, string>): readonly Failing[] {
  const byFunc = new Map<string, Failing>();
  for (const { taskId, final, at, error } of failures) {
    const func = funcs.get(taskId) ?? "?";
    const { failed, retried } = byFunc.get(func) ?? { failed: 0, retried: 0 };
    const counts = final ? { failed: failed + 1, retried } : { failed, retried: retried + 1 };
    byFunc.set(func, { func, ...counts, lastAt: at, lastError: error });
  }
  return [...byFunc.values()].toSorted((a, b) => b.failed - a.failed || b.retried - a.retried).slice(0, ROWS);
}

function dueOf({ id, name, nextRunAt, cronExpression, interval, timezone, broken }: ScheduleInfo): readonly Due[] {
  if (nextRunAt === undefined || broken !== undefined) return [];
  const rule =
    cronExpression === undefined
      ? interval === undefined
        ? "once"
        : `every ${formatDuration(interval)}`
      : `${cronExpression} ${timezone}`;
  return [{ id, name, rule, nextRunAt }];
}
