/** What people ask and change: look, find, count, cancel, retry, edit, delete, pause. */
import type { Count, Desk, QueueRow, Sync } from "../../core/backend.ts";
import type { Edge, Final, Phase, StoredTask } from "../../core/task.ts";
import { FINALS } from "../../core/task.ts";
import { PAUSED_FOR_MOVE } from "../../core/transfer.ts";
import { MARK, STAGE, UNTIL } from "../shared/stage.ts";
import { edgesOf } from "../shared/task-row.ts";
import { int, optionalInt, optionalStr, str } from "../shared/values.ts";
import type { Db, Sql } from "./db.ts";
import { addEdges, keepFor } from "./enqueue.ts";
import type { Param } from "./library.ts";
import { obstacleTo } from "./obstacle.ts";
import { NAMED_PARENT } from "./schema.ts";
import { TASK_COLUMNS, taskOf } from "./task-row.ts";

type SyncDesk = Sync<Desk>;

const BY_ID = `SELECT ${TASK_COLUMNS} FROM {tasks} WHERE id = ?`;

export function get(db: Db, ids: readonly string[]): readonly (StoredTask | undefined)[] {
  return ids.map((id) => {
    const row = db.get(BY_ID, id);
    return row === undefined ? undefined : taskOf(row, db.now);
  });
}

/** What ended so, in the words of the index that it lies in: most completed, and have one of their own, without the word in each entry. */
export function finishedAs(status: Final): Sql {
  return `stage = ${STAGE.finished} AND ${status === "completed" ? "" : "status <> 'completed' AND "}status = '${status}'`;
}

/** Each a partial index, read up to the bound and one more. A finished row's queue is not in its index, so it is not told. */
export function count(db: Db, upTo: number): readonly Count[] {
  const counts: Count[] = [];
  const byQueue = (phase: Phase, where: string, ...values: Param[]): void => {
    const [column, since] = phase === "ready" ? [", due_at", ", min(due_at) AS since"] : ["", ""];
    const sql: Sql = `SELECT queue_name AS queue, count(*) AS n${since} FROM (SELECT queue_name${column} FROM {tasks} WHERE ${where} LIMIT (?+1)) GROUP BY queue_name ORDER BY queue_name`;
    const rows = db.all(sql, ...values, upTo);
    const more = rows.reduce((sum, row) => sum + int(row["n"]), 0) > upTo;
    for (const row of rows) {
      const of = { phase, queue: str(row["queue"]), tasks: Math.min(int(row["n"]), upTo), more };
      counts.push(phase === "ready" ? { ...of, since: int(row["since"]) } : of);
    }
  };
  byQueue("ready", `stage = ${STAGE.ready}`);
  byQueue("ready", `stage = ${STAGE.timed} AND due_at <= ?`, db.now);
  byQueue("delayed", `stage = ${STAGE.timed} AND due_at > ? AND status <> 'failed'`, db.now);
  byQueue("retrying", `stage = ${STAGE.timed} AND due_at > ? AND status = 'failed'`, db.now);
  byQueue("blocked", `stage = ${STAGE.blocked}`);
  byQueue("running", `stage > 3 AND stage < 6 AND stage = ${STAGE.running}`);
  const ended = (phase: Phase, where: string, ...values: Param[]): void => {
    const tasks = int(db.get(`SELECT count(*) AS n FROM (SELECT 1 FROM {tasks} WHERE ${where} LIMIT (?+1))`, ...values, upTo)?.["n"]);
    if (tasks > 0) counts.push({ phase, tasks: Math.min(tasks, upTo), more: tasks > upTo });
  };
  for (const status of FINALS) ended(status, finishedAs(status));
  // Held by the same index as what runs: marked, and waiting to be ended.
  const doomed = `stage > 3 AND stage < 6 AND stage = ${STAGE.doomed}`;
  ended("cancelled", `${doomed} AND mark <> ${MARK.expired}`);
  ended("expired", `${doomed} AND mark = ${MARK.expired}`);
  return merged(counts);
}

/** Some phases come from two indexes: one entry a phase and queue. */
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

export function ahead(db: Db, id: string, upTo: number): number | undefined {
  const row = db.get("SELECT stage, queue_name, priority, due_at, rid FROM {tasks} WHERE id = ?", id);
  if (row?.["stage"] !== STAGE.ready) return undefined;
  const [queue, priority, due, rid] = [str(row["queue_name"]), int(row["priority"]), int(row["due_at"]), int(row["rid"])];
  const sql = `SELECT count(*) AS n FROM (SELECT 1 FROM {tasks} INDEXED BY {idx_tasks_queue_status} WHERE stage = ${STAGE.ready} AND queue_name = ?
    AND (priority > ? OR (priority = ? AND (due_at < ? OR (due_at = ? AND rid < ?)))) LIMIT (?+0))`;
  return int(db.get(sql, queue, priority, priority, due, due, rid, upTo)?.["n"]);
}

