/** Handing out claims: what is due, what waits to be ended, and what a lost worker held. */
import { PROMOTIONS } from "../../core/backend.ts";
import type { Claim, ClaimAsk, Claims } from "../../core/backend.ts";
import { WorkerUnknownError } from "../../core/errors.ts";
import type { StoredTask } from "../../core/task.ts";
import { LIST, list } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import type { Head, Heads } from "./heads.ts";
import type { Known } from "./ledger.ts";
import type { Param, Row } from "./link.ts";
import { MARK, STAGE, UNTIL } from "../shared/stage.ts";
import { CLAIMED_COLUMNS, claimedTask, TASK_COLUMNS } from "./task-row.ts";
import { markOf, storedTask } from "../shared/task-row.ts";
import { int, optionalInt, str } from "../shared/values.ts";

export type DueAsk = Extract<ClaimAsk["of"], { due: true }>;

/** @param heads where the worker's claims begin to look; without them, from the beginning. */
export async function claim(db: Db, ask: ClaimAsk, heads?: Heads): Promise<Claims> {
  const { of } = ask;
  if ("due" in of) return await taken(db, ask, of, await take(db, ask, of, false, heads), heads);
  await expectKnown(db, ask.worker);
  if ("ended" in of) return await claimEnded(db, ask);
  const rows = "lost" in of ? await heldBy(db, ask, of) : await db.all(DOOMED_OF, list(of.ids), ask.limit);
  const claims = await handOut(db, rows, ask.worker);
  return { claims, more: claims.length === ask.limit };
}

/** @throws WorkerUnknownError */
export async function expectKnown(db: Db, worker: string): Promise<void> {
  if ((await db.get("SELECT 1 FROM {workers} WHERE id = $1", worker)) === undefined) throw new WorkerUnknownError(worker);
}

// ---------------------------------------------------------------- what is due

/** The names to look for: those that the worker knows, or (`any`) all that are ready, one index seek a name. */
const KNOWN_NAMES = `unnest(${LIST(6)}) AS k(name)`;
const ANY_NAME = `LATERAL (WITH RECURSIVE f(x) AS (
  SELECT min(func) FROM {tasks} WHERE stage = ${STAGE.ready} AND queue_name = q.name
  UNION ALL
  SELECT (SELECT min(func) FROM {tasks} WHERE stage = ${STAGE.ready} AND queue_name = q.name AND func > x) FROM f WHERE x IS NOT NULL)
  SELECT x AS name FROM f WHERE x IS NOT NULL AND $6::text IS NULL) AS k`;

/** How many rows more than asked are looked at of each name: others may be taking the first ones at this moment. */
const SPARE = 64;
/** Above every priority: the head of those that have none. */
const HIGHEST = "9223372036854775807";

/** The entries that this session has read of the two indexes which a claim walks, dead ones, too. */
const READ: Sql = `(pg_stat_get_xact_tuples_returned('{idx_tasks_queue_status}'::regclass) + pg_stat_get_xact_tuples_returned('{idx_tasks_run_at}'::regclass))`;

/** All that a claim has to know first; `$7` are the heads, `$8` is the time before which nothing is timed any more. */
const FACTS: Sql = `heads AS MATERIALIZED (SELECT * FROM json_to_recordset($7::json) AS h(q text, n text, p bigint, d bigint, r bigint)),
  facts AS MATERIALIZED (SELECT ${READ} AS read, EXISTS (SELECT 1 FROM {workers} WHERE id = $1::text) AS known,
  (SELECT min(due_at) FROM {tasks} WHERE stage = ${STAGE.timed} AND due_at >= coalesce($8::bigint, 0)) AS due,
  (SELECT value FROM {omniq_meta} WHERE key = 'fence_floor') AS floor)`;

