/** The composition root: the façade, put together from the runtime, the configuration and the host. */
import { CONFIG_FILES, findConfigFile } from "./config/find.ts";
import { resolveConfig, loadConfig } from "./config/load.ts";
import type { LoadedConfig } from "./config/load.ts";
import type { ConfigInput } from "./config/options.ts";
import { setupFrom } from "./config-setup.ts";
import type { InCode } from "./config-setup.ts";
import {
  childId,
  environment,
  existsAt,
  hostIdentity,
  isGone,
  loadModuleAt,
  newId,
  placeOfUrl,
  backendAt,
  readFileAt,
  stderrLogger,
  systemClock,
  systemRandom,
  yieldTurn,
} from "./host.ts";
import { ConfigError, expected } from "./core/errors.ts";
import type { OmniQConfig } from "./models/config.ts";
import { Access, closed } from "./runtime/access.ts";
import { Client } from "./runtime/client.ts";
import { Ender } from "./runtime/ender.ts";
import { EventsDesk } from "./runtime/events-desk.ts";
import { Handle } from "./runtime/handle.ts";
import type { HandleHost } from "./runtime/handle.ts";
import { safeLogger } from "./runtime/logger.ts";
import { checkId } from "./runtime/options.ts";
import { QueuesDesk, WorkersDesk } from "./runtime/queues-desk.ts";
import { ResultsDesk } from "./runtime/results-desk.ts";
import { sweepsOf } from "./runtime/retention.ts";
import type { ScheduleHandle } from "./runtime/schedule-handle.ts";
import { ScheduleMaker } from "./runtime/schedule-maker.ts";
import type { ScheduleOptions } from "./runtime/schedule-options.ts";
import { SchedulesDesk } from "./runtime/schedules-desk.ts";
import { setupOf, storesNow, storesOf } from "./runtime/setup.ts";
import type { OmniQOptions, Setup } from "./runtime/setup.ts";
import type { Shared } from "./runtime/shared.ts";
import type { CallOf, EnqueueOptions, InOf, OutOf, Rest, SQLiteHandle, TaskHandle, TaskReference, TxOption } from "./runtime/signatures.ts";
import { cleanUp, statsOf } from "./runtime/stats.ts";
import type { CleanedUp, CleanupOptions, Stats } from "./runtime/stats.ts";
import { TasksDesk } from "./runtime/tasks-desk.ts";
import { Waiter } from "./runtime/waiter.ts";
import { Worker } from "./worker.ts";
import type { OmniQWorkerOptions } from "./worker.ts";

/** Setups that a configuration was made to, by the options object that stands for them. */
const configured = new WeakMap<object, Setup>();

/**
 * Tasks, schedules, results and events of one place. Opens nothing until it is first used.
 *
 * ```ts
 * const omniq = new OmniQ({ projectName: "shop", baseDir: "./data" });
 * const handle = await omniq.enqueue(resize, { url, width: 800 });
 * const { path } = await handle.result({ timeout: "30s" });
 * await omniq.close();
 * ```
 */
export class OmniQ<Tx = SQLiteHandle> implements AsyncDisposable {
  readonly tasks: TasksDesk;
  readonly results: ResultsDesk;
  readonly events: EventsDesk;
  readonly schedules: SchedulesDesk;
  readonly queues: QueuesDesk;
  readonly workers: WorkersDesk;
  readonly #setup: Setup;
  readonly #shared: Shared;
  readonly #client: Client;
  readonly #maker: ScheduleMaker;
  readonly #ender: Ender;
  readonly #host: HandleHost;
  readonly #own = new Set<Worker>();
  #closing: Promise<void> | undefined;