export function cancel(db: Db, ids: readonly string[], reason?: string): ReturnType<SyncDesk["cancel"]> {
  db.hints.add("cancel");
  return ids.map((id) => {
    const stage = db.get("SELECT stage FROM {tasks} WHERE id = ?", id)?.["stage"];
    if (stage === undefined) return "missing";
    if (stage === STAGE.finished) return "final";
    if (stage === STAGE.doomed) return "marked";
    const next = stage === STAGE.running ? STAGE.running : STAGE.doomed;
    db.run(
      `UPDATE {tasks} SET stage = ?, mark = ${MARK.cancelled}, reason = ?, revision = revision + 1 WHERE id = ? AND mark IS NULL`,
      next,
      reason ?? null,
      id,
    );
    return stage === STAGE.running ? "asked" : "marked";
  });
}

/** It takes its key again: for the rest of a length of time that is not over, else until its end. */
const REQUEUE = `UPDATE {tasks} SET stage = iif(coalesce(run_at, 0) > ?1, ${STAGE.timed}, ${STAGE.ready}), status = 'pending', due_at = max(?1, coalesce(run_at, ?1)), attempt = 0, retry_count = 0,
  crash_count = 0, unique_key = coalesce(unique_key, asked_key), unique_until = iif(unique_until BETWEEN 0 AND ?1, ${UNTIL.finished}, unique_until), reason = NULL, completed_at = NULL, started_at = NULL, expires_at = iif(ttl IS NULL, NULL, ?1 + ttl), revision = revision + 1
  WHERE id = ?2 AND stage = ${STAGE.finished} AND status <> 'completed'`;

/** What was left of its end to release waits for it again. */
const FORGET_RELEASE = "DELETE FROM {releases} WHERE parent = ?";

export function requeue(db: Db, ids: readonly string[]): ReturnType<SyncDesk["requeue"]> {
  return ids.map((id) => {
    const obstacle = obstacleTo(db, id);
    if (obstacle !== undefined) return obstacle;
    if (db.run(REQUEUE, db.now, id) === 0) return db.get("SELECT 1 FROM {tasks} WHERE id = ?", id) === undefined ? "missing" : "not-final";
    db.run(FORGET_RELEASE, id);
    const row = db.get("SELECT rid, queue_name, schedule_id, depends_on FROM {tasks} WHERE id = ?", id);
    if (row?.["depends_on"] !== null) waitAgain(db, int(row?.["rid"]), edgesOf(row?.["depends_on"]));
    const scheduleId = optionalStr(row?.["schedule_id"]);
    db.events.push({ type: "requeued", taskId: id, queue: str(row?.["queue_name"]), ...(scheduleId === undefined ? {} : { scheduleId }) });
    db.hints.add("task");
    return "requeued";
  });
}

const OLDER_PARENT = "SELECT stage FROM {tasks} WHERE id = ? AND rid < ?";

/** A younger task under a parent's id is not the one that was meant: that one is gone. So no cycle can arise either. */
function waitAgain(db: Db, rid: number, edges: readonly Edge[]): void {
  const parents = [...new Map(edges.map((edge) => [edge.id, edge])).values()];
  const stages = parents.map((edge) => db.get(OLDER_PARENT, edge.id, rid)?.["stage"]);
  for (const [i, edge] of parents.entries()) if (stages[i] === STAGE.finished) keepFor(db, edge.id, rid);
  const open = parents.filter((_, i) => stages[i] !== undefined && stages[i] !== STAGE.finished);
  if (open.length === 0) return;
  addEdges(db, rid, open);
  db.run(`UPDATE {tasks} SET stage = ${STAGE.blocked}, open_parents = ? WHERE rid = ?`, open.length, rid);
}

const PARENTS_OF = `SELECT ${NAMED_PARENT} FROM json_each((SELECT iif(json_valid(depends_on), depends_on, NULL) FROM {tasks} WHERE rid = ?1))`;

/** Takes away the edges that a task still waits for: found by the parents that its row names. */
export function forgetEdgesOf(db: Db, rid: number): void {
  db.run(`DELETE FROM {dependencies} WHERE child = ?1 AND parent IN (${PARENTS_OF})`, rid);
}

/** Ended parents of this one may be taken away, and nobody keeps this one. */
function forgetDependents(db: Db, rid: number, id: string, isChild: boolean): void {
  if (isChild) db.run(`DELETE FROM {dependents} WHERE child = ?1 AND parent IN (${PARENTS_OF})`, rid);
  db.run("DELETE FROM {dependents} WHERE parent = ?", id);
}

