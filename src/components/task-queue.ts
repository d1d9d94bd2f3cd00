/** A queue by hand: the seed's task queue, over any backend. Writes no events: those are the façade's and the worker's. */
import type { Claim, ClaimAsk, Claims, Settled } from "../core/backend.ts";
import { milliseconds } from "../core/duration.ts";
import type { Duration } from "../core/duration.ts";
import { expected, InvalidOptionError, LeaseLostError, TaskNotFoundError, WorkerUnknownError } from "../core/errors.ts";
import { decide } from "../core/lifecycle.ts";
import type { Outcome } from "../core/lifecycle.ts";
import { refuseUnknown } from "../core/nearest.ts";
import type { TaskId } from "../core/record.ts";
import { readTask } from "../models/broken.ts";
import { checked, storedFields, toNewTask, toTask } from "../models/convert.ts";
import { text } from "../models/fields.ts";
import type { Schedule } from "../models/schedule.ts";
import { Task } from "../models/task.ts";
import { Component, COUNTED } from "./component.ts";
import type { ComponentOptions } from "./component.ts";
import { accepted, queueMismatch } from "./refused.ts";
import { addSchedule, changeSchedule, dropSchedule, findSchedule, readySchedules } from "./schedule-steps.ts";
import { step } from "./steps.ts";
import type { Steps, Store } from "./steps.ts";
import { planUpdate, stale } from "./task-update.ts";

export interface TaskQueueOptions extends ComponentOptions {
  /** Taken from in this order, strictly. At least one. */
  readonly queues: readonly string[];
}

/** Tasks that one step of `clear` deletes. */
const BATCH = 500;
/** How long a claim made by hand lives without a sign of life. */
const LEASE = 300_000;

/** Tasks and schedules of some queues. Each verb has a synchronous twin, for backends that have one. */
export class TaskQueue extends Component {
  readonly queues: readonly string[];
  /** The rows that hold this object's claims, by lease. */
  readonly #workers = new Map<number, string>();

  constructor(options: TaskQueueOptions) {
    super(options);
    if (!Array.isArray(options.queues) || options.queues.length === 0)
      throw expected("queues", "at least one name of a queue", options.queues);
    this.queues = options.queues.map((queue: unknown, i) => text(queue, `queues[${i}]`));
  }

