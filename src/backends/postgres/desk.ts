/** What people ask and change: look, find, count, cancel, retry, delete, pause. */
import type { Count, Desk, QueueRow } from "../../core/backend.ts";
import { FINALS, PHASES } from "../../core/task.ts";
import type { Phase, StoredTask } from "../../core/task.ts";
import { PAUSED_FOR_MOVE } from "../../core/transfer.ts";
import { LIST, list } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import { lockExclusive, obstaclesTo } from "./obstacles.ts";
import { addEdges, holdEnded, keepFor, lookMarked } from "./parents.ts";
import type { NewEdge } from "./parents.ts";
import type { Row } from "./link.ts";
import { MARK, STAGE, UNTIL } from "../shared/stage.ts";
import { TASK_COLUMNS } from "./task-row.ts";
import { edgesOf, storedTask } from "../shared/task-row.ts";
import { int, optionalInt, optionalStr, str } from "../shared/values.ts";

const BY_IDS: Sql = `SELECT ${TASK_COLUMNS}, {now} AS now FROM {tasks} WHERE id = ANY(${LIST(1)})`;

const taskOf = (row: Row): StoredTask => storedTask(row, int(row["now"]));

export async function get(db: Db, ids: readonly string[]): Promise<readonly (StoredTask | undefined)[]> {
  const tasks = new Map((await db.all(BY_IDS, list(ids))).map((row) => [str(row["id"]), taskOf(row)]));
  return ids.map((id) => tasks.get(id));
}

// ---------------------------------------------------------------- looking and counting

/** Each a partial index, read up to the bound and one more. */
const waitingOf = (
  phase: Phase,
  where: Sql,
  since = "NULL::bigint",
): Sql => `SELECT '${phase}' AS phase, queue_name AS queue, count(*) AS n, min(since) AS since
  FROM (SELECT queue_name, ${since} AS since FROM {tasks} WHERE ${where} LIMIT $1 + 1) AS w GROUP BY queue_name`;
const endedOf = (phase: Phase, where: Sql): Sql =>
  `SELECT '${phase}' AS phase, NULL::text AS queue, count(*) AS n, NULL::bigint AS since FROM (SELECT 1 FROM {tasks} WHERE ${where} LIMIT $1 + 1) AS w`;
const DOOMED = `stage > 3 AND stage < 6 AND stage = ${STAGE.doomed}`;
/** Some phases lie in two places: one part each. A finished row's queue is not in its index, so it is not told. */
const PARTS: readonly Sql[] = [
  waitingOf("ready", `stage = ${STAGE.ready}`, "due_at"),
  waitingOf("ready", `stage = ${STAGE.timed} AND due_at <= {now}`, "due_at"),
  waitingOf("delayed", `stage = ${STAGE.timed} AND due_at > {now} AND status <> 'failed'`),
  waitingOf("retrying", `stage = ${STAGE.timed} AND due_at > {now} AND status = 'failed'`),
  waitingOf("blocked", `stage = ${STAGE.blocked}`),
  waitingOf("running", `stage > 3 AND stage < 6 AND stage = ${STAGE.running}`),
  ...FINALS.map((status) => endedOf(status, `stage = ${STAGE.finished} AND status = '${status}'`)),
  endedOf("cancelled", `${DOOMED} AND mark <> ${MARK.expired}`),
  endedOf("expired", `${DOOMED} AND mark = ${MARK.expired}`),
];
const COUNTS: Sql = PARTS.map((part, i) => `(SELECT ${i} AS part, p.* FROM (${part}) AS p ORDER BY queue)`).join(" UNION ALL ");

export async function count(db: Db, upTo: number): Promise<readonly Count[]> {
  const rows = await db.all(`SELECT * FROM (${COUNTS}) AS c ORDER BY part, queue COLLATE "C"`, upTo);
  const sums = new Map<number, number>();
  for (const row of rows) sums.set(int(row["part"]), (sums.get(int(row["part"])) ?? 0) + int(row["n"]));
  const counts = rows.flatMap((row): readonly Count[] => {
    const n = int(row["n"]);
    if (n === 0) return [];
    const [queue, since] = [optionalStr(row["queue"]), optionalInt(row["since"])];
    const of = { phase: phaseNamed(str(row["phase"])), tasks: Math.min(n, upTo), more: (sums.get(int(row["part"])) ?? 0) > upTo };
    return [{ ...of, ...(queue === undefined ? {} : { queue }), ...(since === undefined ? {} : { since }) }];
  });
  return merged(counts);
}

