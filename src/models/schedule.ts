/** When a task is to run again and again, or once, as people make and change it: the seed's `Schedule`. */
import { calendarTime } from "../core/calendar.ts";
import type { Clock } from "../core/clock.ts";
import { IllegalTransitionError } from "../core/errors.ts";
import { refuseUnknown } from "../core/nearest.ts";
import { firstOccurrence, occurrenceAfter } from "../core/schedule.ts";
import type { CatchUp, Overlap, Rule, SchedulePolicy, ScheduleStatus as Status, ScheduleType as Type, Timing } from "../core/schedule.ts";
import { DEFAULTS } from "./defaults.ts";
import type { ModelTools } from "./defaults.ts";
import { date, INSPECT, maybeDate, maybeDuration, maybeText, maybeWhole, text, texts, whole, word } from "./fields.ts";
import type { Given } from "./fields.ts";
import { fromBytes, fromJson, keysOf, toBytes, toJson } from "./json.ts";
import { catchUpOf, policyOf, ruleOf, typeOf } from "./timing.ts";

/** `timestamp`: once, at `runAt`. `once`: once, as soon as possible. */
export type ScheduleType = Type;
export const ScheduleType = Object.freeze({
  Cron: "cron",
  Interval: "interval",
  Timestamp: "timestamp",
  Once: "once",
} as const satisfies Record<string, Type>);

export type ScheduleStatus = Status;
export const ScheduleStatus = Object.freeze({
  Active: "active",
  Paused: "paused",
  Completed: "completed",
} as const satisfies Record<string, Status>);

/** Every field of a schedule, and how it stands in JSON. */
const SCHEDULE_FIELDS = {
  id: "plain",
  taskId: "plain",
  scheduleType: "plain",
  cronExpression: "plain",
  timezone: "plain",
  interval: "plain",
  runAt: "time",
  maxRuns: "plain",
  startAt: "time",
  endAt: "time",
  jitter: "plain",
  catchUp: "plain",
  overlap: "plain",
  status: "plain",
  createdAt: "time",
  lastRunAt: "time",
  nextRunAt: "time",
  runCount: "plain",
  lastTaskId: "plain",
  pausedAt: "time",
  resumedAt: "time",
  name: "plain",
  description: "plain",
  tags: "plain",
  revision: "plain",
} as const;
type ScheduleField = keyof typeof SCHEDULE_FIELDS;

/** The fields of a new schedule. `null` counts as absent. At most one of `cronExpression`, `interval` and `runAt`; none is `once`. */
export type ScheduleInit = Given<Schedule, ScheduleField, "interval" | "jitter">;

/** One schedule: a plain mutable object whose getters look at the present values. */
export class Schedule {
  /** Default: a new UUIDv7. */
  id: string;
  /** The task that is copied for each occurrence. */
  taskId: string | undefined;
  /** Default: as the trigger that is given says. */
  scheduleType: Type;
  /** 5 or 6 fields, or a nickname such as `@daily`. */
  cronExpression: string | undefined;
  /** The IANA time zone of `cronExpression`. Default `UTC`. */
  timezone: string;
  /** Milliseconds between two occurrences, at least 1. */
  interval: number | undefined;
  /** The one time of a `timestamp`. */
  runAt: Date | undefined;
  /** Occurrences after which it is completed. Default: no limit. */
  maxRuns: number | undefined;
  /** No occurrence is earlier, one at exactly this time counts; intervals are counted from it. */
  startAt: Date | undefined;
  /** No occurrence is later, one at exactly this time counts. */
  endAt: Date | undefined;
  /** Milliseconds by which each task may start later than its occurrence, by chance. */
  jitter: number | undefined;
  /** Which of the occurrences are fired that nobody fired in time. Default `latest`. */
  catchUp: CatchUp;
  /** Whether an occurrence is fired while a task of an earlier one has not ended. Default `allow`, the only one for what runs once. */
  overlap: Overlap;
  /** Default `active`. */
  status: Status;
  /** Default: now. */
  createdAt: Date;
  lastRunAt: Date | undefined;
  /** Default: the first occurrence, while it is active. */
  nextRunAt: Date | undefined;
  runCount: number;
  /** The task of the last run. */
  lastTaskId: string | undefined;
  pausedAt: Date | undefined;
  resumedAt: Date | undefined;
  name: string | undefined;
  description: string | undefined;
  /** Default `[]`. */
  tags: string[];
  /** The version of the row that was read: who shows the current one may edit. */
  revision: number | undefined;
  readonly #clock: Clock;

