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

/** Unless it asked to run in any case. */
const TAKEN_ALONG: Sql = "cut.policy = 0 AND note.status <> 'completed'";

/**
 * A child that the parent's end takes along is marked; the others wait for one parent less. Locked are the note, then the children's rows in
 * the order of their ids, then the edges: as everybody does, since a child's own end holds its row when it takes its edges away. Without the note nothing
 * is freed: a parent that was put back meanwhile has taken it along, and its children wait again. How it ended is what the note says: whoever
 * comes late, frozen before this step, may know of an earlier end. (`|| ''`: no index has the order, or all of it
 * would be read where the plan was made for an empty table.)
 */
const FREE: Sql = `WITH note AS MATERIALIZED (SELECT CASE WHEN status IN ('completed', 'failed', 'expired') THEN status ELSE 'cancelled' END AS status
    FROM {releases} WHERE parent = $1 FOR UPDATE),
  found AS MATERIALIZED (SELECT child FROM {dependencies} WHERE parent = $1 AND (SELECT count(*) FROM note) > 0 ORDER BY child LIMIT $2),
  held AS MATERIALIZED (SELECT rid FROM {tasks} WHERE rid = ANY(ARRAY(SELECT child FROM found)) ORDER BY id || '' FOR UPDATE),
  cut AS (DELETE FROM {dependencies} d USING held WHERE d.parent = $1 AND d.child = held.rid RETURNING d.child, d.policy),
  kept AS (INSERT INTO {dependents}(parent, child) SELECT $1, child FROM cut ON CONFLICT DO NOTHING),
  freed AS (UPDATE {tasks} t SET open_parents = t.open_parents - 1,
    stage = CASE WHEN t.stage <> ${STAGE.blocked} THEN t.stage WHEN ${TAKEN_ALONG} THEN ${STAGE.doomed}
      WHEN t.open_parents > 1 THEN t.stage WHEN t.due_at > {now} THEN ${STAGE.timed} ELSE ${STAGE.ready} END,
    mark = CASE WHEN t.stage = ${STAGE.blocked} AND ${TAKEN_ALONG} THEN ${MARK["parent-failed"]} ELSE t.mark END,
    reason = CASE WHEN t.stage = ${STAGE.blocked} AND ${TAKEN_ALONG} THEN 'parent ' || $1 || ' ' || note.status ELSE t.reason END
    FROM cut CROSS JOIN note WHERE t.rid = cut.child)
  SELECT (SELECT count(*) FROM note) AS noted, (SELECT count(*) FROM found) AS found, (SELECT count(*) FROM cut) AS n`;

/** Frees up to `limit` dependents; the note of a parent with more stays for `release`. Answers how many edges there were. */
export async function freeDependents(db: Db, parent: string, limit: number): Promise<number> {
  const row = await db.get(FREE, parent, limit);
  if (int(row?.["n"]) > 0) db.hints.add("task");
  const found = int(row?.["found"]);
  // One that was not there may be there by now, of a later end whose children nobody has freed.
  if (int(row?.["noted"]) > 0 && found < limit) await db.run("DELETE FROM {releases} WHERE parent = $1", parent);
  return found;
}

const NOTE: Sql = "SELECT parent FROM {releases} LIMIT 1 FOR UPDATE SKIP LOCKED";
const STAGE_OF: Sql = "SELECT stage FROM {tasks} WHERE id = $1";

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
  const row = await db.get(STAGE_OF, parent);
  if (row === undefined || int(row["stage"]) === STAGE.finished) return await freeDependents(db, parent, limit);
  // One that has not ended (any more) releases nobody; when it has ended meanwhile, the note is for the next time.
  if ((await markParents(db, [parent])).length > 0) await db.run("DELETE FROM {releases} WHERE parent = $1", parent);
  return 0;
}
