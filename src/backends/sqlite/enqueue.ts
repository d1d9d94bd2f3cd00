/** Writing new tasks: one user's call is all or nothing, and calls that share a commit cannot refuse each other. */
import type { Enqueued, EnqueueCall, Refused } from "../../core/backend.ts";
import type { NewTask } from "../../core/task.ts";
import { isOutlived, whyKept } from "../shared/replace.ts";
import { MARK, STAGE, UNTIL } from "../shared/stage.ts";
import { edgesText } from "../shared/task-row.ts";
import { int, optionalInt, optionalStr, str } from "../shared/values.ts";
import type { Row } from "../shared/values.ts";
import type { Db, Sql } from "./db.ts";
import type { Param } from "./library.ts";
import { isPlain, PLAIN_COLUMNS, plainParams, RARE_COLUMNS, rareParams, taskChecksum } from "./task-row.ts";

export function enqueue(db: Db, calls: readonly EnqueueCall[]): readonly (readonly Enqueued[])[] {
  return calls.map((call) => enqueueCall(db, call));
}

function enqueueCall(db: Db, call: EnqueueCall): readonly Enqueued[] {
  const { tasks } = call;
  // One task alone is refused before anything is written, so it needs no savepoint.
  if (tasks.length === 1) return addAll(db, call).answers;
  if (addTogether(db, call)) return tasks.map(({ id }) => ({ is: "added", id }));
  let answers: readonly Enqueued[] = [];
  db.attempt(() => {
    const added = addAll(db, call);
    answers = added.answers;
    return !added.refused;
  });
  return answers;
}

function addAll(db: Db, { tasks, announce }: EnqueueCall): { readonly answers: readonly Enqueued[]; readonly refused: boolean } {
  const answers: Enqueued[] = [];
  // Tasks that became the holder of their unique key: a child of one is a child of the holder.
  let standsFor: Map<string, string> | undefined;
  for (const task of tasks) {
    const answer = addTask(db, standsFor === undefined ? task : withHolders(task, standsFor), announce);
    if (answer.is === "refused") return { answers: tasks.map(() => answer), refused: true };
    if (answer.id !== task.id) standsFor = (standsFor ?? new Map<string, string>()).set(task.id, answer.id);
    answers.push(answer);
  }
  return { answers, refused: false };
}

/** Common tasks go many to a statement, a third faster. False, with nothing written, where a task is not common or its id is there already. */
function addTogether(db: Db, { tasks, announce }: EnqueueCall): boolean {
  if (tasks.length < TOGETHER || !tasks.every((task) => isReadyAndPlain(db, task))) return false;
  let added = true;
  db.attempt(() => {
    for (let from = 0; added && from < tasks.length;) {
      const some = tasks.slice(from, from + (tasks.length - from < TOGETHER ? 1 : TOGETHER));
      const values: Param[] = [];
      for (const task of some) pushPlain(values, db, task, task.createdAt ?? db.now);
      added = db.run(some.length === 1 ? INSERT_PLAIN : INSERT_TOGETHER, ...values) === some.length;
      from += some.length;
    }
    return added;
  });
  if (added) for (const task of tasks) announceTask(db, task, announce);
  return added;
}

function withHolders(task: NewTask, standsFor: ReadonlyMap<string, string>): NewTask {
  return { ...task, dependsOn: task.dependsOn.map((edge) => ({ ...edge, id: standsFor.get(edge.id) ?? edge.id })) };
}

/** Adds one task. Refuses before it writes: first by its id, then by its key, then by its parents. */
export function addTask(db: Db, task: NewTask, announce: boolean): Enqueued {
  const plain = task.unique === undefined && task.dependsOn.length === 0;
  if (!plain && db.get("SELECT 1 FROM {tasks} WHERE id = ?", task.id) !== undefined) return sameId(db, task);
  const holder = task.unique === undefined ? undefined : holderOf(db, task.unique.key);
  const outlived = holder !== undefined && hasOutlived(db, holder);
  if (task.unique !== undefined && holder !== undefined && !outlived) return onConflict(db, task, holder, task.unique.onConflict, announce);
  const parents = task.dependsOn.length === 0 ? NO_PARENTS : parentsOf(db, task);
  if ("why" in parents) return parents;
  if (outlived) db.run(OUTLIVED, db.now, int(holder["rid"]));
  if (insert(db, task, parents) === 0) return sameId(db, task);
  if (parents.open.length + parents.ended.length > 0) {
    const rid = int(db.get("SELECT rid FROM {tasks} WHERE id = ?", task.id)?.["rid"]);
    addEdges(db, rid, parents.open);
    for (const parent of parents.ended) keepFor(db, parent, rid);
  }
  announceTask(db, task, announce);
  return { is: "added", id: task.id };
}

const ADD_EDGE = "INSERT INTO {dependencies}(parent, child, policy) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";

