/** What people ask and change: look, find, count, cancel, retry, delete, pause. */
import type { Count, Desk, QueueRow, TaskPage, TaskQuery } from "../../core/backend.ts";
import { placeOf } from "../../core/cursor.ts";
import { FINALS } from "../../core/task.ts";
import type { Phase, StoredTask } from "../../core/task.ts";
import { PAUSED_FOR_MOVE } from "../../core/transfer.ts";
import { LIST, list } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import { addEdges, lookMarked } from "./parents.ts";
import type { NewEdge } from "./parents.ts";
import type { Param, Row } from "./link.ts";
import { MARK, STAGE } from "../shared/stage.ts";
import { TASK_COLUMNS } from "./task-row.ts";
import { edgesOf, storedTask } from "../shared/task-row.ts";
import { int, optionalInt, optionalStr, str } from "../shared/values.ts";

const BY_IDS: Sql = `SELECT ${TASK_COLUMNS}, {now} AS now FROM {tasks} WHERE id = ANY(${LIST(1)})`;

const taskOf = (row: Row): StoredTask => storedTask(row, int(row["now"]));

export async function get(db: Db, ids: readonly string[]): Promise<readonly (StoredTask | undefined)[]> {
  const tasks = new Map((await db.all(BY_IDS, list(ids))).map((row) => [str(row["id"]), taskOf(row)]));
  return ids.map((id) => tasks.get(id));
}

// ---------------------------------------------------------------- finding and counting

/** Rows that one call of `find` reads at most, matching or not. */
const WINDOW = 5_000;

/** The phase as SQL: the twin of `phaseOf` of a row. */
const PHASE: Readonly<Record<Phase, Sql>> = {
  ready: `(stage = ${STAGE.ready} OR (stage = ${STAGE.timed} AND due_at <= {now}))`,
  delayed: `(stage = ${STAGE.timed} AND due_at > {now} AND status <> 'failed')`,
  retrying: `(stage = ${STAGE.timed} AND due_at > {now} AND status = 'failed')`,
  blocked: `stage = ${STAGE.blocked}`,
  running: `stage = ${STAGE.running}`,
  completed: `(stage = ${STAGE.finished} AND status = 'completed')`,
  failed: `(stage = ${STAGE.finished} AND status = 'failed')`,
  cancelled: `((stage = ${STAGE.finished} AND status = 'cancelled') OR (stage = ${STAGE.doomed} AND mark <> ${MARK.expired}))`,
  expired: `((stage = ${STAGE.finished} AND status = 'expired') OR (stage = ${STAGE.doomed} AND mark = ${MARK.expired}))`,
};

function filters(query: TaskQuery, params: Param[]): readonly Sql[] {
  const terms: Sql[] = [];
  const term = (sql: (param: string) => Sql, value: Param | undefined): void => {
    if (value === undefined) return;
    params.push(value);
    terms.push(sql(`$${params.length}`));
  };
  term((p) => `queue_name = ${p}`, query.queue);
  term((p) => `func = ${p}`, query.func);
  term((p) => `status = ${p}`, query.status);
  term((p) => `schedule_id = ${p}`, query.scheduleId);
  term((p) => `created_at >= ${p}`, query.createdFrom);
  term((p) => `created_at <= ${p}`, query.createdTo);
  if (query.phase !== undefined) terms.push(PHASE[query.phase]);
  for (const tag of query.tags ?? []) term((p) => `tags @> ARRAY[${p}::text]`, tag);
  return terms;
}

const END: Sql = `SELECT min(rid) AS rid, count(*) AS n FROM (SELECT rid FROM {tasks} WHERE rid < $1 ORDER BY rid DESC LIMIT ${WINDOW}) AS w`;

