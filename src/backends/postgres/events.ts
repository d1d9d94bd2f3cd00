/** The event log: appended in sets, read by cursor or newest first. */
import type { EventStats } from "../../core/backend.ts";
import type { EventFilter, EventRow, NewEvent } from "../../core/event.ts";
import { expected } from "../../core/errors.ts";
import type { Db, Sql } from "./db.ts";
import { eventRow, eventStats } from "../shared/event-row.ts";
import type { Param, Row } from "./link.ts";
import { Sheet } from "./sheet.ts";
import { optionalStr, str } from "../shared/values.ts";

export const EVENT_COLUMNS = `id, task_id, event_type, timestamp, queue_name, worker_id, schedule_id, level, message, data, execution_time, retry_count, error, source`;
/** An event as it is sent, with the claim that it belongs to. */
export interface SentEvent {
  readonly event: NewEvent;
  readonly of?: { readonly id: string; readonly fence: number };
}
export const EVENTS = new Sheet<SentEvent>("e", [
  ["w", "text", ({ of }) => of?.id],
  ["wf", "bigint", ({ of }) => of?.fence],
  ["i", "text", ({ event }) => event.id],
  ["t", "text", ({ event }) => event.taskId],
  ["k", "text", ({ event }) => event.type],
  ["a", "bigint", ({ event }) => event.at],
  ["q", "text", ({ event }) => event.queue],
  ["wk", "text", ({ event }) => event.worker],
  ["s", "text", ({ event }) => event.scheduleId],
  ["l", "text", ({ event }) => (event.level === "info" ? undefined : event.level)],
  ["m", "text", ({ event }) => event.message],
  ["d", "text", ({ event }) => event.data],
  ["x", "double precision", ({ event }) => event.executionMs],
  ["n", "bigint", ({ event }) => event.retryCount],
  ["er", "text", ({ event }) => event.error],
  ["so", "text", ({ event }) => event.source],
]);
export const EVENT_VALUES: Sql = "e.i, e.t, e.k, coalesce(e.a, {now}), e.q, e.wk, e.s, e.l, e.m, e.d, e.x, e.n, e.er, e.so";

/** An event with an id of its own may be written twice. */
const APPEND: Sql = `INSERT INTO {events}(${EVENT_COLUMNS}) SELECT ${EVENT_VALUES} FROM ${EVENTS.from(1)} ON CONFLICT DO NOTHING`;

/** Writes the events that the transaction has gathered, in their order. */
export async function flushEvents(db: Db): Promise<void> {
  if (db.events.length === 0) return;
  const events = db.events.splice(0);
  await db.run(APPEND, ...EVENTS.params(events.map((event) => ({ event }))));
}

const OF_ANOTHER_SERVER = "WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())";
const ADOPT: Sql = `UPDATE {events} SET xid = '0'::xid8 WHERE (xid, seq) IN (SELECT xid, seq FROM {events} ${OF_ANOTHER_SERVER} LIMIT 10000)`;

/**
 * A dump brings the numbers of another server's transactions: what has one that is still to come here would be told only then. It lies in
 * front of everything now.
 */
export async function adopt(db: Db): Promise<void> {
  if ((await db.get(`SELECT 1 FROM {events} ${OF_ANOTHER_SERVER} LIMIT 1`)) === undefined) return;
  while ((await db.run(ADOPT)) > 0);
}

export async function append(db: Db, set: readonly NewEvent[]): Promise<void> {
  db.events.push(...set);
  db.hints.add("any");
  await flushEvents(db);
}

/** The filter as SQL: only the terms that are given, so that each has its index. */
function where(filter: EventFilter, params: Param[]): readonly string[] {
  const terms: string[] = [];
  const term = (sql: string, value: Param | undefined): void => {
    if (value === undefined) return;
    params.push(value);
    terms.push(`${sql} $${params.length}`);
  };
  term("task_id =", filter.taskId);
  term("schedule_id =", filter.scheduleId);
  term("event_type =", filter.type);
  term("timestamp >=", filter.from);
  term("timestamp <=", filter.to);
  return terms;
}

/** The cursor of an event is its place. One that was written without an id is named by its number alone, which is its own. */
function told(row: Row): EventRow {
  const seq = str(row["seq"]);
  return { ...eventRow(row), id: optionalStr(row["id"]) ?? `event-${seq}`, seq: cursorOf(str(row["xid"]), seq) };
}

const ROW = `seq, xid::text AS xid, ${EVENT_COLUMNS}`;

export async function newest(db: Db, filter: EventFilter): Promise<readonly EventRow[]> {
  const params: Param[] = [];
  const terms = where(filter, params);
  params.push(filter.limit);
  const sql: Sql = `SELECT ${ROW} FROM {events} ${terms.length === 0 ? "" : `WHERE ${terms.join(" AND ")}`} ORDER BY timestamp DESC, seq DESC LIMIT $${params.length}`;
  return (await db.all(sql, ...params)).map((row) => told(row));
}

