/** A task as people make, read and change it: the seed's `Task`. */
import type { Clock } from "../core/clock.ts";
import { expected, IllegalTransitionError } from "../core/errors.ts";
import { refuseUnknown } from "../core/nearest.ts";
import { DEFAULT_POLICY, FINALS, isLegal } from "../core/task.ts";
import type { Backoff, Phase, TaskStatus as Status } from "../core/task.ts";
import { DEFAULTS } from "./defaults.ts";
import type { ModelTools } from "./defaults.ts";
import {
  date,
  expiry,
  flag,
  INSPECT,
  isPlain,
  maybeDate,
  maybeDuration,
  maybeText,
  maybeWhole,
  plain,
  text,
  texts,
  whole,
  word,
} from "./fields.ts";
import type { Given } from "./fields.ts";
import { fromBytes, fromJson, keysOf, toBytes, toJson } from "./json.ts";

/** The stored status of a task, for people. `failed` with a `nextRetryAt` will run again. */
export type TaskStatus = Status;
export const TaskStatus = Object.freeze({
  Pending: "pending",
  Running: "running",
  Completed: "completed",
  Failed: "failed",
  Cancelled: "cancelled",
  Expired: "expired",
} as const satisfies Record<string, Status>);

const STATUSES: readonly Status[] = ["pending", "running", ...FINALS];

/** A parent: its id, or its id with what becomes of this task when it ends other than completed (default `cancel`). */
export type Dependency = string | { on: string; ifFailed: "cancel" | "run" };

/** Every field of a task, and how it stands in JSON. */
const TASK_FIELDS = {
  id: "plain",
  func: "plain",
  funcArgs: "any",
  funcKwargs: "payload",
  queueName: "plain",
  name: "plain",
  description: "plain",
  tags: "plain",
  priority: "plain",
  status: "plain",
  runAt: "time",
  createdAt: "time",
  startedAt: "time",
  completedAt: "time",
  ttl: "plain",
  expiresAt: "time",
  dependsOn: "plain",
  callback: "plain",
  callbackArgs: "payload",
  retryCount: "plain",
  maxRetries: "plain",
  retryDelay: "plain",
  nextRetryAt: "time",
  resultTtl: "plain",
  storeResult: "plain",
  timeout: "plain",
  backoff: "plain",
  atMostOnce: "plain",
  maxCrashes: "plain",
  attempt: "plain",
  crashCount: "plain",
  scheduleId: "plain",
  fence: "plain",
  revision: "plain",
  reason: "plain",
} as const;
export type TaskField = keyof typeof TASK_FIELDS;

/** The fields of a new task. Only `func` is needed; `null` counts as absent. Times are `Date`, durations milliseconds or text such as `"5s"`. */
export type TaskInit = { readonly func: string } & Given<Task, Exclude<TaskField, "func">, "ttl" | "retryDelay" | "resultTtl" | "timeout">;

/**
 * One task: a plain mutable object whose getters look at the present values. Changing it changes nothing in a queue;
 * `TaskQueue.updateTask` does.
 */
export class Task {
  /** Default: a new UUIDv7. */
  id: string;
  /** The name of a definition (`defineTask({ name })`), matched exactly; never a path. */
  func: string;
  /** What the handler gets. Default `{}`. */
  funcArgs: unknown;
  /** More arguments, merged into `funcArgs` where there are any. Default `{}`. */
  funcKwargs: Record<string, unknown>;
  /** Default `default`. */
  queueName: string;
  /** A label for people. Default: `func`. */
  name: string;
  description: string | undefined;
  /** Default `[]`. */
  tags: string[];
  /** Higher first. Default 0. */
  priority: number;
  /** Default `pending`. */
  status: Status;
  /** Not to be started before. Default: at once. */
  runAt: Date | undefined;
  /** Default: now. */
  createdAt: Date;
  startedAt: Date | undefined;
  completedAt: Date | undefined;
  /** Milliseconds from `createdAt` in which it must be started; zero or less: already expired. Default: no limit. */
  ttl: number | undefined;
  /** Default: `createdAt + ttl`. */
  expiresAt: Date | undefined;
  /** Tasks that must have ended before. Default `[]`. */
  dependsOn: Dependency[];
  /** The definition's name of the task that is enqueued when this one ends. */
  callback: string | undefined;
  /** Default `{}`. */
  callbackArgs: Record<string, unknown>;
  /** Retries granted after failures. */
  retryCount: number;
  /** Default 3: at most four runs that fail. */
  maxRetries: number;
  /** Milliseconds before a retry. Default 5,000. */
  retryDelay: number;
  /** When the granted retry is due. */
  nextRetryAt: Date | undefined;
  /** Milliseconds for which the result is kept. Default: no limit of its own. */
  resultTtl: number | undefined;
  /** Default true. */
  storeResult: boolean;
  /** Milliseconds that one attempt may run. Default: no limit. */
  timeout: number | undefined;
  /** Default `fixed`. */
  backoff: Backoff;
  /** After a crash: failed instead of running again. Default false. */
  atMostOnce: boolean;
  /** Crashes after which it is failed as `poison`. Default 3. */
  maxCrashes: number;
  /** Runs started, those given back or snoozed not counted. */
  attempt: number;
  crashCount: number;
  /** The schedule that made it. */
  scheduleId: string | undefined;
  /** The claim that came with this object: who shows the current one may change the status. */
  fence: number | undefined;
  /** The version of the row that was read: who shows the current one may edit. */
  revision: number | undefined;
  /** Why it was cancelled, or failed without an error of its handler. */
  reason: string | undefined;
  readonly #clock: Clock;
  /** Where the store said that it stands, as long as the status is still the one that was read with it. */
  #read: { readonly status: Status; readonly phase: Phase } | undefined;

