/** The results of tasks, by hand: the seed's result storage, over any backend. Writes no events. */
import type { ResultStats } from "../core/backend.ts";
import { LeaseLostError } from "../core/errors.ts";
import type { NewResult } from "../core/result.ts";
import { toNewResult, toResult } from "../models/convert.ts";
import type { TaskResult } from "../models/result.ts";
import { Component, COUNTED } from "./component.ts";
import { step } from "./steps.ts";
import type { Steps, Store } from "./steps.ts";

/** Rows that one step of `cleanupExpired` takes away. */
const BATCH = 500;

/** One result a task, the latest replaces: of a later claim always, of the same one with its `fence`. A result may be stored for a task that is not in this database. */
export class ResultStorage extends Component {
  /**
   * Stores a result instead of the one that the task had.
   * @throws PayloadError when the result cannot be stored. @throws LeaseLostError when a later claim's is there or, for one without `fence`,
   * one that is not known to be of an earlier claim.
   */
  async store(result: TaskResult): Promise<void> {
    return this.later((store) => this.#store(store, result));
  }
  storeSync(result: TaskResult): void {
    return this.atOnce((store) => this.#store(store, result));
  }
  *#store(store: Store, result: TaskResult): Steps<void> {
    yield* this.#put(store, toNewResult(result));
  }
  *#put(store: Store, result: NewResult): Steps<void> {
    const [became] = yield* step(store.results.put([result]));
    if (became === "put") return;
    const { taskId, fence } = result;
    const what = fence === undefined ? "a result with the `fence` of its claim" : `a result of the current claim, not of fence ${fence}`;
    throw new LeaseLostError(`Expected ${what} for task ${taskId}, but another claim's result is there; nothing was written`);
  }

  /** The result of a task; `undefined` when there is none or it is past its TTL. Reading deletes nothing. */
  async get(taskId: string): Promise<TaskResult | undefined> {
    return this.later((store) => this.#get(store, taskId));
  }
  getSync(taskId: string): TaskResult | undefined {
    return this.atOnce((store) => this.#get(store, taskId));
  }
  *#get(store: Store, taskId: string): Steps<TaskResult | undefined> {
    const [row] = yield* step(store.results.get([taskId]));
    return row === undefined ? undefined : toResult(row, this.tools);
  }

  /** The newest result of a schedule's tasks. */
  async getLatest(scheduleId: string): Promise<TaskResult | undefined> {
    return this.later((store) => this.#getLatest(store, scheduleId));
  }
  getLatestSync(scheduleId: string): TaskResult | undefined {
    return this.atOnce((store) => this.#getLatest(store, scheduleId));
  }
  *#getLatest(store: Store, scheduleId: string): Steps<TaskResult | undefined> {
    const row = yield* step(store.results.latest(scheduleId));
    return row === undefined ? undefined : toResult(row, this.tools);
  }

  /** Stores a changed result, as `store` does; `false`, and nothing is written, when the task has none (any more). */
  async update(result: TaskResult): Promise<boolean> {
    return this.later((store) => this.#update(store, result));
  }
  updateSync(result: TaskResult): boolean {
    return this.atOnce((store) => this.#update(store, result));
  }
  *#update(store: Store, result: TaskResult): Steps<boolean> {
    const changed = toNewResult(result);
    const [row] = yield* step(store.results.get([changed.taskId]));
    if (row !== undefined) yield* this.#put(store, changed);
    return row !== undefined;
  }

  /** Whether there was one to delete. */
  async delete(taskId: string): Promise<boolean> {
    return this.later((store) => this.#delete(store, taskId));
  }
  deleteSync(taskId: string): boolean {
    return this.atOnce((store) => this.#delete(store, taskId));
  }
  *#delete(store: Store, taskId: string): Steps<boolean> {
    const [removed = false] = yield* step(store.results.remove([taskId]));
    return removed;
  }

  /** Deletes the results that are past their TTL, in batches; answers how many. */
  async cleanupExpired(): Promise<number> {
    return this.later((store) => this.#cleanupExpired(store));
  }
  cleanupExpiredSync(): number {
    return this.atOnce((store) => this.#cleanupExpired(store));
  }
  *#cleanupExpired(store: Store): Steps<number> {
    for (let count = 0; ;) {
      const { removed, more } = yield* step(store.sweep({ what: "results", limit: BATCH }));
      count += removed;
      if (!more) return count;
    }
  }

  /** How many results there are, by status, up to a million (`more`: there are others); `expired` are past their TTL and not yet cleaned up. */
  async stats(): Promise<ResultStats> {
    return this.backend.results.stats(COUNTED);
  }
  statsSync(): ResultStats {
    return this.atOnce((store) => step(store.results.stats(COUNTED)));
  }
}
