/** An OmniQ for tests: in memory, on a clock that a test moves. */
import { milliseconds } from "../core/duration.ts";
import type { Duration } from "../core/duration.ts";
import { expected } from "../core/errors.ts";
import { refuseUnknown } from "../core/nearest.ts";
import type { Task } from "../models/task.ts";
import { OmniQ } from "../omniq.ts";
import type { Retention } from "../runtime/retention.ts";
import type { InOf, Logger, TaskDefaults, TaskDefinition, TaskReference } from "../runtime/signatures.ts";
import { TestClock } from "./clock.ts";

export interface TestOmniQOptions {
  /** What `drain()` can run. Default: none. */
  readonly tasks?: readonly TaskDefinition[] | undefined;
  /** Default: a new one, at 2026-01-01T00:00:00Z. */
  readonly clock?: TestClock | undefined;
  readonly taskDefaults?: TaskDefaults | undefined;
  readonly retention?: Retention | undefined;
  readonly logger?: Logger | undefined;
}

/** Some of a value: each part of an object may be left out. */
export type Partly<T> = T extends readonly unknown[] ? T : T extends object ? { readonly [K in keyof T]?: Partly<T[K]> } : T;

/** Tasks that `expectEnqueued` looks at. */
const LOOKED_AT = 1_000;

/** An OmniQ in memory, with what tests need beside. Close it, or let `await using` do so. */
export class TestOmniQ extends OmniQ {
  readonly clock: TestClock;
  readonly #tasks: readonly TaskDefinition[];

  constructor({ tasks = [], clock = new TestClock(), ...options }: TestOmniQOptions = {}) {
    refuseUnknown(options, ["tasks", "clock", "taskDefaults", "retention", "logger"], "the options of testOmniQ()");
    if (!(clock instanceof TestClock)) throw expected("clock", "a TestClock", clock);
    super({ url: "sqlite::memory:", clock, ...options });
    this.clock = clock;
    this.#tasks = tasks;
  }

  /** Runs what is ready, in all queues, and what that sets free, until nothing is left. */
  async drain(tasks: readonly TaskDefinition[] = this.#tasks): Promise<void> {
    await drain(this, tasks);
  }

  /** Moves the clock on: what falls due meanwhile can be drained then, and a worker that runs takes it. */
  async advance(by: Duration): Promise<void> {
    await this.clock.advance(milliseconds(by, "by"));
  }

  /**
   * The tasks of this definition that were enqueued, whatever became of them, oldest first; with `args`, those whose arguments have
   * at least these parts.
   * @throws Error that tells what was enqueued instead, when there is none.
   */
  async expectEnqueued<T extends TaskReference>(task: T, args?: Partly<InOf<T>>): Promise<readonly Task[]> {
    const { items } = await this.tasks.find({ func: task.name, limit: LOOKED_AT });
    const found = items.filter((item) => args === undefined || holds(item.funcArgs, args)).toReversed();
    if (found.length > 0) return found;
    const others = (await this.tasks.find({ limit: 5 })).items.map((item) => `${item.func}(${shown(item.funcArgs)})`);
    const wanted = `${task.name}(${args === undefined ? "…" : shown(args)})`;
    throw new Error(`Expected ${wanted} to be enqueued, got ${others.length === 0 ? "no task at all" : others.join(", ")}`);
  }
}

/**
 * An OmniQ in memory on a `TestClock`: `drain()` runs what is ready, `advance("5s")` moves the time, `expectEnqueued(task, args)` asserts.
 * @throws InvalidOptionError for a wrong or unknown option.
 */
export function testOmniQ(options?: TestOmniQOptions): TestOmniQ {
  return new TestOmniQ(options);
}

/** Runs what is ready on any OmniQ with these tasks, in all its queues, and what that sets free, until nothing is left. */
export async function drain<Tx>(omniq: OmniQ<Tx>, tasks: readonly TaskDefinition[]): Promise<void> {
  const queues = new Set(["default", ...tasks.flatMap((task) => task.defaults.queueName ?? [])]);
  for (let known = -1; known < queues.size;) {
    for (const { name } of await omniq.queues.list()) queues.add(name);
    known = queues.size;
    await omniq.worker({ tasks, queues: [...queues] }).drain();
    // A handler may have enqueued something in a queue that nobody knew.
    for (const { name } of await omniq.queues.list()) queues.add(name);
  }
}

/** Whether a value has at least these parts. */
function holds(value: unknown, parts: unknown): boolean {
  if (typeof parts !== "object" || parts === null || typeof value !== "object" || value === null) return Object.is(value, parts);
  if (parts instanceof Date || value instanceof Date) return Number(value) === Number(parts);
  if (Array.isArray(parts) && (!Array.isArray(value) || value.length !== parts.length)) return false;
  return Object.entries(parts).every(([key, part]) => holds(Reflect.get(value, key), part));
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 200);
}