/** What is ready of a queue and a name, in order, behind its head: the rest of the head's priority, then the lower ones. */
const READY: Sql = `LATERAL (SELECT coalesce(max(p), ${HIGHEST}) AS p, coalesce(max(d), 0) AS d, coalesce(max(r), 0) AS r FROM heads
    WHERE heads.q = q.name AND heads.n = k.name) AS h
  CROSS JOIN LATERAL ((SELECT t.rid, t.priority, t.due_at FROM {tasks} t WHERE t.stage = ${STAGE.ready} AND t.queue_name = q.name AND t.func = k.name
      AND t.priority = h.p AND (t.due_at, t.rid) > (h.d, h.r) ORDER BY t.due_at, t.rid LIMIT $3::bigint + ${SPARE})
    UNION ALL (SELECT t.rid, t.priority, t.due_at FROM {tasks} t WHERE t.stage = ${STAGE.ready} AND t.queue_name = q.name AND t.func = k.name
      AND t.priority < h.p ORDER BY t.priority DESC, t.due_at, t.rid LIMIT $3::bigint + ${SPARE})
    LIMIT $3::bigint + ${SPARE}) AS c`;

/**
 * Queue by queue in the order asked; in each the best of every name, then the best of these, locked one by one until there are enough.
 * Nested loops keep the order, and stop: a later queue is not even looked at. An expired row is taken out by the claim itself, never
 * filtered in its WHERE: a million of them in front would be read by every claim. Under its lock a row may be another one than was seen;
 * that is compared so that no index but that of `rid` serves: planned for an empty table, the one by name was read for every row.
 */
const taking = (
  names: string,
  only: Sql,
): Sql => `picked AS MATERIALIZED (SELECT l.rid FROM unnest(${LIST(2)}) WITH ORDINALITY AS q(name, place)
    CROSS JOIN LATERAL (SELECT c.rid, k.name FROM ${names} CROSS JOIN ${READY} ORDER BY c.priority DESC, c.due_at, c.rid) AS s
    CROSS JOIN LATERAL (SELECT u.rid FROM {tasks} u WHERE u.rid = s.rid AND u.stage + 0 = ${STAGE.ready}
      AND (u.queue_name, u.func) IS NOT DISTINCT FROM (q.name, s.name) FOR UPDATE SKIP LOCKED) AS l
    WHERE (SELECT known AND (due IS NULL OR due > {now} OR $4::int = 1) FROM facts) AND ${only}
      AND NOT EXISTS (SELECT 1 FROM {queues} p WHERE p.name = q.name AND p.paused_at IS NOT NULL)
    LIMIT $3::bigint),
  taken AS (UPDATE {tasks} t SET
    stage = CASE WHEN t.expires_at <= {now} THEN ${STAGE.doomed} ELSE ${STAGE.running} END,
    mark = CASE WHEN t.expires_at <= {now} THEN ${MARK.expired} END,
    status = CASE WHEN t.expires_at <= {now} THEN t.status ELSE 'running' END,
    attempt = t.attempt + CASE WHEN t.expires_at <= {now} THEN 0 ELSE 1 END,
    started_at = CASE WHEN t.expires_at <= {now} THEN t.started_at ELSE {now} END,
    next_retry_at = CASE WHEN t.expires_at <= {now} THEN t.next_retry_at END,
    unique_key = CASE WHEN t.unique_until = ${UNTIL.started} OR t.expires_at <= {now} THEN NULL ELSE t.unique_key END,
    fence = greatest(t.fence, (SELECT floor FROM facts)) + 1, revision = t.revision + 1, worker = $1::text, taken_over = false
    FROM picked WHERE t.rid = picked.rid RETURNING ${CLAIMED_COLUMNS})`;

const TOLD: Sql = `begun AS (INSERT INTO {events}(event_type, task_id, queue_name, worker_id, schedule_id, timestamp)
  SELECT 'executing', id, queue_name, $1::text, schedule_id, {now} FROM taken WHERE stage = ${STAGE.running} AND $5::int = 1)`;