  /** @throws InvalidOptionError for a wrong value, an unknown field, two triggers at once, or one that the type does not go with. */
  constructor(init: ScheduleInit, tools: ModelTools = {}) {
    refuseUnknown(init, keysOf(SCHEDULE_FIELDS), "a schedule");
    this.#clock = tools.clock ?? DEFAULTS.clock;
    this.id = text(init.id ?? (tools.newId ?? DEFAULTS.newId)(), "id");
    this.taskId = maybeText(init.taskId, "taskId");
    this.cronExpression = maybeText(init.cronExpression, "cronExpression");
    this.timezone = text(init.timezone ?? "UTC", "timezone");
    this.interval = maybeDuration(init.interval, "interval");
    this.runAt = maybeDate(init.runAt, "runAt");
    this.scheduleType = word(init.scheduleType ?? typeOf(this), "scheduleType", ["cron", "interval", "timestamp", "once"]);
    this.maxRuns = maybeWhole(init.maxRuns, "maxRuns", 1);
    this.startAt = maybeDate(init.startAt, "startAt");
    this.endAt = maybeDate(init.endAt, "endAt");
    this.jitter = maybeDuration(init.jitter, "jitter");
    this.catchUp = catchUpOf(init.catchUp ?? "latest");
    this.overlap = word(init.overlap ?? "allow", "overlap", ["allow", "skip"]);
    this.status = word(init.status ?? "active", "status", ["active", "paused", "completed"]);
    this.createdAt = date(init.createdAt ?? this.#now(), "createdAt");
    this.lastRunAt = maybeDate(init.lastRunAt, "lastRunAt");
    this.runCount = whole(init.runCount ?? 0, "runCount", 0);
    this.lastTaskId = maybeText(init.lastTaskId, "lastTaskId");
    this.pausedAt = maybeDate(init.pausedAt, "pausedAt");
    this.resumedAt = maybeDate(init.resumedAt, "resumedAt");
    this.name = maybeText(init.name, "name");
    this.description = maybeText(init.description, "description");
    this.tags = texts(init.tags ?? [], "tags");
    this.revision = maybeWhole(init.revision, "revision");
    const first = firstOccurrence(this.#timing(), this.createdAt.getTime());
    this.nextRunAt = maybeDate(init.nextRunAt, "nextRunAt") ?? (this.status === "active" ? maybe(first) : undefined);
  }

  /**
   * When it fires, of the present values.
   * @throws InvalidOptionError when a trigger is missing, wrong, or not the type's.
   */
  get rule(): Rule {
    return ruleOf(this);
  }

  /**
   * How its occurrences are taken, of the present values.
   * @throws InvalidOptionError when one is wrong, or does not go with its type.
   */
  get policy(): SchedulePolicy {
    return policyOf(this);
  }

  /** Whether it is active and its next time is reached. */
  get isReady(): boolean {
    return this.status === "active" && this.nextRunAt !== undefined && this.nextRunAt.getTime() <= this.#clock.now();
  }

  /** Stops it; a paused one stays as it is. @throws IllegalTransitionError when it is completed. */
  pause(): void {
    if (this.status === "paused") return;
    this.#expectActive("paused");
    this.status = "paused";
    this.pausedAt = this.#now();
    this.nextRunAt = undefined;
  }

  /**
   * Lets it go on: what was missed meanwhile is not made up for, but a single run that is still to come is due. An active one stays
   * as it is.
   * @param options `from`: counts from this time instead of now; occurrences since then are taken as `catchUp` says.
   * @throws IllegalTransitionError when it is completed. @throws InvalidOptionError when `from` is not of 1970 to the end of 9999.
   */
  resume({ from }: { readonly from?: Date | undefined } = {}): void {
    const since = maybeDate(from, "from");
    if (since !== undefined) calendarTime(since.getTime(), "from");
    if (this.status === "active") return;
    if (this.status === "completed") throw new IllegalTransitionError(this.id, this.status, "active", "schedule");
    const now = this.#now();
    const timing = this.#timing();
    const isOver = this.runCount > 0 && hasRun(timing.rule, this.lastRunAt);
    this.status = "active";
    this.resumedAt = now;
    this.#advance(isOver ? null : firstOccurrence(timing, (since ?? now).getTime()));
  }

  /**
   * Counts a run now and moves on to the next time, counted from the present one; after the last it is completed.
   * @throws IllegalTransitionError when it is not active.
   */
  markRun(): void {
    this.#expectActive("run");
    const now = this.#now();
    this.runCount += 1;
    this.lastRunAt = now;
    const done = this.maxRuns !== undefined && this.runCount >= this.maxRuns;
    this.#advance(done ? null : occurrenceAfter(this.#timing(), (this.nextRunAt ?? now).getTime()));
  }

  /** Plain JSON without absent fields: times in ISO 8601, durations in milliseconds. */
  toJSON(): Record<string, unknown> {
    return toJson(this, SCHEDULE_FIELDS);
  }

  /**
   * The schedule that `toJSON` wrote; takes `null` for absent, `Date` for ISO text, and keys in snake_case, too.
   * @throws InvalidOptionError for a wrong value or an unknown key, with the nearest known one.
   */
  static fromJSON(data: unknown, tools?: ModelTools): Schedule {
    return new Schedule(fromJson<ScheduleField, ScheduleInit>(data, SCHEDULE_FIELDS, "a schedule").init, tools);
  }

  /** `toJSON` as UTF-8. */
  serialize(): Uint8Array {
    return toBytes(this.toJSON());
  }

  /** @throws PayloadError `PAYLOAD_UNREADABLE` when the bytes are not what `serialize` made. */
  static deserialize(bytes: Uint8Array, tools?: ModelTools): Schedule {
    return Schedule.fromJSON(fromBytes(bytes), tools);
  }

  /** Whether both are the same schedule: the ids count, nothing else. */
  equals(other: unknown): boolean {
    return other instanceof Schedule && other.id === this.id;
  }

  toString(): string {
    return `Schedule(${this.id}${this.name === undefined ? "" : ` ${JSON.stringify(this.name)}`} ${this.scheduleType} ${this.status})`;
  }

  [INSPECT](): string {
    return this.toString();
  }

  #timing(): Timing {
    return { rule: this.rule, policy: this.policy };
  }

  #advance(next: number | null): void {
    this.nextRunAt = maybe(next);
    if (next === null) this.status = "completed";
  }

  #expectActive(to: string): void {
    if (this.status !== "active") throw new IllegalTransitionError(this.id, this.status, to, "schedule");
  }

  #now(): Date {
    return new Date(this.#clock.now());
  }
}

/** Whether the only run of a rule that counts has come; an `at` that was changed since then has not. */
function hasRun(rule: Rule, lastRunAt: Date | undefined): boolean {
  if (rule.type === "timestamp") return lastRunAt === undefined || lastRunAt.getTime() >= rule.at;
  return rule.type === "once";
}

function maybe(ms: number | null): Date | undefined {
  return ms === null ? undefined : new Date(ms);
}
