/** The event log: appended in multi-row inserts, read by cursor or newest first. */
import type { EventStats } from "../../core/backend.ts";
import { placeOf } from "../../core/cursor.ts";
import type { EventFilter, EventRow, NewEvent } from "../../core/event.ts";
import { eventRow, eventStats } from "../shared/event-row.ts";
import { int } from "../shared/values.ts";
import type { Db, Sql } from "./db.ts";
import type { Param } from "./library.ts";

/** What nearly every event has; the others go with all columns, one by one. */
const COMMON = ["task_id", "event_type", "timestamp", "queue_name", "worker_id", "execution_time"] as const;
const ALL = [...COMMON, "schedule_id", "level", "message", "data", "retry_count", "error", "id", "source"] as const;
const rowOf = (columns: readonly string[]): string => `(${columns.map(() => "?").join(",")})`;
/** Rows of one insert; what is left over goes in smaller ones, so that few statements are ever prepared. */
const SIZES = [64, 16, 4, 2, 1] as const;
const INSERTS = SIZES.map((size) => {
  const rows = Array.from({ length: size }, () => rowOf(COMMON)).join(",");
  const values: Param[] = Array.from({ length: size * COMMON.length }, () => null);
  return { size, sql: `INSERT INTO {events}(${COMMON.join(",")}) VALUES ${rows}`, values };
});
/** An event with an id of its own may be written twice. */
const INSERT_ALL = `INSERT INTO {events}(${ALL.join(",")}) VALUES ${rowOf(ALL)} ON CONFLICT DO NOTHING`;

function isCommon(event: NewEvent): boolean {
  return (
    event.id === undefined &&
    event.source === undefined &&
    event.scheduleId === undefined &&
    (event.level === undefined || event.level === "info") &&
    event.message === undefined &&
    event.data === undefined &&
    event.retryCount === undefined &&
    event.error === undefined
  );
}

/** Puts the common columns of an event where its row begins. */
function fillCommon(values: Param[], from: number, event: NewEvent, now: number): void {
  values[from] = event.taskId ?? null;
  values[from + 1] = event.type;
  values[from + 2] = event.at ?? now;
  values[from + 3] = event.queue ?? null;
  values[from + 4] = event.worker ?? null;
  values[from + 5] = event.executionMs ?? null;
}

function insertOne(db: Db, event: NewEvent): void {
  const values: Param[] = [];
  fillCommon(values, 0, event, db.now);
  values.push(
    event.scheduleId ?? null,
    event.level === undefined || event.level === "info" ? null : event.level,
    event.message ?? null,
    event.data ?? null,
    event.retryCount ?? null,
    event.error ?? null,
    event.id ?? null,
    event.source ?? null,
  );
  db.run(INSERT_ALL, ...values);
}

/** The arrays of values are filled again and again: a new one for each statement was a third of what a task left to the collector. */
function insertMany(db: Db, events: readonly NewEvent[]): void {
  let from = 0;
  for (const { size, sql, values } of INSERTS) {
    while (events.length - from >= size) {
      for (let i = 0; i < size; i++) {
        const event = events[from + i];
        if (event !== undefined) fillCommon(values, i * COMMON.length, event, db.now);
      }
      db.run(sql, ...values);
      from += size;
    }
  }
}

/** Writes the events that the transaction has gathered, in their order. */
export function flushEvents(db: Db): void {
  const { events } = db;
  if (events.every(isCommon)) insertMany(db, events);
  else {
    let from = 0;
    for (const [i, event] of events.entries()) {
      if (isCommon(event)) continue;
      insertMany(db, events.slice(from, i));
      insertOne(db, event);
      from = i + 1;
    }
    insertMany(db, events.slice(from));
  }
  events.length = 0;
}

export function append(db: Db, set: readonly NewEvent[]): void {
  for (const event of set) db.events.push(event);
  db.hints.add("any");
}

/** The filter as SQL: only the terms that are given, so that each has its index. */
function where(filter: EventFilter): readonly [readonly string[], readonly Param[]] {
  const terms: string[] = [];
  const values: Param[] = [];
  const term = (sql: string, value: Param | undefined): void => {
    if (value === undefined) return;
    terms.push(sql);
    values.push(value);
  };
  term("task_id = ?", filter.taskId);
  term("schedule_id = ?", filter.scheduleId);
  // The unary plus keeps the planner on the one index that fits.
  term("+event_type = ?", filter.type);
  term("timestamp >= ?", filter.from);
  term("timestamp <= ?", filter.to);
  return [terms, values];
}

export function newest(db: Db, filter: EventFilter): readonly EventRow[] {
  flushEvents(db);
  const [terms, values] = where(filter);
  const sql: Sql = `SELECT * FROM {events} ${terms.length === 0 ? "" : `WHERE ${terms.join(" AND ")}`} ORDER BY timestamp DESC, seq DESC LIMIT (?+0)`;
  return db.all(sql, ...values, filter.limit).map((row) => eventRow(row));
}

/** Events read in one step of a tail, matching or not: the cursor moves past those that the filter leaves out. */
const WINDOW = 2_000;

export function read(db: Db, after: string | undefined, filter: EventFilter): { events: readonly EventRow[]; cursor: string } {
  flushEvents(db);
  const from = after === undefined ? 0 : placeOf(after);
  const [terms, values] = where(filter);
  const end = int(
    db.get("SELECT max(seq) AS s FROM (SELECT seq FROM {events} WHERE seq > ? ORDER BY seq LIMIT (?+0))", from, WINDOW)?.["s"] ?? from,
  );
  const conditions = ["seq > ?", "seq <= ?", ...terms.map((each) => each.replace(/^(\w)/, "+$1"))].join(" AND ");
  const rows = db.all(`SELECT * FROM {events} WHERE ${conditions} ORDER BY seq LIMIT (?+0)`, from, end, ...values, filter.limit);
  const last = rows.length === filter.limit ? int(rows.at(-1)?.["seq"]) : end;
  return { events: rows.map((row) => eventRow(row)), cursor: String(last) };
}

export function tail(db: Db): string {
  flushEvents(db);
  return String(int(db.get("SELECT max(seq) AS s FROM {events}")?.["s"] ?? 0));
}

const STATS: Sql =
  "SELECT event_type AS type, count(*) AS n FROM (SELECT event_type FROM {events} ORDER BY seq DESC LIMIT (?+0)) GROUP BY event_type";
/** Each bound by itself is one seek, both of one SELECT are a scan. */
const BOUNDS: Sql = `SELECT (SELECT min(timestamp) FROM {events}) AS oldest, (SELECT max(timestamp) FROM {events}) AS newest,
  EXISTS (SELECT 1 FROM {events} ORDER BY seq DESC LIMIT 1 OFFSET (?+0)) AS more`;

export function stats(db: Db, upTo: number): EventStats {
  flushEvents(db);
  return eventStats(db.all(STATS, upTo), db.get(BOUNDS, upTo));
}
