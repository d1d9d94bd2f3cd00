/** The worker as users have it: made of the components here, or by `omniq.worker()`. */
import { EventStorage } from "./components/event-storage.ts";
import { ResultStorage } from "./components/result-storage.ts";
import { TaskQueue } from "./components/task-queue.ts";
import type { Clock } from "./core/clock.ts";
import { expected, InvalidOptionError, SyncUnsupportedError } from "./core/errors.ts";
import { LOG_LEVELS } from "./core/logging.ts";
import { refuseUnknown } from "./core/nearest.ts";
import {
  childId,
  hostIdentity,
  isGone,
  loadModule,
  newId,
  onSignal,
  signalNames,
  stderrLogger,
  systemClock,
  systemRandom,
  yieldTurn,
} from "./host.ts";
import { Access } from "./runtime/access.ts";
import { Client } from "./runtime/client.ts";
import type { EnqueueChild } from "./runtime/context.ts";
import type { Ran, WorkerEvent, WorkerEvents } from "./runtime/emitter.ts";
import { Ender } from "./runtime/ender.ts";
import { EventsDesk } from "./runtime/events-desk.ts";
import { safeLogger } from "./runtime/logger.ts";
import { settingsOf, WORKER_KEYS } from "./runtime/parts.ts";
import { checkMethods } from "./runtime/setup.ts";
import type { WorkerOptions } from "./runtime/parts.ts";
import type { CheckedDefaults, Logger, TaskDefinition } from "./runtime/signatures.ts";
import { Stores } from "./runtime/stores.ts";
import { TasksDesk } from "./runtime/tasks-desk.ts";
import { Waiter } from "./runtime/waiter.ts";
import { graceOf, WorkerRuntime } from "./runtime/worker.ts";
import type { RunOptions, StopOptions, Tasks } from "./runtime/worker.ts";
import { SyncThread } from "./sync-thread.ts";

/** What a worker can run: definitions, or modules (URLs or absolute paths) of which every exported definition is registered. */
export type Runnable =
  | { readonly tasks: readonly TaskDefinition[]; readonly modules?: undefined }
  | { readonly modules: readonly (string | URL)[]; readonly tasks?: undefined };

/** What `omniq.worker()` takes. */
export type OmniQWorkerOptions = WorkerOptions & Runnable;

/** What `new Worker()` takes. Its queues are those of the `taskQueue`, in that order. */
export type ComponentWorkerOptions = Omit<WorkerOptions, "queues"> &
  Runnable & {
    readonly taskQueue: TaskQueue;
    /** Default: results lie where the tasks do. */
    readonly resultStorage?: ResultStorage | undefined;
    /** Default: events lie where the tasks do. */
    readonly eventStorage?: EventStorage | undefined;
    /** Default: warnings and errors to stderr. Never given a payload. */
    readonly logger?: Logger | undefined;
    /** Default: the machine's. */
    readonly clock?: Clock | undefined;
  };

/** Where a worker works: what its maker brings. */
export interface WorkerHome {
  /** The stores, opened. */
  readonly open: () => Promise<Stores>;
  /** The stores without waiting. @throws ClosedError where that cannot be. */
  readonly now: () => Stores;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly enqueueChild: EnqueueChild;
  /** What tasks get that a handler enqueues. */
  readonly taskDefaults: CheckedDefaults;
  readonly payloadLimit: number | undefined;
}

const COMPONENT_KEYS = ["taskQueue", "resultStorage", "eventStorage", "logger", "clock", "tasks", "modules"];

/**
 * Runs tasks: claims exactly as many as it has free slots, queue by queue, and writes what comes of them.
 *
 * ```ts
 * const worker = new Worker({ taskQueue, resultStorage, eventStorage, tasks: [resize], concurrency: 16 });
 * await worker.start();
 * // …
 * await worker.stop();
 * ```
 */
export class Worker implements AsyncDisposable {
  readonly #home: WorkerHome;
  readonly #options: OmniQWorkerOptions;
  readonly #tasks: Tasks;
  readonly #runtime: WorkerRuntime;
  #thread: SyncThread | undefined;
  #threadStop: Promise<void> | undefined;

