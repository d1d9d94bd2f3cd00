/** What each conformance test is given: a fresh place, a clock, and short words for long calls. */
import type { Backend, Claim, ClaimAsk, Claims, Enqueued, Settled, Settlement } from "../../core/backend.ts";
import type { NewEvent } from "../../core/event.ts";
import { decide } from "../../core/lifecycle.ts";
import type { Outcome } from "../../core/lifecycle.ts";
import type { Ms, TaskId } from "../../core/record.ts";
import { DEFAULT_SCHEDULE_POLICY } from "../../core/schedule.ts";
import type { ScheduleRow } from "../../core/schedule.ts";
import type { NewTask, StoredTask } from "../../core/task.ts";
import { DEFAULT_POLICY } from "../../core/task.ts";
import type { TestClock } from "../clock.ts";

/** What the suite asks of `expect`. */
export interface Expectation {
  toBe(expected: unknown): void;
  toEqual(expected: unknown): void;
  toMatchObject(expected: object): void;
}
export type Expect = (actual: unknown, message?: string) => Expectation;

/** The test runner, handed in: this package imports none. */
export interface Tools {
  readonly describe: (name: string, fn: () => void) => void;
  readonly test: ((name: string, fn: () => Promise<void>) => void) & {
    readonly skip: (name: string, fn: () => Promise<void>) => void;
  };
  readonly expect: Expect;
}

/** Opens a new, empty place that tells the time by this clock. */
export type Open = (clock: TestClock) => Promise<Backend>;

/** A transaction of the caller: what it gives as `tx`, and its end. */
export interface CallersTransaction {
  readonly tx: unknown;
  readonly commit: () => Promise<void>;
  readonly rollback: () => Promise<void>;
}

/** Begins a transaction of the caller's own in the place of this backend. */
export type Begin = (backend: Backend) => Promise<CallersTransaction>;

/** One concern of the contract. Its title and the names of its tests are what a skip names. */
export interface Chapter {
  readonly title: string;
  readonly tests: Readonly<Record<string, (bench: Bench) => Promise<void>>>;
}

/** A task with nothing special, in queue `q`, of func `f`. */
export function newTask(id: TaskId, given: Partial<NewTask> = {}): NewTask {
  return { ...DEFAULT_POLICY, id, func: "f", args: "{}", queue: "q", priority: 0, tags: [], dependsOn: [], ...given };
}

/** An active schedule with nothing special: each second, the first time in a second. */
export function newSchedule(id: string, now: Ms, given: Partial<ScheduleRow> = {}): ScheduleRow {
  const { id: _id, dependsOn: _dependsOn, ...template } = newTask("-");
  return {
    id,
    revision: 0,
    rule: { type: "interval", every: 1_000 },
    policy: DEFAULT_SCHEDULE_POLICY,
    template,
    status: "active",
    runCount: 0,
    createdAt: now,
    nextRunAt: now + 1_000,
    tags: [],
    ...given,
  };
}