/** Deletes one row with its result and its edges. Its fence raises the floor of every claim from now on, so that no later row of this id reuses one. */
export function deleteTask(db: Db, rid: number, id: string): void {
  const row = db.get("SELECT fence, open_parents, depends_on IS NOT NULL AS child FROM {tasks} WHERE rid = ?", rid);
  const fence = int(row?.["fence"]);
  db.run("UPDATE {omniq_meta} SET value = ? WHERE key = 'fence_floor' AND value < ?", fence, fence);
  if (int(row?.["open_parents"]) > 0) forgetEdgesOf(db, rid);
  forgetDependents(db, rid, id, row?.["child"] === 1);
  db.run("DELETE FROM {results} WHERE task_id = ?", id);
  db.run(FORGET_RELEASE, id);
  db.run("DELETE FROM {tasks} WHERE rid = ?", rid);
}

/** Whether a child of it waits, or may still run and ask what it came to. From the newest on: the oldest of very many have mostly ended. */
export const hasDependents = (id: Sql): Sql => `(EXISTS (SELECT 1 FROM {dependencies} d WHERE d.parent = ${id})
  OR (SELECT 1 FROM {dependents} d CROSS JOIN {tasks} c ON c.rid = d.child WHERE d.parent = ${id} AND c.stage < ${STAGE.doomed} ORDER BY d.child DESC LIMIT 1) IS NOT NULL)`;

export function remove(db: Db, ids: readonly string[]): ReturnType<SyncDesk["remove"]> {
  return ids.map((id) => {
    const row = db.get("SELECT rid, worker FROM {tasks} WHERE id = ?", id);
    if (row === undefined) return "missing";
    if (row["worker"] !== null) return "running";
    if (db.get(`SELECT 1 WHERE ${hasDependents("?1")}`, id) !== undefined) return "has-dependents";
    deleteTask(db, int(row["rid"]), id);
    return "removed";
  });
}

/** Each reads one partial index, so that what has ended is not read. Children first: whoever takes all of it away cannot take a parent before. */
const WAITING: readonly Sql[] = [
  `INDEXED BY {idx_tasks_blocked} WHERE stage = ${STAGE.blocked} AND queue_name = ? ORDER BY rid DESC`,
  `INDEXED BY {idx_tasks_queue_status} WHERE stage = ${STAGE.ready} AND queue_name = ?`,
  `INDEXED BY {idx_tasks_run_at} WHERE stage = ${STAGE.timed} AND queue_name = ?`,
  `INDEXED BY {idx_tasks_held} WHERE stage > 3 AND stage < 6 AND worker IS NULL AND stage = ${STAGE.doomed} AND queue_name = ?`,
].map((part) => `SELECT id FROM {tasks} ${part} LIMIT (?+0)`);

export function waiting(db: Db, queues: readonly string[], limit: number): readonly string[] {
  const ids: string[] = [];
  for (const part of WAITING) {
    for (const queue of new Set(queues)) ids.push(...db.all(part, queue, limit - ids.length).map((row) => str(row["id"])));
  }
  return ids;
}

/** Every queue that was ever paused, or holds something that has not ended: each of those lies in a small partial index, which is named lest the queues of all history be read. */
const QUEUES = `SELECT name, paused_at FROM {queues} UNION SELECT DISTINCT queue_name, NULL FROM {tasks} INDEXED BY {idx_tasks_queue_status} WHERE stage = ${STAGE.ready}
  UNION SELECT DISTINCT queue_name, NULL FROM {tasks} INDEXED BY {idx_tasks_run_at} WHERE stage = ${STAGE.timed}
  UNION SELECT DISTINCT queue_name, NULL FROM {tasks} INDEXED BY {idx_tasks_blocked} WHERE stage = ${STAGE.blocked}
  UNION SELECT DISTINCT queue_name, NULL FROM {tasks} INDEXED BY {idx_tasks_held} WHERE stage > 3 AND stage < 6 ORDER BY name LIMIT 1000`;

export function queues(db: Db): readonly QueueRow[] {
  const rows = new Map<string, QueueRow>();
  for (const row of db.all(QUEUES)) {
    const name = str(row["name"]);
    const pausedAt = optionalInt(row["paused_at"]) ?? rows.get(name)?.pausedAt;
    rows.set(name, { name, ...(pausedAt === undefined ? {} : { pausedAt }) });
  }
  return [...rows.values()];
}

/** A pause for a move becomes one that was meant. */
const SET_PAUSED = `INSERT INTO {queues}(name, paused_at) VALUES (?1, ?2)
  ON CONFLICT(name) DO UPDATE SET paused_at = iif(?2 IS NULL, NULL, coalesce(nullif(paused_at, ${PAUSED_FOR_MOVE}), ?2))`;

export function setPaused(db: Db, queue: string, paused: boolean): void {
  db.run(SET_PAUSED, queue, paused ? db.now : null);
  db.hints.add("task");
}
