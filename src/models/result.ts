/** What a run came to, as people read it: the seed's `TaskResult`. One a task, the latest attempt's. */
import type { Clock } from "../core/clock.ts";
import { milliseconds } from "../core/duration.ts";
import { expected } from "../core/errors.ts";
import { refuseUnknown } from "../core/nearest.ts";
import type { ResultStatus as Status } from "../core/result.ts";
import { DEFAULTS } from "./defaults.ts";
import type { ModelTools } from "./defaults.ts";
import { date, expiry, INSPECT, maybeDate, maybeDuration, maybeText, maybeWhole, text, whole, word } from "./fields.ts";
import type { Given } from "./fields.ts";
import { fromBytes, fromJson, keysOf, toBytes, toJson } from "./json.ts";

export type ResultStatus = Status;
export const ResultStatus = Object.freeze({ Completed: "completed", Failed: "failed" } as const satisfies Record<string, Status>);

/** Every field of a result, and how it stands in JSON. */
const RESULT_FIELDS = {
  taskId: "plain",
  status: "plain",
  result: "payload",
  error: "plain",
  errorTraceback: "plain",
  createdAt: "time",
  startedAt: "time",
  completedAt: "time",
  ttl: "plain",
  expiresAt: "time",
  executionTime: "plain",
  workerId: "plain",
  retryCount: "plain",
  scheduleId: "plain",
  fence: "plain",
} as const;
type ResultField = keyof typeof RESULT_FIELDS;

/** The fields of a new result. `null` counts as absent, but is a value of its own as the `result` of a completed task. */
export type ResultInit = { readonly taskId: string; readonly status: Status } & Given<
  TaskResult,
  Exclude<ResultField, "taskId" | "status">,
  "ttl" | "executionTime"
>;

/** One result: a plain mutable object whose getters look at the present values. */
export class TaskResult {
  taskId: string;
  status: Status;
  /** What the handler returned. */
  result: unknown;
  /** What it threw, as `Name: message`. */
  error: string | undefined;
  /** The stack of what it threw. */
  errorTraceback: string | undefined;
  /** Default: now. */
  createdAt: Date;
  startedAt: Date | undefined;
  completedAt: Date | undefined;
  /** Milliseconds from `createdAt` for which it is kept; zero or less: already expired. Default: no limit. */
  ttl: number | undefined;
  /** Default: `createdAt + ttl`. */
  expiresAt: Date | undefined;
  /** Milliseconds that the handler ran. */
  executionTime: number | undefined;
  workerId: string | undefined;
  /** Retries granted before. Default 0. */
  retryCount: number;
  /** The schedule that made the task. */
  scheduleId: string | undefined;
  /**
   * Of the claim that it is the result of: `task.fence` of a task that `dequeue()` answered. With it, a late holder's result never replaces
   * that of a later claim. Without, it replaces none that is known to be of the current one.
   */
  fence: number | undefined;
  readonly #clock: Clock;

  /** @throws InvalidOptionError for a wrong value or an unknown field. */
  constructor(init: ResultInit, tools: ModelTools = {}) {
    refuseUnknown(init, keysOf(RESULT_FIELDS), "a result");
    this.#clock = tools.clock ?? DEFAULTS.clock;
    this.taskId = text(init.taskId, "taskId");
    this.status = word(init.status, "status", ["completed", "failed"]);
    this.result = init.result === null && this.status === "failed" ? undefined : init.result;
    this.error = maybeText(init.error, "error");
    this.errorTraceback = maybeText(init.errorTraceback, "errorTraceback");
    this.createdAt = date(init.createdAt ?? new Date(this.#clock.now()), "createdAt");
    this.startedAt = maybeDate(init.startedAt, "startedAt");
    this.completedAt = maybeDate(init.completedAt, "completedAt");
    this.ttl = maybeDuration(init.ttl, "ttl", true);
    this.expiresAt = expiry(init.expiresAt, this.createdAt, this.ttl);
    this.executionTime = measured(init.executionTime);
    this.workerId = maybeText(init.workerId, "workerId");
    this.retryCount = whole(init.retryCount ?? 0, "retryCount", 0);
    this.scheduleId = maybeText(init.scheduleId, "scheduleId");
    this.fence = maybeWhole(init.fence, "fence");
  }

  /** Whether `expiresAt` is reached. */
  get isExpired(): boolean {
    return this.expiresAt !== undefined && this.expiresAt.getTime() <= this.#clock.now();
  }

  /** Plain JSON without absent fields; a result that JSON cannot keep stands in the tagged form. */
  toJSON(): Record<string, unknown> {
    return toJson(this, RESULT_FIELDS);
  }

  /**
   * The result that `toJSON` wrote; takes `null` for absent, `Date` for ISO text, and keys in snake_case, too.
   * @throws InvalidOptionError for a wrong value or an unknown key, with the nearest known one.
   */
  static fromJSON(data: unknown, tools?: ModelTools): TaskResult {
    return new TaskResult(fromJson<ResultField, ResultInit>(data, RESULT_FIELDS, "a result").init, tools);
  }

  /** `toJSON` as UTF-8. */
  serialize(): Uint8Array {
    return toBytes(this.toJSON());
  }

  /** @throws PayloadError `PAYLOAD_UNREADABLE` when the bytes are not what `serialize` made. */
  static deserialize(bytes: Uint8Array, tools?: ModelTools): TaskResult {
    return TaskResult.fromJSON(fromBytes(bytes), tools);
  }

  /** Whether both are results of the same task. */
  equals(other: unknown): boolean {
    return other instanceof TaskResult && other.taskId === this.taskId;
  }

  toString(): string {
    return `TaskResult(${this.taskId} ${this.status}${this.error === undefined ? "" : ` ${JSON.stringify(this.error)}`})`;
  }

  [INSPECT](): string {
    return this.toString();
  }
}

/** A measured time keeps its fractions of a millisecond; text is a duration. */
export function measured(value: unknown): number | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof value !== "number") return milliseconds(value, "executionTime");
  if (!Number.isFinite(value) || value < 0) throw expected("executionTime", "milliseconds of at least 0", value);
  return value;
}
