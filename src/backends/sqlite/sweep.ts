/** Housekeeping in bounded steps: 200 tasks with result cost about 2 ms. */
import type { SweepAsk, Swept } from "../../core/backend.ts";
import type { Final } from "../../core/task.ts";
import { int, str } from "../shared/values.ts";
import type { Db } from "./db.ts";
import { deleteTask, finishedAs, hasDependents } from "./desk.ts";
import { flushEvents } from "./events.ts";

export function sweep(db: Db, ask: SweepAsk): Swept {
  const { limit } = ask;
  switch (ask.what) {
    case "tasks":
      return sweepTasks(db, ask.status, db.now - ask.olderThan, limit);
    case "results":
      return swept(
        db.run(
          `DELETE FROM {results} WHERE task_id IN (SELECT task_id FROM {results} WHERE expires_at IS NOT NULL AND expires_at <= ? LIMIT (?+0))`,
          db.now,
          limit,
        ),
        limit,
      );
    case "events":
      flushEvents(db);
      return swept(
        db.run(
          `DELETE FROM {events} WHERE seq IN (SELECT seq FROM {events} WHERE timestamp <= ? ORDER BY timestamp LIMIT (?+0))`,
          db.now - ask.olderThan,
          limit,
        ),
        limit,
      );
    case "workers":
      return swept(db.run(IDLE_WORKERS, db.now - ask.olderThan, limit), limit);
    case "occurrences":
      return swept(db.run(OLD_OCCURRENCES, db.now - ask.olderThan, limit), limit);
  }
}

const IDLE_WORKERS = `DELETE FROM {workers} WHERE rid IN (SELECT rid FROM {workers} w WHERE seen_at <= ? AND NOT EXISTS
  (SELECT 1 FROM {tasks} t INDEXED BY {idx_tasks_held} WHERE t.stage > 3 AND t.stage < 6 AND t.worker = w.rid) LIMIT (?+0))`;
const OLD_OCCURRENCES = `DELETE FROM {occurrences} WHERE (schedule_id, at) IN (SELECT schedule_id, at FROM {occurrences} WHERE fired_at <= ? ORDER BY fired_at LIMIT (?+0))`;

function swept(removed: number, limit: number): Swept {
  return { removed, more: removed === limit };
}

const oldTasks = (
  status: Final,
): string => `SELECT rid, id FROM {tasks} t INDEXED BY ${status === "completed" ? "{idx_tasks_completed}" : "{idx_tasks_finished}"}
  WHERE ${finishedAs(status)} AND completed_at <= ? AND NOT ${hasDependents("t.id")} ORDER BY completed_at, rid LIMIT (?+0)`;

function sweepTasks(db: Db, status: Final, before: number, limit: number): Swept {
  const rows = db.all(oldTasks(status), before, limit);
  for (const row of rows) deleteTask(db, int(row["rid"]), str(row["id"]));
  return { ...swept(rows.length, limit), ids: rows.map((row) => str(row["id"])) };
}
