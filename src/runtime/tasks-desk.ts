/** Looking after tasks: one by its id, or all that a filter means, page by page. */
import type { RequeueConflict } from "../core/backend.ts";
import { expected } from "../core/errors.ts";
import { refuseUnknown } from "../core/nearest.ts";
import type { TaskId } from "../core/record.ts";
import { FINALS } from "../core/task.ts";
import type { StoredTask } from "../core/task.ts";
import { storable } from "../core/text.ts";
import { readTask } from "../models/broken.ts";
import type { Task } from "../models/task.ts";
import type { Ender } from "./ender.ts";
import { targetQuery, taskQuery } from "./filter.ts";
import type { TaskFilter, TaskFind } from "./filter.ts";
import type { Shared } from "./shared.ts";
import type { Cancelled } from "./signatures.ts";
import type { Stores } from "./stores.ts";
import { whyOf } from "./why.ts";
import type { Why } from "./why.ts";

/** Another task keeps one from running again: it holds its unique key, or is open in a schedule of which none may overlap. */
export type RetryConflict = RequeueConflict;
/** `not-final`: it has not ended, or it completed. */
export type Retried = "retried" | "not-final" | "missing" | RetryConflict;
type RetriedWord = Exclude<Retried, RetryConflict> | RetryConflict["is"];
/** `running` and `has-dependents` (open ones) are kept. */
export type Deleted = "deleted" | "running" | "has-dependents" | "missing";
/** How many tasks came to each answer; those that no task came to are absent. */
export type Counts<A extends string> = Readonly<Partial<Record<A, number>>>;

/** A task as it is now. */
export type TaskInfo = Task & {
  /**
   * What is wrong with it, in a sentence, where somebody changed its row by hand: its other fields hold what could be read, and
   * arguments that cannot be are undefined. It can be cancelled and deleted. Absent: nothing is.
   */
  readonly broken?: string | undefined;
};

export interface Found {
  readonly items: readonly TaskInfo[];
  /** To be given as `after` for the next page; absent at the end. */
  readonly next: string | undefined;
}

/** Tasks read or changed in one transaction. */
const PAGE = 200;

export class TasksDesk {
  readonly #shared: Shared;
  readonly #ender: Ender;

  constructor(shared: Shared, ender: Ender) {
    this.#shared = shared;
    this.#ender = ender;
  }

  /** The task with this id, as it is now; one that is broken says so: `broken`. */
  async get(id: TaskId): Promise<TaskInfo | undefined> {
    checkTarget(id);
    const [row] = await this.#shared.access.use((stores) => stores.main.desk.get([id]));
    return row === undefined ? undefined : infoOf(row, this.#shared);
  }

  /** Newest first; those that are broken are among them and say so: `broken`. @throws InvalidOptionError for an unknown or wrong part of the filter. */
  async find(filter: TaskFind = {}): Promise<Found> {
    const query = taskQuery(filter);
    return this.#shared.access.use(async (stores) => {
      const items: StoredTask[] = [];
      let next = query.after;
      // A page of the backend is a bounded window: it may be empty while there is more.
      do {
        const page = await stores.main.desk.find({
          ...query,
          limit: query.limit - items.length,
          ...(next === undefined ? {} : { after: next }),
        });
        items.push(...page.items);
        next = page.next;
      } while (next !== undefined && items.length < query.limit);
      return { items: items.map((row) => infoOf(row, this.#shared)), next };
    });
  }

  /**
   * Cancels what waits at once, and asks what runs to stop. Answers what became of the task or, for a filter, how many came to what.
   * @param options `reason`: in a sentence, for people.
   */
  cancel(id: TaskId, options?: { readonly reason?: string | undefined }): Promise<Cancelled>;
  cancel(filter: TaskFilter, options?: { readonly reason?: string | undefined }): Promise<Counts<Cancelled>>;
  async cancel(
    target: TaskId | TaskFilter,
    options: { readonly reason?: string | undefined } = {},
  ): Promise<Cancelled | Counts<Cancelled>> {
    refuseUnknown(options, ["reason"], "the options of cancel()");
    const { reason } = options;
    if (reason !== undefined && typeof reason !== "string") throw expected("reason", "a text", reason);
    return this.#each(target, async (stores, ids) => {
      const answers = await stores.main.desk.cancel(ids, reason === undefined ? undefined : storable(reason.slice(0, 500)));
      const marked = ids.filter((_, i) => answers[i] === "marked");
      await this.#ender.end(stores, marked);
      return answers.map((answer): Cancelled => (answer === "marked" ? "cancelled" : answer));
    });
  }

  /**
   * Lets tasks that failed, were cancelled or expired run again: counts start anew, the history stays. One whose unique key another task
   * holds, or beside which a task of its schedule is open where none may overlap, stays as it is: `{ is: "conflict", over, taskId }`.
   * Those of a filter run again oldest first, as they were created: each waits for its parents that came back before it, unless
   * they have ended once more by then. Of several with one key the oldest gets it.
   */
  retry(id: TaskId): Promise<Retried>;
  retry(filter: TaskFilter): Promise<Counts<RetriedWord>>;
  async retry(target: TaskId | TaskFilter): Promise<Retried | Counts<RetriedWord>> {
    return typeof target === "string" ? this.#one(target, requeue) : this.#retryAll(target);
  }

