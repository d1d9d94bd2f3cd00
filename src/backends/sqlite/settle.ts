/** Ending claims: state, result, events, dependents and the callback's task of one settlement, all or nothing. */
import { INLINE_RELEASES } from "../../core/backend.ts";
import type { ClaimAsk, Claims, Progress, Settled, Settlement } from "../../core/backend.ts";
import type { Final, NewTask } from "../../core/task.ts";
import { MARK, STAGE } from "../shared/stage.ts";
import { int, str } from "../shared/values.ts";
import { claim } from "./claim.ts";
import type { Db, Sql } from "./db.ts";
import { forgetEdgesOf } from "./desk.ts";
import { addTask, keepFor } from "./enqueue.ts";
import { putOne } from "./results.ts";
import { grown } from "./schema.ts";

/** The ownership condition, once: this very claim still holds the row. */
const OWNED = "id = ? AND fence = ? AND stage > 3 AND stage < 6 AND worker IS NOT NULL";

const END_SET = `stage = ${STAGE.finished}, completed_at = ?, mark = NULL, worker = NULL, open_parents = 0, next_retry_at = NULL,
  unique_key = iif(unique_until < 0, NULL, unique_key), revision = ${grown("revision")}`;
/** The commonest end: of a task that ran, so that no parent of it is open. */
const COMPLETE: Sql = `UPDATE {tasks} SET status = 'completed', reason = NULL, ${END_SET} WHERE ${OWNED}`;
const END: Sql = `UPDATE {tasks} SET status = ?, reason = ?, crash_count = crash_count + ?, open_parents = 0, ${END_SET} WHERE ${OWNED}`;
/** A cancellation asked meanwhile is not forgotten: such a row waits to be ended instead of to be run. */
const AGAIN: Sql = `UPDATE {tasks} SET stage = iif(mark IS NULL, ?, ${STAGE.doomed}), status = ?, due_at = ?, next_retry_at = ?, attempt = attempt - ?,
  retry_count = retry_count + ?, crash_count = crash_count + ?, started_at = iif(?, started_at, NULL), worker = NULL, revision = ${grown("revision")}
  WHERE ${OWNED} AND stage = ${STAGE.running}`;
/** Nothing ran: whoever was to end it gives it back to be ended by another. */
const GIVE_BACK_DOOMED: Sql = `UPDATE {tasks} SET worker = NULL, revision = ${grown("revision")} WHERE ${OWNED}`;

export function settle(db: Db, set: readonly Settlement[], thenClaim?: ClaimAsk): { settled: readonly Settled[]; next?: Claims } {
  const settled = set.map((settlement) => settleOne(db, settlement));
  return thenClaim === undefined ? { settled } : { settled, next: claim(db, thenClaim) };
}

function settleOne(db: Db, settlement: Settlement): Settled {
  const changed = settlement.to === "again" ? runAgain(db, settlement) : end(db, settlement);
  if (!changed) return refusal(db, settlement);
  if (settlement.result !== undefined) putOne(db, settlement.result);
  for (const event of settlement.events) db.events.push(event);
  if (settlement.to !== "again") {
    db.hints.add("end");
    for (const task of settlement.enqueue ?? []) addCallback(db, task);
    freeDependents(db, settlement.id, settlement.to);
  }
  return "settled";
}

/** Another task may have its id, which anybody can give: the callback is run under the next free one, never forgotten. */
function addCallback(db: Db, task: NewTask): void {
  let answer = addTask(db, task, true);
  for (let n = 2; answer.is === "refused" && answer.why === "id-reused"; n++)
    answer = addTask(db, { ...task, id: `${task.id}.${n}` }, true);
}

function end(db: Db, settlement: Exclude<Settlement, { to: "again" }>): boolean {
  const { id, fence, to, reason, counts } = settlement;
  if (to === "completed" && reason === undefined && counts === undefined) return db.run(COMPLETE, db.now, id, fence) > 0;
  if (anyEdges(db)) forgetParents(db, settlement);
  return db.run(END, to, reason ?? null, counts === "crash" ? 1 : 0, db.now, id, fence) > 0;
}

/** A child that ends while parents are open waits for nobody: edges of a parent are always those of open children. */
function forgetParents(db: Db, { id, fence }: Settlement): void {
  const row = db.get(`SELECT rid FROM {tasks} WHERE ${OWNED} AND open_parents > 0`, id, fence);
  if (row !== undefined) forgetEdgesOf(db, int(row["rid"]));
}

