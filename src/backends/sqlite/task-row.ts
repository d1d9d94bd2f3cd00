/** Task ↔ row: the column list once, both directions. */
import type { Callback, Edge, Mark, NewTask, Phase, Policy, StoredTask, TaskStatus } from "../../core/task.ts";
import { FINALS } from "../../core/task.ts";
import { int, json, optionalInt, optionalStr, str } from "./db.ts";
import type { Param, Row } from "./library.ts";
import { MARK, STAGE } from "./schema.ts";

/** Every column that a reader needs; the holder's name instead of its number. */
export const TASK_COLUMNS = `rid, id, func, queue_name, stage, status, priority, due_at, revision, fence, attempt, retry_count, crash_count,
  (SELECT w.id FROM {workers} w WHERE w.rid = worker) AS holder, mark, reason, open_parents, max_retries, retry_delay, backoff, timeout,
  at_most_once, max_crashes, result_ttl, store_result, created_at, run_at, started_at, completed_at, next_retry_at, expires_at, ttl, name,
  description, tags, depends_on, callback, schedule_id, args, kwargs`;

const MARKS: Readonly<Record<number, Mark>> = { 1: "cancelled", 2: "expired", 3: "parent-failed" };

export function markOf(row: Row): Mark | undefined {
  return MARKS[int(row["mark"] ?? 0)];
}

function isStatus(value: string): value is TaskStatus {
  return value === "pending" || value === "running" || FINALS.some((final) => final === value);
}

function statusOf(row: Row): TaskStatus {
  const status = str(row["status"]);
  return isStatus(status) ? status : "pending";
}

/** A timed row whose time has come counts as ready, whether or not a claim has promoted it yet. */
function phaseOf(row: Row, status: TaskStatus, now: number): Phase {
  switch (row["stage"]) {
    case STAGE.ready:
      return "ready";
    case STAGE.timed:
      if (int(row["due_at"]) <= now) return "ready";
      return status === "failed" ? "retrying" : "delayed";
    case STAGE.blocked:
      return "blocked";
    case STAGE.doomed:
      return row["mark"] === MARK.expired ? "expired" : "cancelled";
    case STAGE.running:
      return "running";
    default:
      return status === "pending" || status === "running" ? "completed" : status;
  }
}

/** Adds the fields whose column is not NULL: absent is absent, never `undefined` or `null`. */
function optional(row: Row): Partial<StoredTask> {
  const out: { -readonly [K in keyof StoredTask]?: StoredTask[K] } = {};
  const mark = markOf(row);
  if (mark !== undefined) out.mark = mark;
  const number = (column: string, set: (value: number) => void): void => {
    const value = optionalInt(row[column]);
    if (value !== undefined) set(value);
  };
  const text = (column: string, set: (value: string) => void): void => {
    const value = optionalStr(row[column]);
    if (value !== undefined) set(value);
  };
  number("timeout", (v) => (out.timeout = v));
  number("result_ttl", (v) => (out.resultTtl = v));
  number("run_at", (v) => (out.runAt = v));
  number("started_at", (v) => (out.startedAt = v));
  number("completed_at", (v) => (out.completedAt = v));
  number("next_retry_at", (v) => (out.nextRetryAt = v));
  number("expires_at", (v) => (out.expiresAt = v));
  number("ttl", (v) => (out.ttl = v));
  text("reason", (v) => (out.reason = v));
  text("holder", (v) => (out.worker = v));
  text("kwargs", (v) => (out.kwargs = v));
  text("name", (v) => (out.label = v));
  text("description", (v) => (out.description = v));
  text("schedule_id", (v) => (out.scheduleId = v));
  const callback = callbackOf(row["callback"]);
  if (callback !== undefined) out.callback = callback;
  return out;
}

