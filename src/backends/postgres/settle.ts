/** Ending claims: state, result, events and the callback's task of a set of settlements, in one statement; then the dependents. */
import { INLINE_RELEASES } from "../../core/backend.ts";
import type { ClaimAsk, Claims, Progress, Settled, Settlement } from "../../core/backend.ts";
import type { NewTask } from "../../core/task.ts";
import { claim, claiming, expectKnown, take, taken } from "./claim.ts";
import type { DueAsk } from "./claim.ts";
import { LIST, list } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import { addOne } from "./enqueue.ts";
import type { Heads } from "./heads.ts";
import type { Param, Row, Value } from "./link.ts";
import { EVENT_COLUMNS, EVENTS, EVENT_VALUES } from "./events.ts";
import { Sheet } from "./sheet.ts";
import { freeDependents } from "./release.ts";
import type { Steps } from "./release.ts";
import { putResults, RESULTS } from "./results.ts";
import { STAGE } from "../shared/stage.ts";
import { int, json, str } from "../shared/values.ts";

/** Settlements as they are sent: the status, the reason, what the counts of retries, attempts and crashes change by, and when it runs again. */
const SETTLEMENTS = new Sheet<Settlement>("j", [
  ["i", "text", ({ id }) => id],
  ["f", "bigint", ({ fence }) => fence],
  ["st", "text", (each) => (each.to !== "again" ? each.to : each.counts === "retry" ? "failed" : "pending")],
  ["rs", "text", (each) => (each.to === "again" ? undefined : each.reason)],
  ["r", "bigint", ({ counts }) => (counts === "retry" ? 1 : 0)],
  ["b", "bigint", ({ counts }) => (counts === "snooze" || counts === "give-back" ? 1 : 0)],
  ["c", "bigint", ({ counts }) => (counts === "crash" ? 1 : 0)],
  ["af", "bigint", (each) => (each.to === "again" ? Math.max(0, each.after) : undefined)],
]);

/** The ownership condition, once: this very claim still holds the row. */
const OWNED = "t.id = j.i AND t.fence = j.f AND t.stage + 0 > 3 AND t.stage + 0 < 6 AND t.worker IS NOT NULL";

/**
 * The rows are locked one by one in the order sent, whatever the planner does: who locks several in the order of their ids waits for no
 * deadlock, and a join with a small table follows the table's order. A cancellation asked meanwhile is not forgotten: a row that was to run
 * again waits to be ended instead. One that was held to be ended and comes back is as it was before: nothing ran. `n` is when it runs again,
 * NULL where it ends.
 */
