/** The near side of a worker on a thread of its own: starts and stops it while this thread blocks. */
import type { MessagePort, Worker as Thread } from "node:worker_threads";
import { startThread } from "./entry.ts";
import type { Backend } from "./core/backend.ts";
import * as errors from "./core/errors.ts";
import { ModuleError, OmniQError, SyncUnsupportedError } from "./core/errors.ts";
import type { WorkerEvent } from "./runtime/emitter.ts";
import { toFailure } from "./runtime/failure.ts";
import type { WorkerOptions } from "./runtime/parts.ts";
import type { CheckedDefaults, Logger } from "./runtime/signatures.ts";
import type { Stores } from "./runtime/stores.ts";

/** Where the shared number stands. */
export const STATE = { starting: 0, running: 1, failed: 2, stopped: 3 } as const;

/** What the thread is told at its start. Plain data: it is cloned. */
export interface ThreadPlan {
  readonly state: Int32Array;
  readonly port: MessagePort;
  /** How to open each backend again; the same number is the same backend. */
  readonly places: readonly object[];
  readonly main: number;
  readonly results: number;
  readonly events: number;
  readonly options: Omit<WorkerOptions, "tasks" | "modules">;
  readonly modules: readonly string[];
  readonly taskDefaults: CheckedDefaults;
  readonly payloadLimit: number | undefined;
}

/** What the thread tells. */
export type FromThread =
  | {
      readonly is: "log";
      readonly level: keyof Logger;
      readonly message: string;
      readonly data: Readonly<Record<string, unknown>> | undefined;
    }
  | { readonly is: "event"; readonly event: WorkerEvent; readonly args: readonly unknown[] }
  | { readonly is: "error"; readonly error: { readonly name: string; readonly code?: string; readonly message: string } };
/** What it is told. */
export interface ToThread {
  readonly stop: number;
}

export interface SyncThreadOptions {
  readonly stores: Stores;
  readonly worker: Pick<ThreadPlan, "options" | "modules" | "taskDefaults" | "payloadLimit">;
  readonly logger: Logger;
  readonly emit: (event: WorkerEvent, args: readonly unknown[]) => void;
  /** Told once, when the thread has ended though nobody asked it to. */
  readonly ended: () => void;
}

/** A module that is not imported by then never will be. */
const LONGEST_START = 60_000;
/** After the grace: the abort's second, the last writes, and the end of the thread. */
const AFTER_GRACE = 10_000;

/** What comes from the thread says already which part it is from. */
const OWN = { component: "worker" } as const;

export class SyncThread {
  readonly #state = new Int32Array(new SharedArrayBuffer(4));
  readonly #port: MessagePort;
  readonly #thread: Thread;
  readonly #options: SyncThreadOptions;
  readonly #exited: Promise<void>;
  /** What nobody in the thread caught. */
  #failure: string | undefined;
  /** Its end is no surprise. */
  #mayEnd = true;