export function storedTask(row: Row, now: number): StoredTask {
  const status = statusOf(row);
  return {
    id: str(row["id"]),
    func: str(row["func"]),
    args: str(row["args"]),
    queue: str(row["queue_name"]),
    status,
    phase: phaseOf(row, status, now),
    priority: int(row["priority"]),
    dueAt: int(row["due_at"]),
    revision: int(row["revision"]),
    fence: int(row["fence"]),
    attempt: int(row["attempt"]),
    retryCount: int(row["retry_count"]),
    crashCount: int(row["crash_count"]),
    openParents: int(row["open_parents"]),
    maxRetries: int(row["max_retries"]),
    retryDelay: int(row["retry_delay"]),
    maxCrashes: int(row["max_crashes"]),
    storeResult: row["store_result"] === 1,
    createdAt: int(row["created_at"]),
    ...withDefaults(row),
    ...optional(row),
  };
}

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
  crash_count, max_retries, retry_delay, max_crashes, store_result, created_at`;

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
  return isRow(seldom) ? { ...task, ...optional(seldom), ...withDefaults(seldom) } : task;
}

function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null;
}

/** What has a default that takes no room. */
function withDefaults(row: Row): Pick<StoredTask, "backoff" | "atMostOnce" | "tags" | "dependsOn"> {
  return {
    backoff: row["backoff"] === "exponential" ? "exponential" : "fixed",
    atMostOnce: row["at_most_once"] === 1,
    tags: tagsOf(row["tags"]),
    dependsOn: edgesOf(row["depends_on"]),
  };
}

export function tagsOf(value: Param | undefined): readonly string[] {
  const tags = json(value);
  return Array.isArray(tags) ? tags.map(String) : [];
}

export function edgesOf(value: Param | undefined): readonly Edge[] {
  const edges = json(value);
  if (!Array.isArray(edges)) return [];
  return edges.map((edge: unknown) =>
    Array.isArray(edge) ? { id: String(edge[0]), ifFailed: "run" } : { id: String(edge), ifFailed: "cancel" },
  );
}

function callbackOf(value: Param | undefined): Callback | undefined {
  const callback = json(value);
  if (typeof callback !== "object" || callback === null) return undefined;
  const kept = Object.fromEntries(Object.entries(callback).filter(([field, given]) => CALLBACK.get(field)?.(given) === true));
  return isCallback(kept) ? kept : undefined;
}

/** A broken field reads as absent: it must not keep the task from ending. */
const CALLBACK: ReadonlyMap<string, (value: unknown) => boolean> = new Map<keyof Callback, (value: unknown) => boolean>([
  ["func", (value) => typeof value === "string"],
  ["args", (value) => typeof value === "string" && json(value) !== undefined],
  ["queue", (value) => typeof value === "string"],
  ["priority", Number.isSafeInteger],
  ["policy", isPolicy],
]);

function isCallback(value: object): value is Callback {
  return "func" in value;
}

export function isPolicy(value: unknown): value is Policy {
  if (typeof value !== "object" || value === null) return false;
  const whole = (field: keyof Policy): boolean => Number.isSafeInteger(Reflect.get(value, field));
  const optional = (field: keyof Policy): boolean => Reflect.get(value, field) === undefined || whole(field);
  const backoff: unknown = Reflect.get(value, "backoff");
  return (
    whole("maxRetries") &&
    whole("retryDelay") &&
    whole("maxCrashes") &&
    optional("timeout") &&
    optional("resultTtl") &&
    (backoff === "fixed" || backoff === "exponential")
  );
}

/** The commonest edge (`cancel`) is just its id. */
export function edgesText(edges: readonly Edge[]): string | null {
  return edges.length === 0 ? null : JSON.stringify(edges.map((edge) => (edge.ifFailed === "run" ? [edge.id, "run"] : edge.id)));
}

/** What every task has, given by whoever enqueues it. */
export const PLAIN_COLUMNS = "args, max_retries, retry_delay, max_crashes, store_result";

/** In the order of PLAIN_COLUMNS. */
export function plainParams(task: NewTask): Param[] {
  return [task.args, task.maxRetries, task.retryDelay, task.maxCrashes, task.storeResult ? 1 : 0];
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
    task.callback === undefined ? null : JSON.stringify(task.callback),
    task.backoff === "fixed" ? null : task.backoff,
    task.timeout ?? null,
    task.atMostOnce ? 1 : null,
    task.resultTtl ?? null,
  ];
}
