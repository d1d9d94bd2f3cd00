/** Schedules: written by revision, fired by compare-and-set, an occurrence recorded once. */
import type { Schedules } from "../../core/backend.ts";
import type { NewEvent } from "../../core/event.ts";
import { runsOf, toldOf } from "../../core/occurrence.ts";
import type { Fired, Occurrence, Ran } from "../../core/occurrence.ts";
import type { Advance, FireAsk, RunAsk, ScheduleQuery, ScheduleRow } from "../../core/schedule.ts";
import { COLUMNS, scheduleParams, scheduleRow, STANDING, standingParams } from "../shared/schedule-row.ts";
import { STAGE } from "../shared/stage.ts";
import { int, str } from "../shared/values.ts";
import { LIST, list as listed } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import { addOne } from "./enqueue.ts";
import type { Param, Row } from "./link.ts";

const MARKS = (columns: readonly string[]): readonly string[] => columns.map((_, i) => `$${i + 2}`);
const INSERT: Sql = `INSERT INTO {schedules}(id, ${COLUMNS.join(", ")}) VALUES ($1, ${MARKS(COLUMNS).join(", ")}) ON CONFLICT DO NOTHING RETURNING *`;
const update = (
  columns: readonly string[],
): Sql => `UPDATE {schedules} SET ${columns.map((column, i) => `${column} = $${i + 2}`).join(", ")}
  WHERE id = $1 AND revision = $${columns.length + 2} RETURNING *`;
const UPDATE = update(COLUMNS);
const STAND = update(STANDING);

export async function put(db: Db, row: ScheduleRow, ifRevision?: number, events: readonly NewEvent[] = []): ReturnType<Schedules["put"]> {
  const written = await write(db, row, ifRevision);
  if (written !== undefined) {
    tell(db, events, []);
    db.hints.add("schedule");
    return { is: "put", row: scheduleRow(written) };
  }
  const now = await db.get("SELECT * FROM {schedules} WHERE id = $1", row.id);
  return { is: "stale", row: now === undefined ? row : scheduleRow(now) };
}

async function write(db: Db, row: ScheduleRow, ifRevision: number | undefined): Promise<Row | undefined> {
  if (ifRevision === undefined) return await db.get(INSERT, row.id, ...scheduleParams(row, (await revisionFloor(db)) + 1));
  if (row.unreadable !== undefined) return await db.get(STAND, row.id, ...standingParams(row, ifRevision + 1), ifRevision);
  return await db.get(UPDATE, row.id, ...scheduleParams(row, ifRevision + 1), ifRevision);
}