  /** @throws InvalidOptionError for the first wrong or unknown option. */
  constructor(options: ComponentWorkerOptions);
  /** @internal what `omniq.worker()` uses. */
  constructor(options: OmniQWorkerOptions, home: WorkerHome);
  constructor(options: ComponentWorkerOptions | OmniQWorkerOptions, home?: WorkerHome) {
    const [own, at] = home === undefined ? fromComponents(options) : [options, home];
    refuseUnknown(own, [...WORKER_KEYS, "tasks", "modules"], "the options of a worker");
    this.#home = at;
    this.#options = own;
    this.#tasks = tasksOf(own);
    const { open, clock, logger, enqueueChild } = at;
    this.#runtime = new WorkerRuntime(
      {
        open,
        clock,
        logger,
        enqueueChild,
        random: systemRandom,
        newId,
        host: hostIdentity(),
        isGone,
        yieldTurn,
        signals: signalNames(),
        onSignal,
        load: loadModule,
      },
      settingsOf(own),
      this.#tasks,
    );
  }

  /** Whether it was started and not stopped, and the thread that startSync() gave it has not ended. */
  get isRunning(): boolean {
    return this.#runtime.isRunning || this.#thread?.isRunning === true;
  }

  /** What its handlers run now; empty for a worker on a thread of its own. */
  get running(): readonly Ran[] {
    return this.#runtime.running;
  }

  /**
   * Listens to what the worker does; returns the function that ends it. `error`: a lost claim, or a store that cannot be reached (the
   * worker goes on). `idle`: nothing runs and nothing is due.
   */
  on<E extends WorkerEvent>(event: E, listener: (...args: WorkerEvents[E]) => void): () => void {
    return this.#runtime.on(event, listener);
  }

  /**
   * Starts to work; resolves when it is ready. A second call is a no-op.
   * @throws StorageError when a store cannot be opened; ModuleError for one of `modules`.
   */
  async start(): Promise<void> {
    if (this.#thread?.isRunning !== true) await this.#runtime.start();
  }

  /**
   * Claims nothing more and resolves when all is over: running handlers have `timeout` (default 10 s) to end, then `ctx.signal` aborts
   * and they have 1 s more; what is unfinished then goes back to its queue. A second call with a shorter timeout makes it shorter.
   */
  stop(options: StopOptions = {}): Promise<void> {
    const thread = this.#thread;
    if (thread === undefined) return this.#threadStop ?? this.#runtime.stop(options);
    this.#threadStop = thread.stop(graceOf(options)).finally(() => {
      this.#threadStop = undefined;
    });
    this.#thread = undefined;
    return this.#threadStop;
  }

  /** Runs until nothing of its queues is ready or being run here. Starts the worker if need be, and then stops it again. */
  async drain(): Promise<void> {
    if (this.#thread?.isRunning === true)
      throw new SyncUnsupportedError("Expected `drain()` on a worker of this thread, but startSync() gave it its own");
    await this.#runtime.drain();
  }

  /** Starts, and resolves when the worker has stopped: on the first of the signals, at once on the second. */
  async run(options: RunOptions = {}): Promise<void> {
    await this.#runtime.run(options);
  }

  /**
   * Starts the worker on a thread of its own and returns when it runs there. Needs `modules`, and backends on files. A thread that ends by
   * itself (an error that nobody caught, `process.exit()` in a handler) is logged and told to `on("error")`; then it can be started again.
   * @throws SyncUnsupportedError where that cannot be; whatever `start` throws.
   */
  startSync(): void {
    if (this.#thread?.isRunning === true) return;
    if (this.#runtime.isRunning) throw new SyncUnsupportedError("Expected the worker not to run yet, but start() has started it here");
    if (!("modules" in this.#tasks)) {
      throw new SyncUnsupportedError(
        'Expected `modules` for startSync(), got `tasks`: a function cannot be sent to a thread; pass modules: [new URL("./tasks.js", import.meta.url)]',
      );
    }
    const { clock, logger, taskDefaults, payloadLimit } = this.#home;
    if (clock !== systemClock)
      throw new SyncUnsupportedError("Expected the machine's clock for startSync(), got another: a thread has its own");
    const { tasks: _tasks, modules: _modules, ...options } = this.#options;
    const thread = new SyncThread({
      stores: this.#home.now(),
      worker: { options, modules: this.#tasks.modules, taskDefaults, payloadLimit },
      logger,
      emit: (event, args) => this.#runtime.repeat(event, args),
      ended: () => {
        // Another one may have been started since.
        if (this.#thread === thread) this.#thread = undefined;
      },
    });
    this.#thread = thread;
  }

  /**
   * Stops what `startSync` started and returns when its handlers have ended or the grace is over.
   * @throws SyncUnsupportedError when `start()` started the worker: its handlers run in this very thread.
   */
  stopSync(options: StopOptions = {}): void {
    const grace = graceOf(options);
    if (this.#runtime.isRunning) {
      throw new SyncUnsupportedError("Expected `await worker.stop()` for a worker that start() started: its handlers run in this thread");
    }
    const thread = this.#thread;
    this.#thread = undefined;
    thread?.stopSync(grace);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function tasksOf({ tasks, modules }: Partial<Runnable>): Tasks {
  if ((tasks === undefined) === (modules === undefined)) {
    throw new InvalidOptionError(
      "INVALID_OPTION",
      "Expected either `tasks` or `modules`, got " + (tasks === undefined ? "neither" : "both"),
    );
  }
  if (tasks !== undefined) return { tasks };
  if (!Array.isArray(modules) || modules.length === 0) throw expected("modules", "an array of at least one URL", modules);
  return { modules: modules.map((module: unknown) => hrefOf(module)) };
}

/** A relative path is refused: nobody could say what it is relative to. */
function hrefOf(module: unknown): string {
  if (module instanceof URL) return module.href;
  if (typeof module === "string") {
    if (process.getBuiltinModule("node:path").isAbsolute(module)) return process.getBuiltinModule("node:url").pathToFileURL(module).href;
    if (URL.canParse(module)) return module;
  }
  throw expected("modules[]", 'a URL or an absolute path, such as new URL("./tasks.js", import.meta.url)', module);
}

function fromComponents(given: ComponentWorkerOptions | OmniQWorkerOptions): readonly [OmniQWorkerOptions, WorkerHome] {
  if (typeof given !== "object" || given === null) throw expected("options", "an object", given);
  refuseUnknown(given, [...WORKER_KEYS.filter((key) => key !== "queues"), ...COMPONENT_KEYS], "the options of Worker");
  const { taskQueue, resultStorage, eventStorage, logger, clock = systemClock, ...rest }: Partial<ComponentWorkerOptions> = given;
  if (!(taskQueue instanceof TaskQueue)) throw expected("taskQueue", 'a TaskQueue, such as backend.taskQueue(["default"])', taskQueue);
  if (resultStorage !== undefined && !(resultStorage instanceof ResultStorage))
    throw expected("resultStorage", "a ResultStorage", resultStorage);
  if (eventStorage !== undefined && !(eventStorage instanceof EventStorage))
    throw expected("eventStorage", "an EventStorage", eventStorage);
  const own = logger === undefined ? stderrLogger() : checkMethods(logger, "logger", LOG_LEVELS);
  const stores = new Stores(taskQueue.backend, resultStorage?.backend, eventStorage?.backend);
  const home = homeOf({ stores, clock, logger: own, taskDefaults: {}, payloadLimit: undefined });
  return [{ ...rest, queues: taskQueue.queues }, home];
}

/** A home that stands on stores alone, without a façade. */
export function homeOf(
  given: Pick<WorkerHome, "clock" | "logger" | "taskDefaults" | "payloadLimit"> & { readonly stores: Stores },
): WorkerHome {
  const { stores, clock, taskDefaults, payloadLimit } = given;
  const logger = safeLogger(given.logger);
  const access = new Access({ make: () => Promise.resolve(stores), makeNow: () => stores });
  const shared = {
    access,
    clock,
    logger,
    random: systemRandom,
    newId,
    childId,
    identity: hostIdentity,
    isGone,
    yieldTurn,
    now: () => clock.now(),
    defaults: taskDefaults,
    ...(payloadLimit === undefined ? {} : { payloadLimit }),
  };
  const ender = new Ender(shared);
  const tasks = new TasksDesk(shared, ender);
  const events = new EventsDesk(shared);
  const waiter = new Waiter(shared, ender);
  const client = new Client(shared, {
    wait: (id, waiting) => waiter.wait(id, waiting),
    get: (id) => tasks.get(id),
    cancel: (id, reason) => tasks.cancel(id, { reason }),
    eventsOf: (id) => events.of(id),
  });
  // The handle's type is that of the task; the client itself knows no types.
  const enqueueChild: EnqueueChild = (parent, call, task, args, options) =>
    client.enqueueChild(parent, call, task, args, options) as ReturnType<typeof enqueueChild<typeof task>>;
  return { open: () => access.open(), now: () => stores, clock, logger, enqueueChild, taskDefaults, payloadLimit };
}
