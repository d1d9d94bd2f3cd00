/** Schedules: written by revision, fired by compare-and-set, an occurrence recorded once. */
import type { Enqueued, Schedules } from "../../core/backend.ts";
import type { Advance, Fired, FireAsk, Ran, RunAsk, ScheduleQuery, ScheduleRow } from "../../core/schedule.ts";
import type { NewTask } from "../../core/task.ts";
import { LIST, list as listed } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import { addOne } from "./enqueue.ts";
import type { Param } from "./link.ts";
import { COLUMNS, params, scheduleRow } from "./schedule-row.ts";
import { STAGE } from "./stage.ts";
import { str } from "./values.ts";

const MARKS = COLUMNS.map((_, i) => `$${i + 2}`);
const INSERT: Sql = `INSERT INTO {schedules}(id, ${COLUMNS.join(", ")}) VALUES ($1, ${MARKS.join(", ")}) ON CONFLICT DO NOTHING RETURNING *`;
const UPDATE: Sql = `UPDATE {schedules} SET ${COLUMNS.map((column, i) => `${column} = ${MARKS[i] ?? ""}`).join(", ")}
  WHERE id = $1 AND revision = $${COLUMNS.length + 2} RETURNING *`;

export async function put(db: Db, row: ScheduleRow, ifRevision?: number): ReturnType<Schedules["put"]> {
  const written =
    ifRevision === undefined
      ? await db.get(INSERT, row.id, ...paramsOf(row, 1))
      : await db.get(UPDATE, row.id, ...paramsOf(row, ifRevision + 1), ifRevision);
  if (written !== undefined) {
    db.hints.add("schedule");
    return { is: "put", row: scheduleRow(written) };
  }
  const now = await db.get("SELECT * FROM {schedules} WHERE id = $1", row.id);
  return { is: "stale", row: now === undefined ? row : scheduleRow(now) };
}

function paramsOf(row: ScheduleRow, revision: number): readonly Param[] {
  return params(row, revision).map((value) => (typeof value === "string" || typeof value === "number" ? value : null));
}

export async function list(db: Db, { ids, status, dueBy, limit }: ScheduleQuery): Promise<readonly ScheduleRow[]> {
  const given: Param[] = [];
  const terms: Sql[] = [];
  const term = (sql: (param: string) => Sql, value: Param | undefined): void => {
    if (value === undefined) return;
    given.push(value);
    terms.push(sql(`$${given.length}`));
  };
  if (ids !== undefined) term(() => `id = ANY(${LIST(given.length)})`, listed(ids));
  term((p) => `status = ${p}`, status);
  term((p) => `status = 'active' AND next_run_at <= ${p}`, dueBy);
  given.push(limit);
  const sql = `SELECT * FROM {schedules} ${terms.length === 0 ? "" : `WHERE ${terms.join(" AND ")}`} ORDER BY next_run_at NULLS LAST, id LIMIT $${given.length}`;
  return (await db.all(sql, ...given)).map((row) => scheduleRow(row));
}

const DROP: Sql = `DELETE FROM {schedules} WHERE id = ANY(${LIST(1)}) RETURNING id`;

export async function drop(db: Db, ids: readonly string[]): Promise<readonly boolean[]> {
  db.hints.add("schedule");
  const gone = new Set((await db.all(DROP, listed(ids))).map((row) => str(row["id"])));
  return ids.map((id) => gone.delete(id));
}

/** One after the other in the order of their ids, so that two workers never wait for each other. */
export async function fire(db: Db, set: readonly FireAsk[]): Promise<readonly Fired[]> {
  const answers = new Map<FireAsk, Fired>();
  for (const ask of set.toSorted((a, b) => (a.id < b.id ? -1 : 1))) answers.set(ask, await fireOne(db, ask));
  return set.map((ask) => answers.get(ask) ?? "stale");
}

