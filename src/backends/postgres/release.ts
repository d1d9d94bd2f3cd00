/** Setting free what waits for a parent that has ended: whoever deletes the edge lowers the child's counter, so it is done once. */
import { LIST, list } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import { MARK, STAGE } from "../shared/stage.ts";
import { int, str } from "../shared/values.ts";

/** A child that the parent's end takes along is marked; the others wait for one parent less. */
const FREE: Sql = `WITH found AS MATERIALIZED (SELECT parent, child FROM {dependencies} WHERE parent = $1 ORDER BY child LIMIT $2 FOR UPDATE),
  cut AS (DELETE FROM {dependencies} d USING found WHERE d.parent = found.parent AND d.child = found.child RETURNING d.child, d.policy),
  freed AS (UPDATE {tasks} t SET open_parents = t.open_parents - 1,
    stage = CASE WHEN t.stage <> ${STAGE.blocked} THEN t.stage WHEN cut.policy = 0 AND $3::text <> 'completed' THEN ${STAGE.doomed}
      WHEN t.open_parents > 1 THEN t.stage WHEN t.due_at > {now} THEN ${STAGE.timed} ELSE ${STAGE.ready} END,
    mark = CASE WHEN t.stage = ${STAGE.blocked} AND cut.policy = 0 AND $3::text <> 'completed' THEN ${MARK["parent-failed"]} ELSE t.mark END,
    reason = CASE WHEN t.stage = ${STAGE.blocked} AND cut.policy = 0 AND $3::text <> 'completed' THEN $4::text ELSE t.reason END
    FROM cut WHERE t.rid = cut.child)
  SELECT count(*) AS n FROM cut`;

async function freeUpTo(db: Db, parent: string, status: string, limit: number): Promise<number> {
  const freed = int((await db.get(FREE, parent, limit, status, `parent ${parent} ${status}`))?.["n"]);
  if (freed > 0) db.hints.add("task");
  return freed;
}

/** Frees up to `limit` dependents; the note of a parent with more stays for `release`. Answers how many there were. */
export async function freeDependents(db: Db, parent: string, status: string, limit: number): Promise<number> {
  const freed = await freeUpTo(db, parent, status, limit);
  if (freed < limit) await db.run("DELETE FROM {releases} WHERE parent = $1", parent);
  return freed;
}

const NOTES: Sql = "SELECT parent, status FROM {releases} LIMIT $1 FOR UPDATE SKIP LOCKED";
/** The parent's row is locked until we commit: an end of it that is being written is waited for, and a later one sees that it has children. */
const PARENTS: Sql = `UPDATE {tasks} SET has_children = true WHERE id = ANY(${LIST(1)}) RETURNING id, status, stage`;

export async function release(db: Db, limit: number): Promise<boolean> {
  let left = limit;
  const notes = await db.all(NOTES, limit);
  if (notes.length === 0) return false;
  const rows = new Map((await db.all(PARENTS, list(notes.map((row) => str(row["parent"]))))).map((row) => [str(row["id"]), row]));
  for (const note of notes) {
    if (left === 0) return true;
    const parent = str(note["parent"]);
    const row = rows.get(parent);
    // A parent that has not ended (any more) releases nobody; of one that is gone, the note tells how it ended.
    const ended = row === undefined || int(row["stage"]) === STAGE.finished;
    if (ended) left -= await freeDependents(db, parent, finalOf(str((row ?? note)["status"])), left);
    else await db.run("DELETE FROM {releases} WHERE parent = $1", parent);
  }
  return (await db.get("SELECT 1 FROM {releases} LIMIT 1")) !== undefined;
}

function finalOf(status: string): string {
  return status === "completed" || status === "failed" || status === "expired" ? status : "cancelled";
}
