/** Handing out claims: what is due, what waits to be ended, and what a lost worker held. */
import { PROMOTIONS } from "../../core/backend.ts";
import type { Claim, ClaimAsk, Claims } from "../../core/backend.ts";
import { WorkerUnknownError } from "../../core/errors.ts";
import type { NewEvent } from "../../core/event.ts";
import type { StoredTask } from "../../core/task.ts";
import { MARK, STAGE, UNTIL } from "../shared/stage.ts";
import { markOf } from "../shared/task-row.ts";
import { int, optionalInt, str } from "../shared/values.ts";
import type { Row } from "../shared/values.ts";
import type { Db, Sql } from "./db.ts";
import type { Param } from "./library.ts";
import { grown } from "./schema.ts";
import { CLAIMED, CLAIMED_COLUMNS, claimedTask, TASK_COLUMNS, taskOf } from "./task-row.ts";

export function claim(db: Db, ask: ClaimAsk): Claims {
  const { of } = ask;
  if ("due" in of) return claimDue(db, ask, of);
  const worker = db.get("SELECT rid FROM {workers} WHERE id = ?", ask.worker);
  if (worker === undefined) throw new WorkerUnknownError(ask.worker);
  const rid = int(worker["rid"]);
  if ("ended" in of) return claimEnded(db, ask.limit, rid);
  if ("lost" in of) return claimLost(db, ask, of, rid);
  return handOut(
    db,
    ask,
    of.ids.flatMap((id) => db.all(`SELECT rid FROM {tasks} WHERE id = ? AND stage = ${STAGE.doomed} AND worker IS NULL`, id)),
    rid,
  );
}

type DueAsk = Extract<ClaimAsk["of"], { due: true }>;

const PROMOTE = `UPDATE {tasks} SET stage = ${STAGE.ready} WHERE rid IN (SELECT rid FROM {tasks} INDEXED BY {idx_tasks_run_at}
  WHERE stage = ${STAGE.timed} AND due_at <= (SELECT ?) ORDER BY due_at, rid LIMIT (?+0))`;
const NEXT_DUE = `SELECT min(due_at) AS due FROM {tasks} INDEXED BY {idx_tasks_run_at} WHERE stage = ${STAGE.timed}`;
const PAUSED = "SELECT name FROM {queues} WHERE paused_at IS NOT NULL";
/** No claim has a lower fence, not even of an id whose row was removed: raised by the removal. */
const FLOOR = "SELECT value FROM {omniq_meta} WHERE key = 'fence_floor'";
/** All that a claim has to know first: one statement instead of four. */
const FACTS = `SELECT (SELECT rid FROM {workers} WHERE id = ?) AS worker, (${NEXT_DUE}) AS due, EXISTS (${PAUSED}) AS paused, (${FLOOR}) AS floor`;

function claimDue(db: Db, ask: ClaimAsk, of: DueAsk): Claims {
  const facts = db.get(FACTS, ask.worker);
  const worker = optionalInt(facts?.["worker"]);
  if (worker === undefined) throw new WorkerUnknownError(ask.worker);
  let due = optionalInt(facts?.["due"]);
  let more = false;
  if (due !== undefined && due <= db.now) {
    more = db.run(PROMOTE, db.now, PROMOTIONS) === PROMOTIONS;
    due = optionalInt(db.get(NEXT_DUE)?.["due"]);
  }
  const paused = new Set(facts?.["paused"] === 1 ? db.all(PAUSED).map((row) => row["name"]) : []);
  const claims: Claim[] = [];
  for (const queue of new Set(of.queues)) {
    if (claims.length >= ask.limit) break;
    if (!paused.has(queue))
      take(db, { queue, of, limit: ask.limit - claims.length, worker, workerId: ask.worker, floor: int(facts?.["floor"] ?? 0) }, claims);
  }
  return { claims, more: more || claims.length >= ask.limit, ...(due === undefined ? {} : { nextDueIn: Math.max(0, due - db.now) }) };
}