function runAgain(db: Db, settlement: Extract<Settlement, { to: "again" }>): boolean {
  const { counts, after } = settlement;
  const due = Math.min(db.now + Math.max(0, after), Number.MAX_SAFE_INTEGER);
  const retry = counts === "retry";
  db.hints.add("task");
  return (
    db.run(
      AGAIN,
      due > db.now ? STAGE.timed : STAGE.ready,
      retry ? "failed" : "pending",
      due,
      retry ? due : null,
      counts === "snooze" || counts === "give-back" ? 1 : 0,
      retry ? 1 : 0,
      counts === "crash" ? 1 : 0,
      retry ? 1 : 0,
      settlement.id,
      settlement.fence,
    ) > 0 || db.run(GIVE_BACK_DOOMED, settlement.id, settlement.fence) > 0
  );
}

/** Why nothing was written. The same claim's second settlement is harmless and told apart, since its first answer may have been lost. */
function refusal(db: Db, { id, fence }: Settlement): Settled {
  const row = db.get("SELECT fence, worker FROM {tasks} WHERE id = ?", id);
  if (row === undefined) return "missing";
  return row["fence"] === fence && row["worker"] === null ? "repeated" : "lost";
}

function anyEdges(db: Db): boolean {
  db.hasEdges ??= db.get("SELECT 1 FROM {dependencies} LIMIT 1") !== undefined;
  return db.hasEdges;
}

/** Frees up to 256 dependents here; 10,000 would hold the transaction for 56 ms, so the rest is left to `release`. */
function freeDependents(db: Db, parent: string, status: Final): void {
  if (!anyEdges(db)) return;
  if (freeUpTo(db, parent, status, INLINE_RELEASES) === INLINE_RELEASES) {
    db.run("INSERT INTO {releases}(parent, status) VALUES (?, ?) ON CONFLICT DO NOTHING", parent, status);
  }
}

const EDGES = "SELECT child, policy FROM {dependencies} WHERE parent = ? ORDER BY child LIMIT (?+0)";
const CANCEL_CHILD = `UPDATE {tasks} SET open_parents = open_parents - 1, stage = ${STAGE.doomed}, mark = ${MARK["parent-failed"]}, reason = ?
  WHERE rid = ? AND stage = ${STAGE.blocked}`;
const FREE_CHILD = `UPDATE {tasks} SET open_parents = open_parents - 1,
  stage = iif(stage = ${STAGE.blocked} AND open_parents = 1, iif(due_at > ?, ${STAGE.timed}, ${STAGE.ready}), stage) WHERE rid = ?`;

/** Whoever deletes the edge lowers the child's counter, in the same transaction: released once. Answers how many edges it took. */
function freeUpTo(db: Db, parent: string, status: Final, limit: number): number {
  const edges = db.all(EDGES, parent, limit);
  for (const { child, policy } of edges) {
    const rid = int(child);
    db.run("DELETE FROM {dependencies} WHERE parent = ? AND child = ?", parent, rid);
    keepFor(db, parent, rid);
    const takesAlong = status !== "completed" && policy === 0;
    if (!takesAlong || db.run(CANCEL_CHILD, `parent ${parent} ${status}`, rid) === 0) db.run(FREE_CHILD, db.now, rid);
  }
  if (edges.length > 0) db.hints.add("task");
  return edges.length;
}

/** A parent that has not ended (any more) releases nobody; of one that is gone, the row tells how it ended. */
const RELEASES = `SELECT r.parent, coalesce(t.status, r.status) AS status, coalesce(t.stage, ${STAGE.finished}) AS stage
  FROM {releases} r LEFT JOIN {tasks} t ON t.id = r.parent LIMIT (?+0)`;

export function release(db: Db, limit: number): boolean {
  let left = limit;
  for (const { parent, status, stage } of db.all(RELEASES, limit)) {
    if (left === 0) return true;
    const freed = stage === STAGE.finished ? freeUpTo(db, str(parent), finalOf(str(status)), left) : 0;
    if (freed < left) db.run("DELETE FROM {releases} WHERE parent = ?", str(parent));
    left -= freed;
  }
  return db.get("SELECT 1 FROM {releases} LIMIT 1") !== undefined;
}

function finalOf(status: string): Final {
  return status === "completed" || status === "failed" || status === "expired" ? status : "cancelled";
}

export function progress(db: Db, set: readonly Progress[]): readonly ("written" | "lost")[] {
  return set.map(({ id, fence, event }) => {
    const held = db.get(`SELECT 1 FROM {tasks} WHERE id = ? AND fence = ? AND stage = ${STAGE.running}`, id, fence);
    if (held === undefined) return "lost";
    db.events.push(event);
    db.hints.add("any");
    return "written";
  });
}