const settling = (first: number, only = "true"): Sql => `owned AS MATERIALIZED (SELECT j.*, l.rid FROM ${SETTLEMENTS.from(first)}
    CROSS JOIN LATERAL (SELECT t.rid FROM {tasks} t WHERE ${OWNED} AND ${only} FOR UPDATE) AS l),
  settled AS (UPDATE {tasks} t SET
    stage = CASE WHEN s.n IS NULL THEN ${STAGE.finished} WHEN t.stage = ${STAGE.doomed} OR t.mark IS NOT NULL THEN ${STAGE.doomed}
      WHEN s.n > {now} THEN ${STAGE.timed} ELSE ${STAGE.ready} END,
    status = CASE WHEN s.n IS NOT NULL AND t.stage = ${STAGE.doomed} THEN t.status ELSE s.st END,
    reason = CASE WHEN s.n IS NULL THEN s.rs ELSE t.reason END,
    completed_at = CASE WHEN s.n IS NULL THEN {now} ELSE t.completed_at END,
    mark = CASE WHEN s.n IS NOT NULL THEN t.mark END,
    open_parents = CASE WHEN s.n IS NULL THEN 0 ELSE t.open_parents END,
    next_retry_at = CASE WHEN s.n IS NULL THEN NULL WHEN t.stage = ${STAGE.doomed} THEN t.next_retry_at WHEN s.r = 1 THEN s.n END,
    unique_key = CASE WHEN s.n IS NULL AND t.unique_until < 0 THEN NULL ELSE t.unique_key END,
    due_at = CASE WHEN s.n IS NULL OR t.stage = ${STAGE.doomed} THEN t.due_at ELSE s.n END,
    attempt = t.attempt - CASE WHEN t.stage = ${STAGE.doomed} THEN 0 ELSE s.b END,
    retry_count = t.retry_count + CASE WHEN t.stage = ${STAGE.doomed} THEN 0 ELSE s.r END,
    crash_count = t.crash_count + CASE WHEN t.stage = ${STAGE.doomed} AND s.n IS NOT NULL THEN 0 ELSE s.c END,
    started_at = CASE WHEN s.n IS NULL OR s.r = 1 OR t.stage = ${STAGE.doomed} THEN t.started_at END,
    worker = NULL, revision = t.revision + 1
    FROM (SELECT i, f, rid, st, rs, r, b, c, CASE WHEN af IS NOT NULL THEN least({now} + af, ${Number.MAX_SAFE_INTEGER}) END AS n
      FROM owned) AS s WHERE t.rid = s.rid RETURNING t.id, t.rid, t.stage, t.status, t.has_children, t.stage = ${STAGE.finished} AND t.depends_on IS NOT NULL AND t.status <> 'completed' AS was_child),
  stored AS (${putResults(`${RESULTS.from(first + SETTLEMENTS.width)} WHERE r.t IN (SELECT id FROM settled)`)}),
  told AS (INSERT INTO {events}(${EVENT_COLUMNS}) SELECT ${EVENT_VALUES} FROM ${EVENTS.from(first + SETTLEMENTS.width + RESULTS.width)} WHERE e.w IN (SELECT id FROM settled)),
  parents AS (INSERT INTO {releases}(parent, status) SELECT id, status FROM settled WHERE has_children AND stage = ${STAGE.finished}
    ON CONFLICT (parent) DO UPDATE SET status = excluded.status),
  cut AS (DELETE FROM {dependencies} d USING settled s WHERE s.was_child AND d.child = s.rid)`;
/** As one value: the ids, each with 1 where children are to be freed. */
const DONE: Sql = `(SELECT coalesce(json_agg(json_build_array(id, (stage = ${STAGE.finished} AND has_children)::int)), '[]')::text FROM settled) AS done`;
const SETTLE: Sql = `WITH ${settling(1)} SELECT ${DONE}`;
/** Where the sent begin behind the parameters of a claim. */
const SENT = 9;
/** What had been settled by the same claim before the statement: the claim behind it may have taken such a task anew. Looked for where one was refused. */
const BEFORE: Sql = `(SELECT coalesce(json_agg(t.id), '[]')::text FROM ${SETTLEMENTS.from(SENT)} JOIN {tasks} t ON t.id = j.i AND t.fence = j.f
    AND t.worker IS NULL WHERE (SELECT count(*) FROM settled) < cardinality($${SENT}::text::text[])) AS before`;
/** Both in one statement and one round trip; for a worker that is unknown neither is done. */
const SETTLE_AND_CLAIM = claiming({
  parts: settling(SENT, "(SELECT known FROM facts)"),
  column: `${DONE}, ${BEFORE}`,
  // What its end sets free may have to go first: then the claim comes after that.
  only: `NOT EXISTS (SELECT 1 FROM settled WHERE has_children AND stage = ${STAGE.finished})`,
});

export interface Answer {
  readonly settled: readonly Settled[];
  readonly next?: Claims;
}

/** Whether one statement is all: nothing is enqueued, nothing that is settled counts for the claim behind it, no task comes twice. */
export function isPlainEnd(set: readonly Settlement[], thenClaim?: ClaimAsk): boolean {
  const ids = new Set(set.map(({ id }) => id));
  const ends = set.every((each) => (each.to === "again" ? thenClaim === undefined : (each.enqueue ?? []).length === 0));
  return set.length > 0 && ends && ids.size === set.length && (thenClaim === undefined || "due" in thenClaim.of);
}

