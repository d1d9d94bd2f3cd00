/** What a schedule declared again in code becomes: the same code changes nothing, other code changes it in place. */
import { canonical } from "../core/canonical.ts";
import { IllegalTransitionError } from "../core/errors.ts";
import type { Ms, TaskId } from "../core/record.ts";
import { firstOccurrence, sameTiming } from "../core/schedule.ts";
import type { Rule, SchedulePolicy, ScheduleRow, ScheduleTemplate } from "../core/schedule.ts";

/** What code says of a schedule. */
export interface Wanted {
  readonly rule: Rule;
  readonly policy: SchedulePolicy;
  readonly template: ScheduleTemplate;
  /** The task that the template was copied from, where there was one. */
  readonly taskId: TaskId | undefined;
  readonly maxRuns: number | undefined;
  readonly name: string | undefined;
  readonly description: string | undefined;
  readonly tags: readonly string[];
}

export function created(id: string, wanted: Wanted, now: Ms): ScheduleRow {
  return withNext({ ...said(wanted), id, revision: 0, status: "active", runCount: 0, createdAt: now }, firstOccurrence(wanted, now));
}

/**
 * The very same row when nothing has changed. Counts go on; a paused one stays paused; a new trigger counts from now. What could not
 * be read is as if it were new.
 */
export function changed(before: ScheduleRow, wanted: Wanted, now: Ms): ScheduleRow {
  const { maxRuns: _maxRuns, name: _name, description: _description, taskId: _taskId, unreadable = [], ...kept } = before;
  const after: ScheduleRow = { ...kept, ...said(wanted), ...(unreadable.includes("createdAt") ? { createdAt: now } : {}) };
  const lost = unreadable.some((field) => TIMING.has(field)) || (before.status === "active" && before.nextRunAt === undefined);
  if (canonical(after) === canonical(before) && !lost) return before;
  if (before.status === "paused") return after;
  if (after.maxRuns !== undefined && after.runCount >= after.maxRuns) return completed(after);
  if (lost || !sameTiming(before, wanted)) return withNext({ ...after, status: "active" }, firstOccurrence(wanted, now));
  // More runs than before: it goes on, where its trigger has a time left.
  const repeats = wanted.rule.type === "cron" || wanted.rule.type === "interval";
  if (before.status === "completed" && repeats) return withNext({ ...after, status: "active" }, firstOccurrence(wanted, now));
  return after;
}

/** What the next time hangs on. */
const TIMING: ReadonlySet<keyof ScheduleRow> = new Set(["rule", "policy", "status", "nextRunAt"]);

/**
 * Also of one that is broken. The very same row when it is paused already.
 * @throws IllegalTransitionError when it is completed.
 */
export function paused(row: ScheduleRow, now: Ms): ScheduleRow {
  if (row.status === "paused") return row;
  if (row.status === "completed") throw new IllegalTransitionError(row.id, row.status, "paused", "schedule");
  const { nextRunAt: _, ...kept } = row;
  return { ...kept, status: "paused", pausedAt: now };
}

function said({ rule, policy, template, taskId, maxRuns, name, description, tags }: Wanted) {
  return {
    rule,
    policy,
    template,
    tags,
    ...(taskId === undefined ? {} : { taskId }),
    ...(maxRuns === undefined ? {} : { maxRuns }),
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
  };
}

function withNext(row: ScheduleRow, next: Ms | null): ScheduleRow {
  return next === null ? completed(row) : { ...row, nextRunAt: next };
}

function completed(row: ScheduleRow): ScheduleRow {
  const { nextRunAt: _, ...rest } = row;
  return { ...rest, status: "completed" };
}
