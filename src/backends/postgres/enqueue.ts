/**
 * Writing new tasks: one user's call is all or nothing, and calls that share a commit cannot refuse each other. Common calls go together
 * in one statement; a call that looks something up first (a unique key, parents, an id that is there already) goes by itself.
 */
import type { Enqueued, EnqueueCall, Refused } from "../../core/backend.ts";
import { expected } from "../../core/errors.ts";
import type { NewTask, Unique } from "../../core/task.ts";
import { LIST, list } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import { isOutlived, whyKept } from "../shared/replace.ts";
import { MARK, STAGE, UNTIL } from "../shared/stage.ts";
import { int, optionalStr, str } from "../shared/values.ts";
import { holder, holdersOf, outlived } from "./holders.ts";
import type { Holder } from "./holders.ts";
import type { Param, Row } from "./link.ts";
import { arrayOf, Sheet } from "./sheet.ts";
import { addEdges, holdEnded, keepFor, lookMarked, markParents, remindOf } from "./parents.ts";
import { edgesText } from "../shared/task-row.ts";

/** Whether calls can go in one statement: nothing has to be looked up before, and all of them are announced or none. */
export function areCommon(calls: readonly EnqueueCall[]): boolean {
  return calls.every((call) => isCommon(call) && call.announce === calls[0]?.announce);
}

/** Whether nothing has to be looked up before the call is written. */
export function isCommon({ tasks }: EnqueueCall): boolean {
  return tasks.every((task) => task.unique === undefined && task.dependsOn.length === 0);
}

/** A new task, and what it waits for. */
interface Sent {
  readonly task: NewTask;
  /** Parents still to end. */
  readonly open?: number;
  /** Set when a parent's end takes this task along. */
  readonly failed?: string | undefined;
}

/** New rows as they are sent. */
export const TASKS = new Sheet<Sent>("s", [
  ["i", "text", ({ task }) => task.id],
  ["f", "text", ({ task }) => task.func],
  ["q", "text", ({ task }) => task.queue],
  ["p", "bigint", ({ task }) => task.priority],
  ["a", "text", ({ task }) => argsOf(task)],
  ["mr", "bigint", ({ task }) => task.maxRetries],
  ["rd", "bigint", ({ task }) => task.retryDelay],
  ["mc", "bigint", ({ task }) => task.maxCrashes],
  ["sr", "smallint", ({ task }) => (task.storeResult ? 1 : 0)],
  ["ra", "bigint", ({ task: { due } }) => (due !== undefined && "at" in due ? due.at : undefined)],
  ["ri", "bigint", ({ task: { due } }) => (due !== undefined && "in" in due ? due.in : undefined)],
  ["ca", "bigint", ({ task }) => task.createdAt],
  ["ea", "bigint", ({ task }) => task.expiresAt],
  ["tt", "bigint", ({ task }) => task.ttl],
  ["op", "bigint", ({ open }) => open],
  ["pf", "text", ({ failed }) => failed],
  ["uk", "text", ({ task: { unique } }) => unique?.key],
  ["uu", "bigint", ({ task: { unique } }) => (typeof unique?.until === "string" ? UNTIL[unique.until] : undefined)],
  ["uw", "bigint", ({ task: { unique } }) => (typeof unique?.until === "number" ? unique.until : undefined)],
  ["dp", "text", ({ task }) => edgesText(task.dependsOn) ?? undefined],
  ["ss", "text", ({ task }) => task.scheduleId],
  ["kw", "text", ({ task }) => task.kwargs],
  ["n", "text", ({ task }) => task.label],
  ["ds", "text", ({ task }) => task.description],
  // An array in itself: a list of lists would have to be of one length.
  ["tg", "text", ({ task }) => arrayOf(task.tags) ?? undefined],
  ["cb", "text", ({ task: { callback } }) => (callback === undefined ? undefined : JSON.stringify(callback))],
  ["bo", "text", ({ task }) => (task.backoff === "fixed" ? undefined : task.backoff)],
  ["to", "bigint", ({ task }) => task.timeout],
  ["amo", "smallint", ({ task }) => (task.atMostOnce ? 1 : undefined)],
  ["rt", "bigint", ({ task }) => task.resultTtl],
]);