function phaseNamed(name: string): Phase {
  return PHASES.find((phase) => phase === name) ?? "ready";
}

/** One entry a phase and queue. */
function merged(counts: readonly Count[]): readonly Count[] {
  const byKey = new Map<string, Count>();
  for (const each of counts) {
    const key = JSON.stringify([each.phase, each.queue]);
    const before = byKey.get(key);
    byKey.set(key, before === undefined ? each : together(before, each));
  }
  return [...byKey.values()];
}

function together(a: Count, b: Count): Count {
  const sum = { ...a, tasks: a.tasks + b.tasks, more: a.more || b.more };
  return a.since === undefined || b.since === undefined ? sum : { ...sum, since: Math.min(a.since, b.since) };
}

const AHEAD: Sql = `SELECT t.stage, (SELECT count(*) FROM (SELECT 1 FROM {tasks} o WHERE o.stage = ${STAGE.ready} AND o.queue_name = t.queue_name
  AND (o.priority > t.priority OR (o.priority = t.priority AND (o.due_at < t.due_at OR (o.due_at = t.due_at AND o.rid < t.rid)))) LIMIT $2) AS w) AS n
  FROM {tasks} t WHERE t.id = $1`;

export async function ahead(db: Db, id: string, upTo: number): Promise<number | undefined> {
  const row = await db.get(AHEAD, id, upTo);
  return row?.["stage"] === STAGE.ready ? int(row["n"]) : undefined;
}

/** Each part reads one partial index, so that what has ended is not read. Children first: whoever takes all of it away cannot take a parent before. */
const WAITING: Sql = `SELECT id FROM (${[
  `stage = ${STAGE.blocked} AND NOT has_children`,
  `stage = ${STAGE.blocked} AND has_children`,
  `stage = ${STAGE.ready}`,
  `stage = ${STAGE.timed}`,
  `stage > 3 AND stage < 6 AND stage = ${STAGE.doomed} AND worker IS NULL`,
]
  .map((part) => `SELECT id FROM {tasks} WHERE ${part} AND queue_name = ANY(${LIST(1)})`)
  .join(" UNION ALL ")}) AS w LIMIT $2`;

export async function waiting(db: Db, queues: readonly string[], limit: number): Promise<readonly string[]> {
  return (await db.all(WAITING, list(queues), limit)).map((row) => str(row["id"]));
}

// ---------------------------------------------------------------- changing

/** Locked in the order of their ids, as everywhere, so that two such calls never wait for each other; answered by id. */
async function lock(db: Db, ids: readonly string[], columns: string): Promise<Map<string, Row>> {
  const sql: Sql = `SELECT rid, id, ${columns} FROM {tasks} WHERE id = ANY(${LIST(1)}) ORDER BY id FOR UPDATE`;
  return new Map((await db.all(sql, list(ids))).map((row) => [str(row["id"]), row]));
}

const CANCEL: Sql = `UPDATE {tasks} SET stage = CASE WHEN stage = ${STAGE.running} THEN ${STAGE.running} ELSE ${STAGE.doomed} END,
  mark = ${MARK.cancelled}, reason = $2, revision = revision + 1
  WHERE id = ANY(${LIST(1)}) AND mark IS NULL AND stage < ${STAGE.finished} AND stage <> ${STAGE.doomed}`;

export async function cancel(db: Db, ids: readonly string[], reason?: string): ReturnType<Desk["cancel"]> {
  const rows = await lock(db, ids, "stage");
  await db.run(CANCEL, list(ids), reason ?? null);
  db.hints.add("cancel");
  return ids.map((id) => {
    const stage = rows.get(id)?.["stage"];
    if (stage === undefined) return "missing";
    if (stage === STAGE.finished) return "final";
    return stage === STAGE.running ? "asked" : "marked";
  });
}

