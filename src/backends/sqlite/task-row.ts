/** The columns of a task, as they are read and written here. */
import type { NewTask, StoredTask } from "../../core/task.ts";
import { optional, storedTask, withDefaults } from "../shared/task-row.ts";
import { int, json, str } from "../shared/values.ts";
import type { Row, Value } from "../shared/values.ts";
import { checksumOf, isDamaged } from "./checksum.ts";
import type { Param } from "./library.ts";

/** Every column that a reader needs; the holder's name instead of its number. */
export const TASK_COLUMNS = `rid, id, func, queue_name, stage, status, priority, due_at, revision, fence, attempt, retry_count, crash_count,
  (SELECT w.id FROM {workers} w WHERE w.rid = worker) AS holder, mark, reason, open_parents, max_retries, retry_delay, backoff, timeout,
  at_most_once, max_crashes, result_ttl, store_result, created_at, run_at, started_at, completed_at, next_retry_at, expires_at, ttl, name,
  description, tags, depends_on, callback, schedule_id, args, kwargs, checksum`;

const SELDOM = [
  "mark",
  "reason",
  "expires_at",
  "ttl",
  "timeout",
  "backoff",
  "at_most_once",
  "result_ttl",
  "run_at",
  "completed_at",
  "name",
  "description",
  "tags",
  "depends_on",
  "callback",
  "schedule_id",
  "kwargs",
] as const;

/**
 * What a claim reads. Most tasks have nothing in the columns that are seldom used: these come as one text, or NULL, and reading half as
 * many columns takes half the time (a claim of 100 spent more on its answer than on its rows).
 */
export const CLAIMED_COLUMNS = `rid, priority, due_at, iif(coalesce(${SELDOM.join(", ")}) IS NULL, NULL,
  json_object(${SELDOM.map((column) => `'${column}', ${column}`).join(", ")})) AS seldom, id, func, args, revision, fence, attempt, retry_count,
  crash_count, max_retries, retry_delay, max_crashes, store_result, created_at, checksum`;

/** Where each of them stands in the row. */
export const CLAIMED = { rid: 0, priority: 1, dueAt: 2, seldom: 3 } as const;

/** A task that was claimed to be run at `now`, of a row of CLAIMED_COLUMNS. With a `mark` it was not, and its status is not told. */
export function claimedTask(row: readonly Param[], queue: string, worker: string, now: number): StoredTask {
  const seldom = json(row[CLAIMED.seldom]);
  const task: StoredTask = {
    id: str(row[4]),
    func: str(row[5]),
    args: str(row[6]),
    queue,
    status: "running",
    phase: "running",
    priority: int(row[CLAIMED.priority]),
    dueAt: int(row[CLAIMED.dueAt]),
    revision: int(row[7]),
    fence: int(row[8]),
    attempt: int(row[9]),
    retryCount: int(row[10]),
    crashCount: int(row[11]),
    openParents: 0,
    maxRetries: int(row[12]),
    retryDelay: int(row[13]),
    backoff: "fixed",
    atMostOnce: false,
    maxCrashes: int(row[14]),
    storeResult: row[15] === 1,
    createdAt: int(row[16]),
    startedAt: now,
    worker,
    tags: [],
    dependsOn: [],
  };
  if (!isRow(seldom)) return checkedTask(task, row[17], null, null);
  return checkedTask({ ...task, ...optional(seldom), ...withDefaults(seldom) }, row[17], seldom["kwargs"], seldom["callback"]);
}

/** A task of a row of TASK_COLUMNS. */
export function taskOf(row: Row, now: number): StoredTask {
  return checkedTask(storedTask(row, now), row["checksum"], row["kwargs"], row["callback"]);
}

function checkedTask(task: StoredTask, checksum: Value | undefined, kwargs: Value | undefined, callback: Value | undefined): StoredTask {
  if (!isDamaged(checksum, task.func, task.args, kwargs, callback)) return task;
  const { callback: _, ...rest } = task;
  return { ...rest, damaged: true };
}

function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null;
}

/** What every task has, given by whoever enqueues it. */
export const PLAIN_COLUMNS = "args, checksum, max_retries, retry_delay, max_crashes, store_result";

/** In the order of PLAIN_COLUMNS. */
export function plainParams(task: NewTask): Param[] {
  return [task.args, taskChecksum(task), task.maxRetries, task.retryDelay, task.maxCrashes, task.storeResult ? 1 : 0];
}

/** Of the texts as they are stored. */
export function taskChecksum({ func, args, kwargs, callback }: NewTask): number {
  return checksumOf(func, args, kwargs, callbackText(callback));
}

export function callbackText(callback: NewTask["callback"] | null): string | null {
  return callback === undefined || callback === null ? null : JSON.stringify(callback);
}

/** Whether all that a task has lies in the plain columns: those of RARE_COLUMNS and what belongs to its start, end and parents stay NULL. */
export function isPlain(task: NewTask): boolean {
  return (
    task.due === undefined &&
    task.ttl === undefined &&
    task.expiresAt === undefined &&
    task.dependsOn.length === 0 &&
    task.unique === undefined &&
    task.scheduleId === undefined &&
    task.kwargs === undefined &&
    task.label === undefined &&
    task.description === undefined &&
    task.tags.length === 0 &&
    task.callback === undefined &&
    task.backoff === "fixed" &&
    task.timeout === undefined &&
    !task.atMostOnce &&
    task.resultTtl === undefined
  );
}

/** What few tasks have: the default takes no room. */
export const RARE_COLUMNS = "kwargs, name, description, tags, callback, backoff, timeout, at_most_once, result_ttl";

/** In the order of RARE_COLUMNS. */
export function rareParams(task: NewTask): Param[] {
  return [
    task.kwargs ?? null,
    task.label ?? null,
    task.description ?? null,
    task.tags.length === 0 ? null : JSON.stringify(task.tags),
    callbackText(task.callback),
    task.backoff === "fixed" ? null : task.backoff,
    task.timeout ?? null,
    task.atMostOnce ? 1 : null,
    task.resultTtl ?? null,
  ];
}
