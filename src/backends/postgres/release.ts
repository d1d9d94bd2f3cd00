/** Setting free what waits for a parent that has ended: whoever deletes the edge lowers the child's counter, so it is done once. */
import type { Db, Sql } from "./db.ts";
import type { Patience } from "./engine.ts";
import { markParents, recall } from "./parents.ts";
import { MARK, STAGE } from "../shared/stage.ts";
import { int, str } from "../shared/values.ts";

/** A part of the whole that can be done by itself: what is left in between is known to the database (`releases`). */
export interface Steps {
  single<R>(step: (db: Db) => Promise<R>, patience: Patience): Promise<R>;
  transact<R>(step: (db: Db) => Promise<R>, patience: Patience): Promise<R>;
}

/**
 * A child that the parent's end takes along is marked; the others wait for one parent less. Locked are the note, then the children's rows in
 * the order of their ids, then the edges: as everybody does, since a child's own end holds its row when it takes its edges away. Without the note nothing
 * is freed: a parent that was put back meanwhile has taken it along, and its children wait again. (`|| ''`: no index has the order, or all of it
 * would be read where the plan was made for an empty table.)
 */
const FREE: Sql = `WITH note AS MATERIALIZED (SELECT 1 FROM {releases} WHERE parent = $1 FOR UPDATE),
  found AS MATERIALIZED (SELECT child FROM {dependencies} WHERE parent = $1 AND (SELECT count(*) FROM note) > 0 ORDER BY child LIMIT $2),
  held AS MATERIALIZED (SELECT rid FROM {tasks} WHERE rid = ANY(ARRAY(SELECT child FROM found)) ORDER BY id || '' FOR UPDATE),
  cut AS (DELETE FROM {dependencies} d USING held WHERE d.parent = $1 AND d.child = held.rid RETURNING d.child, d.policy),
  kept AS (INSERT INTO {dependents}(parent, child) SELECT $1, child FROM cut ON CONFLICT DO NOTHING),
  freed AS (UPDATE {tasks} t SET open_parents = t.open_parents - 1,
    stage = CASE WHEN t.stage <> ${STAGE.blocked} THEN t.stage WHEN cut.policy = 0 AND $3::text <> 'completed' THEN ${STAGE.doomed}
      WHEN t.open_parents > 1 THEN t.stage WHEN t.due_at > {now} THEN ${STAGE.timed} ELSE ${STAGE.ready} END,
    mark = CASE WHEN t.stage = ${STAGE.blocked} AND cut.policy = 0 AND $3::text <> 'completed' THEN ${MARK["parent-failed"]} ELSE t.mark END,
    reason = CASE WHEN t.stage = ${STAGE.blocked} AND cut.policy = 0 AND $3::text <> 'completed' THEN $4::text ELSE t.reason END
    FROM cut WHERE t.rid = cut.child)
  SELECT (SELECT count(*) FROM found) AS found, (SELECT count(*) FROM cut) AS n`;

/** Frees up to `limit` dependents; the note of a parent with more stays for `release`. Answers how many edges there were. */
export async function freeDependents(db: Db, parent: string, status: string, limit: number): Promise<number> {
  const row = await db.get(FREE, parent, limit, status, `parent ${parent} ${status}`);
  if (int(row?.["n"]) > 0) db.hints.add("task");
  const found = int(row?.["found"]);
  if (found < limit) await db.run("DELETE FROM {releases} WHERE parent = $1", parent);
  return found;
}

const NOTE: Sql = "SELECT parent, status FROM {releases} LIMIT 1 FOR UPDATE SKIP LOCKED";
const STATE: Sql = "SELECT status, stage FROM {tasks} WHERE id = $1";

/** Each note in a transaction of its own: locked together with others, it would be behind the children of theirs. */
export async function release(steps: Steps, limit: number): Promise<boolean> {
  if (!(await isAnyLeft(steps))) return false;
  await steps.transact((db) => recall(db, limit), "harmless");
  for (let left = limit; left > 0;) {
    const freed = await steps.transact((db) => releaseOne(db, left), "harmless");
    if (freed === undefined) break;
    left -= Math.max(1, freed);
  }
  return await isAnyLeft(steps);
}

/** All that an idle worker asks. */
function isAnyLeft(steps: Steps): Promise<boolean> {
  return steps.single(
    async (db) => (await db.get("SELECT 1 FROM {releases} UNION ALL SELECT 1 FROM {reminders} LIMIT 1")) !== undefined,
    "harmless",
  );
}

/** Answers how many were freed; undefined where there is no note that nobody else has. */
async function releaseOne(db: Db, limit: number): Promise<number | undefined> {
  const note = await db.get(NOTE);
  if (note === undefined) return undefined;
  const parent = str(note["parent"]);
  const row = await db.get(STATE, parent);
  // Of one that is gone, the note tells how it ended.
  if (row === undefined || int(row["stage"]) === STAGE.finished)
    return await freeDependents(db, parent, finalOf(str((row ?? note)["status"])), limit);
  // One that has not ended (any more) releases nobody; when it has ended meanwhile, the note is for the next time.
  if ((await markParents(db, [parent])).length > 0) await db.run("DELETE FROM {releases} WHERE parent = $1", parent);
  return 0;
}

function finalOf(status: string): string {
  return status === "completed" || status === "failed" || status === "expired" ? status : "cancelled";
}