/** It takes its key again: for the rest of a length of time that is not over, else until its end. */
const REQUEUE: Sql = `UPDATE {tasks} SET stage = CASE WHEN coalesce(run_at, 0) > {now} THEN ${STAGE.timed} ELSE ${STAGE.ready} END, status = 'pending',
  due_at = greatest({now}, coalesce(run_at, {now})), attempt = 0, retry_count = 0, crash_count = 0, reason = NULL, completed_at = NULL, started_at = NULL,
  unique_key = coalesce(unique_key, asked_key), unique_until = CASE WHEN unique_until BETWEEN 0 AND {now} THEN ${UNTIL.finished} ELSE unique_until END,
  expires_at = {now} + ttl, revision = revision + 1 WHERE id = ANY(${LIST(1)}) AND stage + 0 = ${STAGE.finished} AND status <> 'completed'
  RETURNING rid, id, queue_name, schedule_id, depends_on`;
/** What was left of its end to release waits for it again. */
const FORGET_RELEASES: Sql = `DELETE FROM {releases} WHERE parent = ANY(${LIST(1)})`;

export async function requeue(db: Db, ids: readonly string[]): ReturnType<Desk["requeue"]> {
  const exclusive = await lockExclusive(db, ids);
  const there = await lock(db, ids, "stage, status, unique_key, asked_key, schedule_id");
  const obstacles = await obstaclesTo(db, ids, there, exclusive);
  const rows = await db.all(REQUEUE, list(ids.filter((id) => !obstacles.has(id))));
  const done = new Map(rows.map((row) => [str(row["id"]), row]));
  await db.run(FORGET_RELEASES, list([...done.keys()]));
  const answers = ids.map((id) => {
    const row = done.get(id);
    if (row === undefined) return obstacles.get(id) ?? (there.has(id) ? "not-final" : "missing");
    done.delete(id);
    const scheduleId = optionalStr(row["schedule_id"]);
    db.events.push({ type: "requeued", taskId: id, queue: str(row["queue_name"]), ...(scheduleId === undefined ? {} : { scheduleId }) });
    db.hints.add("task");
    return "requeued";
  });
  await waitAgain(db, ids, rows);
  return answers;
}

const OLDER_PARENTS: Sql = `SELECT id, stage FROM {tasks} WHERE id = ANY(${LIST(1)}) AND rid < $2`;
const BLOCK: Sql = `UPDATE {tasks} SET stage = ${STAGE.blocked}, open_parents = $2 WHERE rid = $1`;

/**
 * A younger task under a parent's id is not the one that was meant: that one is gone. So no cycle can arise either, nor by one that
 * comes back later in the same call: it has still ended.
 */
async function waitAgain(db: Db, ids: readonly string[], rows: readonly Row[]): Promise<void> {
  const place = new Map(ids.map((id, i) => [id, i]));
  const back = new Map(rows.map((row) => [str(row["id"]), row]));
  for (const [id, row] of back) {
    const edges = edgesOf(optionalStr(row["depends_on"]) ?? null).filter((edge) => {
      const later = back.has(edge.id) && (place.get(edge.id) ?? 0) > (place.get(id) ?? 0);
      return !later;
    });
    if (edges.length > 0) await wait(db, int(row["rid"]), new Map(edges.map((edge) => [edge.id, edge])));
  }
}

async function wait(db: Db, rid: number, parents: ReadonlyMap<string, NewEdge["edge"]>): Promise<void> {
  const ids = [...parents.keys()];
  await holdEnded(db, ids);
  const rows = await lookMarked(db, new Set(ids), () => db.all(OLDER_PARENTS, list(ids), rid));
  const ended = rows.filter((row) => int(row["stage"]) === STAGE.finished);
  await keepFor(
    db,
    ended.map((row) => ({ parent: str(row["id"]), child: rid })),
  );
  const open = rows.flatMap((row): readonly NewEdge[] => {
    const edge = parents.get(str(row["id"]));
    return edge === undefined || int(row["stage"]) === STAGE.finished ? [] : [{ edge, child: rid }];
  });
  if (open.length === 0) return;
  await addEdges(db, open);
  await db.run(BLOCK, rid, open.length);
}

const RIDS = "ANY(ARRAY(SELECT json_array_elements_text($1::json)::bigint))";
/** The highest fence of what is deleted raises the floor, so that no later row of such an id reuses one. */
const RAISE_FLOOR: Sql = `UPDATE {omniq_meta} m SET value = f.fence FROM (SELECT max(fence) AS fence FROM {tasks} WHERE rid = ${RIDS}) AS f
  WHERE m.key = 'fence_floor' AND m.value < f.fence`;