// ---------------------------------------------------------------- by cursor

/** Rows that one call of `read` looks at, matching or not. */
const WINDOW = 5_000;
const START = { xid: "0", seq: "0" } as const;

function cursorOf(xid: string, seq: string): string {
  return `${xid}.${seq}`;
}

/** @throws InvalidOptionError for what is no cursor of ours. */
function placeOf(cursor: string | undefined): { readonly xid: string; readonly seq: string } {
  if (cursor === undefined) return START;
  const [, xid, seq] = /^(\d{1,20})\.(\d{1,19})$/.exec(cursor) ?? [];
  if (xid === undefined || seq === undefined) throw expected("after", "a cursor that was answered before", cursor);
  return { xid, seq };
}

/**
 * Below the oldest transaction that is still under way: what has a number from there on may be followed by an event with a lower one.
 * A transaction that anybody leaves open holds the tail back; nothing is skipped.
 */
const SETTLED = "xid < pg_snapshot_xmin(pg_current_snapshot())";

/**
 * Whether something has been written that cannot be told yet; and whether a cursor is of another server, from before a dump that was restored
 * here: its transaction is still to come.
 */
const NOTHING: Sql = `SELECT EXISTS (SELECT 1 FROM {events} WHERE NOT ${SETTLED}) AS held,
  $1::xid8 >= pg_snapshot_xmax(pg_current_snapshot()) AS foreign`;

const END: Sql = `SELECT xid::text AS xid, seq FROM (SELECT xid, seq FROM {events} WHERE (xid, seq) > ($1::xid8, $2::bigint) AND ${SETTLED}
  ORDER BY xid, seq LIMIT ${WINDOW}) AS w ORDER BY w.xid DESC, w.seq DESC LIMIT 1`;

export interface Read {
  readonly events: readonly EventRow[];
  readonly cursor: string;
  /** There is nothing yet, but there will be as soon as an older transaction has ended: nobody tells of that. */
  readonly isHeldBack: boolean;
}

export async function read(db: Db, after: string | undefined, filter: EventFilter): Promise<Read> {
  const from = placeOf(after);
  const end = await db.get(END, from.xid, from.seq);
  if (end === undefined) {
    const nothing = await db.get(NOTHING, from.xid);
    // What came with the dump lies at the beginning now (`adopt`), in the order of its numbers.
    if (nothing?.["foreign"] === 1) return await read(db, cursorOf(START.xid, from.seq), filter);
    return { events: [], cursor: cursorOf(from.xid, from.seq), isHeldBack: nothing?.["held"] === 1 };
  }
  const [endXid, endSeq] = [str(end["xid"]), str(end["seq"])];
  const params: Param[] = [from.xid, from.seq, endXid, endSeq];
  const terms = ["(xid, seq) > ($1::xid8, $2::bigint)", "(xid, seq) <= ($3::xid8, $4::bigint)", ...where(filter, params)];
  params.push(filter.limit);
  const sql: Sql = `SELECT ${ROW} FROM {events} WHERE ${terms.join(" AND ")} ORDER BY {events}.xid, {events}.seq LIMIT $${params.length}`;
  const rows = await db.all(sql, ...params);
  const events = rows.map((row) => told(row));
  const last = rows.length === filter.limit ? events.at(-1)?.seq : undefined;
  // Whoever follows asks again until there is nothing more.
  return { events, cursor: last ?? cursorOf(endXid, endSeq), isHeldBack: false };
}

const TAIL: Sql = `SELECT xid::text AS xid, seq FROM {events} WHERE ${SETTLED} ORDER BY {events}.xid DESC, {events}.seq DESC LIMIT 1`;

export async function tail(db: Db): Promise<string> {
  const row = await db.get(TAIL);
  return row === undefined ? cursorOf(START.xid, START.seq) : cursorOf(str(row["xid"]), str(row["seq"]));
}

const STATS: Sql =
  "SELECT event_type AS type, count(*) AS n FROM (SELECT event_type FROM {events} ORDER BY xid DESC, seq DESC LIMIT $1::bigint) AS e GROUP BY event_type";
const BOUNDS: Sql = `SELECT (SELECT min(timestamp) FROM {events}) AS oldest, (SELECT max(timestamp) FROM {events}) AS newest,
  EXISTS (SELECT 1 FROM {events} ORDER BY xid DESC, seq DESC LIMIT 1 OFFSET $1::bigint) AS more`;

export async function stats(db: Db, upTo: number): Promise<EventStats> {
  return eventStats(await db.all(STATS, upTo), await db.get(BOUNDS, upTo));
}
