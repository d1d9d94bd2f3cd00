/** When a schedule is due, computed and never trusted to a timer. */
import { cronBefore, cronSteps } from "./cron.ts";
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

export interface ScheduleRow {
  readonly id: string;
  /** Grows with each change: whoever writes must show the one that was read. */
  readonly revision: number;
  readonly rule: Rule;
  readonly template: TaskTemplate;
  /** The task that the template was copied from, where there was one. */
  readonly taskId?: TaskId;
  readonly status: ScheduleStatus;
  readonly maxRuns?: number;
  readonly runCount: number;
  readonly createdAt: Ms;
  /** The next nominal time; absent when none will come. */
  readonly nextRunAt?: Ms;
  readonly lastRunAt?: Ms;
  readonly pausedAt?: Ms;
  readonly resumedAt?: Ms;
  readonly name?: string;
  readonly description?: string;
  readonly tags: readonly string[];
}

export interface ScheduleQuery {
  readonly ids?: readonly string[];
  /** Only active ones whose next time is not later. */
  readonly dueBy?: Ms;
  readonly status?: ScheduleStatus;
  readonly limit: number;
}

/** One step of a schedule: its occurrences, their tasks (one each, in order) and the next time; `null` completes it. */
export interface FireAsk {
  readonly id: string;
  readonly revision: number;
  readonly occurrences: readonly Ms[];
  readonly nextAt: Ms | null;
  readonly enqueue: readonly NewTask[];
  readonly events: readonly NewEvent[];
}

/**
 * Checks a cron expression (5 or 6 fields, or a nickname such as `@daily`) and its IANA time zone.
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
  if (next === null) throw expected("cron", "an expression that some date matches", cron);
}

function isZone(timezone: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: timezone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

/** The first occurrence of a new schedule: `once` at once, an interval after its first length. `null`: none. */
export function firstOccurrence(rule: Rule, createdAt: Ms): Ms | null {
  if (rule.type === "once") return createdAt;
  if (rule.type === "timestamp") return rule.at;
  return nextOccurrence(rule, createdAt);
}

/** The first occurrence later than `after`, counted from that occurrence and never from the wall clock: no drift, nothing doubled. */
export function nextOccurrence(rule: Rule, after: Ms): Ms | null {
  if (rule.type === "interval") return after + rule.every;
  if (rule.type === "timestamp") return rule.at > after ? rule.at : null;
  if (rule.type === "once") return null;
  return cronSteps(rule)(after);
}

/** Skipped occurrences are counted up to here (10 ms of arithmetic): no downtime makes a step expensive. */
const COUNTED = 100;

export interface Due {
  /** The occurrence to fire; later ones would be in the future. */
  readonly occurrence: Ms;
  /** Occurrences missed before it, counted up to 100 of a cron expression. */
  readonly skipped: number;
  readonly nextAt: Ms | null;
}

/**
 * What is to be fired of an active schedule at `now` (`catchUp: "latest"`): the latest occurrence that is due, with those before it
 * counted as skipped; `undefined` when nothing is due. After the last of `maxRuns` there is no next time.
 */
export function latestDue(row: Pick<ScheduleRow, "rule" | "nextRunAt" | "runCount" | "maxRuns">, now: Ms): Due | undefined {
  const { rule, nextRunAt } = row;
  if (nextRunAt === undefined || nextRunAt > now) return undefined;
  const [occurrence, skipped] = latest(rule, nextRunAt, now);
  const last = row.maxRuns !== undefined && row.runCount + 1 >= row.maxRuns;
  return { occurrence, skipped, nextAt: last ? null : nextOccurrence(rule, occurrence) };
}

function latest(rule: Rule, first: Ms, now: Ms): readonly [Ms, number] {
  if (rule.type === "interval") {
    const missed = Math.floor((now - first) / rule.every);
    return [first + missed * rule.every, missed];
  }
  if (rule.type !== "cron") return [first, 0];
  const nextOf = cronSteps(rule);
  let skipped = 0;
  let at = first;
  while (skipped < COUNTED) {
    const next = nextOf(at);
    if (next === null || next > now) return [at, skipped];
    at = next;
    skipped++;
  }
  // A long downtime: one look back from now instead of a walk over everything missed.
  return [Math.max(at, ...cronBefore(rule, 1, now)), skipped];
}