const DELETE: Sql = `WITH gone AS (DELETE FROM {tasks} WHERE rid = ${RIDS} RETURNING rid, id),
  edges AS (DELETE FROM {dependencies} d USING gone WHERE d.child = gone.rid), children AS (DELETE FROM {dependents} d USING gone WHERE d.parent = gone.id),
  kept AS (DELETE FROM {dependents} d USING gone WHERE d.child = gone.rid AND d.parent NOT IN (SELECT id FROM gone)), notes AS (DELETE FROM {releases} r USING gone WHERE r.parent = gone.id),
  told AS (DELETE FROM {results} h USING gone WHERE h.task_id = gone.id) SELECT 1`;

/** Deletes rows that are locked already, with their results and their edges. */
export async function deleteTasks(db: Db, rids: readonly number[]): Promise<void> {
  if (rids.length === 0) return;
  await db.run(RAISE_FLOOR, list(rids));
  await db.run(DELETE, list(rids));
}

/** Whether a child of it waits, or may still run and ask what it came to. From the newest on: the oldest of very many have mostly ended. */
export const hasDependents = (id: Sql): Sql => `(EXISTS (SELECT 1 FROM {dependencies} d WHERE d.parent = ${id})
  OR (SELECT 1 FROM {dependents} d JOIN {tasks} c ON c.rid = d.child WHERE d.parent = ${id} AND c.stage + 0 < ${STAGE.doomed} ORDER BY d.child DESC LIMIT 1) IS NOT NULL)`;
const PARENTS: Sql = `SELECT p.id FROM unnest(${LIST(1)}) AS p(id) WHERE ${hasDependents("p.id")}`;

/** Which of these are to be kept. */
export async function withDependents(db: Db, ids: readonly string[]): Promise<ReadonlySet<string>> {
  return ids.length === 0 ? new Set() : new Set((await db.all(PARENTS, list(ids))).map((row) => str(row["id"])));
}

export async function remove(db: Db, ids: readonly string[]): ReturnType<Desk["remove"]> {
  const rows = await lock(db, ids, "worker");
  const parents = await withDependents(db, ids);
  const rids: number[] = [];
  const answers = ids.map((id) => {
    const row = rows.get(id);
    if (row === undefined) return "missing";
    if (row["worker"] !== null) return "running";
    if (parents.has(id)) return "has-dependents";
    rows.delete(id);
    rids.push(int(row["rid"]));
    return "removed";
  });
  await deleteTasks(db, rids);
  return answers;
}

// ---------------------------------------------------------------- queues

/** Every queue that was ever paused, or holds something that has not ended. */
const QUEUES: Sql = `SELECT name, max(paused_at) AS paused_at FROM (SELECT name, paused_at FROM {queues}
  UNION ALL SELECT DISTINCT queue_name, NULL::bigint FROM {tasks} WHERE stage = ${STAGE.ready}
  UNION ALL SELECT DISTINCT queue_name, NULL::bigint FROM {tasks} WHERE stage = ${STAGE.timed} UNION ALL SELECT DISTINCT queue_name, NULL::bigint FROM {tasks} WHERE stage = ${STAGE.blocked}
  UNION ALL SELECT DISTINCT queue_name, NULL::bigint FROM {tasks} WHERE stage > 3 AND stage < 6) AS q GROUP BY name ORDER BY name LIMIT 1000`;

export async function queues(db: Db): Promise<readonly QueueRow[]> {
  return (await db.all(QUEUES)).map((row) => {
    const [name, pausedAt] = [str(row["name"]), optionalInt(row["paused_at"])];
    return pausedAt === undefined ? { name } : { name, pausedAt };
  });
}

/** A pause for a move becomes one that was meant. */
const PAUSE: Sql = `INSERT INTO {queues} AS q (name, paused_at) VALUES ($1, {now}) ON CONFLICT(name) DO UPDATE SET paused_at = coalesce(nullif(q.paused_at, ${PAUSED_FOR_MOVE}), {now})`;
const RESUME: Sql = `INSERT INTO {queues}(name, paused_at) VALUES ($1, NULL) ON CONFLICT(name) DO UPDATE SET paused_at = NULL`;

export async function setPaused(db: Db, queue: string, paused: boolean): Promise<void> {
  await db.run(paused ? PAUSE : RESUME, queue);
  db.hints.add("task");
}
