/** A worker on the model and the test clock, with everything it tells people kept. */
import { LOG_COMPONENTS } from "../../../src/core/logging.ts";
import type { Backend } from "../../../src/core/backend.ts";
import type { EventRow } from "../../../src/core/event.ts";
import { encode } from "../../../src/core/codec.ts";
import { DEFAULT_POLICY } from "../../../src/core/task.ts";
import type { NewTask, StoredTask } from "../../../src/core/task.ts";
import { defineTask } from "../../../src/runtime/definition.ts";
import { settingsOf } from "../../../src/runtime/parts.ts";
import type { WorkerOptions, WorkerParts } from "../../../src/runtime/parts.ts";
import type { Context, TaskDefinition } from "../../../src/runtime/signatures.ts";
import { Stores } from "../../../src/runtime/stores.ts";
import { WorkerRuntime } from "../../../src/runtime/worker.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import { ModelBackend } from "../../../src/testing/model.ts";

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>> | undefined;
}

export const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** Lets the event loop turn until something is so; fails when it never is. */
export async function until(what: () => unknown, name = what.toString()): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await what()) return;
    await turn();
  }
  throw new Error(`Expected this to become true: ${name}`);
}

/** Lets everything that can happen without the clock happen. */
export async function quiet(): Promise<void> {
  for (let i = 0; i < 30; i++) await turn();
}

export interface RigOptions {
  readonly clock?: TestClock;
  readonly backend?: Backend;
  readonly results?: Backend;
  readonly events?: Backend;
}

export class Rig {
  readonly clock: TestClock;
  readonly backend: Backend;
  readonly stores: Stores;
  readonly logs: LogLine[] = [];
  readonly signals = new Map<string, () => void>();
  readonly parts: WorkerParts;
  #ids = 0;

  constructor({ clock = new TestClock(), backend = new ModelBackend({ clock }), results, events }: RigOptions = {}) {
    this.clock = clock;
    this.backend = backend;
    this.stores = new Stores(backend, results, events);
    const log = (level: string) => (message: string, data?: Readonly<Record<string, unknown>>) => {
      // Levels of single parts could not be told apart by a line that does not say whose it is.
      if (!LOG_COMPONENTS.some((name) => name === data?.["component"])) throw new Error(`Expected "${message}" to name its component`);
      this.logs.push({ level, message, data });
    };
    this.parts = {
      open: async () => {
        await this.stores.open();
        return this.stores;
      },
      clock,
      random: () => 0.5,
      newId: () => `id-${++this.#ids}`,
      host: { host: "h", boot: "b", pid: 1, started: "s" },
      isGone: () => false,
      logger: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
      enqueueChild: () => Promise.reject(new Error("no children here")),
      yieldTurn: turn,
      signals: ["SIGINT", "SIGTERM", "SIGHUP", "SIGILL"],
      onSignal: (signal, fn) => {
        this.signals.set(signal, fn);
        return () => this.signals.delete(signal);
      },
      load: (url) => Promise.reject(new Error(`no module ${url}`)),
    };
  }

  worker(tasks: readonly TaskDefinition[], options: WorkerOptions = {}, parts: Partial<WorkerParts> = {}): WorkerRuntime {
    return new WorkerRuntime({ ...this.parts, ...parts }, settingsOf(options), { tasks });
  }

  /** Enqueues tasks; each is a name or a record. Their ids are answered. */
  async enqueue(...tasks: readonly (string | (Partial<NewTask> & { readonly func: string }))[]): Promise<readonly string[]> {
    await this.stores.open();
    const full = tasks.map((task): NewTask => newTask({ id: `t${++this.#ids}`, ...(typeof task === "string" ? { func: task } : task) }));
    const [answers = []] = await this.stores.enqueue([{ tasks: full, announce: true }]);
    return answers.map((answer) => {
      if (answer.is === "refused") throw new Error(answer.detail);
      return answer.id;
    });
  }

  async get(id: string | undefined): Promise<StoredTask> {
    const [row] = await this.backend.desk.get([id ?? ""]);
    if (row === undefined) throw new Error(`no task ${id}`);
    return row;
  }

  async status(id: string | undefined): Promise<string> {
    return (await this.get(id)).status;
  }

  async value(id: string | undefined): Promise<unknown> {
    const [row] = await this.stores.results.results.get([id ?? ""]);
    return row?.value === undefined ? undefined : JSON.parse(row.value);
  }

  /** The types of a task's events, oldest first. */
  async story(id: string | undefined): Promise<readonly string[]> {
    const rows: readonly EventRow[] = await this.stores.events.events.newest({ taskId: id ?? "", limit: 100 });
    return rows.toReversed().map(({ type }) => type);
  }

  /** Lets time pass in small steps, so that what a timer starts gets on before the next one. */
  async pass(ms: number, step = 100): Promise<void> {
    for (let at = 0; at < ms; at += step) {
      await this.clock.advance(Math.min(step, ms - at));
      for (let i = 0; i < 4; i++) await turn();
    }
  }

  async ended(...ids: readonly (string | undefined)[]): Promise<void> {
    await until(
      async () => {
        for (const id of ids) if (!["completed", "failed", "cancelled", "expired"].includes(await this.status(id))) return false;
        return true;
      },
      `${ids.join(", ")} ended`,
    );
  }
}

export function newTask(task: Partial<NewTask> & { readonly id: string; readonly func: string }): NewTask {
  return { ...DEFAULT_POLICY, args: encode({}), queue: "default", priority: 0, tags: [], dependsOn: [], ...task };
}

/** A definition with nothing but a handler. */
export function task(name: string, handler: (args: never, ctx: Context) => unknown, more: object = {}): TaskDefinition {
  return defineTask<never>({ name, handler, ...more });
}

/** A promise to be resolved by hand. */
export function gate(): { readonly promise: Promise<void>; open(): void } {
  let open = (): void => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

/** A handler's promise that ends when its signal aborts, with the reason. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
    });
    if (signal.aborted) reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
  });
}
