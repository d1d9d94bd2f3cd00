/**
 * What a program sees of a typed task: the reference that it enqueues, the definition that it runs, the handle that it waits with
 * and the context that its handler gets. Types only; definition.ts makes the objects.
 */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Duration } from "../core/duration.ts";
import type { TaskId } from "../core/record.ts";
import type { Backoff, Final } from "../core/task.ts";
import type { Task } from "../models/task.ts";
import type { TaskEvent } from "../models/event.ts";

/** What a definition, an enqueue or a schedule may say of how a task is run. */
export interface TaskDefaults {
  /** The queue it waits in. Default `"default"`. */
  readonly queueName?: string | undefined;
  /** A whole number; higher is taken first. Default 0. */
  readonly priority?: number | undefined;
  /** Words to find it by. Given ones replace those of the definition. */
  readonly tags?: readonly string[] | undefined;
  /** Retries after failures; 3 (the default) means at most four runs that fail. */
  readonly maxRetries?: number | undefined;
  /** The wait before a retry. Default 5 s. */
  readonly retryDelay?: Duration | undefined;
  /** `"fixed"` (default): exactly `retryDelay`. `"exponential"`: doubled each time, ±20 %, at most 1 h. */
  readonly backoff?: Backoff | undefined;
  /** The longest one attempt may run; then `ctx.signal` aborts and the attempt has failed. Default: no limit. */
  readonly timeout?: Duration | undefined;
  /** How long after its creation it may still be started; later it is `expired`. Default: for ever. */
  readonly ttl?: Duration | undefined;
  /** How long its result can be read. Default: until cleanup. */
  readonly resultTtl?: Duration | undefined;
  /** Whether its result is kept. Default true. */
  readonly storeResult?: boolean | undefined;
  /** After a crash of its worker: failed instead of run again. Default false. */
  readonly atMostOnce?: boolean | undefined;
  /** Crashes after which it is failed as poison. Default 3. */
  readonly maxCrashes?: number | undefined;
}

/** The same options, checked, with every duration in milliseconds. */
export interface CheckedDefaults extends TaskDefaults {
  readonly retryDelay?: number | undefined;
  readonly timeout?: number | undefined;
  readonly ttl?: number | undefined;
  readonly resultTtl?: number | undefined;
}

/** Only one task with this key at a time, per definition. */
export interface UniqueOptions {
  readonly key: string;
  /** How long the key is held: until the task has ended (default), until it has started, or for so long from now. */
  readonly until?: "started" | "finished" | Duration | undefined;
  /** What becomes of a second one: `"keep"` (default) answers the first, `"replace"` gives the first the new arguments, `"throw"` refuses: an occurrence of a schedule is skipped. */
  readonly onConflict?: "keep" | "replace" | "throw" | undefined;
}

/** A parent: its id or handle. `ifFailed` says what becomes of this task when the parent ends other than completed. Default `"cancel"`. */
export type Dependency = TaskId | AnyHandle | { readonly on: TaskId | AnyHandle; readonly ifFailed?: "cancel" | "run" | undefined };

/** Everything an enqueue may say. What is absent comes from the definition, then from the configuration, then from the defaults. */
export interface EnqueueOptions extends TaskDefaults {
  /** Default: a new UUIDv7. Enqueueing the same call again with the same id does nothing. */
  readonly id?: TaskId | undefined;
  /** A name for people. */
  readonly label?: string | undefined;
  readonly description?: string | undefined;
  /** Not before this time. */
  readonly runAt?: Date | undefined;
  /** Not before so long from now; not together with `runAt`. */
  readonly runIn?: Duration | undefined;
  readonly dependsOn?: readonly Dependency[] | undefined;
  /** Enqueued in the transaction that ends this task, whatever the end, with `{ ...callbackArgs, taskId, status, result, error }`. */
  readonly callback?: TaskReference | string | undefined;
  readonly callbackArgs?: Readonly<Record<string, unknown>> | undefined;
  readonly unique?: UniqueOptions | undefined;
}

/** `tx`: write within the caller's own open transaction, where the backend can. */
export type TxOption<Tx> = [Tx] extends [never] ? { readonly tx?: undefined } : { readonly tx?: Tx | undefined };

/** An open connection of `node:sqlite` or `better-sqlite3`, with a transaction of yours under way. */
export interface SQLiteHandle {
  exec(sql: string): unknown;
  prepare(sql: string): unknown;
}

/** What a callback's handler gets, beside the caller's own `callbackArgs`. */
export interface Ended<R = unknown> {
  readonly taskId: TaskId;
  readonly status: Final;
  readonly result: R | undefined;
  /** `Name: message`. */
  readonly error: string | undefined;
}

/** A type-only carrier: `in` is what enqueue takes, `out` what `result()` gives. Never there at run time. */
declare const types: unique symbol;

/** A task as a value: enough to enqueue it, also where its handler is not. */
export interface TaskReference<in In = never, out R = unknown> {
  /** Its name in the store. */
  readonly name: string;
  /** Earlier names, which a worker still serves. */
  readonly aliases: readonly string[];
  readonly defaults: CheckedDefaults;
  readonly input: StandardSchemaV1 | undefined;
  readonly output: StandardSchemaV1 | undefined;
  readonly [types]?: { readonly in: (args: In) => void; readonly out: () => R };
  /** This task with its arguments, for `enqueueMany`. */
  with(args: In, options?: EnqueueOptions): CallOf<TaskReference<In, R>>;
}