export function addEdges(db: Db, child: number, edges: NewTask["dependsOn"]): void {
  for (const edge of edges) db.run(ADD_EDGE, edge.id, child, edge.ifFailed === "run" ? 1 : 0);
  if (edges.length > 0) db.hasEdges = true;
}

/** A parent that has ended stays as long as this child may ask what it came to. */
export function keepFor(db: Db, parent: string, child: number): void {
  db.run("INSERT INTO {dependents}(parent, child) VALUES (?, ?) ON CONFLICT DO NOTHING", parent, child);
}

function announceTask(db: Db, { id, queue, scheduleId }: Pick<NewTask, "id" | "queue" | "scheduleId">, announce: boolean): void {
  db.hints.add("task");
  if (announce) db.events.push({ type: "enqueued", taskId: id, queue, ...(scheduleId === undefined ? {} : { scheduleId }) });
}

interface Parents {
  readonly open: NewTask["dependsOn"];
  readonly ended: readonly string[];
  /** Set when a parent ended other than completed and its end takes this task along. */
  readonly failed?: string;
}
const NO_PARENTS: Parents = { open: [], ended: [] };

/** Which parents are still to end. A failed one with a retry due has not ended. */
function parentsOf(db: Db, task: NewTask): Parents | Refused {
  const open: NewTask["dependsOn"][number][] = [];
  const ended: string[] = [];
  let failed: string | undefined;
  const edges = new Map(task.dependsOn.map((edge) => [edge.id, edge]));
  for (const edge of edges.values()) {
    const row = db.get("SELECT stage, status FROM {tasks} WHERE id = ?", edge.id);
    if (row === undefined) {
      const detail = `task ${edge.id} is not there; it may have been deleted or cleaned up after its end`;
      return { is: "refused", why: "unknown-parent", detail };
    }
    if (row["stage"] !== STAGE.finished) {
      open.push(edge);
      continue;
    }
    ended.push(edge.id);
    if (row["status"] !== "completed" && edge.ifFailed === "cancel") failed ??= `parent ${edge.id} ${str(row["status"])}`;
  }
  return { open, ended, ...(failed === undefined ? {} : { failed }) };
}

const MARKS = (count: number): string => Array.from({ length: count }, () => "?").join(", ");
/** Nearly every task has nothing but these: binding a NULL for each of the others would take longer than writing the row. */
const PLAIN = `id, func, queue_name, priority, due_at, fence, created_at, ${PLAIN_COLUMNS}`;
const insertPlain = (rows: number): string => {
  const row = `(${MARKS(13)}, ${STAGE.ready}, 'pending')`;
  return `INSERT INTO {tasks}(${PLAIN}, stage, status) VALUES ${Array.from({ length: rows }, () => row).join(", ")} ON CONFLICT(id) DO NOTHING`;
};
const INSERT_PLAIN = insertPlain(1);
/** Rows of one statement; more of them make it no faster. */
const TOGETHER = 16;
const INSERT_TOGETHER = insertPlain(TOGETHER);
const INSERT = `INSERT INTO {tasks}(${PLAIN}, status, stage, open_parents, mark, reason, unique_key, asked_key, unique_until, run_at, expires_at, ttl,
  depends_on, schedule_id, ${RARE_COLUMNS}) VALUES (${MARKS(13)}, 'pending', ${MARKS(21)}) ON CONFLICT(id) DO NOTHING`;

/** When the task is due and when it expires: delays count from now, dates are the user's own. */
function times(db: Db, task: NewTask): { runAt: number | null; dueAt: number; expiresAt: number | null } {
  const createdAt = task.createdAt ?? db.now;
  const runAt = task.due === undefined ? null : "at" in task.due ? task.due.at : db.now + task.due.in;
  const expiresAt = task.expiresAt ?? (task.ttl === undefined ? null : createdAt + task.ttl);
  return { runAt, dueAt: runAt ?? createdAt, expiresAt };
}

function uniqueUntil(db: Db, task: NewTask): number | null {
  const until = task.unique?.until;
  if (until === undefined) return null;
  return typeof until === "number" ? db.now + until : UNTIL[until];
}

function insert(db: Db, task: NewTask, parents: Parents): number {
  const values: Param[] = [];
  if (isReadyAndPlain(db, task)) {
    pushPlain(values, db, task, task.createdAt ?? db.now);
    return db.run(INSERT_PLAIN, ...values);
  }
  const { runAt, dueAt, expiresAt } = times(db, task);
  pushPlain(values, db, task, dueAt);
  const stage =
    parents.failed !== undefined ? STAGE.doomed : parents.open.length > 0 ? STAGE.blocked : dueAt > db.now ? STAGE.timed : STAGE.ready;
  return db.run(
    INSERT,
    ...values,
    stage,
    parents.open.length,
    parents.failed === undefined ? null : MARK["parent-failed"],
    parents.failed ?? null,
    task.unique?.key ?? null,
    task.unique?.key ?? null,
    uniqueUntil(db, task),
    runAt,
    expiresAt,
    task.ttl ?? null,
    edgesText(task.dependsOn),
    task.scheduleId ?? null,
    ...rareParams(task),
  );
}

