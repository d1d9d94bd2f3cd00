/** Schedules: written by revision, fired by compare-and-set, an occurrence recorded once. */
import type { Schedules, Sync } from "../../core/backend.ts";
import type { NewEvent } from "../../core/event.ts";
import { runsOf, toldOf } from "../../core/occurrence.ts";
import type { Fired, Occurrence, Ran } from "../../core/occurrence.ts";
import type { Advance, FireAsk, RunAsk, ScheduleQuery, ScheduleRow } from "../../core/schedule.ts";
import { COLUMNS, STANDING, scheduleParams, scheduleRow, standingParams } from "../shared/schedule-row.ts";
import { int, str } from "../shared/values.ts";
import type { Row } from "../shared/values.ts";
import { CHECKED, checksumOf, isRowDamaged } from "./checksum.ts";
import type { Db, Sql } from "./db.ts";
import { addTask } from "./enqueue.ts";
import type { Param } from "./library.ts";

const ALL = [...COLUMNS, "checksum"];
const INSERT = `INSERT INTO {schedules}(${ALL.join(", ")}, id) VALUES (${Array.from({ length: ALL.length + 1 }, () => "?").join(", ")}) ON CONFLICT DO NOTHING`;
const update = (columns: readonly string[]): Sql =>
  `UPDATE {schedules} SET ${columns.map((column) => `${column} = ?`).join(", ")} WHERE id = ? AND revision = ?`;
const UPDATE = update(ALL);
const STAND = update(STANDING);

export function put(db: Db, row: ScheduleRow, ifRevision?: number, events: readonly NewEvent[] = []): ReturnType<Sync<Schedules>["put"]> {
  const changed = write(db, row, ifRevision);
  const now = db.get("SELECT * FROM {schedules} WHERE id = ?", row.id);
  if (changed > 0) {
    tell(db, events, []);
    db.hints.add("schedule");
  }
  return { is: changed > 0 ? "put" : "stale", row: now === undefined ? row : read(now) };
}

function write(db: Db, row: ScheduleRow, ifRevision: number | undefined): number {
  if (ifRevision === undefined) return db.run(INSERT, ...params(row, revisionFloor(db) + 1), row.id);
  if (row.unreadable !== undefined) return db.run(STAND, ...standingParams(row, ifRevision + 1), row.id, ifRevision);
  return db.run(UPDATE, ...params(row, ifRevision + 1), row.id, ifRevision);
}

/** In the order of ALL. */
function params(row: ScheduleRow, revision: number): Param[] {
  const values = scheduleParams(row, revision);
  return [...values, checksumOf(...CHECKED.schedules.map((column) => values[COLUMNS.indexOf(column)]))];
}

/** Bits that have changed are as unreadable as what was broken by hand. */
function read(row: Row): ScheduleRow {
  const known = scheduleRow(row);
  return isRowDamaged("schedules", row)
    ? { ...known, unreadable: [...new Set([...CHECKED.schedules, ...(known.unreadable ?? [])])] }
    : known;
}

/** The highest revision of the schedules that are gone: who read one of them must not take the next of its id for it. */
function revisionFloor(db: Db): number {
  return int(db.get("SELECT value FROM {omniq_meta} WHERE key = 'revision_floor'")?.["value"] ?? 0);
}

export function list(db: Db, query: ScheduleQuery): readonly ScheduleRow[] {
  if (query.ids !== undefined) {
    const rows = query.ids.flatMap((id) => db.all("SELECT * FROM {schedules} WHERE id = ?", id));
    const kept = rows.map((row) => read(row)).filter((row) => matches(row, query));
    return kept.toSorted(byNextRun).slice(0, query.limit);
  }
  const order = "ORDER BY next_run_at IS NULL, next_run_at, id LIMIT (?+0)";
  if (query.dueBy !== undefined) {
    if (query.status !== undefined && query.status !== "active") return [];
    const due = "SELECT * FROM {schedules} WHERE status = 'active' AND next_run_at <= ? ORDER BY next_run_at, id LIMIT (?+0)";
    return db.all(due, query.dueBy, query.limit).map((row) => read(row));
  }
  const rows =
    query.status === undefined
      ? db.all(`SELECT * FROM {schedules} ${order}`, query.limit)
      : db.all(`SELECT * FROM {schedules} WHERE status = ? ${order}`, query.status, query.limit);
  return rows.map((row) => read(row));
}

function matches(row: ScheduleRow, query: ScheduleQuery): boolean {
  if (query.status !== undefined && row.status !== query.status) return false;
  return query.dueBy === undefined || (row.status === "active" && row.nextRunAt !== undefined && row.nextRunAt <= query.dueBy);
}