/** Ids `<prefix>0` … in order. */
export function ids(count: number, prefix = "t"): readonly TaskId[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

export function workerRow(worker: string): Parameters<Backend["presence"]["arrive"]>[0] {
  const where = { host: "h", boot: "b", pid: 1, started: "1" };
  return { worker, role: "worker", ...where, leaseMs: 12_000, queues: ["q"], names: ["f"], concurrency: 1 };
}

/** What happened, as text: the task, the kind, and who. */
function told(event: NewEvent): string {
  return [event.taskId ?? event.scheduleId, event.type, event.worker].filter((part) => part !== undefined).join(" ");
}

interface DueOptions {
  readonly worker?: string;
  readonly limit?: number;
  readonly queues?: readonly string[];
  readonly names?: readonly string[] | "any";
  readonly announce?: boolean;
  readonly whole?: boolean;
}

export class Bench {
  readonly backend: Backend;
  readonly clock: TestClock;
  readonly expect: Expect;
  /** Opens another new place. */
  readonly open: Open;
  readonly #begin: Begin | undefined;
  readonly #opened: Backend[];

  private constructor(backend: Backend, clock: TestClock, expect: Expect, open: Open, begin?: Begin) {
    this.backend = backend;
    this.clock = clock;
    this.expect = expect;
    this.open = open;
    this.#begin = begin;
    this.#opened = [backend];
  }

  /** An open place in which the workers `w1` and `w2` have arrived. */
  static async make(open: Open, clock: TestClock, expect: Expect, begin?: Begin): Promise<Bench> {
    const bench = new Bench(await open(clock), clock, expect, open, begin);
    await bench.backend.open();
    await bench.backend.presence.arrive(workerRow("w1"));
    await bench.backend.presence.arrive(workerRow("w2"));
    return bench;
  }

  /** A second place, on the same clock. */
  async another(): Promise<Backend> {
    const backend = await this.open(this.clock);
    this.#opened.push(backend);
    await backend.open();
    return backend;
  }

  /** A transaction of the caller in this place. */
  async begin(): Promise<CallersTransaction> {
    if (this.#begin === undefined) throw new Error("Expected `begin` to be given, to test transactions of the caller");
    return await this.#begin(this.backend);
  }

  async close(): Promise<void> {
    for (const backend of this.#opened) await backend.close();
  }

  get now(): number {
    return this.clock.now();
  }

  /** One call, without events. A text is the id of a task with nothing special. */
  async add(...tasks: readonly (string | NewTask)[]): Promise<readonly Enqueued[]> {
    return await this.call(tasks, false);
  }

  async call(tasks: readonly (string | NewTask)[], announce: boolean): Promise<readonly Enqueued[]> {
    const call = { tasks: tasks.map((task) => (typeof task === "string" ? newTask(task) : task)), announce };
    return (await this.backend.work.enqueue([call]))[0] ?? [];
  }

  async get(id: TaskId): Promise<StoredTask> {
    const task = await this.peek(id);
    if (task === undefined) throw new Error(`Expected task ${id} to be there, but it is not`);
    return task;
  }

  async peek(id: TaskId): Promise<StoredTask | undefined> {
    return (await this.backend.desk.get([id]))[0];
  }

  async phase(id: TaskId): Promise<string> {
    return (await this.get(id)).phase;
  }

  static dueAsk({ worker = "w1", limit = 100, queues = ["q"], names = "any", announce = false, whole }: DueOptions = {}): ClaimAsk {
    return { worker, limit, of: { due: true, queues, names, announce, ...(whole === undefined ? {} : { whole }) } };
  }

  async claims(options: DueOptions = {}): Promise<Claims> {
    return await this.backend.work.claim(Bench.dueAsk(options));
  }

  async due(options: DueOptions = {}): Promise<readonly Claim[]> {
    return (await this.claims(options)).claims;
  }

  /** The one task that is due. */
  async one(options: DueOptions = {}): Promise<Claim> {
    return this.only(await this.due(options));
  }

  async ended(worker = "w1", limit = 100): Promise<readonly Claim[]> {
    return (await this.backend.work.claim({ worker, limit, of: { ended: true } })).claims;
  }

  async marked(id: TaskId, worker = "w1"): Promise<readonly Claim[]> {
    return (await this.backend.work.claim({ worker, limit: 10, of: { ids: [id] } })).claims;
  }

  /** What `worker` takes over of what `from` holds, by the beat that `from` has now. */
  async takeOver(from: string, worker = "w2"): Promise<readonly Claim[]> {
    const beat = (await this.backend.presence.workers(100)).find((row) => row.worker === from)?.beat ?? -1;
    return (await this.backend.work.claim({ worker, limit: 100, of: { lost: [{ worker: from, beat }] } })).claims;
  }

  only(claims: readonly Claim[]): Claim {
    this.expect(claims.length, "claims handed out").toBe(1);
    const claim = claims[0];
    if (claim === undefined) throw new Error("Expected one claim, got none");
    return claim;
  }

  /** What this outcome of the claim is to be written as. */
  settlement(claim: Claim, outcome: Outcome): Settlement {
    return decide(claim, outcome, { worker: "w1", elapsed: 0, executionMs: 1, random: () => 0.5 });
  }

  async settle(...set: readonly Settlement[]): Promise<readonly Settled[]> {
    return (await this.backend.work.settle(set)).settled;
  }

  /** Settles claims alike. */
  async end(claims: Claim | readonly Claim[], outcome: Outcome = { kind: "returned" }): Promise<readonly Settled[]> {
    const set = "fence" in claims ? [claims] : claims;
    return await this.settle(...set.map((claim) => this.settlement(claim, outcome)));
  }

  /** Adds a task, claims it and ends it. */
  async run(task: string | NewTask, outcome: Outcome = { kind: "returned" }): Promise<void> {
    await this.add(task);
    await this.end(await this.one(typeof task === "string" ? {} : { queues: [task.queue] }), outcome);
  }

  /** Cancels a task that waits and ends it. */
  async cancel(id: TaskId, reason?: string): Promise<void> {
    await this.backend.desk.cancel([id], reason);
    await this.end(await this.marked(id), { kind: "ended" });
  }

  /** Every event so far, oldest first. */
  async events(): Promise<readonly string[]> {
    return (await this.backend.events.newest({ limit: 10_000 })).map((event) => told(event)).toReversed();
  }

  async eventsOf(taskId: TaskId): Promise<readonly string[]> {
    return (await this.backend.events.newest({ taskId, limit: 1_000 })).map((event) => event.type).toReversed();
  }

  /** Everything that can be read, to be compared before and after. */
  async everything(extra: readonly TaskId[] = []): Promise<object> {
    return await everything(this.backend, extra);
  }
}

/** The tasks that a query finds, over all its pages. */
export async function findAll(backend: Backend, query: Parameters<Backend["desk"]["find"]>[0]): Promise<readonly StoredTask[]> {
  const items: StoredTask[] = [];
  for (let after = query.after; ;) {
    const page = await backend.desk.find({ ...query, ...(after === undefined ? {} : { after }) });
    items.push(...page.items);
    if (page.next === undefined) return items;
    after = page.next;
  }
}

/** All that a place lets one read, but for what each backend counts in its own way: ids and numbers of events, beats, revisions. */
export async function everything(backend: Backend, extra: readonly TaskId[] = []): Promise<object> {
  const tasks = await findAll(backend, { limit: 1_000 });
  const known = [...new Set([...tasks.map((task) => task.id), ...extra])].toSorted();
  const results = await backend.results.get(known);
  const events = await backend.events.newest({ limit: 1_000 });
  const workers = await backend.presence.workers(1_000);
  const counts = (await backend.desk.count(1_000)).filter((count) => count.tasks > 0);
  return {
    tasks: tasks.map(({ revision: _revision, ...task }) => task),
    results: results.filter((result) => result !== undefined),
    // The order inside one transaction is not laid down.
    events: events.map(({ id: _id, seq: _seq, ...event }) => event).toSorted((a, b) => a.at - b.at || (told(a) < told(b) ? -1 : 1)),
    workers: workers.map(({ beat: _beat, ...row }) => row).toSorted((a, b) => (a.worker < b.worker ? -1 : 1)),
    paused: (await backend.desk.queues()).filter((queue) => queue.pausedAt !== undefined),
    counts: counts.map((count) => JSON.stringify([count.phase, count.queue ?? "", count.tasks, count.more])).toSorted(),
    schedules: (await backend.schedules.list({ limit: 1_000 })).map(({ revision: _revision, ...row }) => row),
    resultStats: await backend.results.stats(10_000),
  };
}

/** The code of the error that this call ends with; `"no error"` when it does not. */
export async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : `an error without code: ${String(error)}`;
  }
  return "no error";
}