/**
 * One statement a queue. `(SELECT ?)` and `(?+0)` hide the bound values from the planner: a plain `?` there makes SQLite prepare the
 * statement anew at each call (30 instead of 7 µs). An expired row is taken out by the claim itself, never filtered in its WHERE
 * (a million expired rows in front: 815 ms against 35 µs).
 */
const takeOf = (isOneOf: "=" | "IN", itsName: string): Sql => `UPDATE {tasks} SET
  stage = iif(expires_at <= ?1, ${STAGE.doomed}, ${STAGE.running}),
  mark = iif(expires_at <= ?1, ${MARK.expired}, NULL),
  status = iif(expires_at <= ?1, status, 'running'),
  attempt = iif(expires_at <= ?1, attempt, ${grown("attempt")}),
  started_at = iif(expires_at <= ?1, started_at, ?1),
  next_retry_at = iif(expires_at <= ?1, next_retry_at, NULL),
  unique_key = iif(unique_until = ${UNTIL.started} OR expires_at <= ?1, NULL, unique_key),
  fence = ${grown("max(fence, ?6)")}, revision = ${grown("revision")}, worker = ?2
  WHERE rid ${isOneOf} (SELECT rid FROM {tasks} INDEXED BY {idx_tasks_queue_status} WHERE stage = ${STAGE.ready} AND queue_name = (SELECT ?3)
    AND ${itsName} ORDER BY priority DESC, due_at, rid LIMIT (?5+0))
  RETURNING ${CLAIMED_COLUMNS}`;
/** For a list, of names or of rows, SQLite makes a table (9 to 13 µs): where there is but one, it need not. */
const ITS_NAME = { one: "func = (SELECT ?4)", many: "func IN (SELECT value FROM json_each(?4))" } as const;
const TAKE = {
  one: { one: takeOf("=", ITS_NAME.one), many: takeOf("=", ITS_NAME.many) },
  many: { one: takeOf("IN", ITS_NAME.one), many: takeOf("IN", ITS_NAME.many) },
} as const;

/** The distinct ready names of a queue, one index seek a name. */
const NAMES: Sql = `WITH RECURSIVE f(x) AS (
  SELECT min(func) FROM {tasks} INDEXED BY {idx_tasks_queue_status} WHERE stage = ${STAGE.ready} AND queue_name = ?1
  UNION ALL
  SELECT (SELECT min(func) FROM {tasks} INDEXED BY {idx_tasks_queue_status} WHERE stage = ${STAGE.ready} AND queue_name = ?1 AND func > x) FROM f WHERE x IS NOT NULL)
  SELECT x FROM f WHERE x IS NOT NULL`;

const namesText = new WeakMap<readonly string[], string>();

function textOf(names: readonly string[]): string {
  let text = namesText.get(names);
  if (text === undefined) {
    text = JSON.stringify(names);
    namesText.set(names, text);
  }
  return text;
}

interface Take {
  readonly queue: string;
  readonly of: DueAsk;
  readonly limit: number;
  readonly worker: number;
  readonly workerId: string;
  readonly floor: number;
}

function take(db: Db, { queue, of, limit, worker, workerId, floor }: Take, claims: Claim[]): void {
  const names = of.names === "any" ? db.all(NAMES, queue).map((row) => str(row["x"])) : of.names;
  const [name] = names;
  if (name === undefined) return;
  const named = names.length === 1 ? "one" : "many";
  const sql = TAKE[limit === 1 ? "one" : "many"][named];
  const rows = db.lists(sql, db.now, worker, queue, named === "one" ? name : textOf(names), limit, floor);
  // RETURNING answers in any order.
  const by = (a: readonly Param[], b: readonly Param[], column: number): number => int(a[column]) - int(b[column]);
  rows.sort((a, b) => by(b, a, CLAIMED.priority) || by(a, b, CLAIMED.dueAt) || by(a, b, CLAIMED.rid));
  for (const row of rows) {
    const claim = takenOf(db, row, queue, workerId);
    claims.push(claim);
    if (of.announce && claim.for === "run") db.events.push(executing(claim.task, workerId));
  }
}