function argsOf({ args }: NewTask): string {
  // A text would be made of anything.
  if (typeof args !== "string") throw expected("args", "text", args);
  return args;
}
/** Delays count from now; dates are the user's own. */
const DUE = "coalesce(s.ra, {now} + s.ri, s.ca, {now})";
/** The new rows, as SQL. @param only which of those sent, as the end of the `SELECT`. */
export const added = (
  only = "",
): Sql => `INSERT INTO {tasks} AS t (id, func, queue_name, priority, args, max_retries, retry_delay, max_crashes, store_result, created_at,
  due_at, run_at, expires_at, ttl, stage, status, open_parents, mark, reason, unique_key, asked_key, unique_until, depends_on, schedule_id, kwargs, name,
  description, tags, callback, backoff, timeout, at_most_once, result_ttl)
  SELECT s.i, s.f, s.q, s.p, s.a, s.mr, s.rd, s.mc, s.sr, coalesce(s.ca, {now}), ${DUE}, coalesce(s.ra, {now} + s.ri),
  coalesce(s.ea, coalesce(s.ca, {now}) + s.tt), s.tt,
  CASE WHEN s.pf IS NOT NULL THEN ${STAGE.doomed} WHEN s.op > 0 THEN ${STAGE.blocked} WHEN ${DUE} > {now} THEN ${STAGE.timed} ELSE ${STAGE.ready} END,
  'pending', coalesce(s.op, 0), CASE WHEN s.pf IS NOT NULL THEN ${MARK["parent-failed"]} END, s.pf, s.uk, s.uk, coalesce(s.uu, {now} + s.uw), s.dp, s.ss,
  s.kw, s.n, s.ds, s.tg::text[], s.cb, s.bo, s."to", s.amo, s.rt FROM ${TASKS.from(1)} ${only} RETURNING t.id, t.rid, t.queue_name, t.schedule_id`;
const ADD: Sql = `WITH added AS (${added()})`;
export const TELL = `told AS (INSERT INTO {events}(event_type, task_id, queue_name, schedule_id, timestamp)
  SELECT 'enqueued', id, queue_name, schedule_id, {now} FROM added`;
const ADD_AND_TELL: Sql = `${ADD}, ${TELL})`;
const NUMBERS = "SELECT id, rid FROM added";
/** Where nobody asks for the numbers, no row is made and read for each task. */
const NO_NUMBERS = "SELECT count(*) AS n FROM added";

/** An id or a key that is there already is an error of the whole statement. */
async function add(db: Db, tasks: readonly Sent[], announce: boolean, answer: Sql): Promise<readonly Row[]> {
  if (tasks.length === 0) return [];
  db.hints.add("task");
  return await db.all(`${announce ? ADD_AND_TELL : ADD} ${answer}`, ...TASKS.params(tasks));
}

/** Common calls in one statement, all alike in whether they are announced. Throws, with nothing written, where one of their ids is there already. */
export async function addCommon(db: Db, calls: readonly EnqueueCall[]): Promise<readonly (readonly Enqueued[])[]> {
  await add(
    db,
    calls.flatMap((call) => call.tasks.map((task) => ({ task }))),
    calls[0]?.announce === true,
    NO_NUMBERS,
  );
  return allAdded(calls);
}

export function allAdded(calls: readonly EnqueueCall[]): readonly (readonly Enqueued[])[] {
  return calls.map((call) => call.tasks.map(({ id }) => ({ is: "added", id })));
}

/** The tasks of common calls as the first parameters of `added`. */
export function sentBy(calls: readonly EnqueueCall[]): readonly Param[] {
  return TASKS.params(calls.flatMap((call) => call.tasks.map((task) => ({ task }))));
}

