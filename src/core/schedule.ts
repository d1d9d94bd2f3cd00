/** When a schedule is due, computed and never trusted to a timer. */
import { canonical } from "./canonical.ts";
import { cronSteps } from "./cron.ts";
import { expected } from "./errors.ts";
import type { NewEvent } from "./event.ts";
import type { Ms, TaskId } from "./record.ts";
import type { NewTask } from "./task.ts";

export type ScheduleType = "cron" | "interval" | "timestamp" | "once";
export type ScheduleStatus = "active" | "paused" | "completed";

/** When a schedule fires. `timestamp`: once, at that time. `once`: once, as soon as possible. */
export type Rule =
  | { readonly type: "cron"; readonly cron: string; readonly timezone: string }
  | { readonly type: "interval"; readonly every: Ms }
  | { readonly type: "timestamp"; readonly at: Ms }
  | { readonly type: "once" };

/** The task of each occurrence, but for its id and times. */
export type TaskTemplate = Omit<NewTask, "id" | "due" | "createdAt" | "expiresAt" | "scheduleId" | "dependsOn">;

/** The template of a schedule. */
export interface ScheduleTemplate extends TaskTemplate {
  /**
   * Where it was copied from a task: what that task itself has in each field that the schedule's options say otherwise; `null` is
   * nothing. So the same code comes to the same template when the task is gone.
   */
  readonly covered?: Readonly<Record<string, unknown>>;
}

/** What becomes of occurrences that nobody fired in time: none of them, the latest, or the latest so many. */
export type CatchUp = "skip" | "latest" | { readonly all: number };
/** Whether an occurrence is fired while a task of an earlier one has not ended. */
export type Overlap = "allow" | "skip";

/** How the occurrences of a rule are taken. */
export interface SchedulePolicy {
  readonly catchUp: CatchUp;
  readonly overlap: Overlap;
  /** None is earlier, one at exactly this time counts; intervals are counted from it. */
  readonly startAt?: Ms;
  /** None is later, one at exactly this time counts. */
  readonly endAt?: Ms;
  /** Each task may start up to so much later than its occurrence, by chance. */
  readonly jitter?: Ms;
}
export const DEFAULT_SCHEDULE_POLICY: SchedulePolicy = { catchUp: "latest", overlap: "allow" };
/** The most that `catchUp: { all }` may ask for. */
export const MOST_CAUGHT_UP = 1_000;

export interface ScheduleRow {
  readonly id: string;
  /** Grows with each change: whoever writes must show the one that was read. */
  readonly revision: number;
  readonly rule: Rule;
  readonly policy: SchedulePolicy;
  readonly template: ScheduleTemplate;
  /** The task that the template was copied from, where there was one. */
  readonly taskId?: TaskId;
  readonly status: ScheduleStatus;
  readonly maxRuns?: number;
  readonly runCount: number;
  readonly createdAt: Ms;
  /** The next nominal time; absent when none will come. */
  readonly nextRunAt?: Ms;
  readonly lastRunAt?: Ms;
  /** The task of the last run. */
  readonly lastTaskId?: TaskId;
  readonly pausedAt?: Ms;
  readonly resumedAt?: Ms;
  readonly name?: string;
  readonly description?: string;
  readonly tags: readonly string[];
  /** What the backend could not read, since somebody changed it by hand: stand-ins are in its place. Such a row is not fired. */
  readonly unreadable?: readonly (keyof ScheduleRow)[];
}

export interface ScheduleQuery {
  readonly ids?: readonly string[];
  /** Only active ones whose next time is not later. */
  readonly dueBy?: Ms;
  readonly status?: ScheduleStatus;
  readonly limit: number;
}

/** What a schedule comes to beside its tasks: the next time, `null` completes it, and what the log is told. */
export interface Advance {
  readonly nextAt: Ms | null;
  readonly events: readonly NewEvent[];
}

/** One step of a schedule: its occurrences, and their tasks (one each, in order). */
export interface FireAsk extends Advance {
  readonly id: string;
  readonly revision: number;
  readonly occurrences: readonly Ms[];
  readonly enqueue: readonly NewTask[];
  /** Instead of `nextAt` and `events`, where fewer runs were made than occurrences asked for. Absent: that does not matter. */
  readonly ifFewer?: Advance;
  /** Instead of all that, where a task of the schedule has not ended. Absent: that does not matter. */
  readonly ifOpen?: Advance;
}

/** A run beside the occurrences. */
export interface RunAsk {
  readonly id: string;
  readonly task: NewTask;
  readonly events: readonly NewEvent[];
  /** Refused where a task of the schedule has not ended. */
  readonly unlessOpen: boolean;
}

/**
 * Checks a cron expression (5 or 6 fields, or a nickname such as `@daily`) and its IANA time zone.
 * @param after looks from here on: `beginsAfter`.
 * @throws InvalidOptionError when either is wrong, or when no date will ever match.
 */
export function checkCron(cron: unknown, timezone: unknown, after: Ms): void {
  const fields = typeof cron === "string" ? cron.trim().split(/\s+/) : [];
  if (typeof cron !== "string" || !(fields.length === 5 || fields.length === 6 || cron.startsWith("@"))) {
    throw expected("cron", "a cron expression of 5 or 6 fields", cron);
  }
  if (typeof timezone !== "string" || !isZone(timezone)) throw expected("timezone", 'an IANA time zone such as "Europe/Berlin"', timezone);
  let next: Ms | null;
  try {
    next = nextOccurrence({ type: "cron", cron, timezone }, after);
  } catch (cause) {
    throw expected("cron", `a cron expression (${String(cause).replace(/^\w+: (?:CronPattern: )?/, "")})`, cron);
  }
  if (next !== null) return;
  throw expected("cron", `an expression that some date matches (after ${new Date(after).toISOString()}, before the year 3000)`, cron);
}

