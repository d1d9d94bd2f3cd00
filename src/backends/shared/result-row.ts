/** Rows of results as records. */
import type { Failure } from "../../core/record.ts";
import type { ResultStats } from "../../core/backend.ts";
import type { ResultRow } from "../../core/result.ts";
import { int, optionalInt, optionalStr, str } from "./values.ts";
import type { Row } from "./values.ts";

function failureOf(row: Row): Failure | undefined {
  const name = optionalStr(row["error_name"]);
  if (name === undefined) return undefined;
  const stack = optionalStr(row["error_traceback"]);
  const code = optionalStr(row["error_code"]);
  return { name, message: str(row["error"]), ...(stack === undefined ? {} : { stack }), ...(code === undefined ? {} : { code }) };
}

export function resultRow(row: Row): ResultRow {
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

/** What was counted. */
export function resultStats(row: Row | undefined): ResultStats {
  const [total, completed, failed, expired] = [row?.["total"], row?.["completed"], row?.["failed"], row?.["expired"]];
  return { total: int(total), completed: int(completed), failed: int(failed), expired: int(expired), more: int(row?.["more"]) === 1 };
}