/** How parents are kept from ending unseen while a child is written: by a mark, or (in the caller's transaction) by a reminder. */
export type Hold = "mark" | "remind";

/** One call by itself. The caller takes back what was written when it is refused, and repeats what fails because somebody else was faster. */
export async function addCall(
  db: Db,
  call: EnqueueCall,
  hold: Hold,
): Promise<{ readonly answers: readonly Enqueued[]; readonly refused: boolean }> {
  const desk = await Look.at(db, call, hold);
  for (const task of call.tasks) {
    const answer = await desk.add(task);
    if (answer.is === "refused") return { answers: call.tasks.map(() => answer), refused: true };
  }
  await desk.write();
  return { answers: desk.answers, refused: false };
}

/** A row that matters to a call: stored already, or about to be. */
interface Known {
  readonly func: string;
  readonly args: string;
  readonly kwargs: string | null;
  readonly stage: number;
  readonly status: string;
}
/** What is to be known of a task's parents. */
interface Parents {
  readonly open: NewTask["dependsOn"];
  readonly ended: readonly string[];
  readonly failed?: string | undefined;
}
/** One row more, so that the time is told also where none of them is there. */
const IDS: Sql = `SELECT {now} AS now, t.id, t.func, t.args, t.kwargs, t.stage, t.status FROM (SELECT 1) AS o LEFT JOIN {tasks} t ON t.id = ANY(${LIST(1)})`;
/** What a call meets, read once; its tasks are weighed in order against it and written together. */
class Look {
  readonly #db: Db;
  readonly #hold: Hold;
  readonly #announce: boolean;
  readonly #rows: Map<string, Known>;
  readonly #holders: Map<string, Holder>;
  readonly #now: number;
  /** Tasks that became the holder of their unique key: a child of one is a child of the holder. */
  readonly #standsFor = new Map<string, string>();
  readonly answers: Enqueued[] = [];
  #new: (Sent & { readonly parents: NewTask["dependsOn"]; readonly ended: readonly string[] })[] = [];
  readonly #outlived: string[] = [];

  private constructor(db: Db, call: EnqueueCall, hold: Hold, rows: readonly Row[], holders: readonly Row[]) {
    this.#db = db;
    this.#hold = hold;
    this.#announce = call.announce;
    this.#rows = new Map(rows.filter((row) => row["id"] !== null).map((row) => [str(row["id"]), known(row)]));
    this.#holders = new Map(holders.map((row) => [str(row["unique_key"]), holder(row)]));
    this.#now = int(rows[0]?.["now"]);
  }

  static async at(db: Db, call: EnqueueCall, hold: Hold): Promise<Look> {
    const { tasks } = call;
    const keys = tasks.flatMap(({ unique }) => (unique === undefined ? [] : [unique.key]));
    const holders = await holdersOf(db, [...new Set(keys)]);
    const parents = new Set(tasks.flatMap(({ dependsOn }) => dependsOn.map(({ id }) => id)));
    // A child of a task that becomes its key's holder is the holder's, which may be about to end.
    const holding = new Set(tasks.flatMap(({ id, unique }) => (parents.has(id) && unique !== undefined ? [unique.key] : [])));
    for (const row of holders) if (holding.has(str(row["unique_key"]))) parents.add(str(row["id"]));
    const ids = new Set([...tasks.map(({ id }) => id), ...parents, ...holders.map((row) => str(row["id"]))]);
    const look = (): Promise<readonly Row[]> => db.all(IDS, list([...ids]));
    await holdEnded(db, [...parents]);
    return new Look(db, call, hold, hold === "mark" ? await lookMarked(db, parents, look) : await look(), holders);
  }

  /** Refuses before it writes: first by the id, then by the key, then by the parents. */
  async add(given: NewTask): Promise<Enqueued> {
    const task = this.#withHolders(given);
    const answer = this.#sameId(task) ?? (await this.#sameKey(task)) ?? this.#fresh(task);
    if (answer.is !== "refused") {
      this.answers.push(answer);
      if (answer.id !== given.id) this.#standsFor.set(given.id, answer.id);
    }
    return answer;
  }