export async function find(db: Db, query: TaskQuery): Promise<TaskPage> {
  const from = query.after === undefined ? Number.MAX_SAFE_INTEGER : placeOf(query.after);
  const end = await db.get(END, from);
  const [least, seen] = [int(end?.["rid"]), int(end?.["n"])];
  if (seen === 0) return { items: [] };
  const params: Param[] = [from, least];
  const terms = ["rid < $1", "rid >= $2", ...filters(query, params)];
  params.push(query.limit + 1);
  const sql = `SELECT ${TASK_COLUMNS}, {now} AS now FROM {tasks} WHERE ${terms.join(" AND ")} ORDER BY rid DESC LIMIT $${params.length}`;
  const rows = await db.all(sql, ...params);
  const page = rows.slice(0, query.limit);
  const items = page.map((row) => taskOf(row));
  const last = page.at(-1);
  if (last !== undefined && rows.length > query.limit) return { items, next: str(last["rid"]) };
  return seen < WINDOW ? { items } : { items, next: String(least) };
}

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

function isPhase(name: string): name is Phase {
  return Object.hasOwn(PHASE, name);
}

function phaseNamed(name: string): Phase {
  return isPhase(name) ? name : "ready";
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

const REQUEUE: Sql = `UPDATE {tasks} SET stage = CASE WHEN coalesce(run_at, 0) > {now} THEN ${STAGE.timed} ELSE ${STAGE.ready} END, status = 'pending',
  due_at = greatest({now}, coalesce(run_at, {now})), attempt = 0, retry_count = 0, crash_count = 0, reason = NULL, completed_at = NULL, started_at = NULL,
  expires_at = {now} + ttl, revision = revision + 1 WHERE id = ANY(${LIST(1)}) AND stage + 0 = ${STAGE.finished} AND status <> 'completed'
  RETURNING rid, id, queue_name, schedule_id, depends_on`;
/** What was left of its end to release waits for it again. */
const FORGET_RELEASES: Sql = `DELETE FROM {releases} WHERE parent = ANY(${LIST(1)})`;

export async function requeue(db: Db, ids: readonly string[]): ReturnType<Desk["requeue"]> {
  const there = await lock(db, ids, "stage");
  const rows = await db.all(REQUEUE, list(ids));
  const done = new Map(rows.map((row) => [str(row["id"]), row]));
  await db.run(FORGET_RELEASES, list([...done.keys()]));
  const answers = ids.map((id) => {
    const row = done.get(id);
    if (row === undefined) return there.has(id) ? "not-final" : "missing";
    done.delete(id);
    const scheduleId = optionalStr(row["schedule_id"]);
    db.events.push({ type: "requeued", taskId: id, queue: str(row["queue_name"]), ...(scheduleId === undefined ? {} : { scheduleId }) });
    db.hints.add("task");
    return "requeued";
  });
  await waitAgain(db, ids, rows);
  return answers;
}

const OPEN_PARENTS: Sql = `SELECT id, stage FROM {tasks} WHERE id = ANY(${LIST(1)}) AND rid < $2 AND stage <> ${STAGE.finished}`;
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
  const open = (await lookMarked(db, new Set(ids), () => db.all(OPEN_PARENTS, list(ids), rid))).flatMap((row): readonly NewEdge[] => {
    const edge = parents.get(str(row["id"]));
    return edge === undefined ? [] : [{ edge, child: rid }];
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
  edges AS (DELETE FROM {dependencies} d USING gone WHERE d.child = gone.rid), notes AS (DELETE FROM {releases} r USING gone WHERE r.parent = gone.id),
  told AS (DELETE FROM {results} h USING gone WHERE h.task_id = gone.id) SELECT 1`;

/** Deletes rows that are locked already, with their results and their edges. */
export async function deleteTasks(db: Db, rids: readonly number[]): Promise<void> {
  if (rids.length === 0) return;
  await db.run(RAISE_FLOOR, list(rids));
  await db.run(DELETE, list(rids));
}

const PARENTS: Sql = `SELECT DISTINCT parent FROM {dependencies} WHERE parent = ANY(${LIST(1)})`;

export async function remove(db: Db, ids: readonly string[]): ReturnType<Desk["remove"]> {
  const rows = await lock(db, ids, "worker");
  const parents = new Set((await db.all(PARENTS, list(ids))).map((row) => str(row["parent"])));
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