const CURRENT: Sql = "SELECT 1 FROM {schedules} WHERE id = $1 AND revision = $2 AND status = 'active' FOR UPDATE";
const OPEN: Sql = `SELECT id FROM {tasks} WHERE schedule_id = $1 AND stage < ${STAGE.finished} LIMIT 1`;
const ADVANCE: Sql = `UPDATE {schedules} SET revision = revision + 1, run_count = run_count + $1,
  last_run_at = CASE WHEN $1 > 0 THEN {now} ELSE last_run_at END, next_run_at = $2,
  status = CASE WHEN $2::bigint IS NULL THEN 'completed' ELSE status END, last_task_id = coalesce($3, last_task_id) WHERE id = $4`;
const OCCURRENCE: Sql = "INSERT INTO {occurrences}(schedule_id, at, fired_at, task_id) VALUES ($1, $2, {now}, $3) ON CONFLICT DO NOTHING";
const BECAME: Sql = "UPDATE {occurrences} SET task_id = $1 WHERE schedule_id = $2 AND at = $3";
const RAN: Sql = "UPDATE {schedules} SET revision = revision + 1, last_run_at = {now}, last_task_id = $1 WHERE id = $2";

async function fireOne(db: Db, ask: FireAsk): Promise<Fired> {
  const { id, ifOpen } = ask;
  if ((await db.get(CURRENT, id, ask.revision)) === undefined) return "stale";
  if (ifOpen !== undefined && (await db.get(OPEN, id)) !== undefined) {
    await advance(db, id, ifOpen, []);
    return "open";
  }
  await advance(db, id, ask, await occur(db, ask));
  return "fired";
}

/** A task that was to be made, and the one that there is for it: itself, or the holder of its unique key. Absent: none was made. */
interface Made {
  readonly asked: string;
  readonly is: string | undefined;
}

/** An occurrence that was recorded before (a schedule deleted and made again) has had its task: it is passed over. */
async function occur(db: Db, { id, occurrences, enqueue }: FireAsk): Promise<readonly Made[]> {
  const made: Made[] = [];
  for (const [i, at] of occurrences.entries()) {
    const task = enqueue[i];
    if (task === undefined || (await db.run(OCCURRENCE, id, at, task.id)) === 0) continue;
    const answer = await add(db, task);
    const is = answer.is === "refused" ? undefined : answer.id;
    if (is !== task.id) await db.run(BECAME, is ?? "", id, at);
    made.push({ asked: task.id, is });
  }
  return made;
}

/** A task that is refused leaves nothing behind, and the rest goes on. */
async function add(db: Db, task: NewTask): Promise<Enqueued> {
  return await addOne(db, task);
}

async function advance(db: Db, id: string, { nextAt, events }: Advance, made: readonly Made[]): Promise<void> {
  await db.run(ADVANCE, made.length, nextAt, made.findLast(({ is }) => is !== undefined)?.is ?? null, id);
  tell(db, events, made);
  db.hints.add("schedule");
}

/** Events name the task that there is; those of an occurrence that was passed over are left out. */
function tell(db: Db, events: FireAsk["events"], made: readonly Made[]): void {
  for (const event of events) {
    if (event.taskId === undefined) db.events.push(event);
    const of = made.find(({ asked }) => asked === event.taskId);
    if (of !== undefined) db.events.push(of.is === undefined ? event : { ...event, taskId: of.is });
  }
}

export async function run(db: Db, { id, task, events, unlessOpen }: RunAsk): Promise<Ran> {
  // The row is locked: of two runs at a time only one finds nothing open.
  if ((await db.get("SELECT 1 FROM {schedules} WHERE id = $1 FOR UPDATE", id)) === undefined) return { is: "missing" };
  const open = unlessOpen ? await db.get(OPEN, id) : undefined;
  if (open !== undefined) return { is: "open", taskId: str(open["id"]) };
  const answer = await add(db, task);
  if (answer.is === "refused") return answer;
  await db.run(RAN, answer.id, id);
  tell(db, events, [{ asked: task.id, is: answer.id }]);
  db.hints.add("schedule");
  return { is: "fired", taskId: answer.id };
}