function takenOf(db: Db, row: readonly Param[], queue: string, worker: string): Claim {
  const task = claimedTask(row, queue, worker, db.now);
  const expired = task.mark === undefined ? undefined : db.get(BY_RID, int(row[CLAIMED.rid]));
  return expired === undefined ? claimTo("run", task, db.now) : claimTo("expired", taskOf(expired, db.now), db.now);
}

function executing({ id, queue, scheduleId }: StoredTask, worker: string): NewEvent {
  const event: NewEvent = { type: "executing", taskId: id, queue, worker };
  return scheduleId === undefined ? event : { ...event, scheduleId };
}

function claimTo(why: Claim["for"], task: StoredTask, now: number): Claim {
  const claim = { task, fence: task.fence, for: why };
  return task.expiresAt === undefined ? claim : { ...claim, expiresIn: task.expiresAt - now };
}

const MARK_EXPIRED = `UPDATE {tasks} SET stage = ${STAGE.doomed}, mark = ${MARK.expired}, unique_key = NULL WHERE rid IN (SELECT rid FROM {tasks} INDEXED BY {idx_tasks_expires_at}
  WHERE stage < 3 AND expires_at IS NOT NULL AND expires_at <= (SELECT ?) ORDER BY expires_at, rid LIMIT (?+0))`;
const DOOMED = `SELECT rid FROM {tasks} INDEXED BY {idx_tasks_held} WHERE stage > 3 AND stage < 6 AND worker IS NULL ORDER BY rid LIMIT (?+0)`;

/** What no claim would meet (delayed, blocked, in a queue that nobody serves) is marked here, a bounded set at a time. */
function claimEnded(db: Db, limit: number, worker: number): Claims {
  const marked = db.run(MARK_EXPIRED, db.now, limit);
  const claims = handOutRows(db, db.all(DOOMED, limit), worker);
  return { claims, more: marked === limit || claims.length === limit };
}

const HAND_OUT = `UPDATE {tasks} SET fence = ${grown(`max(fence, (${FLOOR}))`)}, revision = ${grown("revision")}, worker = ? WHERE rid = ?`;
const BY_RID = `SELECT ${TASK_COLUMNS} FROM {tasks} WHERE rid = ?`;

/** Rows that are to be ended or were lost: few, so one by one. `worker` becomes their holder. */
function handOutRows(db: Db, rows: readonly Row[], worker: number): readonly Claim[] {
  return rows.flatMap(({ rid }) => {
    db.run(HAND_OUT, worker, int(rid));
    const row = db.get(BY_RID, int(rid));
    if (row === undefined) return [];
    const why = row["stage"] === STAGE.running ? "lost" : (markOf(row) ?? "cancelled");
    return [claimTo(why, taskOf(row, db.now), db.now)];
  });
}

function handOut(db: Db, ask: ClaimAsk, rows: readonly Row[], worker: number): Claims {
  const within = rows.slice(0, ask.limit);
  return { claims: handOutRows(db, within, worker), more: within.length === ask.limit };
}

const heldOf = (which: Sql): Sql => `SELECT rid FROM {tasks} INDEXED BY {idx_tasks_held}
  WHERE stage > 3 AND stage < 6 AND worker = ?${which} ORDER BY rid LIMIT (?+0)`;
const HELD = heldOf("");
const HELD_MARKED = heldOf(" AND mark IS NOT NULL");

type LostAsk = Extract<ClaimAsk["of"], { lost: unknown }>;

/** A compare-and-set on the beat that was seen: a worker that has beaten since keeps its claims. */
function claimLost(db: Db, ask: ClaimAsk, { lost, marked = false }: LostAsk, worker: number): Claims {
  const rows: Row[] = [];
  for (const { worker: id, beat } of lost) {
    if (id === ask.worker || rows.length >= ask.limit) continue;
    const dead = db.get("SELECT rid FROM {workers} WHERE id = ? AND beat = ?", id, beat);
    if (dead === undefined) continue;
    rows.push(...db.all(marked ? HELD_MARKED : HELD, int(dead["rid"]), ask.limit - rows.length));
  }
  return handOut(db, ask, rows, worker);
}
