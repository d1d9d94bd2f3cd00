/** Pages of tasks, newest first: what an index leads to, then the rows that all of the filter means. */
import type { TaskPage, TaskQuery } from "../../core/backend.ts";
import { FIND_WINDOW, pageOf, placeAfter, sizesOf, wayOf } from "../../core/find.ts";
import type { Ended, Place, Way } from "../../core/find.ts";
import type { Phase } from "../../core/task.ts";
import { isInPhase } from "../shared/phase.ts";
import { STAGE } from "../shared/stage.ts";
import { int } from "../shared/values.ts";
import type { Row } from "../shared/values.ts";
import type { Db, Sql } from "./db.ts";
import { finishedAs } from "./desk.ts";
import type { Param } from "./library.ts";
import { TASK_COLUMNS, taskOf } from "./task-row.ts";

/** Text with its values, in their order. */
interface Piece {
  readonly sql: Sql;
  readonly values: readonly Param[];
}

function conditions(query: TaskQuery, now: number): Piece {
  const terms: string[] = ["1"];
  const values: Param[] = [];
  const term = (sql: string, value: Param | undefined): void => {
    if (value === undefined) return;
    terms.push(sql);
    values.push(value);
  };
  term("queue_name = ?", query.queue);
  term("func = ?", query.func);
  term("status = ?", query.status);
  term("schedule_id = ?", query.scheduleId);
  term("created_at >= ?", query.createdFrom);
  term("created_at <= ?", query.createdTo);
  if (query.phase !== undefined) terms.push(isInPhase(query.phase, String(Math.trunc(now))));
  for (const tag of query.tags ?? [])
    term("EXISTS (SELECT 1 FROM json_each(iif(json_valid(tags), tags, NULL)) AS t WHERE t.value = ?)", tag);
  return { sql: terms.join(" AND "), values };
}

/** Where a phase lies, in no order: read as a whole where there are few. */
const PLACES: Readonly<Partial<Record<Phase, readonly Sql[]>>> = {
  ready: [`INDEXED BY {idx_tasks_queue_status} WHERE stage = ${STAGE.ready}`, `INDEXED BY {idx_tasks_run_at} WHERE stage = ${STAGE.timed}`],
  delayed: [`INDEXED BY {idx_tasks_run_at} WHERE stage = ${STAGE.timed}`],
  retrying: [`INDEXED BY {idx_tasks_run_at} WHERE stage = ${STAGE.timed}`],
  blocked: [`INDEXED BY {idx_tasks_blocked} WHERE stage = ${STAGE.blocked}`],
  running: [`INDEXED BY {idx_tasks_held} WHERE stage > 3 AND stage < 6`],
  completed: [`INDEXED BY {idx_tasks_completed} WHERE ${finishedAs("completed")}`],
};

/** All of a phase, if it fits into a window: a few among a million are found at once, whatever else is asked. */
function few(db: Db, phase: Phase | undefined): Sql | undefined {
  const places = phase === undefined ? undefined : PLACES[phase];
  if (places === undefined) return undefined;
  const rids = places.map((place) => `SELECT rid FROM {tasks} ${place}`).join(" UNION ALL ");
  return int(db.get(`SELECT count(*) AS n FROM (${rids} LIMIT ${FIND_WINDOW + 1})`)?.["n"]) > FIND_WINDOW ? undefined : rids;
}

/** The newest of an index after a place, in order. */
const along = (index: Sql, where: Sql): Sql => `SELECT created_at, rid FROM {tasks} INDEXED BY ${index}
  WHERE ${where} AND created_at >= ? AND (created_at, rid) < (?, ?) ORDER BY created_at DESC, rid DESC LIMIT (?+0)`;
const BY_SCHEDULE = along("{idx_tasks_by_schedule}", "schedule_id = ?");
const BY_FUNC = along("{idx_tasks_by_func}", "func = ?");
const BY_QUEUE = along("{idx_tasks_by_queue}", "queue_name = ?");
const BY_ARRIVAL = "SELECT created_at, rid FROM {tasks} WHERE rid < ? ORDER BY rid DESC LIMIT (?+0)";
const byEnd = (phase: Ended): Sql => along("{idx_tasks_by_end}", finishedAs(phase));
const DOOMED = along("{idx_tasks_doomed}", `stage = ${STAGE.doomed}`);

function entries(query: TaskQuery, way: Way, { createdAt, arrived }: Place, limit: number): Piece {
  const values = [query.createdFrom ?? Number.MIN_SAFE_INTEGER, createdAt, arrived, limit];
  switch (way.by) {
    case "scheduleId":
      return { sql: BY_SCHEDULE, values: [way.value, ...values] };
    case "func":
      return { sql: BY_FUNC, values: [way.value, ...values] };
    case "queue":
      return { sql: BY_QUEUE, values: [way.value, ...values] };
    case "none":
      return { sql: BY_ARRIVAL, values: [arrived, limit] };
    case "phase": {
      if (way.value === "failed") return { sql: byEnd("failed"), values };
      // Those that are marked, and wait to be ended, belong to them.
      const both = `SELECT created_at, rid FROM (SELECT * FROM (${byEnd(way.value)}) UNION ALL SELECT * FROM (${DOOMED})) ORDER BY created_at DESC, rid DESC LIMIT (?+0)`;
      return { sql: both, values: [...values, ...values, limit] };
    }
  }
}

export function find(db: Db, query: TaskQuery): TaskPage {
  const way = wayOf(query);
  const place = placeAfter(query, way);
  const all = few(db, query.phase);
  const windows = all === undefined ? sizesOf(query, way).map((size) => entries(query, way, place, size)) : [{ sql: all, values: [] }];
  let rows: readonly Row[] = [];
  for (const window of windows) {
    rows = rowsOf(db, query, way, place, window);
    if (rows.length > query.limit) break;
  }
  const page = rows.slice(0, query.limit);
  const isFull = rows.length > page.length;
  const end = isFull ? placeOf(page.at(-1)) : all === undefined ? bottom(db, windows.at(-1)) : undefined;
  const items = page.map((row) => taskOf(row, db.now));
  return pageOf(items, end, way);
}

/** The rows of a window that all of the filter means, and one more than the page has. */
function rowsOf(db: Db, query: TaskQuery, { by }: Way, { createdAt, arrived }: Place, window: Piece): readonly Row[] {
  const [before, values, order] =
    by === "none" ? ["+rid < ?", [arrived], "rid DESC"] : ["(created_at, rid) < (?, ?)", [createdAt, arrived], "created_at DESC, rid DESC"];
  const meant = conditions(query, db.now);
  // `NOT INDEXED` and the unary plus keep the planner with the rows of the window.
  const sql = `SELECT ${TASK_COLUMNS} FROM {tasks} NOT INDEXED WHERE rid IN (SELECT rid FROM (${window.sql})) AND ${before} AND ${meant.sql} ORDER BY ${order} LIMIT (?+0)`;
  return db.connection.prepare(db.named(sql)).all(...window.values, ...values, ...meant.values, query.limit + 1);
}

/** The last entry of a window that is full: there may be more behind it. */
function bottom(db: Db, window: Piece | undefined): Place | undefined {
  if (window === undefined) return undefined;
  return placeOf(db.get(`SELECT created_at, rid FROM (${window.sql}) LIMIT 1 OFFSET ${FIND_WINDOW - 1}`, ...window.values));
}

function placeOf(row: Row | undefined): Place | undefined {
  return row === undefined ? undefined : { createdAt: int(row["created_at"]), arrived: int(row["rid"]) };
}