/** The common end: one statement, in one round trip; only where a parent has ended its children are freed, and the claim made, behind it. */
export async function settlePlain(steps: Steps, set: readonly Settlement[], thenClaim?: ClaimAsk, heads?: Heads): Promise<Answer> {
  // With a claim behind it a set is not repeated by itself: it may have been claimed already.
  const patience = thenClaim === undefined ? "harmless" : "unsent";
  const of = thenClaim !== undefined && "due" in thenClaim.of ? thenClaim.of : undefined;
  const { parents, next, settled } = await steps.single(async (db) => {
    const first = thenClaim === undefined || of === undefined ? undefined : await settleAndTake(db, set, thenClaim, of, heads);
    const answer = first === undefined ? await db.get(SETTLE, ...sentOf(set)) : first.facts;
    const done = doneOf(answer);
    tellOf(db, set);
    const ended = freeing(done);
    const isClaimed = first !== undefined && thenClaim !== undefined && of !== undefined && ended.length === 0;
    return {
      parents: ended,
      next: isClaimed ? await taken(db, thenClaim, of, first, heads) : undefined,
      settled: await answersOf(db, set, done, new Set(listOf(answer?.["before"]))),
    };
  }, patience);
  if (parents.length === 0) return next === undefined ? { settled } : { settled, next };
  await freeAll(steps, parents);
  return thenClaim === undefined ? { settled } : { settled, next: await claimBehind(steps, thenClaim, heads) };
}

/**
 * Each parent in a transaction of its own: note, children, edges are locked in this order, and of two parents together the notes of one
 * would be locked behind the children of the other (120 of 400 tasks in 30 s, 44 deadlocks, where each waited for a whole layer).
 */
async function freeAll(steps: Steps, parents: readonly string[]): Promise<void> {
  for (const id of parents) await steps.transact((db) => freeDependents(db, id, INLINE_RELEASES), "harmless");
}

/**
 * In a transaction of its own: it sees what others commit while the settlement is under way, whose events would then have the lower
 * number, and stand in front of those of the enqueue.
 */
function claimBehind(steps: Steps, ask: ClaimAsk, heads?: Heads): Promise<Claims> {
  if ("due" in ask.of) return steps.single((db) => claim(db, ask, heads), "unsent");
  return steps.transact((db) => claim(db, ask), "unsent");
}

function settleAndTake(db: Db, set: readonly Settlement[], ask: ClaimAsk, of: DueAsk, heads?: Heads): ReturnType<typeof take> {
  return take(db, ask, of, false, heads, SETTLE_AND_CLAIM, sentOf(set));
}

/** Any set, inside a transaction; for a worker that is unknown nothing is done. */
export async function settleWhole(steps: Steps, set: readonly Settlement[], thenClaim?: ClaimAsk, heads?: Heads): Promise<Answer> {
  const { settled, parents } = await steps.transact(async (db) => {
    if (thenClaim !== undefined) await expectKnown(db, thenClaim.worker);
    return await settleAll(db, set);
  }, "harmless");
  await freeAll(steps, parents);
  return thenClaim === undefined ? { settled } : { settled, next: await claimBehind(steps, thenClaim, heads) };
}

/** A set holds at most one settlement of each task that can be written: of two for one claim, the second is `repeated`. */
async function settleAll(db: Db, set: readonly Settlement[]): Promise<Whole> {
  const settled: Settled[] = [];
  const parents: string[] = [];
  for (const some of apart(set)) {
    const part = await settleSome(db, some);
    settled.push(...part.settled);
    parents.push(...part.parents);
  }
  return { settled, parents };
}

/** Cut where a task comes a second time: one statement can change a row only once. */
function apart(set: readonly Settlement[]): readonly (readonly Settlement[])[] {
  const parts: Settlement[][] = [[]];
  let seen = new Set<string>();
  for (const settlement of set) {
    if (seen.has(settlement.id)) {
      parts.push([]);
      seen = new Set();
    }
    seen.add(settlement.id);
    parts.at(-1)?.push(settlement);
  }
  return parts;
}