  #withHolders(task: NewTask): NewTask {
    if (this.#standsFor.size === 0) return task;
    return { ...task, dependsOn: task.dependsOn.map((edge) => ({ ...edge, id: this.#standsFor.get(edge.id) ?? edge.id })) };
  }

  /** The same call again is answered like the first one; another task under the same id is a mistake. */
  #sameId({ id, func, args, kwargs }: NewTask): Enqueued | undefined {
    const row = this.#rows.get(id);
    if (row === undefined) return undefined;
    if (row.func === func && row.args === args && row.kwargs === (kwargs ?? null)) return { is: "known", id };
    return { is: "refused", why: "id-reused", detail: `task ${id} is there already, with another func or arguments` };
  }

  async #sameKey(task: NewTask): Promise<Enqueued | undefined> {
    const { unique } = task;
    const held = unique === undefined ? undefined : this.#holders.get(unique.key);
    if (unique === undefined || held === undefined) return undefined;
    if (isOutlived(this.#now, held)) {
      await this.#settle(held);
      this.#outlived.push(held.id);
      return undefined;
    }
    if (unique.onConflict === "keep") return { is: "known", id: held.id };
    const keeps = whyKept(unique.onConflict, held.stage <= STAGE.blocked, task, held.edges);
    if (keeps === undefined) {
      await this.#settle(held);
      await replace(this.#db, task, held);
      this.#rows.set(held.id, { ...rowOf(task), stage: held.stage });
      this.#holders.set(unique.key, { ...held, ...this.#times(task, unique) });
      const of = { id: held.id, ...(held.scheduleId === undefined ? {} : { scheduleId: held.scheduleId }) };
      this.#tell(of, task.queue);
      return { is: "replaced", ...of };
    }
    return { is: "refused", why: "unique", detail: `task ${held.id} holds the unique key ${unique.key}${keeps}` };
  }

  /** A task of this very call may hold the key: it has to be there to be changed. */
  async #settle({ rid }: Holder): Promise<void> {
    if (rid === undefined) await this.write();
  }

  #tell({ id: taskId, ...of }: { readonly id: string; readonly scheduleId?: string }, queue: string): void {
    this.#db.hints.add("task");
    if (this.#announce) this.#db.events.push({ type: "enqueued", taskId, queue, ...of });
  }

  #fresh(task: NewTask): Enqueued {
    const parents = this.#parentsOf(task);
    if ("why" in parents) return parents;
    const { open, ended, failed } = parents;
    const stage = failed !== undefined ? STAGE.doomed : open.length > 0 ? STAGE.blocked : STAGE.ready;
    this.#new.push({ task, open: open.length, failed, parents: open, ended });
    this.#rows.set(task.id, { ...rowOf(task), stage });
    if (task.unique !== undefined) {
      this.#holders.set(task.unique.key, {
        id: task.id,
        rid: undefined,
        stage,
        ...this.#times(task, task.unique),
        scheduleId: task.scheduleId,
        edges: edgesText(task.dependsOn) ?? undefined,
      });
    }
    return { is: "added", id: task.id };
  }

  #times({ createdAt, expiresAt, ttl }: NewTask, { until }: Unique): Pick<Holder, "until" | "expiresAt"> {
    return {
      until: typeof until === "number" ? this.#now + until : UNTIL[until],
      expiresAt: expiresAt ?? (ttl === undefined ? undefined : (createdAt ?? this.#now) + ttl),
    };
  }

  /** Which parents are still to end. A failed one with a retry due has not ended. */
  #parentsOf(task: NewTask): Parents | Refused {
    const open: NewTask["dependsOn"][number][] = [];
    const ended: string[] = [];
    let failed: string | undefined;
    for (const edge of new Map(task.dependsOn.map((each) => [each.id, each])).values()) {
      const row = this.#rows.get(edge.id);
      if (row === undefined) {
        const unseen = this.#hold === "remind" ? "; nor is one seen that was committed after a transaction of REPEATABLE READ began" : "";
        const detail = `task ${edge.id} is not there; it may have been deleted or cleaned up after its end${unseen}`;
        return { is: "refused", why: "unknown-parent", detail };
      }
      if (row.stage !== STAGE.finished) {
        open.push(edge);
        continue;
      }
      ended.push(edge.id);
      if (row.status !== "completed" && edge.ifFailed === "cancel") failed ??= `parent ${edge.id} ${row.status}`;
    }
    return { open, ended, failed };
  }