  /**
   * Puts a task into its queue and answers its id. The same task again does nothing.
   * @throws EnqueueRefusedError `QUEUE_MISMATCH`, `ID_REUSED` or `UNKNOWN_PARENT`; nothing was written.
   * @throws PayloadError when its arguments cannot be stored.
   */
  async enqueue(task: Task): Promise<string> {
    return this.later((store) => this.#enqueue(store, task));
  }
  enqueueSync(task: Task): string {
    return this.atOnce((store) => this.#enqueue(store, task));
  }
  *#enqueue(store: Store, task: Task): Steps<string> {
    const row = toNewTask(task);
    if (!this.queues.includes(row.queue)) throw queueMismatch(row.id, row.queue, this.queues);
    const [answers = []] = yield* step(store.work.enqueue([{ tasks: [row], announce: false }]));
    accepted(answers);
    return row.id;
  }

  /**
   * Claims the next task, of any name: it is `running` with `startedAt` unset, and carries its `fence`. Write its end with `updateTask`.
   * A task whose row somebody broke by hand is ended as failed, and the next one claimed.
   * @param options `lease`: how long it may go without a call on this queue before others may take it. Default 5 min.
   */
  async dequeue(options: { readonly lease?: Duration } = {}): Promise<Task | undefined> {
    return this.later((store) => this.#dequeue(store, options));
  }
  dequeueSync(options: { readonly lease?: Duration } = {}): Task | undefined {
    return this.atOnce((store) => this.#dequeue(store, options));
  }
  *#dequeue(store: Store, options: { readonly lease?: Duration }): Steps<Task | undefined> {
    refuseUnknown(options, ["lease"], "dequeue");
    const lease = Math.max(1, milliseconds(options.lease ?? LEASE, "lease"));
    for (;;) {
      const { claims, more } = yield* this.#claim(store, lease);
      const [claim] = claims;
      if (claim === undefined) {
        if (!more) return undefined;
        continue;
      }
      const read = claim.for === "run" ? readTask(claim.task, this.tools) : undefined;
      if (read !== undefined && read.broken === undefined) return claimed(read.model, claim);
      // One that nobody could run must not keep the caller from the others.
      yield* this.#end(store, claim, read?.broken === undefined ? { kind: "ended" } : unrunnable(read.broken));
    }
  }

  /** The task with this id, without a claim. */
  async getTask(id: string): Promise<Task | undefined> {
    return this.later((store) => this.#getTask(store, id));
  }
  getTaskSync(id: string): Task | undefined {
    return this.atOnce((store) => this.#getTask(store, id));
  }
  *#getTask(store: Store, id: string): Steps<Task | undefined> {
    const [row] = yield* step(store.desk.get([id]));
    return row === undefined ? undefined : toTask(row, this.tools);
  }

  /**
   * Writes what was changed on a task, and brings the object up to date. With the current claim the status may change (an end lets
   * dependents go and enqueues the callback; no event or result is written); what does not run can be edited while nobody else has.
   * @throws LeaseLostError the claim is not, or no longer, the current one.
   * @throws ConflictError the row was changed since it was read.
   * @throws IllegalTransitionError the life of a task does not know this change.
   * @throws InvalidOptionError `NOT_EDITABLE`, naming the field. @throws TaskNotFoundError
   */
  async updateTask(task: Task): Promise<void> {
    return this.later((store) => this.#updateTask(store, task));
  }
  updateTaskSync(task: Task): void {
    return this.atOnce((store) => this.#updateTask(store, task));
  }
  *#updateTask(store: Store, task: Task): Steps<void> {
    checked(task, Task, "task");
    const [row] = yield* step(store.desk.get([task.id]));
    if (row === undefined) throw new TaskNotFoundError(task.id);
    const plan = planUpdate(row, task, yield* step(store.now()), this.tools.random);
    if (plan.do === "nothing") return yield* this.#beat(store, row.worker);
    if (plan.do === "edit") {
      const [edited] = yield* step(store.desk.edit([{ id: task.id, revision: plan.revision, patch: plan.patch }]));
      if (edited === "stale" || edited === "running") throw stale(task);
      if (edited === "missing") throw new TaskNotFoundError(task.id);
      if (edited === "final") throw new InvalidOptionError("NOT_EDITABLE", `Expected task ${task.id} to wait or to run, but it has ended`);
    } else {
      const { settled } = yield* step(store.work.settle([plan.settlement]));
      refuseLost(settled[0], task.id);
    }
    const [now] = yield* step(store.desk.get([task.id]));
    if (now !== undefined) Object.assign(task, storedFields(now));
  }

  /** Deletes a task with its result; `false`, and it stays, when it runs, has open dependents, or is not there. */
  async delete(id: string): Promise<boolean> {
    return this.later((store) => this.#delete(store, id));
  }
  deleteSync(id: string): boolean {
    return this.atOnce((store) => this.#delete(store, id));
  }
  *#delete(store: Store, id: string): Steps<boolean> {
    const [removed] = yield* step(store.desk.remove([id]));
    return removed === "removed";
  }

  /** How many tasks wait in these queues: ready, delayed, blocked or for a retry. Exact up to a million of each. */
  async size(): Promise<number> {
    return this.later((store) => this.#size(store));
  }
  sizeSync(): number {
    return this.atOnce((store) => this.#size(store));
  }
  *#size(store: Store): Steps<number> {
    const counts = yield* step(store.desk.count(COUNTED));
    return counts
      .filter(({ queue, phase }) => queue !== undefined && this.queues.includes(queue) && phase !== "running")
      .reduce((sum, { tasks }) => sum + tasks, 0);
  }

  /**
   * Deletes what waits in these queues, in batches, and answers how many; what runs or has ended stays, and so does a task on which
   * one in another queue waits.
   */
  async clear(): Promise<number> {
    return this.later((store) => this.#clear(store));
  }
  clearSync(): number {
    return this.atOnce((store) => this.#clear(store));
  }
  *#clear(store: Store): Steps<number> {
    let count = 0;
    for (let limit = BATCH; ;) {
      const ids = yield* step(store.desk.waiting(this.queues, limit));
      const removed = yield* remove(store, ids);
      count += removed;
      // Nothing left but parents that must stay: look behind them, until all were seen.
      if (ids.length < limit && (removed === 0 || removed === ids.length)) return count;
      if (removed === 0) limit *= 2;
    }
  }

  /**
   * Stores a schedule whose occurrences are tasks like the one it names: func, arguments and options are copied now.
   * @throws TaskNotFoundError for an unknown `taskId`. @throws ConflictError when a schedule with this id is there.
   * @throws InvalidOptionError for one that would never fire, since its `endAt` comes before its first occurrence.
   */
  async schedule(schedule: Schedule): Promise<string> {
    return this.later((store) => addSchedule(store, schedule));
  }
  scheduleSync(schedule: Schedule): string {
    return this.atOnce((store) => addSchedule(store, schedule));
  }

  /** @throws ScheduleBrokenError saying what is wrong with it. */
  async getSchedule(id: string): Promise<Schedule | undefined> {
    return this.later((store) => findSchedule(store, id, this.tools));
  }
  getScheduleSync(id: string): Schedule | undefined {
    return this.atOnce((store) => findSchedule(store, id, this.tools));
  }

  /**
   * Writes what was changed on a schedule, and brings the object's revision up to date: its trigger, `nextRunAt`, status (with its
   * times), `maxRuns` and texts may change, its counts may not. A trigger or an `endAt` that leaves it no time completes it.
   * @throws ConflictError the row was changed since it was read. @throws InvalidOptionError `NOT_EDITABLE`, naming the field.
   * @throws ScheduleNotFoundError
   */
  async updateSchedule(schedule: Schedule): Promise<void> {
    return this.later((store) => changeSchedule(store, schedule));
  }
  updateScheduleSync(schedule: Schedule): void {
    return this.atOnce((store) => changeSchedule(store, schedule));
  }

  /** Whether there was one to delete. Its tasks stay. */
  async deleteSchedule(id: string): Promise<boolean> {
    return this.later((store) => dropSchedule(store, id));
  }
  deleteScheduleSync(id: string): boolean {
    return this.atOnce((store) => dropSchedule(store, id));
  }

  /** The active schedules whose time has come, oldest first, at most 1,000, but for those that are broken. Reads only. */
  async getReadySchedules(): Promise<Schedule[]> {
    return this.later((store) => readySchedules(store, this.tools));
  }
  getReadySchedulesSync(): Schedule[] {
    return this.atOnce((store) => readySchedules(store, this.tools));
  }

  /** One claim, by a row of this object's own: it shows a sign of life, arrives when it is not there (any more), and claims. */
  *#claim(store: Store, leaseMs: number): Steps<Claims> {
    const known = this.#workers.get(leaseMs);
    const worker = known ?? this.tools.newId();
    const due = { due: true, queues: this.queues, names: "any", announce: false } as const;
    const ask: ClaimAsk = { worker, limit: 1, of: due };
    if (known !== undefined) {
      try {
        yield* step(store.presence.beat(known, []));
        return yield* step(store.work.claim(ask));
      } catch (error) {
        if (!(error instanceof WorkerUnknownError)) throw error;
      }
    }
    this.#workers.set(leaseMs, worker);
    // No host and no process: the claim is the object's, which may be handed to another process; only its lease ends it.
    const nobody = { host: "", boot: "", pid: 0, started: "" };
    yield* step(store.presence.arrive({ worker, role: "client", ...nobody, leaseMs, queues: this.queues, names: [], concurrency: 1 }));
    return yield* step(store.work.claim(ask));
  }

  /** Ends what was handed out to be ended, or cannot be run. */
  *#end(store: Store, claim: Claim, outcome: Outcome): Steps<void> {
    const { result: _, ...settlement } = decide(claim, outcome, { elapsed: 0, random: this.tools.random });
    yield* step(store.work.settle([{ ...settlement, events: [] }]));
  }

  /** A sign of life for a claim of this object's. */
  *#beat(store: Store, holder: string | undefined): Steps<void> {
    const own = [...this.#workers.values()].find((worker) => worker === holder);
    if (own === undefined) return;
    try {
      yield* step(store.presence.beat(own, []));
    } catch (error) {
      // The next `dequeue` arrives again; the claim is told by its fence.
      if (!(error instanceof WorkerUnknownError)) throw error;
    }
  }
}

function unrunnable(broken: string): Outcome {
  return { kind: "threw", failure: { name: "TaskBrokenError", message: broken }, final: true };
}

function claimed(task: Task, { fence }: Claim): Task {
  task.fence = fence;
  task.startedAt = undefined;
  return task;
}

/** Deletes tasks in batches, the youngest first, so that children go before their parents. */
function* remove(store: Store, ids: readonly TaskId[]): Steps<number> {
  const order = ids.toReversed();
  let removed = 0;
  for (let i = 0; i < order.length; i += BATCH) {
    const answers = yield* step(store.desk.remove(order.slice(i, i + BATCH)));
    removed += answers.filter((answer) => answer === "removed").length;
  }
  return removed;
}

function refuseLost(settled: Settled | undefined, id: TaskId): void {
  if (settled === "missing") throw new TaskNotFoundError(id);
  if (settled === "lost")
    throw new LeaseLostError(`Expected to hold the current claim of task ${id}, but another has it; nothing was written`);
}