async function settleSome(db: Db, set: readonly Settlement[]): Promise<Whole> {
  if (set.length === 0) return { settled: [], parents: [] };
  const done = doneOf(await db.get(SETTLE, ...sentOf(set)));
  for (const each of set) {
    if (each.to === "again" || !done.has(each.id)) continue;
    for (const task of each.enqueue ?? []) await addCallback(db, task);
  }
  tellOf(db, set);
  return { settled: await answersOf(db, set, done), parents: freeing(done) };
}

function tellOf(db: Db, set: readonly Settlement[]): void {
  if (set.some(({ to }) => to === "again")) db.hints.add("task");
  if (set.some(({ to }) => to !== "again")) db.hints.add("end");
}

/** What was settled, by id: whether children wait for it. */
type Done = ReadonlyMap<string, boolean>;
/** A part of a set, and the parents in it whose children are to be freed. */
interface Whole {
  readonly settled: readonly Settled[];
  readonly parents: readonly string[];
}

function freeing(done: Done): readonly string[] {
  return [...done].flatMap(([id, frees]) => (frees ? [id] : []));
}

function listOf(value: Value | undefined): readonly unknown[] {
  const entries = json(value);
  return Array.isArray(entries) ? entries : [];
}

function doneOf(row: Row | undefined): Done {
  return new Map(
    listOf(row?.["done"])
      .filter((each) => Array.isArray(each))
      .map(([id, frees]: unknown[]) => [String(id), frees === 1]),
  );
}

/** Settled in the order of their ids, in which rows are locked: who locks several of them waits for no deadlock. */
function sentOf(set: readonly Settlement[]): readonly Param[] {
  const inOrder = set.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const results = set.flatMap(({ result }) => result ?? []);
  const events = set.flatMap((of) => of.events.map((event) => ({ event, of })));
  return [...SETTLEMENTS.params(inOrder), ...RESULTS.params(results), ...EVENTS.params(events)];
}

const WHY: Sql = `SELECT id, fence, worker FROM {tasks} WHERE id = ANY(${LIST(1)})`;

/** Why nothing was written. The same claim's second settlement is harmless and told apart, since its first answer may have been lost. */
async function answersOf(db: Db, set: readonly Settlement[], done: Done, before?: ReadonlySet<unknown>): Promise<readonly Settled[]> {
  const refused = set.filter(({ id }) => !done.has(id));
  const rows = refused.length === 0 ? [] : await db.all(WHY, list(refused.map(({ id }) => id)));
  const byId = new Map(rows.map((row) => [str(row["id"]), row]));
  return set.map(({ id, fence }) => {
    if (done.has(id)) return "settled";
    const row = byId.get(id);
    if (row === undefined) return "missing";
    if (before?.has(id) === true) return "repeated";
    return int(row["fence"]) === fence && row["worker"] === null ? "repeated" : "lost";
  });
}

/** Another task may have its id, which anybody can give: the callback is run under the next free one, never forgotten. */
async function addCallback(db: Db, task: NewTask): Promise<void> {
  let answer = await addOne(db, task);
  for (let n = 2; answer.is === "refused" && answer.why === "id-reused"; n++) answer = await addOne(db, { ...task, id: `${task.id}.${n}` });
}

const PROGRESS: Sql = `WITH held AS (SELECT e.* FROM ${EVENTS.from(1)} JOIN {tasks} t ON t.id = e.w AND t.fence = e.wf AND t.stage = ${STAGE.running}),
  told AS (INSERT INTO {events}(${EVENT_COLUMNS}) SELECT ${EVENT_VALUES} FROM held AS e) SELECT w, wf FROM held`;

export async function progress(db: Db, set: readonly Progress[]): Promise<readonly ("written" | "lost")[]> {
  const rows = await db.all(PROGRESS, ...EVENTS.params(set.map((of) => ({ event: of.event, of }))));
  const written = new Set(rows.map((row) => `${str(row["w"])} ${int(row["wf"])}`));
  db.hints.add("any");
  return set.map(({ id, fence }) => (written.has(`${id} ${fence}`) ? "written" : "lost"));
}