function byNextRun(a: ScheduleRow, b: ScheduleRow): number {
  const [at, bt] = [a.nextRunAt ?? Number.POSITIVE_INFINITY, b.nextRunAt ?? Number.POSITIVE_INFINITY];
  return at === bt ? (a.id < b.id ? -1 : 1) : at - bt;
}

const RAISE_FLOOR = `INSERT INTO {omniq_meta}(key, value) SELECT 'revision_floor', revision FROM {schedules} WHERE id = ?
  ON CONFLICT(key) DO UPDATE SET value = max(value, excluded.value)`;

export function drop(db: Db, ids: readonly string[]): readonly boolean[] {
  db.hints.add("schedule");
  return ids.map((id) => db.run(RAISE_FLOOR, id) > 0 && db.run("DELETE FROM {schedules} WHERE id = ?", id) > 0);
}

export function fire(db: Db, set: readonly FireAsk[]): readonly Fired[] {
  return set.map((ask) => fireOne(db, ask));
}

const CURRENT = "SELECT 1 FROM {schedules} WHERE id = ? AND revision = ? AND status = 'active'";
export const OPEN: Sql = "SELECT id FROM {tasks} INDEXED BY {idx_tasks_schedule} WHERE schedule_id = ? AND stage < 6 LIMIT 1";
const ADVANCE = `UPDATE {schedules} SET revision = revision + 1, run_count = run_count + ?1, last_run_at = iif(?1 > 0, ?2, last_run_at), next_run_at = ?3,
  status = iif(?3 IS NULL, 'completed', status), last_task_id = ifnull(?4, last_task_id) WHERE id = ?5`;
const OCCURRENCE = "INSERT INTO {occurrences}(schedule_id, at, fired_at, task_id) VALUES (?, ?, ?, ?)";
const RECORDED = "SELECT 1 FROM {occurrences} WHERE schedule_id = ? AND at = ?";
const RAN = "UPDATE {schedules} SET revision = revision + 1, last_run_at = ?, last_task_id = ? WHERE id = ?";

function fireOne(db: Db, ask: FireAsk): Fired {
  const { id, ifOpen } = ask;
  if (db.get(CURRENT, id, ask.revision) === undefined) return { is: "stale" };
  if (ifOpen !== undefined && db.get(OPEN, id) !== undefined) {
    advance(db, id, ifOpen, []);
    return { is: "open" };
  }
  const occurrences = occur(db, ask);
  const fewer = runsOf(occurrences).length < ask.occurrences.length ? ask.ifFewer : undefined;
  advance(db, id, fewer ?? ask, occurrences);
  return { is: fewer === undefined ? "fired" : "fewer", occurrences };
}

/** Records those that have a task now. */
function occur(db: Db, { id, occurrences, enqueue }: FireAsk): readonly Occurrence[] {
  return occurrences.flatMap((at, i): readonly Occurrence[] => {
    const task = enqueue[i];
    if (task === undefined) return [];
    if (db.get(RECORDED, id, at) !== undefined) return [{ at, asked: task.id, is: "recorded" }];
    const answer = addTask(db, task, true);
    if (answer.is !== "refused") db.run(OCCURRENCE, id, at, db.now, answer.id);
    return [{ at, asked: task.id, ...answer }];
  });
}

function advance(db: Db, id: string, { nextAt, events }: Advance, occurrences: readonly Occurrence[]): void {
  const runs = runsOf(occurrences);
  db.run(ADVANCE, runs.length, db.now, nextAt, runs.at(-1) ?? null, id);
  tell(db, events, occurrences);
  db.hints.add("schedule");
}

function tell(db: Db, events: readonly NewEvent[], occurrences: readonly Occurrence[]): void {
  for (const event of toldOf(events, occurrences)) db.events.push(event);
}

export function run(db: Db, { id, task, events, unlessOpen }: RunAsk): Ran {
  if (db.get("SELECT 1 FROM {schedules} WHERE id = ?", id) === undefined) return { is: "missing" };
  const open = unlessOpen ? db.get(OPEN, id) : undefined;
  if (open !== undefined) return { is: "open", taskId: str(open["id"]) };
  const answer = addTask(db, task, true);
  if (answer.is === "refused") return answer;
  db.run(RAN, db.now, answer.id, id);
  tell(db, events, [{ at: db.now, asked: task.id, ...answer }]);
  db.hints.add("schedule");
  return { is: "fired", task: answer };
}
