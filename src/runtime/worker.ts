/** A worker as its user steers it: start, stop, drain, run. What it does while it works is a session. */
import { milliseconds } from "../core/duration.ts";
import type { Duration } from "../core/duration.ts";
import { expected } from "../core/errors.ts";
import { nearest, refuseUnknown } from "../core/nearest.ts";
import type { Ms } from "../core/record.ts";
import { Emitter, WORKER_EVENTS } from "./emitter.ts";
import type { Ran, WorkerEvent, WorkerEvents } from "./emitter.ts";
import { componentLogger } from "./logger.ts";
import type { WorkerParts, WorkerSettings } from "./parts.ts";
import { definitionsOf, Registry } from "./registry.ts";
import { Session } from "./session.ts";
import type { TaskDefinition } from "./signatures.ts";

/** What a worker can run: the definitions themselves, or modules that export them. */
export type Tasks = { readonly tasks: readonly TaskDefinition[] } | { readonly modules: readonly string[] };

export interface StopOptions {
  /** How long running handlers have to end before their signals abort. Default 10 s. */
  readonly timeout?: Duration | undefined;
}
export interface RunOptions {
  /** Signals of the process that stop the worker. Default `["SIGINT", "SIGTERM"]`. */
  readonly signals?: readonly string[] | undefined;
}

const DEFAULT_GRACE: Ms = 10_000;
/** Names without a typo. */
const UNHEARD: ReadonlySet<string> = new Set(["SIGKILL", "SIGSTOP"]);

/** The grace that `stop` was given. @throws InvalidOptionError */
export function graceOf(options: StopOptions): Ms {
  refuseUnknown(options, ["timeout"], "stop()");
  return options.timeout === undefined ? DEFAULT_GRACE : milliseconds(options.timeout, "timeout");
}

/** Each once: a signal that is named twice is no second signal. @throws InvalidOptionError */
function signalsOf({ signals = ["SIGINT", "SIGTERM"] }: RunOptions, known: readonly string[]): ReadonlySet<string> {
  if (!Array.isArray(signals)) throw expected("signals", "an array of names", signals);
  const names = new Set<string>();
  for (const signal of signals) {
    if (typeof signal !== "string" || !known.includes(signal)) throw noSignal(signal, known);
    names.add(signal);
  }
  return names;
}

function noSignal(got: unknown, known: readonly string[]): Error {
  const near = typeof got === "string" && !UNHEARD.has(got) ? nearest(got, known) : undefined;
  const hint = near === undefined ? "" : ` (did you mean "${near}"?)`;
  return expected("signals[]", `the name of a signal that a process can listen to${hint}`, got);
}

export class WorkerRuntime {
  readonly #parts: WorkerParts;
  readonly #settings: WorkerSettings;
  readonly #tasks: Tasks;
  readonly #emitter: Emitter;
  #registry: Registry | undefined;
  #starting: Promise<Session> | undefined;
  #session: Session | undefined;
  #stopping: Promise<void> | undefined;
  /** Who waits in `run` for the worker to stop. */
  #stopped: (() => void)[] = [];

  /** @throws InvalidOptionError when `tasks` are not definitions with a handler, or share a name. */
  constructor(parts: WorkerParts, settings: WorkerSettings, tasks: Tasks) {
    this.#parts = parts;
    this.#settings = settings;
    this.#tasks = tasks;
    this.#emitter = new Emitter(componentLogger(parts.logger, "worker"));
    if ("tasks" in tasks) this.#registry = new Registry(tasks.tasks);
  }

  get isRunning(): boolean {
    return this.#starting !== undefined && this.#stopping === undefined;
  }

  get running(): readonly Ran[] {
    return this.#session?.running ?? [];
  }

  on<E extends WorkerEvent>(event: E, listener: (...args: WorkerEvents[E]) => void): () => void {
    if (!WORKER_EVENTS.includes(event)) throw expected("event", `one of ${WORKER_EVENTS.join(", ")}`, event);
    if (typeof listener !== "function") throw expected("listener", "a function", listener);
    return this.#emitter.on(event, listener);
  }

  /** Tells the listeners here what happened in a worker on another thread. */
  repeat(event: WorkerEvent, args: readonly unknown[]): void {
    // What was sent is what the other side's emitter was given.
    this.#emitter.emit(event, ...(args as WorkerEvents[typeof event]));
  }

  async start(): Promise<void> {
    if (this.#stopping !== undefined) await this.#stopping;
    await this.#started();
  }

  stop(options: StopOptions = {}): Promise<void> {
    return this.#stop(graceOf(options));
  }

  async drain(): Promise<void> {
    if (this.#stopping !== undefined) await this.#stopping;
    const own = this.#starting === undefined;
    const session = await this.#started();
    try {
      await session.drain(own);
    } finally {
      if (own) await this.#stop(DEFAULT_GRACE);
    }
  }

  async run(options: RunOptions = {}): Promise<void> {
    refuseUnknown(options, ["signals"], "run()");
    const signals = signalsOf(options, this.#parts.signals);
    const ends: (() => void)[] = [];
    let asked = 0;
    try {
      for (const signal of signals) {
        const end = this.#parts.onSignal(signal, () => {
          void (asked++ === 0 ? this.#stop(DEFAULT_GRACE) : this.#stop(0, 0));
        });
        ends.push(end);
      }
      await this.start();
      await this.#untilStopped();
    } finally {
      for (const end of ends) end();
    }
  }

  async #untilStopped(): Promise<void> {
    if (this.#starting === undefined) return;
    await new Promise<void>((resolve) => {
      this.#stopped.push(resolve);
    });
  }

  #started(): Promise<Session> {
    this.#starting ??= this.#begin().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  async #begin(): Promise<Session> {
    const { load, open } = this.#parts;
    this.#registry ??= new Registry("tasks" in this.#tasks ? this.#tasks.tasks : await definitionsOf(this.#tasks.modules, load));
    const session = new Session(this.#parts, await open(), this.#settings, this.#registry, this.#emitter);
    await session.start();
    this.#session = session;
    return session;
  }

  /** One stop at a time; a later call makes it shorter, and waits for the same end. */
  #stop(grace: Ms, afterAbort?: Ms): Promise<void> {
    if (this.#starting === undefined) return this.#stopping ?? Promise.resolve();
    if (this.#stopping !== undefined) {
      void this.#starting.then((session) => session.stop(grace, afterAbort)).catch(() => {});
      return this.#stopping;
    }
    this.#stopping = this.#end(this.#starting, grace, afterAbort);
    return this.#stopping;
  }

  async #end(starting: Promise<Session>, grace: Ms, afterAbort: Ms | undefined): Promise<void> {
    try {
      const session = await starting.catch(() => undefined);
      await session?.stop(grace, afterAbort);
    } finally {
      this.#starting = undefined;
      this.#session = undefined;
      this.#stopping = undefined;
      for (const resolve of this.#stopped) resolve();
      this.#stopped = [];
    }
  }
}