/** Computes the wait before a retry from the number of retries granted before (0 first) and what the handler threw. */
export type BackoffFunction = (retryCount: number, error: unknown) => Duration;

/** A reference that this program can run. */
export interface TaskDefinition<in In = never, out R = unknown> extends TaskReference<In, R> {
  readonly handler: (args: never, ctx: Context) => unknown;
  /** Whether an error is worth a retry; absent: every one but a FatalError. */
  readonly retryIf: ((error: unknown) => boolean) | undefined;
  /** A function computes the wait in the worker, whatever the row says. */
  readonly backoff: Backoff | BackoffFunction | undefined;
}

/** A reference whose handler is still to come: made by `defineTask` without `handler`. */
export interface TaskStub<in In, in out HIn, in out R, in out HR> extends TaskReference<In, R> {
  /** The worker's half: this reference with its handler. */
  implement(handler: (args: HIn, ctx: Context) => HR | Promise<HR>): TaskDefinition<In, R>;
}

/** What `enqueue` takes for a task. */
export type InOf<T> = T extends TaskReference<infer In> ? In : never;
/** What `result()` gives for a task. */
export type OutOf<T> = T extends TaskReference<never, infer R> ? R : never;
/** The rest of an enqueue's arguments: a task without arguments needs none, one whose arguments may be absent may leave them out. */
export type Rest<In, O> = [In] extends [void] ? [args?: undefined, options?: O] : [args: In, options?: O];

/** A task with its arguments; for one without, `task.with()` makes it. */
export interface CallOf<T extends TaskReference> {
  readonly task: T;
  readonly args: InOf<T>;
  readonly options?: EnqueueOptions | undefined;
}

/** What happened to a task that was to be cancelled: ended now; asked to stop, since it runs; had ended before; is not there. */
export type Cancelled = "cancelled" | "asked" | "final" | "missing";

/** A task that was enqueued: to wait for its result, look at it, or cancel it. */
export interface TaskHandle<out R = unknown> {
  readonly id: TaskId;
  /** False when the call found the task there already: the same id again, or the holder of the unique key. */
  readonly created: boolean;
  /**
   * Waits for the end of the task, in whatever process it runs.
   * @throws TaskFailedError, TaskCancelledError, TaskExpiredError when it ended so; ResultTimeoutError after `timeout` (the task goes
   * on); ResultExpiredError, ResultNotStoredError when it completed and its value cannot be read; TaskNotFoundError when it was
   * deleted; ClosedError when the OmniQ was closed meanwhile; the signal's reason when it aborts.
   */
  result(options?: { readonly timeout?: Duration | undefined; readonly signal?: AbortSignal | undefined }): Promise<R>;
  /** The task as it is now; undefined when it was deleted. */
  get(): Promise<Task | undefined>;
  /** Cancels it: at once where it does not run; else its `ctx.signal` aborts and it ends when its handler does. */
  cancel(reason?: string): Promise<Cancelled>;
  /** Its events, oldest first, at most 1,000. */
  events(): Promise<readonly TaskEvent[]>;
}
export type AnyHandle = TaskHandle;

/** Where OmniQ writes what people should know. Never given a payload. */
export interface Logger {
  debug(message: string, data?: Readonly<Record<string, unknown>>): void;
  info(message: string, data?: Readonly<Record<string, unknown>>): void;
  warn(message: string, data?: Readonly<Record<string, unknown>>): void;
  error(message: string, data?: Readonly<Record<string, unknown>>): void;
}

/** What became of a parent. */
export interface ParentResult {
  readonly taskId: TaskId;
  readonly status: Final;
  /** Its value, where it completed and the value can be read. */
  readonly result: unknown;
  /** `Name: message` where it failed. */
  readonly error: string | undefined;
}

/** What a handler is given beside its arguments. It may be taken apart: `({ url }, { signal, progress }) => …`. */
export interface Context {
  readonly id: TaskId;
  /** 1 at the first run; those given back or snoozed are not counted. */
  readonly attempt: number;
  /** Grows with each claim: to guard the handler's own writes against an earlier run that still lives. */
  readonly fence: number;
  readonly task: Task;
  /** Aborts on timeout, on cancellation, and when the worker stops and the grace is over. */
  readonly signal: AbortSignal;
  /** Written with the task's id and name. */
  readonly log: Logger;
  /** Tells how far it is, from 0 to 1; at most one a 250 ms is stored. */
  readonly progress: (fraction: number, note?: string) => void;
  /** Enqueues a task whose id comes from this one and the number of the call, so that a second attempt makes no second child. */
  readonly enqueue: <T extends TaskReference>(task: T, ...rest: Rest<InOf<T>, EnqueueOptions>) => Promise<TaskHandle<OutOf<T>>>;
  /** What the tasks in `dependsOn` came to, in that order. */
  readonly parentResults: () => Promise<readonly ParentResult[]>;
  /** Ends this attempt as failed and asks for a retry, after `after` or the task's own delay. Throws: write `return ctx.retry()`. */
  readonly retry: (options?: { readonly after?: Duration | undefined }) => never;
  /** Ends this attempt and runs the task again later; counts neither as a retry nor as a failure. */
  readonly snooze: (options: { readonly after: Duration }) => never;
  /** Ends the task as cancelled. */
  readonly discard: (options: { readonly reason: string }) => never;
}