  /** Takes tasks away with their results; what runs or has open dependents is kept. Their events stay. */
  delete(id: TaskId): Promise<Deleted>;
  delete(filter: TaskFilter): Promise<Counts<Deleted>>;
  async delete(target: TaskId | TaskFilter): Promise<Deleted | Counts<Deleted>> {
    return this.#each(target, async (stores, ids) => {
      const answers = await stores.main.desk.remove(ids);
      const removed = ids.filter((_, i) => answers[i] === "removed");
      if (stores.results !== stores.main && removed.length > 0) await stores.results.results.remove(removed);
      return answers.map((answer): Deleted => (answer === "removed" ? "deleted" : answer));
    });
  }

  /** Why a task is not running, in a sentence and in a typed object. */
  async why(id: TaskId): Promise<Why> {
    checkTarget(id);
    return this.#shared.access.use((stores) => whyOf(stores, id, this.#shared.isGone));
  }

  async #each<A extends string>(target: TaskId | TaskFilter, act: Act<A>): Promise<A | Counts<A>> {
    if (typeof target === "string") return this.#one(target, act);
    const query = targetQuery(target);
    const counts = new Tally<A>();
    await this.#shared.access.use(async (stores) => {
      for await (const page of this.#pages(stores, query)) {
        const ids = page.map((task) => task.id);
        for (const answer of await act(stores, ids)) counts.add(answer);
      }
    });
    return counts.counts;
  }

  async #one<A>(id: TaskId, act: Act<A>): Promise<A> {
    checkTarget(id);
    const [answer] = await this.#shared.access.use((stores) => act(stores, [id]));
    if (answer === undefined) throw new TypeError("one id has one answer");
    return answer;
  }

  /**
   * Oldest first, since a child waits only for parents that have not ended: pages come newest first, so they are all read before anything
   * is changed. Of what can run again the ids are kept meanwhile; the rest is counted as it is found.
   */
  async #retryAll(filter: TaskFilter): Promise<Counts<RetriedWord>> {
    const query = targetQuery(filter);
    const counts = new Tally<RetriedWord>();
    await this.#shared.access.use(async (stores) => {
      const ids: TaskId[] = [];
      for await (const page of this.#pages(stores, query)) {
        for (const task of page) {
          if (mayRunAgain(task)) ids.push(task.id);
          else counts.add("not-final");
        }
      }
      ids.reverse();
      for (let i = 0; i < ids.length && !this.#shared.access.closed; i += PAGE) {
        for (const answer of await requeue(stores, ids.slice(i, i + PAGE))) counts.add(typeof answer === "string" ? answer : answer.is);
      }
    });
    return counts.counts;
  }

  /** Newest first, none of them empty; no more of them once it is closed. */
  async *#pages(stores: Stores, query: ReturnType<typeof targetQuery>): AsyncGenerator<readonly StoredTask[]> {
    let after: string | undefined;
    do {
      const page = await stores.main.desk.find({ ...query, limit: PAGE, ...(after === undefined ? {} : { after }) });
      if (page.items.length > 0) yield page.items;
      after = page.next;
    } while (after !== undefined && !this.#shared.access.closed);
  }
}

/** Changes tasks in one transaction: an answer for each. */
type Act<A> = (stores: Stores, ids: readonly TaskId[]) => Promise<readonly A[]>;

/** How often each answer came. */
class Tally<A extends string> {
  readonly counts: Partial<Record<A, number>> = {};

  add(answer: A): void {
    this.counts[answer] = (this.counts[answer] ?? 0) + 1;
  }
}

async function requeue(stores: Stores, ids: readonly TaskId[]): Promise<readonly Retried[]> {
  const answers = await stores.main.desk.requeue(ids);
  await announceRequeued(
    stores,
    ids.filter((_, i) => answers[i] === "requeued"),
  );
  return answers.map((answer): Retried => (answer === "requeued" ? "retried" : answer));
}

/** By its status, too: that of a row which was broken by hand may be none, and it can be retried. */
function mayRunAgain({ phase, status }: StoredTask): boolean {
  return status !== "completed" && FINALS.some((final) => final === phase);
}

function infoOf(row: StoredTask, shared: Shared): TaskInfo {
  const { model, broken } = readTask(row, shared);
  return broken === undefined ? model : Object.assign(model, { broken });
}

/** The backend tells it in its own log; where events lie elsewhere, they are told here. */
async function announceRequeued(stores: Stores, ids: readonly TaskId[]): Promise<void> {
  if (stores.events === stores.main || ids.length === 0) return;
  const rows = await stores.main.desk.get(ids);
  await stores.append(
    rows.flatMap((row) =>
      row === undefined ? [] : [{ type: "requeued" as const, taskId: row.id, queue: row.queue, id: `${row.id}.${row.revision}.requeued` }],
    ),
  );
}

function checkTarget(id: unknown): void {
  if (typeof id !== "string" || id === "") throw expected("id", "the id of a task", id);
}