/** Ready in the snapshot, but somebody else is taking it at this moment, or has: if that comes to nothing, it has to be looked at again. */
const skipped = (
  names: string,
): Sql => `(SELECT count(*) FROM picked) < $3::bigint AND EXISTS (SELECT 1 FROM unnest(${LIST(2)}) AS q(name) CROSS JOIN ${names}
  CROSS JOIN ${READY} WHERE c.rid NOT IN (SELECT rid FROM picked)
  AND NOT EXISTS (SELECT 1 FROM {queues} p WHERE p.name = q.name AND p.paused_at IS NOT NULL))`;

/** Other parts of a statement that claims, in front of the claim; their parameters are from `$9` on. */
export interface Before {
  readonly parts: Sql;
  /** A column with what they answer. */
  readonly column: Sql;
  /** Whether the claim is made at all. */
  readonly only: Sql;
}

/** The statement that claims what is due. */
export interface Claiming {
  readonly known: Sql;
  readonly any: Sql;
}
export function claiming(before?: Before): Claiming {
  const [parts, column, only] = before === undefined ? ["", "", "true"] : [`${before.parts},`, `, ${before.column}`, before.only];
  // The facts are a row of their own: beside each task, what was settled made 600 KB of an answer of 100.
  const due = (names: string): Sql => `WITH ${FACTS}, ${parts} ${taking(names, only)}, ${TOLD},
  told_once AS (SELECT known, due, {now} AS now, ${skipped(names)} AS skipped, ${READ} - read AS read${column} FROM facts)
  SELECT o.*, t.* FROM told_once o FULL JOIN taken t ON false`;
  return { known: due(KNOWN_NAMES), any: due(ANY_NAME) };
}
const DUE = claiming();

const PROMOTE: Sql = `UPDATE {tasks} SET stage = ${STAGE.ready} WHERE rid IN (SELECT rid FROM {tasks} WHERE stage = ${STAGE.timed} AND due_at <= {now}
  AND due_at >= coalesce($2::bigint, 0) ORDER BY due_at, rid LIMIT $1 FOR UPDATE SKIP LOCKED)`;

/** What a statement of `claiming` took; what falls due first is promoted and taken with it. */
export async function taken(db: Db, ask: ClaimAsk, of: DueAsk, first: Taken, heads?: Heads): Promise<Claims> {
  if (first.due === undefined || first.due > first.now) return await answer(db, ask, of, first, false, heads);
  // Something has fallen due: nothing was taken, since it may have to go first, also in front of a head.
  const promoted = await db.run(PROMOTE, PROMOTIONS, first.timed ?? null);
  // What was timed in front of where it began has not been promoted.
  const second = { ...(await take(db, ask, of, true)), partial: first.partial };
  return await answer(db, ask, of, second, promoted === PROMOTIONS);
}

export interface Taken {
  /** A row of its own, which is there also where nothing was taken. */
  readonly facts: Row;
  readonly rows: readonly Row[];
  readonly now: number;
  readonly due: number | undefined;
  readonly skipped: boolean;
  /** Where it began to look at what is timed, if not at the beginning. */
  readonly timed?: number;
  /** It did not look from the beginning. */
  readonly partial: boolean;
}

/** @throws WorkerUnknownError, with nothing written. */
export async function take(
  db: Db,
  { worker, limit }: ClaimAsk,
  of: DueAsk,
  promoted: boolean,
  heads?: Heads,
  sql = DUE,
  more: readonly Param[] = [],
): Promise<Taken> {
  const asked = [worker, list([...new Set(of.queues)]), limit, promoted ? 1 : 0, of.announce ? 1 : 0];
  const any = of.names === "any";
  const begin = any || of.whole === true ? undefined : heads?.begin;
  const behind = [begin === undefined ? null : list(begin.heads), begin?.timed ?? null];
  const rows = await db.all(any ? sql.any : sql.known, ...asked, any ? null : list(of.names), ...behind, ...more);
  const facts = rows.find((row) => row["known"] !== null);
  if (facts?.["known"] !== 1) throw new WorkerUnknownError(worker);
  const [now, due] = [int(facts["now"]), optionalInt(facts["due"])];
  const found = rows.filter((row) => row["id"] !== null);
  // What is due keeps the claim from taking anything: then there is nothing to learn.
  if (!any && (due === undefined || due > now)) heads?.took(begin === undefined, lastOf(found), int(facts["read"]) - found.length, now);
  return {
    facts,
    rows: found,
    now,
    due,
    skipped: facts["skipped"] === 1,
    partial: begin !== undefined,
    ...(begin?.timed === undefined ? {} : { timed: begin.timed }),
  };
}