  /**
   * Reads no file and no variable. Without options: `./omniq_data/omniq.db`.
   * @throws InvalidOptionError for a wrong or unknown option, and for two that contradict each other.
   */
  constructor(options: OmniQOptions<Tx> = {}) {
    const setup = configured.get(options) ?? setupOf(options, placeOfUrl);
    const shared = sharedOf(setup);
    this.#setup = setup;
    this.#shared = shared;
    this.#ender = new Ender(shared);
    this.tasks = new TasksDesk(shared, this.#ender);
    this.results = new ResultsDesk(shared);
    this.events = new EventsDesk(shared);
    this.queues = new QueuesDesk(shared);
    this.workers = new WorkersDesk(shared);
    const waiter = new Waiter(shared, this.#ender);
    this.#host = {
      wait: (id, waiting) => waiter.wait(id, waiting),
      get: (id) => this.tasks.get(id),
      cancel: (id, reason) => this.tasks.cancel(id, { reason }),
      eventsOf: (id) => this.events.of(id),
    };
    this.#client = new Client(shared, this.#host);
    this.schedules = new SchedulesDesk(shared, this.results, this.#host);
    this.#maker = new ScheduleMaker(shared, this.schedules);
  }

  /**
   * From a configuration in code: plain data or a model.
   * @throws ConfigError naming the first wrong value.
   */
  static fromConfig(config: ConfigInput | OmniQConfig, inCode: InCode = {}): OmniQ {
    return fromLoaded(resolveConfig({ object: config }), inCode);
  }

  /**
   * From a file, over which the `OMNIQ_…` variables count and over those `overrides`. The file is YAML, JSON, or a module such as
   * `omniq.config.ts`, whose default export is the configuration or a function that answers it.
   * @param path default: the file that the variable `OMNIQ_CONFIG` names, else the one of `omniq.config.{ts,mts,js,mjs,cjs}` and
   *   `omniq.{yaml,yml,json}` that lies in the working directory.
   * @throws ConfigError `CONFIG_NOT_FOUND`, `CONFIG_AMBIGUOUS` (several lie there), `CONFIG_SYNTAX`, `CONFIG_NOT_LOADED` (a module), or `CONFIG_INVALID` with file and line or
   *   the variable's name.
   */
  static async fromConfigFile(path?: string, overrides?: ConfigInput, inCode: InCode = {}): Promise<OmniQ> {
    const env = environment();
    const file = path ?? findConfigFile(env, existsAt);
    if (file === undefined) {
      throw new ConfigError(
        "CONFIG_NOT_FOUND",
        `Expected a configuration file in the working directory, but there is none of ${CONFIG_FILES.join(", ")}`,
      );
    }
    const loaded = await loadConfig({ file, readFile: readFileAt, load: loadModuleAt, env, object: overrides });
    return fromLoaded(loaded, inCode);
  }

  /**
   * From the `OMNIQ_…` variables, over which `overrides` count. Reads no file, also not the one that `OMNIQ_CONFIG` names.
   * @throws ConfigError naming the variable.
   */
  static fromEnv(overrides?: ConfigInput, inCode: InCode = {}): OmniQ {
    return fromLoaded(resolveConfig({ env: environment(), object: overrides }), inCode);
  }

  /**
   * Stores a task to be run and answers its handle once that is safe.
   * @throws InputInvalidError, PayloadError for its arguments; InvalidOptionError; EnqueueRefusedError: nothing was written.
   */
  enqueue<T extends TaskReference>(task: T, ...rest: Rest<InOf<T>, EnqueueOptions & TxOption<Tx>>): Promise<TaskHandle<OutOf<T>>> {
    const [args, options] = rest;
    return this.#client.enqueue(task, args, options) as Promise<TaskHandle<OutOf<T>>>;
  }

  /** The same by the task's name alone, where its definition is not at hand: nothing checks the arguments before the worker does. */
  enqueueNamed<R = unknown>(name: string, args?: unknown, options?: EnqueueOptions & TxOption<Tx>): Promise<TaskHandle<R>> {
    return this.#client.enqueueNamed(name, args, options) as Promise<TaskHandle<R>>;
  }

  /** Several tasks, `{ task, args, options }` or `task.with(args, options)`: all of them or none. The handles stand as the calls do. */
  enqueueMany<const T extends readonly TaskReference[]>(
    calls: { readonly [K in keyof T]: CallOf<T[K]> },
    options?: TxOption<Tx>,
  ): Promise<{ -readonly [K in keyof T]: TaskHandle<OutOf<T[K]>> }> {
    return this.#client.enqueueMany(calls, options) as Promise<{ -readonly [K in keyof T]: TaskHandle<OutOf<T[K]>> }>;
  }

  /** The handle of a task that was enqueued elsewhere, by its id; with the task as the first argument its result is typed. */
  handle<T extends TaskReference>(task: T, id: string): TaskHandle<OutOf<T>>;
  handle(id: string): TaskHandle;
  handle(...given: readonly unknown[]): TaskHandle {
    return new Handle(this.#host, checkId(given.at(-1), "id"), false);
  }

  /**
   * Runs a task again and again, or once. With an `id` it can stand in code that runs at each start: the same code again changes
   * nothing, changed code changes the schedule in place, and its counts go on.
   * @throws InputInvalidError, PayloadError, InvalidOptionError (also for a new one that would end before it ever fires)
   */
  schedule<T extends TaskReference>(task: T, args: InOf<T>, options: ScheduleOptions): Promise<ScheduleHandle<OutOf<T>>> {
    return this.#maker.put(task, args, options) as Promise<ScheduleHandle<OutOf<T>>>;
  }

  /** The same by the task's name alone, where its definition is not at hand: nothing checks the arguments before the worker does. */
  scheduleNamed<R = unknown>(name: string, args: unknown, options: ScheduleOptions): Promise<ScheduleHandle<R>> {
    return this.#maker.putNamed(name, args, options) as Promise<ScheduleHandle<R>>;
  }

  /**
   * The same for a task that was enqueued: each occurrence has its definition, arguments and options, with those given here over them.
   * They are copied, so that the schedule outlives the task; the task itself runs as it was enqueued.
   * @throws TaskNotFoundError, InvalidOptionError
   */
  scheduleTask<R = unknown>(task: string | TaskHandle<R>, options: ScheduleOptions): Promise<ScheduleHandle<R>> {
    return this.#maker.putTask(task, options) as Promise<ScheduleHandle<R>>;
  }

  /**
   * A worker for these tasks; it is stopped when OmniQ is closed. Start it with `start()` or `run()`, or let it `drain()`.
   * @throws InvalidOptionError for a wrong or unknown option.
   */
  worker(options: OmniQWorkerOptions): Worker {
    if (typeof options !== "object" || options === null) throw expected("options", "an object with `tasks` or `modules`", options);
    const { workers, retention } = this.#setup;
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    const { clock, logger, defaults, payloadLimit } = this.#shared;
    const worker = new Worker(
      { ...workers, ...(retention === undefined ? {} : { retention }), ...(Object.fromEntries(given) as OmniQWorkerOptions) },
      {
        open: () => this.#accessOfWorkers().open(),
        now: () => this.#accessOfWorkers().openNow(),
        clock,
        logger,
        enqueueChild: (parent, call, task, args, childOptions) =>
          this.#client.enqueueChild(parent, call, task, args, childOptions) as Promise<TaskHandle<OutOf<typeof task>>>,
        taskDefaults: defaults,
        payloadLimit,
      },
    );
    this.#own.add(worker);
    return worker;
  }

  /** The whole in numbers. */
  stats(): Promise<Stats> {
    return statsOf(this.#shared);
  }

  /** Takes away all that is past its time, in small batches, and answers how much. Workers do so by and by. */
  cleanup(options: CleanupOptions = {}): Promise<CleanedUp> {
    return cleanUp(this.#shared, sweepsOf(this.#setup.retention), options);
  }

  /** Opens it now instead of at the first use. */
  async open(): Promise<void> {
    await this.#shared.access.open();
  }

  /** Stops its workers, waits for what is under way, and closes what it opened. Whoever waits for a result gets a ClosedError. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Refused from the beginning of `close` on: it stops the workers that there are then, and no others. */
  #accessOfWorkers(): Access {
    if (this.#closing !== undefined) throw closed();
    return this.#shared.access;
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#own].map((worker) => worker.stop()));
    await this.#shared.access.close((stores) => this.#ender.leave(stores));
  }
}

function sharedOf(setup: Setup): Shared {
  const clock = setup.clock ?? systemClock;
  const access = new Access({ make: () => storesOf(setup, backendAt), makeNow: () => storesNow(setup) });
  return {
    access,
    clock,
    random: systemRandom,
    newId,
    childId,
    identity: hostIdentity,
    isGone,
    yieldTurn,
    now: () => clock.now(),
    defaults: setup.taskDefaults,
    logger: safeLogger(setup.logger ?? stderrLogger()),
    ...(setup.payloadLimit === undefined ? {} : { payloadLimit: setup.payloadLimit }),
  };
}

function fromLoaded(loaded: LoadedConfig, inCode: InCode): OmniQ {
  const options = {};
  configured.set(options, setupFrom(loaded, inCode));
  return new OmniQ(options);
}