function isReadyAndPlain(db: Db, task: NewTask): boolean {
  return isPlain(task) && (task.createdAt === undefined || task.createdAt <= db.now);
}

/** In the order of PLAIN. Pushed one by one, since spreading an array into another costs as much as the rest of it. */
function pushPlain(to: Param[], db: Db, task: NewTask, dueAt: number): void {
  const { id, func, queue, priority, args, maxRetries, retryDelay, maxCrashes } = task;
  const createdAt = task.createdAt ?? db.now;
  to.push(
    id,
    func,
    queue,
    priority,
    dueAt,
    0,
    createdAt,
    args,
    taskChecksum(task),
    maxRetries,
    retryDelay,
    maxCrashes,
    task.storeResult ? 1 : 0,
  );
}

/** The same call again is answered like the first one; another task under the same id is a mistake. */
function sameId(db: Db, task: NewTask): Enqueued {
  const row = db.get("SELECT func, args, kwargs FROM {tasks} WHERE id = ?", task.id);
  if (row?.["func"] === task.func && row["args"] === task.args && row["kwargs"] === (task.kwargs ?? null))
    return { is: "known", id: task.id };
  return {
    is: "refused",
    why: "id-reused",
    detail: `task ${task.id} is there already, with another func or arguments`,
  };
}

/** Takes the key away; what has expired unseen and waits is marked to be ended. */
const OUTLIVED: Sql = `UPDATE {tasks} SET unique_key = NULL, mark = iif(stage < 3 AND expires_at <= ?1, ${MARK.expired}, mark),
  stage = iif(stage < 3 AND expires_at <= ?1, ${STAGE.doomed}, stage) WHERE rid = ?2`;

/** The row that holds a unique key, also one whose time is over. */
function holderOf(db: Db, key: string): Row | undefined {
  return db.get("SELECT rid, id, stage, unique_until, expires_at, schedule_id, depends_on FROM {tasks} WHERE unique_key = ?", key);
}

/** Whether its hold was for a length of time that is over, or it will not start any more. */
function hasOutlived({ now }: Db, holder: Row): boolean {
  return isOutlived(now, { stage: int(holder["stage"]), until: int(holder["unique_until"]), expiresAt: optionalInt(holder["expires_at"]) });
}

/** Who holds the key now; one that has outlived it lets go of it. */
export function freeHolder(db: Db, key: string): string | undefined {
  const holder = holderOf(db, key);
  if (holder === undefined || !hasOutlived(db, holder)) return optionalStr(holder?.["id"]);
  db.run(OUTLIVED, db.now, int(holder["rid"]));
  return undefined;
}

function onConflict(db: Db, task: NewTask, holder: Row, what: "keep" | "replace" | "refuse", announce: boolean): Enqueued {
  const id = str(holder["id"]);
  if (what === "keep") return { is: "known", id };
  const keeps = whyKept(what, int(holder["stage"]) <= STAGE.blocked, task, optionalStr(holder["depends_on"]));
  if (keeps === undefined) {
    replace(db, task, holder);
    const scheduleId = optionalStr(holder["schedule_id"]);
    const of = { id, ...(scheduleId === undefined ? {} : { scheduleId }) };
    announceTask(db, { queue: task.queue, ...of }, announce);
    return { is: "replaced", ...of };
  }
  return { is: "refused", why: "unique", detail: `task ${id} holds the unique key ${task.unique?.key ?? ""}${keeps}` };
}

const ASSIGN = (columns: string): string =>
  columns
    .split(",")
    .map((column) => `${column.trim()} = ?`)
    .join(", ");

const REPLACE = `UPDATE {tasks} SET func = ?, queue_name = ?, stage = iif(stage = 2, 2, ?), status = 'pending', priority = ?, due_at = ?, run_at = ?,
  next_retry_at = NULL, started_at = NULL, attempt = 0, retry_count = 0, crash_count = 0, expires_at = ?, ttl = ?, unique_until = ?, revision = revision + 1, ${ASSIGN(PLAIN_COLUMNS)}, ${ASSIGN(RARE_COLUMNS)} WHERE rid = ?`;

function replace(db: Db, task: NewTask, holder: Row): void {
  const { runAt, dueAt, expiresAt } = times(db, task);
  db.run(
    REPLACE,
    task.func,
    task.queue,
    dueAt > db.now ? STAGE.timed : STAGE.ready,
    task.priority,
    dueAt,
    runAt,
    expiresAt,
    task.ttl ?? null,
    uniqueUntil(db, task),
    ...plainParams(task),
    ...rareParams(task),
    int(holder["rid"]),
  );
}