/** The highest revision of the schedules that are gone: who read one of them must not take the next of its id for it. */
async function revisionFloor(db: Db): Promise<number> {
  return int((await db.get("SELECT value FROM {omniq_meta} WHERE key = 'revision_floor' FOR SHARE"))?.["value"] ?? 0);
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

const LOCK: Sql = `SELECT id, revision FROM {schedules} WHERE id = ANY(${LIST(1)}) ORDER BY id FOR UPDATE`;
const RAISE_FLOOR: Sql = "UPDATE {omniq_meta} SET value = $1 WHERE key = 'revision_floor' AND value < $1";
const DROP: Sql = `DELETE FROM {schedules} WHERE id = ANY(${LIST(1)}) RETURNING id`;

export async function drop(db: Db, ids: readonly string[]): Promise<readonly boolean[]> {
  db.hints.add("schedule");
  // Only those that are locked: one that is made meanwhile stays, since the floor does not know of its revision.
  const rows = await db.all(LOCK, listed(ids));
  if (rows.length > 0) await db.run(RAISE_FLOOR, Math.max(...rows.map((row) => int(row["revision"]))));
  const gone = new Set((await db.all(DROP, listed(rows.map((row) => str(row["id"]))))).map((row) => str(row["id"])));
  return ids.map((id) => gone.delete(id));
}

/** One after the other in the order of their ids, so that two workers never wait for each other. */
export async function fire(db: Db, set: readonly FireAsk[]): Promise<readonly Fired[]> {
  const answers = new Map<FireAsk, Fired>();
  for (const ask of set.toSorted((a, b) => (a.id < b.id ? -1 : 1))) answers.set(ask, await fireOne(db, ask));
  return set.map((ask) => answers.get(ask) ?? { is: "stale" });
}

/** Compared so that no index of the active ones is read from end to end for it. */
const CURRENT: Sql = "SELECT 1 FROM {schedules} WHERE id = $1 AND revision = $2 AND status IS NOT DISTINCT FROM 'active' FOR UPDATE";
export const OPEN: Sql = `SELECT id FROM {tasks} WHERE schedule_id = $1 AND stage < ${STAGE.finished} ORDER BY rid LIMIT 1`;
const ADVANCE: Sql = `UPDATE {schedules} SET revision = revision + 1, run_count = run_count + $1,
  last_run_at = CASE WHEN $1 > 0 THEN {now} ELSE last_run_at END, next_run_at = $2,
  status = CASE WHEN $2::bigint IS NULL THEN 'completed' ELSE status END, last_task_id = coalesce($3, last_task_id) WHERE id = $4`;
const OCCURRENCE: Sql = "INSERT INTO {occurrences}(schedule_id, at, fired_at, task_id) VALUES ($1, $2, {now}, $3)";
const RECORDED: Sql = "SELECT 1 FROM {occurrences} WHERE schedule_id = $1 AND at = $2";
const RAN: Sql = "UPDATE {schedules} SET revision = revision + 1, last_run_at = {now}, last_task_id = $1 WHERE id = $2";

async function fireOne(db: Db, ask: FireAsk): Promise<Fired> {
  const { id, ifOpen } = ask;
  if ((await db.get(CURRENT, id, ask.revision)) === undefined) return { is: "stale" };
  if (ifOpen !== undefined && (await db.get(OPEN, id)) !== undefined) {
    await advance(db, id, ifOpen, []);
    return { is: "open" };
  }
  const occurrences = await occur(db, ask);
  const fewer = runsOf(occurrences).length < ask.occurrences.length ? ask.ifFewer : undefined;
  await advance(db, id, fewer ?? ask, occurrences);
  return { is: fewer === undefined ? "fired" : "fewer", occurrences };
}

/** Records those that have a task now. The schedule's row is locked: nobody else fires it meanwhile. */
async function occur(db: Db, { id, occurrences, enqueue }: FireAsk): Promise<readonly Occurrence[]> {
  const found: Occurrence[] = [];
  for (const [i, at] of occurrences.entries()) {
    const task = enqueue[i];
    if (task === undefined) continue;
    if ((await db.get(RECORDED, id, at)) !== undefined) {
      found.push({ at, asked: task.id, is: "recorded" });
      continue;
    }
    const answer = await addOne(db, task);
    if (answer.is !== "refused") await db.run(OCCURRENCE, id, at, answer.id);
    found.push({ at, asked: task.id, ...answer });
  }
  return found;
}

async function advance(db: Db, id: string, { nextAt, events }: Advance, occurrences: readonly Occurrence[]): Promise<void> {
  const runs = runsOf(occurrences);
  await db.run(ADVANCE, runs.length, nextAt, runs.at(-1) ?? null, id);
  tell(db, events, occurrences);
  db.hints.add("schedule");
}

function tell(db: Db, events: readonly NewEvent[], occurrences: readonly Occurrence[]): void {
  db.events.push(...toldOf(events, occurrences));
}

export async function run(db: Db, { id, task, events, unlessOpen }: RunAsk): Promise<Ran> {
  // The row is locked: of two runs at a time only one finds nothing open.
  if ((await db.get("SELECT 1 FROM {schedules} WHERE id = $1 FOR UPDATE", id)) === undefined) return { is: "missing" };
  const open = unlessOpen ? await db.get(OPEN, id) : undefined;
  if (open !== undefined) return { is: "open", taskId: str(open["id"]) };
  const answer = await addOne(db, task);
  if (answer.is === "refused") return answer;
  await db.run(RAN, answer.id, id);
  tell(db, events, [{ at: 0, asked: task.id, ...answer }]);
  db.hints.add("schedule");
  return { is: "fired", task: answer };
}