/** The last of each queue and name, in the claim's order. */
function lastOf(rows: readonly Row[]): readonly Head[] {
  const last = new Map<string, Head>();
  for (const row of rows) {
    const head = { q: str(row["queue_name"]), n: str(row["func"]), p: int(row["priority"]), d: int(row["due_at"]), r: int(row["rid"]) };
    const key = `${head.q}\0${head.n}`;
    const known = last.get(key);
    if (known === undefined || (known.p - head.p || head.d - known.d || head.r - known.r) > 0) last.set(key, head);
  }
  return [...last.values()];
}

/** So soon is looked again where others were taking the last of what was ready. */
const AGAIN = 10;

async function answer(
  db: Db,
  ask: ClaimAsk,
  of: DueAsk,
  { rows, now, due, skipped, partial }: Taken,
  more: boolean,
  heads?: Heads,
): Promise<Claims> {
  const place = new Map([...new Set(of.queues)].map((queue, i) => [queue, i]));
  const tasks = rows.map((row) => claimedTask(row, str(row["queue_name"]), ask.worker, now));
  const order = (a: StoredTask, b: StoredTask): number =>
    (place.get(a.queue) ?? 0) - (place.get(b.queue) ?? 0) || b.priority - a.priority || a.dueAt - b.dueAt;
  const rids = new Map(rows.map((row) => [str(row["id"]), int(row["rid"])]));
  const sorted = tasks.toSorted((a, b) => order(a, b) || (rids.get(a.id) ?? 0) - (rids.get(b.id) ?? 0));
  const expired = sorted.some((task) => task.mark !== undefined) ? await wholeRows(db, sorted) : new Map<string, StoredTask>();
  const claims = sorted.map((task): Claim => {
    const whole = expired.get(task.id);
    return whole === undefined ? claimTo("run", task, now) : claimTo("expired", whole, now);
  });
  const waits = [due === undefined ? [] : Math.max(0, due - now), skipped ? AGAIN : [], heads?.rest || []].flat();
  const next = waits.length === 0 ? {} : { nextDueIn: Math.min(...waits) };
  return { claims, more: more || claims.length >= ask.limit, ...next, ...(partial ? { partial } : {}) };
}

const BY_IDS: Sql = `SELECT ${TASK_COLUMNS}, {now} AS now FROM {tasks} t WHERE id = ANY(${LIST(1)})`;

/** What was taken to be ended is rare: its status and the rest are read again. */
async function wholeRows(db: Db, tasks: readonly StoredTask[]): Promise<ReadonlyMap<string, StoredTask>> {
  const marked = tasks.filter((task) => task.mark !== undefined).map(({ id }) => id);
  const rows = await db.all(BY_IDS, list(marked));
  return new Map(rows.map((row) => [str(row["id"]), storedTask(row, int(row["now"]))]));
}

function claimTo(why: Claim["for"], task: StoredTask, now: number): Claim {
  const claim = { task, fence: task.fence, for: why };
  return task.expiresAt === undefined ? claim : { ...claim, expiresIn: task.expiresAt - now };
}

// ---------------------------------------------------------------- what is to be ended

const MARK_EXPIRED: Sql = `UPDATE {tasks} SET stage = ${STAGE.doomed}, mark = ${MARK.expired}, unique_key = NULL WHERE rid IN (SELECT rid FROM {tasks}
  WHERE stage < 3 AND expires_at IS NOT NULL AND expires_at <= {now} ORDER BY expires_at, rid LIMIT $1 FOR UPDATE SKIP LOCKED)`;