  /** Writes what has been weighed so far. */
  async write(): Promise<void> {
    const fresh = this.#new;
    this.#new = [];
    await outlived(this.#db, this.#outlived.splice(0));
    const rows = await add(this.#db, fresh, this.#announce, NUMBERS);
    const rids = new Map(rows.map((row) => [str(row["id"]), int(row["rid"])]));
    const edges = fresh.flatMap(({ task, parents }) => parents.map((edge) => ({ edge, child: rids.get(task.id) ?? 0 })));
    await addEdges(this.#db, edges);
    await keepFor(
      this.#db,
      fresh.flatMap(({ task, ended }) => ended.map((parent) => ({ parent, child: rids.get(task.id) ?? 0 }))),
    );
    const parents = [...new Set(edges.map(({ edge }) => edge.id))];
    // Those that are new were not there to be marked. They are seen by nobody yet, so that it keeps nobody waiting.
    const known = new Set(await markParents(this.#db, this.#hold === "mark" ? parents : parents.filter((id) => rids.has(id))));
    await remindOf(this.#db, this.#hold === "mark" ? [] : parents.filter((id) => !known.has(id)));
  }
}

function rowOf({ func, args, kwargs }: NewTask): Omit<Known, "stage"> {
  return { func, args, kwargs: kwargs ?? null, status: "pending" };
}

function known(row: Row): Known {
  return {
    func: str(row["func"]),
    args: str(row["args"]),
    kwargs: optionalStr(row["kwargs"]) ?? null,
    stage: int(row["stage"]),
    status: str(row["status"]),
  };
}

/** The holder is the new task now, but for its id, creation, fence and parents; counts start anew. */
const REPLACE: Sql = `UPDATE {tasks} t SET func = s.f, queue_name = s.q,
  stage = CASE WHEN t.stage = ${STAGE.blocked} THEN ${STAGE.blocked} WHEN ${DUE} > {now} THEN ${STAGE.timed} ELSE ${STAGE.ready} END, status = 'pending',
  priority = s.p, due_at = ${DUE}, run_at = coalesce(s.ra, {now} + s.ri), next_retry_at = NULL, started_at = NULL,
  attempt = 0, retry_count = 0, crash_count = 0, expires_at = coalesce(s.ea, coalesce(s.ca, {now}) + s.tt),
  ttl = s.tt, unique_until = coalesce(s.uu, {now} + s.uw), revision = t.revision + 1, args = s.a, max_retries = s.mr, retry_delay = s.rd,
  max_crashes = s.mc, store_result = s.sr, kwargs = s.kw, name = s.n, description = s.ds, tags = s.tg::text[], callback = s.cb, backoff = s.bo,
  timeout = s."to", at_most_once = s.amo, result_ttl = s.rt FROM ${TASKS.from(1)} WHERE t.id = $${TASKS.width + 1}`;

async function replace(db: Db, task: NewTask, { id }: Holder): Promise<void> {
  await db.run(REPLACE, ...TASKS.params([{ task }]), id);
}

/** One task with nothing to look up, told of, and refused where its id is another's. */
export async function addOne(db: Db, task: NewTask): Promise<Enqueued> {
  const { answers } = await addCall(db, { tasks: [task], announce: true }, "mark");
  return answers[0] ?? { is: "added", id: task.id };
}
