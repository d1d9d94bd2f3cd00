/** One row a task: the latest attempt's result. A lower fence never overwrites a higher one, nor does a row without one that of a current claim. */
import type { ResultStats } from "../../core/backend.ts";
import type { NewResult, ResultRow } from "../../core/result.ts";
import { LIST, list } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import { Sheet } from "./sheet.ts";
import { resultRow, resultStats } from "../shared/result-row.ts";
import { str } from "../shared/values.ts";

const COLUMNS = `task_id, fence, status, result, error_name, error, error_code, error_traceback, created_at, started_at, completed_at, expires_at,
  ttl, execution_time, worker_id, schedule_id, retry_count`;

/** Results as they are sent. */
export const RESULTS = new Sheet<NewResult>("r", [
  ["t", "text", (result) => result.taskId],
  ["f", "bigint", (result) => result.fence],
  ["st", "text", (result) => result.status],
  ["v", "text", (result) => result.value],
  ["en", "text", (result) => result.error?.name],
  ["em", "text", (result) => result.error?.message],
  ["ec", "text", (result) => result.error?.code],
  ["es", "text", (result) => result.error?.stack],
  ["ca", "bigint", (result) => result.createdAt],
  ["sa", "bigint", (result) => result.startedAt],
  ["co", "bigint", (result) => result.completedAt],
  ["ea", "bigint", (result) => result.expiresAt],
  ["tt", "bigint", (result) => result.ttl],
  ["x", "double precision", (result) => result.executionMs],
  ["w", "text", (result) => result.worker],
  ["s", "text", (result) => result.scheduleId],
  ["n", "bigint", (result) => result.retryCount],
]);
const RESULT_VALUES: Sql = `r.t, r.f, r.st, r.v, r.en, r.em, r.ec, r.es, coalesce(r.ca, {now}), r.sa, coalesce(r.co, {now}),
  coalesce(r.ea, coalesce(r.ca, {now}) + r.tt), r.tt, r.x, r.w, r.s, r.n`;
const REPLACED = COLUMNS.split(",")
  .map((column) => column.trim())
  .filter((column) => column !== "task_id")
  .map((column) => `${column} = excluded.${column}`)
  .join(", ");
const INTO: Sql = `INSERT INTO {results} AS h (${COLUMNS})`;
/** `excluded` is the row that comes in; one that was made by hand may have no fence. */
const ON_CONFLICT: Sql = `ON CONFLICT (task_id) DO UPDATE SET ${REPLACED} WHERE h.fence IS NULL OR excluded.fence >= h.fence
  OR (excluded.fence IS NULL AND EXISTS (SELECT 1 FROM {tasks} t WHERE t.id = excluded.task_id AND t.fence > h.fence))`;

/** An INSERT that takes its rows from the query of `from` (with `r` of `RESULTS` in it). */
export const putResults = (from: Sql): Sql => `${INTO} SELECT ${RESULT_VALUES} FROM ${from} ${ON_CONFLICT}`;

const PUT: Sql = `${putResults(RESULTS.from(1))} RETURNING task_id`;

export async function put(db: Db, set: readonly NewResult[]): Promise<readonly ("put" | "older")[]> {
  db.hints.add("any");
  // One statement can write a row only once: of several results of one task, each has its own.
  const seen = new Set(set.map(({ taskId }) => taskId));
  const sets = seen.size === set.length ? [set] : set.map((result) => [result]);
  const answers: ("put" | "older")[] = [];
  for (const some of sets) {
    if (some.length === 0) continue;
    const rows = await db.all(PUT, ...RESULTS.params(some));
    const written = new Set(rows.map((row) => str(row["task_id"])));
    answers.push(...some.map(({ taskId }): "put" | "older" => (written.has(taskId) ? "put" : "older")));
  }
  return answers;
}

const GET: Sql = `SELECT ${COLUMNS} FROM {results} WHERE task_id = ANY(${LIST(1)}) AND (expires_at IS NULL OR expires_at > {now})`;

/** A result past its TTL reads as absent; reading never deletes. */
export async function get(db: Db, ids: readonly string[]): Promise<readonly (ResultRow | undefined)[]> {
  const rows = new Map((await db.all(GET, list(ids))).map((row) => [str(row["task_id"]), resultRow(row)]));
  return ids.map((id) => rows.get(id));
}

const LATEST: Sql = `SELECT ${COLUMNS} FROM {results} WHERE schedule_id = $1 AND (expires_at IS NULL OR expires_at > {now})
  ORDER BY created_at DESC, rid DESC LIMIT 1`;

export async function latest(db: Db, scheduleId: string): Promise<ResultRow | undefined> {
  const row = await db.get(LATEST, scheduleId);
  return row === undefined ? undefined : resultRow(row);
}

const REMOVE: Sql = `DELETE FROM {results} WHERE task_id = ANY(${LIST(1)}) RETURNING task_id`;

export async function remove(db: Db, ids: readonly string[]): Promise<readonly boolean[]> {
  const gone = new Set((await db.all(REMOVE, list(ids))).map((row) => str(row["task_id"])));
  // Of an id that is named twice, the first takes the row away.
  return ids.map((id) => gone.delete(id));
}

const STATS: Sql = `WITH counted AS (SELECT status FROM {results} ORDER BY task_id DESC LIMIT $1::bigint)
  SELECT count(*) AS total, count(*) FILTER (WHERE status = 'completed') AS completed, count(*) FILTER (WHERE status = 'failed') AS failed,
  (SELECT count(*) FROM (SELECT 1 FROM {results} WHERE expires_at <= {now} LIMIT $1::bigint) AS e) AS expired,
  EXISTS (SELECT 1 FROM {results} ORDER BY task_id DESC LIMIT 1 OFFSET $1::bigint) AS more FROM counted`;

export async function stats(db: Db, upTo: number): Promise<ResultStats> {
  return resultStats(await db.get(STATS, upTo));
}