  /**
   * @param tools clock and maker of ids; default the machine's.
   * @throws InvalidOptionError for a wrong value or an unknown field.
   */
  constructor(init: TaskInit, tools: ModelTools = {}) {
    refuseUnknown(init, keysOf(TASK_FIELDS), "a task");
    this.#clock = tools.clock ?? DEFAULTS.clock;
    this.id = text(init.id ?? (tools.newId ?? DEFAULTS.newId)(), "id");
    this.func = text(init.func, "func");
    this.funcArgs = init.funcArgs ?? {};
    this.funcKwargs = plain(init.funcKwargs ?? {}, "funcKwargs");
    this.queueName = text(init.queueName ?? "default", "queueName");
    this.name = maybeText(init.name, "name") ?? this.func;
    this.description = maybeText(init.description, "description");
    this.tags = texts(init.tags ?? [], "tags");
    this.priority = whole(init.priority ?? 0, "priority");
    this.status = word(init.status ?? "pending", "status", STATUSES);
    this.runAt = maybeDate(init.runAt, "runAt");
    this.createdAt = date(init.createdAt ?? new Date(this.#clock.now()), "createdAt");
    this.startedAt = maybeDate(init.startedAt, "startedAt");
    this.completedAt = maybeDate(init.completedAt, "completedAt");
    this.ttl = maybeDuration(init.ttl, "ttl", true);
    this.expiresAt = expiry(init.expiresAt, this.createdAt, this.ttl);
    this.dependsOn = dependencies(init.dependsOn ?? []);
    this.callback = maybeText(init.callback, "callback");
    this.callbackArgs = plain(init.callbackArgs ?? {}, "callbackArgs");
    this.retryCount = whole(init.retryCount ?? 0, "retryCount", 0);
    this.maxRetries = whole(init.maxRetries ?? DEFAULT_POLICY.maxRetries, "maxRetries", 0);
    this.retryDelay = maybeDuration(init.retryDelay, "retryDelay") ?? DEFAULT_POLICY.retryDelay;
    this.nextRetryAt = maybeDate(init.nextRetryAt, "nextRetryAt");
    this.resultTtl = maybeDuration(init.resultTtl, "resultTtl");
    this.storeResult = flag(init.storeResult ?? DEFAULT_POLICY.storeResult, "storeResult");
    this.timeout = maybeDuration(init.timeout, "timeout");
    this.backoff = word(init.backoff ?? DEFAULT_POLICY.backoff, "backoff", ["fixed", "exponential"]);
    this.atMostOnce = flag(init.atMostOnce ?? DEFAULT_POLICY.atMostOnce, "atMostOnce");
    this.maxCrashes = whole(init.maxCrashes ?? DEFAULT_POLICY.maxCrashes, "maxCrashes", 1);
    this.attempt = whole(init.attempt ?? 0, "attempt", 0);
    this.crashCount = whole(init.crashCount ?? 0, "crashCount", 0);
    this.scheduleId = maybeText(init.scheduleId, "scheduleId");
    this.fence = maybeWhole(init.fence, "fence");
    this.revision = maybeWhole(init.revision, "revision");
    this.reason = maybeText(init.reason, "reason");
  }

  /** Whether its time has come: `nextRetryAt`, else `runAt`, is absent or reached. Looks at nothing else. */
  get isReady(): boolean {
    const due = this.nextRetryAt ?? this.runAt;
    return due === undefined || due.getTime() <= this.#clock.now();
  }

  /**
   * Where it stands, precisely: as the store said when it was read (`blocked` and waiting to be cancelled show in the store alone),
   * else what its own fields say.
   */
  get phase(): Phase {
    if (this.#read?.status === this.status) return this.#read.phase;
    if (this.status === "pending") return this.isReady ? "ready" : "delayed";
    if (this.status === "failed" && this.nextRetryAt !== undefined) return this.isReady ? "ready" : "retrying";
    return this.status;
  }

  /** Notes what the store says of a task that was read. */
  static placed(task: Task, phase: Phase): Task {
    task.#read = { status: task.status, phase };
    return task;
  }

  /** Whether `expiresAt` is reached, whatever the status. */
  get isExpired(): boolean {
    return this.expiresAt !== undefined && this.expiresAt.getTime() <= this.#clock.now();
  }

  /** Whether a retry is left. */
  get canRetry(): boolean {
    return this.retryCount < this.maxRetries;
  }

  /**
   * It runs now. Legal on a task that was dequeued (running, not started yet), too.
   * @throws IllegalTransitionError
   */
  markStarted(): void {
    if (this.status !== "running" || this.startedAt !== undefined) this.#become("running");
    this.startedAt = this.#now();
    this.completedAt = undefined;
    this.nextRetryAt = undefined;
  }

  /** It has done its work now. @throws IllegalTransitionError */
  markCompleted(): void {
    this.#become("completed");
    this.completedAt = this.#now();
  }

  /**
   * It has failed now, for good unless `nextRetryAt` is set afterwards.
   * @param reason in a sentence, for people.
   * @throws IllegalTransitionError
   */
  markFailed(reason?: string): void {
    this.#become("failed");
    this.completedAt = this.#now();
    this.nextRetryAt = undefined;
    this.reason = reason ?? this.reason;
  }

  /** Counts one more retry; looks at no status. */
  incrementRetry(): void {
    this.retryCount += 1;
  }

  /** Plain JSON without absent fields: times in ISO 8601, durations in milliseconds; arguments that JSON cannot keep in the tagged form. */
  toJSON(): Record<string, unknown> {
    return toJson(this, TASK_FIELDS);
  }

  /**
   * The task that `toJSON` wrote; takes `null` for absent, `Date` for ISO text, and keys in snake_case, too.
   * @throws InvalidOptionError for a wrong value or an unknown key, with the nearest known one.
   */
  static fromJSON(data: unknown, tools?: ModelTools): Task {
    const { init, tagged } = fromJson<TaskField, TaskInit>(data, TASK_FIELDS, "a task");
    const task = new Task(init, tools);
    // Written by `toJSON`: then `null` and `undefined` are the arguments themselves.
    if (tagged.has("funcArgs")) task.funcArgs = init.funcArgs;
    return task;
  }

  /** `toJSON` as UTF-8. */
  serialize(): Uint8Array {
    return toBytes(this.toJSON());
  }

  /** @throws PayloadError `PAYLOAD_UNREADABLE` when the bytes are not what `serialize` made. */
  static deserialize(bytes: Uint8Array, tools?: ModelTools): Task {
    return Task.fromJSON(fromBytes(bytes), tools);
  }

  /** Whether both are the same task: the ids count, nothing else. */
  equals(other: unknown): boolean {
    return other instanceof Task && other.id === this.id;
  }

  toString(): string {
    const label = this.name === this.func ? "" : ` ${JSON.stringify(this.name)}`;
    return `Task(${this.id}${label} func=${this.func} ${this.status})`;
  }

  [INSPECT](): string {
    return this.toString();
  }

  #become(status: Status): void {
    if (!isLegal(this.status, status, this.nextRetryAt !== undefined)) throw new IllegalTransitionError(this.id, this.status, status);
    this.status = status;
  }

  #now(): Date {
    return new Date(this.#clock.now());
  }
}

function dependencies(value: unknown): Dependency[] {
  if (!Array.isArray(value)) throw expected("dependsOn", "a list of task ids", value);
  return value.map((each: unknown, i) => {
    const name = `dependsOn[${i}]`;
    if (!isPlain(each)) return text(each, name);
    refuseUnknown(each, ["on", "ifFailed"], name);
    return { on: text(each["on"], `${name}.on`), ifFailed: word(each["ifFailed"] ?? "cancel", `${name}.ifFailed`, ["cancel", "run"]) };
  });
}
