/** One row a task: the latest attempt's result. A lower fence never overwrites a higher one, nor does a row without one that of a current claim. */
import type { ResultStats } from "../../core/backend.ts";
import type { NewResult, ResultRow } from "../../core/result.ts";
import { resultRow, resultStats } from "../shared/result-row.ts";

import type { Row } from "../shared/values.ts";
import { checksumOf, isRowDamaged } from "./checksum.ts";
import type { Db, Sql } from "./db.ts";
import type { Param } from "./library.ts";

/** What the result of a completed task has; an error and a time to live are rarer. */
const PLAIN = [
  "fence",
  "status",
  "result",
  "created_at",
  "started_at",
  "completed_at",
  "execution_time",
  "worker_id",
  "schedule_id",
  "retry_count",
  "checksum",
] as const;
const RARE = ["error_name", "error", "error_code", "error_traceback", "expires_at", "ttl"] as const;
const replacing = (set: readonly string[]): Sql => `ON CONFLICT(task_id) DO UPDATE SET ${set.join(", ")}
  WHERE {results}.fence IS NULL OR excluded.fence >= {results}.fence
    OR (excluded.fence IS NULL AND EXISTS (SELECT 1 FROM {tasks} WHERE id = excluded.task_id AND fence > {results}.fence))`;
/** `excluded` is the row that comes in; one that was made by hand may have no fence. */
const putOf = (given: readonly string[], absent: readonly string[]): Sql =>
  `INSERT INTO {results}(task_id, ${given.join(", ")}) VALUES (?, ${given.map(() => "?").join(", ")})
  ${replacing([...given.map((column) => `${column} = excluded.${column}`), ...absent.map((column) => `${column} = NULL`)])}`;
const PUT_PLAIN = putOf(PLAIN, RARE);
const PUT = putOf([...PLAIN, ...RARE], []);

/** False when a newer claim's result is there, and stays. */
export function putOne(db: Db, result: NewResult): boolean {
  const { error, ttl, expiresAt } = result;
  const createdAt = result.createdAt ?? db.now;
  const plain: Param[] = [
    result.taskId,
    result.fence ?? null,
    result.status,
    result.value ?? null,
    createdAt,
    result.startedAt ?? null,
    result.completedAt ?? db.now,
    result.executionMs ?? null,
    result.worker ?? null,
    result.scheduleId ?? null,
    result.retryCount,
    checksumOf(result.value, error?.name, error?.message, error?.code, error?.stack),
  ];
  if (error === undefined && ttl === undefined && expiresAt === undefined) return db.run(PUT_PLAIN, ...plain) > 0;
  const rare: Param[] = [error?.name ?? null, error?.message ?? null, error?.code ?? null, error?.stack ?? null];
  return db.run(PUT, ...plain, ...rare, expiresAt ?? (ttl === undefined ? null : createdAt + ttl), ttl ?? null) > 0;
}

export function put(db: Db, set: readonly NewResult[]): readonly ("put" | "older")[] {
  db.hints.add("any");
  return set.map((result) => (putOne(db, result) ? "put" : "older"));
}

/** A result past its TTL reads as absent; reading never deletes. */
export function get(db: Db, ids: readonly string[]): readonly (ResultRow | undefined)[] {
  return ids.map((id) => {
    const row = db.get("SELECT * FROM {results} WHERE task_id = ? AND (expires_at IS NULL OR expires_at > ?)", id, db.now);
    return row === undefined ? undefined : read(row);
  });
}

function read(row: Row): ResultRow {
  return isRowDamaged("results", row) ? { ...resultRow(row), damaged: true } : resultRow(row);
}

export function latest(db: Db, scheduleId: string): ResultRow | undefined {
  const sql = `SELECT * FROM {results} WHERE schedule_id = ? AND +coalesce(expires_at > ?, 1) ORDER BY created_at DESC, task_id DESC LIMIT 1`;
  const row = db.get(sql, scheduleId, db.now);
  return row === undefined ? undefined : read(row);
}

export function remove(db: Db, ids: readonly string[]): readonly boolean[] {
  return ids.map((id) => db.run("DELETE FROM {results} WHERE task_id = ?", id) > 0);
}

const STATS: Sql = `WITH counted AS (SELECT status FROM {results} ORDER BY task_id DESC LIMIT (?+0))
  SELECT count(*) AS total, total(status = 'completed') AS completed, total(status = 'failed') AS failed,
  (SELECT count(*) FROM (SELECT 1 FROM {results} WHERE expires_at IS NOT NULL AND expires_at <= ? LIMIT (?+0))) AS expired,
  EXISTS (SELECT 1 FROM {results} ORDER BY task_id DESC LIMIT 1 OFFSET (?+0)) AS more FROM counted`;

export function stats(db: Db, upTo: number): ResultStats {
  return resultStats(db.get(STATS, upTo, db.now, upTo, upTo));
}