/** Whether a value says what becomes of missed occurrences. */
export function isCatchUp(value: unknown): value is CatchUp {
  if (value === "skip" || value === "latest") return true;
  if (typeof value !== "object" || value === null || !("all" in value) || Object.keys(value).length > 1) return false;
  const { all } = value;
  return typeof all === "number" && Number.isSafeInteger(all) && all >= 1 && all <= MOST_CAUGHT_UP;
}

/** @throws InvalidOptionError when the parts of a policy contradict each other or the type. */
export function checkPolicy({ startAt, endAt, overlap }: SchedulePolicy, type: ScheduleType): void {
  const single = type === "timestamp" || type === "once";
  const given = startAt === undefined ? "endAt" : "startAt";
  const bound = startAt ?? endAt;
  if (single && bound !== undefined) throw expected(given, "absent for a schedule that runs once", new Date(bound));
  if (single && overlap !== "allow")
    throw expected("overlap", '"allow" for a schedule that runs once, whose only occurrence is not passed over', overlap);
  if (startAt !== undefined && endAt !== undefined && endAt < startAt) throw expected("endAt", "not before `startAt`", new Date(endAt));
}

function isZone(timezone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: timezone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

/** When a schedule fires: what its occurrences are computed from. */
export type Timing = Pick<ScheduleRow, "rule" | "policy">;

/** Whether two schedules have the same occurrences. */
export function sameTiming(a: Timing, b: Timing): boolean {
  return canonical(whenOf(a)) === canonical(whenOf(b));
}

function whenOf({ rule, policy: { startAt, endAt } }: Timing) {
  return { rule, startAt, endAt };
}

/** The first occurrence of a schedule that begins at `from`: `once` at once, an interval after its first length. `null`: none. */
export function firstOccurrence({ rule, policy }: Timing, from: Ms): Ms | null {
  return within(policy, firstOf(rule, policy.startAt, from));
}

function firstOf(rule: Rule, startAt: Ms | undefined, from: Ms): Ms | null {
  if (rule.type === "once") return from;
  if (rule.type === "timestamp") return rule.at;
  if (rule.type === "cron" || startAt === undefined) return nextOccurrence(rule, beginsAfter(startAt, from));
  // After its start, an interval stays on its grid.
  return startAt >= from ? startAt : startAt + (Math.floor((from - startAt) / rule.every) + 1) * rule.every;
}

/** The occurrences of a schedule that begins at `from` are later than this: an own start that has not passed is one, where the rule has one there. */
export function beginsAfter(startAt: Ms | undefined, from: Ms): Ms {
  return startAt !== undefined && startAt >= from ? startAt - 1 : from;
}

/** @throws InvalidOptionError when a new schedule that begins at `from` would end before its first occurrence. */
export function checkFires({ rule, policy: { startAt, endAt } }: Timing, from: Ms): void {
  const first = firstOf(rule, startAt, from);
  if (endAt === undefined || first === null || first <= endAt) return;
  const wanted = `${new Date(first).toISOString()}, its first occurrence, or later, since it would never fire`;
  throw expected("endAt", wanted, new Date(endAt));
}

/** The occurrence after another. `null`: that was the last. */
export function occurrenceAfter({ rule, policy }: Timing, occurrence: Ms): Ms | null {
  return within(policy, nextOccurrence(rule, occurrence));
}

function within({ endAt }: SchedulePolicy, at: Ms | null): Ms | null {
  return at !== null && endAt !== undefined && at > endAt ? null : at;
}

/** The first occurrence of a rule later than `after`, counted from that and never from the wall clock: no drift, nothing doubled. */
export function nextOccurrence(rule: Rule, after: Ms): Ms | null {
  return stepsOf(rule)(after);
}

/** `nextOccurrence` for many steps: the expression is read once. */
export function stepsOf(rule: Rule): (after: Ms) => Ms | null {
  if (rule.type === "interval") return (after) => after + rule.every;
  if (rule.type === "timestamp") return (after) => (rule.at > after ? rule.at : null);
  if (rule.type === "once") return () => null;
  return cronSteps(rule);
}

/**
 * The next `count` occurrences, those that are due already too; of a paused schedule those that a resume at `now` would bring. Ends
 * with `maxRuns` and `endAt`.
 */
export function upcoming(
  row: Timing & Pick<ScheduleRow, "status" | "nextRunAt" | "runCount" | "maxRuns">,
  now: Ms,
  count: number,
): readonly Ms[] {
  const { rule, policy, status, maxRuns = Number.POSITIVE_INFINITY } = row;
  const most = Math.min(count, maxRuns - row.runCount);
  const next = stepsOf(rule);
  const found: Ms[] = [];
  let at = status === "active" ? (row.nextRunAt ?? null) : status === "paused" ? firstOccurrence(row, now) : null;
  while (at !== null && found.length < most) {
    found.push(at);
    at = within(policy, next(at));
  }
  return found;
}
