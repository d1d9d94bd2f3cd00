/** The event log: appended in multi-row inserts, read by cursor or newest first. */
import type { EventStats } from "../../core/backend.ts";
import { SCHEDULE_EVENTS, TASK_EVENTS } from "../../core/event.ts";
import type { EventFilter, EventLevel, EventRow, EventType, NewEvent } from "../../core/event.ts";
import { int, optionalInt, optionalStr, str } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import type { Param, Row } from "./library.ts";

const COLUMNS =
  "task_id, event_type, timestamp, queue_name, worker_id, schedule_id, level, message, data, execution_time, retry_count, error";
const WIDTH = 12;
/** Rows of one insert; what is left over goes in smaller ones, so that few statements are ever prepared. */
const SIZES = [64, 16, 4, 1] as const;
const INSERTS = SIZES.map((size) => {
  const row = `(${Array.from({ length: WIDTH }, () => "?").join(",")})`;
  return [size, `INSERT INTO {events}(${COLUMNS}) VALUES ${Array.from({ length: size }, () => row).join(",")}`] as const;
});
/** An event with an id of its own may be written twice. */
const INSERT_OWN = `INSERT INTO {events}(${COLUMNS}, id, source) VALUES (${Array.from({ length: WIDTH + 2 }, () => "?").join(",")}) ON CONFLICT DO NOTHING`;

function params(event: NewEvent, now: number): Param[] {
  return [
    event.taskId ?? null,
    event.type,
    event.at ?? now,
    event.queue ?? null,
    event.worker ?? null,
    event.scheduleId ?? null,
    event.level === undefined || event.level === "info" ? null : event.level,
    event.message ?? null,
    event.data ?? null,
    event.executionMs ?? null,
    event.retryCount ?? null,
    event.error ?? null,
  ];
}

/** Writes the events that the transaction has gathered. */
export function flushEvents(db: Db): void {
  const plain: NewEvent[] = [];
  for (const event of db.events) {
    if (event.id === undefined && event.source === undefined) plain.push(event);
    else db.run(INSERT_OWN, ...params(event, db.now), event.id ?? null, event.source ?? null);
  }
  db.events.length = 0;
  let from = 0;
  for (const [size, sql] of INSERTS) {
    while (plain.length - from >= size) {
      db.run(sql, ...plain.slice(from, from + size).flatMap((event) => params(event, db.now)));
      from += size;
    }
  }
}

export function append(db: Db, set: readonly NewEvent[]): void {
  for (const event of set) db.events.push(event);
  db.hints.add("any");
}

function isType(value: string): value is EventType {
  return [...TASK_EVENTS, ...SCHEDULE_EVENTS].some((type) => type === value);
}

function isLevel(value: unknown): value is EventLevel {
  return value === "debug" || value === "info" || value === "warning" || value === "error";
}

function eventRow(row: Row): EventRow {
  const seq = str(row["seq"]);
  const type = str(row["event_type"]);
  const out: { -readonly [K in keyof EventRow]: EventRow[K] } = {
    id: optionalStr(row["id"]) ?? `event-${seq}`,
    seq,
    at: int(row["timestamp"]),
    type: isType(type) ? type : "progress",
    level: isLevel(row["level"]) ? row["level"] : "info",
  };
  const text = (column: string, set: (value: string) => void): void => {
    const value = optionalStr(row[column]);
    if (value !== undefined) set(value);
  };
  text("task_id", (v) => (out.taskId = v));
  text("queue_name", (v) => (out.queue = v));
  text("worker_id", (v) => (out.worker = v));
  text("schedule_id", (v) => (out.scheduleId = v));
  text("message", (v) => (out.message = v));
  text("data", (v) => (out.data = v));
  text("error", (v) => (out.error = v));
  text("source", (v) => (out.source = v));
  const ran = optionalInt(row["execution_time"]);
  if (ran !== undefined) out.executionMs = ran;
  const retries = optionalInt(row["retry_count"]);
  if (retries !== undefined) out.retryCount = retries;
  return out;
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
  const from = after === undefined ? 0 : Number(after);
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

export function stats(db: Db): EventStats {
  flushEvents(db);
  const byType: Record<string, number> = {};
  let total = 0;
  for (const row of db.all("SELECT event_type AS type, count(*) AS n FROM {events} GROUP BY event_type")) {
    byType[str(row["type"])] = int(row["n"]);
    total += int(row["n"]);
  }
  const bounds = db.get("SELECT min(timestamp) AS oldest, max(timestamp) AS newest FROM {events}");
  const oldest = optionalInt(bounds?.["oldest"]);
  const latest = optionalInt(bounds?.["newest"]);
  return { total, byType, ...(oldest === undefined ? {} : { oldest }), ...(latest === undefined ? {} : { newest: latest }) };
}