  /** Returns when the worker runs. @throws SyncUnsupportedError, or what its start threw there. */
  constructor(options: SyncThreadOptions) {
    this.#options = options;
    const { MessageChannel, receiveMessageOnPort } = process.getBuiltinModule("node:worker_threads");
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const workerData: ThreadPlan = { state: this.#state, port: port2, ...placesOf(options.stores), ...options.worker };
    this.#thread = startThread("thread", { workerData, transferList: [port2] });
    this.#thread.on("error", (error: unknown) => {
      this.#failure = error instanceof Error ? error.message : String(error);
    });
    this.#exited = new Promise((resolve) => {
      this.#thread.once("exit", (code) => {
        this.#exit(code);
        resolve();
      });
    });
    if (Atomics.wait(this.#state, 0, STATE.starting, LONGEST_START) === "timed-out") {
      void this.#thread.terminate();
      throw new ModuleError(
        "MODULE_NOT_LOADED",
        `Expected the worker's thread to start within ${LONGEST_START / 1_000} s; a module may never end its import`,
      );
    }
    if (Atomics.load(this.#state, 0) !== STATE.running) {
      for (let next = receiveMessageOnPort(port1); next !== undefined; next = receiveMessageOnPort(port1))
        this.#hear(next.message as FromThread);
      void this.#thread.terminate();
      throw new OmniQError("THREAD_ENDED", "Expected the worker's thread to start, but it ended");
    }
    port1.on("message", (message: FromThread) => {
      this.#hear(message);
    });
    port1.unref();
    this.#mayEnd = false;
  }

  /** Whether it runs, as far as it told: this thread may have been blocked since. */
  get isRunning(): boolean {
    return Atomics.load(this.#state, 0) === STATE.running;
  }

  /** Blocks until the worker has stopped, or its thread has ended. */
  stopSync(grace: number): void {
    this.#ask(grace);
    const ended = Atomics.wait(this.#state, 0, STATE.running, grace + AFTER_GRACE);
    const { receiveMessageOnPort } = process.getBuiltinModule("node:worker_threads");
    for (let next = receiveMessageOnPort(this.#port); next !== undefined; next = receiveMessageOnPort(this.#port))
      this.#hear(next.message as FromThread);
    this.#port.close();
    if (ended === "timed-out") this.#options.logger.error("The thread of a worker did not stop in time and was ended", OWN);
    void this.#thread.terminate();
  }

  /** The same without blocking. */
  async stop(grace: number): Promise<void> {
    this.#ask(grace);
    const late = setTimeout(() => void this.#thread.terminate(), grace + AFTER_GRACE);
    await this.#exited;
    clearTimeout(late);
  }

  /** An error that nobody caught, `process.exit()`, no memory left: the thread is gone with all that ran in it. */
  #exit(exitCode: number): void {
    // Out of memory, it could not say so itself.
    Atomics.store(this.#state, 0, STATE.stopped);
    const { logger, emit, ended } = this.#options;
    const error = this.#failure;
    if (error !== undefined) logger.error("The thread of a worker failed", { ...OWN, error });
    if (this.#mayEnd) return;
    this.#mayEnd = true;
    if (error === undefined) logger.error("The thread of a worker ended, though nobody stopped it", { ...OWN, exitCode });
    ended();
    const why = error ?? `it was ended with exit code ${exitCode}`;
    emit("error", [new OmniQError("THREAD_ENDED", `Expected the worker's thread to run until it is stopped, but it ended: ${why}`)]);
  }

  #ask(grace: number): void {
    this.#mayEnd = true;
    const message: ToThread = { stop: grace };
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
    this.#port.postMessage(message);
  }

  #hear(message: FromThread): void {
    if (message.is === "log") this.#options.logger[message.level](message.message, message.data);
    else if (message.is === "event") this.#options.emit(message.event, message.args);
    else throw revived(message.error);
  }
}

/** How the thread opens the same places. @throws SyncUnsupportedError where one cannot be reached from a thread. */
function placesOf({ main, results, events, places }: Stores): Pick<ThreadPlan, "places" | "main" | "results" | "events"> {
  const options = places.map((place) => threadOptionsOf(place));
  return { places: options, main: places.indexOf(main), results: places.indexOf(results), events: places.indexOf(events) };
}

function threadOptionsOf(backend: Backend): object {
  const options: unknown = "threadOptions" in backend ? backend.threadOptions : undefined;
  if (typeof options !== "object" || options === null) {
    throw new SyncUnsupportedError(
      `Expected a backend that a thread can open again for startSync(), got "${backend.traits.name}" ${backend.traits.processes === "one" ? "in memory" : "over a connection of yours"}`,
    );
  }
  return options;
}

/** The class of an error is lost on its way from the thread; its code and name are not. */
function revived({
  name,
  code = "THREAD_ENDED",
  message,
}: {
  readonly name: string;
  readonly code?: string;
  readonly message: string;
}): Error {
  const WITH_CODE: Readonly<Record<string, typeof OmniQError>> = {
    ClosedError: errors.ClosedError,
    ConfigError: errors.ConfigError,
    ConnectionError: errors.ConnectionError,
    InvalidOptionError: errors.InvalidOptionError,
    ModuleError: errors.ModuleError,
    PayloadError: errors.PayloadError,
    StorageError: errors.StorageError,
  };
  return new (WITH_CODE[name] ?? OmniQError)(code, message);
}

/** An error as it can be sent. */
export function sent(error: unknown): Extract<FromThread, { is: "error" }> {
  const { name, message, code } = toFailure(error);
  return { is: "error", error: { name, message, ...(code === undefined ? {} : { code }) } };
}
