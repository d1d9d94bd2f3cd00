/** Housekeeping in bounded steps. */
import type { SweepAsk, Swept } from "../../core/backend.ts";
import type { Db, Sql } from "./db.ts";
import { deleteTasks, hasDependents, withDependents } from "./desk.ts";
import { STAGE } from "../shared/stage.ts";
import { int, str } from "../shared/values.ts";

const OLD_TASKS: Sql = `SELECT rid, id FROM {tasks} t WHERE stage = ${STAGE.finished} AND status = $1 AND completed_at <= {now} - $2::bigint
  AND NOT ${hasDependents("t.id")} ORDER BY completed_at, rid LIMIT $3 FOR UPDATE OF t SKIP LOCKED`;
const OLD_RESULTS: Sql = `DELETE FROM {results} WHERE task_id IN (SELECT task_id FROM {results} WHERE expires_at IS NOT NULL AND expires_at <= {now}
  ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`;
/** By their places: against a list of keys the planner, who does not know how short it is, walked all events to delete 500. They are locked, and never change. */
const OLD_EVENTS: Sql = `DELETE FROM {events} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {events} WHERE timestamp <= {now} - $1::bigint
  ORDER BY timestamp, seq LIMIT $2 FOR UPDATE SKIP LOCKED))`;
const IDLE_WORKERS: Sql = `DELETE FROM {workers} WHERE id IN (SELECT id FROM {workers} w WHERE seen_at <= {now} - $1::bigint AND NOT EXISTS
  (SELECT 1 FROM {tasks} t WHERE t.stage > 3 AND t.stage < 6 AND t.worker = w.id) LIMIT $2 FOR UPDATE SKIP LOCKED)`;
const OLD_OCCURRENCES: Sql = `DELETE FROM {occurrences} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {occurrences}
  WHERE fired_at <= {now} - $1::bigint ORDER BY fired_at LIMIT $2 FOR UPDATE SKIP LOCKED))`;

export async function sweep(db: Db, ask: SweepAsk): Promise<Swept> {
  const { limit } = ask;
  const swept = (removed: number): Swept => ({ removed, more: removed === limit });
  switch (ask.what) {
    case "tasks": {
      const old = await db.all(OLD_TASKS, ask.status, ask.olderThan, limit);
      // Behind the lock: a child may have come while they were looked for.
      const kept = await withDependents(
        db,
        old.map((row) => str(row["id"])),
      );
      const rows = old.filter((row) => !kept.has(str(row["id"])));
      await deleteTasks(
        db,
        rows.map((row) => int(row["rid"])),
      );
      return { removed: rows.length, more: old.length === limit, ids: rows.map((row) => str(row["id"])) };
    }
    case "results":
      return swept(await db.run(OLD_RESULTS, limit));
    case "events":
      return swept(await db.run(OLD_EVENTS, ask.olderThan, limit));
    case "workers":
      return swept(await db.run(IDLE_WORKERS, ask.olderThan, limit));
    case "occurrences":
      return swept(await db.run(OLD_OCCURRENCES, ask.olderThan, limit));
  }
}
