/** One row a task: the latest attempt's result. A lower fence never overwrites a higher one. */
import type { ResultStats } from "../../core/backend.ts";
import type { Failure } from "../../core/record.ts";
import type { NewResult, ResultRow } from "../../core/result.ts";
import { int, optionalInt, optionalStr, str } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import type { Row } from "./library.ts";

const COLUMNS = [
  "fence",
  "status",
  "result",
  "error_name",
  "error",
  "error_code",
  "error_traceback",
  "created_at",
  "started_at",
  "completed_at",
  "expires_at",
  "ttl",
  "execution_time",
  "worker_id",
  "schedule_id",
  "retry_count",
] as const;
/** `excluded` is the row that comes in. A row made by hand has no fence: the latest replaces. */
const PUT: Sql = `INSERT INTO {results}(task_id, ${COLUMNS.join(", ")}) VALUES (${["task_id", ...COLUMNS].map(() => "?").join(", ")})
  ON CONFLICT(task_id) DO UPDATE SET ${COLUMNS.map((column) => `${column} = excluded.${column}`).join(", ")}
  WHERE excluded.fence IS NULL OR {results}.fence IS NULL OR excluded.fence >= {results}.fence`;

/** False when a newer claim's result is there, and stays. */
export function putOne(db: Db, result: NewResult): boolean {
  const createdAt = result.createdAt ?? db.now;
  const changed = db.run(
    PUT,
    result.taskId,
    result.fence ?? null,
    result.status,
    result.value ?? null,
    result.error?.name ?? null,
    result.error?.message ?? null,
    result.error?.code ?? null,
    result.error?.stack ?? null,
    createdAt,
    result.startedAt ?? null,
    result.completedAt ?? db.now,
    result.expiresAt ?? (result.ttl === undefined ? null : createdAt + result.ttl),
    result.ttl ?? null,
    result.executionMs ?? null,
    result.worker ?? null,
    result.scheduleId ?? null,
    result.retryCount,
  );
  return changed > 0;
}

export function put(db: Db, set: readonly NewResult[]): readonly ("put" | "older")[] {
  db.hints.add("any");
  return set.map((result) => (putOne(db, result) ? "put" : "older"));
}

function failureOf(row: Row): Failure | undefined {
  const name = optionalStr(row["error_name"]);
  if (name === undefined) return undefined;
  const stack = optionalStr(row["error_traceback"]);
  const code = optionalStr(row["error_code"]);
  return { name, message: str(row["error"]), ...(stack === undefined ? {} : { stack }), ...(code === undefined ? {} : { code }) };
}

function resultRow(row: Row): ResultRow {
  const out: { -readonly [K in keyof ResultRow]: ResultRow[K] } = {
    taskId: str(row["task_id"]),
    status: row["status"] === "completed" ? "completed" : "failed",
    retryCount: int(row["retry_count"]),
    createdAt: int(row["created_at"]),
  };
  const number = (column: string, set: (value: number) => void): void => {
    const value = optionalInt(row[column]);
    if (value !== undefined) set(value);
  };
  const text = (column: string, set: (value: string) => void): void => {
    const value = optionalStr(row[column]);
    if (value !== undefined) set(value);
  };
  number("fence", (v) => (out.fence = v));
  number("started_at", (v) => (out.startedAt = v));
  number("completed_at", (v) => (out.completedAt = v));
  number("expires_at", (v) => (out.expiresAt = v));
  number("ttl", (v) => (out.ttl = v));
  number("execution_time", (v) => (out.executionMs = v));
  text("result", (v) => (out.value = v));
  text("worker_id", (v) => (out.worker = v));
  text("schedule_id", (v) => (out.scheduleId = v));
  const error = failureOf(row);
  if (error !== undefined) out.error = error;
  return out;
}

/** A result past its TTL reads as absent; reading never deletes. */
export function get(db: Db, ids: readonly string[]): readonly (ResultRow | undefined)[] {
  return ids.map((id) => {
    const row = db.get("SELECT * FROM {results} WHERE task_id = ? AND (expires_at IS NULL OR expires_at > ?)", id, db.now);
    return row === undefined ? undefined : resultRow(row);
  });
}

export function latest(db: Db, scheduleId: string): ResultRow | undefined {
  const sql = `SELECT * FROM {results} WHERE schedule_id = ? AND +coalesce(expires_at > ?, 1) ORDER BY created_at DESC, task_id DESC LIMIT 1`;
  const row = db.get(sql, scheduleId, db.now);
  return row === undefined ? undefined : resultRow(row);
}

export function remove(db: Db, ids: readonly string[]): readonly boolean[] {
  return ids.map((id) => db.run("DELETE FROM {results} WHERE task_id = ?", id) > 0);
}

export function stats(db: Db): ResultStats {
  const row = db.get(
    `SELECT count(*) AS total, total(status = 'completed') AS completed, total(status = 'failed') AS failed,
      (SELECT count(*) FROM {results} WHERE expires_at IS NOT NULL AND expires_at <= ?) AS expired FROM {results}`,
    db.now,
  );
  return { total: int(row?.["total"]), completed: int(row?.["completed"]), failed: int(row?.["failed"]), expired: int(row?.["expired"]) };
}
