/** Rows of tasks as records: what every backend reads alike, since their columns have the same names. */
import type { Callback, Edge, Mark, Phase, Policy, StoredTask, TaskStatus } from "../../core/task.ts";
import { FINALS } from "../../core/task.ts";
import { MARK, STAGE } from "./stage.ts";
import { int, json, optionalInt, optionalStr, str } from "./values.ts";
import type { Row, Value } from "./values.ts";

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
export function optional(row: Row): Partial<StoredTask> {
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

/** What has a default that takes no room. */
export function withDefaults(row: Row): Pick<StoredTask, "backoff" | "atMostOnce" | "tags" | "dependsOn"> {
  return {
    backoff: row["backoff"] === "exponential" ? "exponential" : "fixed",
    atMostOnce: row["at_most_once"] === 1,
    tags: tagsOf(row["tags"]),
    dependsOn: edgesOf(row["depends_on"]),
  };
}

export function tagsOf(value: Value | undefined): readonly string[] {
  const tags = json(value);
  return Array.isArray(tags) ? tags.map(String) : [];
}

export function edgesOf(value: Value | undefined): readonly Edge[] {
  const edges = json(value);
  if (!Array.isArray(edges)) return [];
  return edges.map((edge: unknown) =>
    Array.isArray(edge) ? { id: String(edge[0]), ifFailed: "run" } : { id: String(edge), ifFailed: "cancel" },
  );
}

function callbackOf(value: Value | undefined): Callback | undefined {
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