/** With what nobody can be found to hold: the row of its worker went while the claim was being written. */
const DOOMED: Sql = `SELECT rid FROM {tasks} t WHERE stage > 3 AND stage < 6 AND (worker IS NULL OR NOT EXISTS (SELECT 1 FROM {workers} w WHERE w.id = t.worker))
  ORDER BY rid LIMIT $1 FOR UPDATE OF t SKIP LOCKED`;
const DOOMED_OF: Sql = `SELECT t.rid FROM unnest(${LIST(1)}) WITH ORDINALITY AS a(id, place) JOIN {tasks} t ON t.id = a.id
  WHERE t.stage + 0 = ${STAGE.doomed} AND t.worker IS NULL ORDER BY a.place LIMIT $2 FOR UPDATE OF t`;

/** What no claim would meet (delayed, blocked, in a queue that nobody serves) is marked here, a bounded set at a time. */
async function claimEnded(db: Db, { limit, worker }: ClaimAsk): Promise<Claims> {
  const marked = await db.run(MARK_EXPIRED, limit);
  const claims = await handOut(db, await db.all(DOOMED, limit), worker);
  return { claims, more: marked === limit || claims.length === limit };
}

const DEAD: Sql = "SELECT 1 FROM {workers} WHERE id = $1 AND beat = $2 FOR UPDATE";
const heldOf = (which: Sql): Sql =>
  `SELECT rid FROM {tasks} WHERE stage > 3 AND stage < 6 AND worker = $1${which} ORDER BY rid LIMIT $2 FOR UPDATE`;
const HELD = heldOf("");
const HELD_MARKED = heldOf(" AND mark IS NOT NULL");

type LostAsk = Extract<ClaimAsk["of"], { lost: unknown }>;

/** A compare-and-set on the beat that was seen: a worker that has beaten since keeps its claims. */
async function heldBy(db: Db, ask: ClaimAsk, { lost, marked = false }: LostAsk): Promise<readonly Row[]> {
  const held = marked ? HELD_MARKED : HELD;
  const rows: Row[] = [];
  for (const { worker, beat } of lost) {
    if (worker === ask.worker || rows.length >= ask.limit) continue;
    if ((await db.get(DEAD, worker, beat)) !== undefined) rows.push(...(await db.all(held, worker, ask.limit - rows.length)));
  }
  return rows;
}

const HAND_OUT: Sql = `UPDATE {tasks} t SET fence = greatest(fence, (SELECT value FROM {omniq_meta} WHERE key = 'fence_floor')) + 1, revision = revision + 1,
  worker = $2, taken_over = taken_over OR (stage = ${STAGE.running} AND worker IS DISTINCT FROM $2) WHERE rid = ANY(ARRAY(SELECT json_array_elements_text($1::json)::bigint)) RETURNING ${TASK_COLUMNS}, taken_over, {now} AS now`;

/** The rows are locked already; they are answered in the order given. */
async function handOut(db: Db, rows: readonly Row[], worker: string): Promise<readonly Claim[]> {
  if (rows.length === 0) return [];
  const rids = rows.map((row) => int(row["rid"]));
  const taken = new Map((await db.all(HAND_OUT, list(rids), worker)).map((row) => [int(row["rid"]), row]));
  return rids.flatMap((rid) => {
    const row = taken.get(rid);
    if (row === undefined) return [];
    const why = int(row["stage"]) !== STAGE.running ? (markOf(row) ?? "cancelled") : row["taken_over"] === 1 ? "lost" : "run";
    const now = int(row["now"]);
    return [claimTo(why, storedTask(row, now), now)];
  });
}

const STRAYS: Sql = `SELECT rid FROM {tasks} WHERE stage > 3 AND stage < 6 AND worker = $1 AND (id, fence) NOT IN
  (SELECT k.i, k.f FROM json_to_recordset($2::json) AS k(i text, f bigint)) ORDER BY rid LIMIT $3 FOR UPDATE`;

/** What a worker holds beside these claims, handed out anew. */
export async function strays(db: Db, worker: string, known: readonly Known[], limit: number): Promise<readonly Claim[]> {
  return await handOut(db, await db.all(STRAYS, worker, list(known), limit), worker);
}
