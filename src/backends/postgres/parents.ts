/**
 * What sees to it that a parent's end looks for its children: a mark in the parent's row, or (in a caller's transaction, which must not
 * keep the parent's end waiting) a reminder to look again. Invariant: at the commit of an edge its parent is marked and has not ended, or
 * a reminder is there, of its own, which nobody takes away but whoever acts upon it.
 */
import type { NewTask } from "../../core/task.ts";
import { STAGE } from "../shared/stage.ts";
import { int, optionalStr, str } from "../shared/values.ts";
import { LIST, list } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import type { Row } from "./link.ts";

export interface NewEdge {
  readonly edge: NewTask["dependsOn"][number];
  readonly child: number;
}

const ADD_EDGES: Sql = `INSERT INTO {dependencies}(parent, child, policy) SELECT e.p, e.c, e.r FROM json_to_recordset($1::json) AS e(p text, c bigint, r smallint) ON CONFLICT DO NOTHING`;

export async function addEdges(db: Db, edges: readonly NewEdge[]): Promise<void> {
  if (edges.length === 0) return;
  await db.run(ADD_EDGES, list(edges.map(({ edge, child }) => ({ p: edge.id, c: child, r: edge.ifFailed === "run" ? 1 : 0 }))));
}

const KEEP: Sql = `INSERT INTO {dependents}(parent, child) SELECT e.p, e.c FROM json_to_recordset($1::json) AS e(p text, c bigint) ON CONFLICT DO NOTHING`;

/** Parents that have ended, and are held, stay as long as these children may ask what they came to. */
export async function keepFor(db: Db, kept: readonly { readonly parent: string; readonly child: number }[]): Promise<void> {
  if (kept.length > 0) await db.run(KEEP, list(kept.map(({ parent, child }) => ({ p: parent, c: child }))));
}

/** Those that have ended, locked until we commit: who takes one away looks for its children behind the lock. */
const HOLD: Sql = `SELECT 1 FROM {tasks} WHERE id = ANY(${LIST(1)}) AND stage = ${STAGE.finished} ORDER BY id FOR SHARE`;

export async function holdEnded(db: Db, parents: readonly string[]): Promise<void> {
  if (parents.length > 0) await db.all(HOLD, list(parents));
}

/** Those that have not ended, locked until we commit: their ends see the mark. */
const MARK: Sql = `UPDATE {tasks} SET has_children = true WHERE rid IN
  (SELECT rid FROM {tasks} WHERE id = ANY(${LIST(1)}) AND stage <> ${STAGE.finished} ORDER BY id FOR UPDATE) RETURNING id`;

export async function markParents(db: Db, parents: readonly string[]): Promise<readonly string[]> {
  return parents.length === 0 ? [] : (await db.all(MARK, list(parents))).map((row) => str(row["id"]));
}

/** Looks at parents so long until every one that is open has been marked before: one may appear, or be requeued, in between. */
export async function lookMarked(db: Db, parents: ReadonlySet<string>, look: () => Promise<readonly Row[]>): Promise<readonly Row[]> {
  const marked = new Set(await markParents(db, [...parents]));
  for (;;) {
    const rows = await look();
    const missed = rows.flatMap((row) => {
      const id = optionalStr(row["id"]) ?? "";
      return parents.has(id) && int(row["stage"]) !== STAGE.finished && !marked.has(id) ? [id] : [];
    });
    if (missed.length === 0) return rows;
    for (const id of await markParents(db, missed)) marked.add(id);
  }
}

const REMIND: Sql = `INSERT INTO {reminders}(parent) SELECT p FROM unnest(${LIST(1)}) p`;

export async function remindOf(db: Db, parents: readonly string[]): Promise<void> {
  if (parents.length > 0) await db.run(REMIND, list(parents));
}

const TAKE: Sql = `DELETE FROM {reminders} WHERE rid = ANY(ARRAY(SELECT rid FROM {reminders} ORDER BY rid LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING parent`;
const STATES: Sql = `SELECT id, status, stage FROM {tasks} WHERE id = ANY(${LIST(1)})`;
/** Of one that is gone nobody knows how it ended: somebody deleted it. */
const NOTE: Sql = `INSERT INTO {releases}(parent, status) SELECT n.p, coalesce(n.s, 'cancelled') FROM json_to_recordset($1::json) AS n(p text, s text) ON CONFLICT DO NOTHING`;

/** Acts upon up to `limit` reminders: what is open is marked, and what has ended noted for release. */
export async function recall(db: Db, limit: number): Promise<void> {
  const parents = new Set((await db.all(TAKE, limit)).map((row) => str(row["parent"])));
  if (parents.size === 0) return;
  const rows = await lookMarked(db, parents, () => db.all(STATES, list([...parents])));
  const states = new Map(rows.map((row) => [str(row["id"]), row]));
  const ended = [...parents].filter((id) => int(states.get(id)?.["stage"] ?? STAGE.finished) === STAGE.finished);
  if (ended.length > 0) await db.run(NOTE, list(ended.map((p) => ({ p, s: states.get(p)?.["status"] }))));
}
