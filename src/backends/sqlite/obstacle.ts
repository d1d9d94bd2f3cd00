/** What keeps an ended task from coming back: another holds its unique key, or none of its schedule may overlap. */
import type { RequeueConflict } from "../../core/backend.ts";
import { allowsOverlap } from "../shared/schedule-row.ts";
import { STAGE } from "../shared/stage.ts";
import { optionalStr, str } from "../shared/values.ts";
import type { Db, Sql } from "./db.ts";
import { freeHolder } from "./enqueue.ts";
import { OPEN } from "./schedules.ts";

/** One that holds its key still, for a length of time, need not take it. */
const WANTS: Sql = `SELECT iif(unique_key IS NULL, asked_key, NULL) AS key, schedule_id FROM {tasks}
  WHERE id = ? AND stage = ${STAGE.finished} AND status <> 'completed'`;

/** Of a task that could be requeued; a holder of its key that has outlived it lets go of it. */
export function obstacleTo(db: Db, id: string): RequeueConflict | undefined {
  const row = db.get(WANTS, id);
  const [key, scheduleId] = [optionalStr(row?.["key"]), optionalStr(row?.["schedule_id"])];
  const open = scheduleId === undefined ? undefined : openOf(db, scheduleId);
  if (open !== undefined) return { is: "conflict", over: "overlap", taskId: open };
  const holder = key === undefined ? undefined : freeHolder(db, key);
  return holder === undefined ? undefined : { is: "conflict", over: "unique", taskId: holder };
}

function openOf(db: Db, scheduleId: string): string | undefined {
  const schedule = db.get("SELECT policy FROM {schedules} WHERE id = ?", scheduleId);
  if (schedule === undefined || allowsOverlap(schedule["policy"])) return undefined;
  const open = db.get(OPEN, scheduleId);
  return open === undefined ? undefined : str(open["id"]);
}
