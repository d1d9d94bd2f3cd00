/** What is to be fired of a schedule: the occurrences that are due, as its policy takes those that were missed. */
import { cronBefore } from "./cron.ts";
import type { Ms } from "./record.ts";
import { occurrenceAfter, stepsOf } from "./schedule.ts";
import type { Rule, ScheduleRow, Timing } from "./schedule.ts";

/** With `catchUp: "skip"` an occurrence that is later than this was missed; of those less late the latest is fired. */
const MISSED_AFTER: Ms = 60_000;
/** Missed occurrences of a cron expression are counted up to here (about 40 ms of arithmetic): no downtime makes a step expensive. */
const COUNTED = 1_000;
/** Occurrences of one step, each with its task, in one transaction. */
const STEP = 100;

export interface Due {
  /** Those to fire, oldest first; none where all that are due were missed. */
  readonly occurrences: readonly Ms[];
  readonly passed: Passed;
  /** The next time when each of those is a run; `null`: none will come. */
  readonly nextAt: Ms | null;
  /** The next time when one of them is none, so that `maxRuns` are not reached: an earlier task has not ended, or it was recorded. */
  readonly nextAtIfFewer: Ms | null;
}

/** Occurrences that are passed over. `more`: counting stopped before the end, there are at least so many. */
export interface Passed {
  readonly count: number;
  readonly more: boolean;
}

/**
 * What is to be fired of an active schedule at `now`; `undefined` when nothing is due. After the last of `maxRuns` there is no next
 * time. Of many that are to be fired the first 100 are: the others stay due.
 */
export function dueOf(row: Timing & Pick<ScheduleRow, "nextRunAt" | "runCount" | "maxRuns">, now: Ms): Due | undefined {
  const { policy, nextRunAt: first } = row;
  if (first === undefined || first > now) return undefined;
  const upTo = Math.min(now, policy.endAt ?? now);
  const left = Math.max(0, (row.maxRuns ?? Number.POSITIVE_INFINITY) - row.runCount);
  // Nothing more can be fired: its end was moved before its next time, or its last run is over.
  if (first > upTo || left === 0) return { occurrences: [], passed: { count: 0, more: false }, nextAt: null, nextAtIfFewer: null };
  const { times, latest, passed } = withoutMissed(row, latestDue(row, first, upTo), now);
  const occurrences = times.slice(0, Math.min(left, STEP));
  const following = times[occurrences.length] ?? occurrenceAfter(row, latest);
  return { occurrences, passed, nextAt: occurrences.length === left ? null : following, nextAtIfFewer: following };
}

interface Window {
  /** The latest that are due, as many as are wanted. */
  readonly times: readonly Ms[];
  readonly latest: Ms;
  readonly passed: Passed;
}

function withoutMissed({ rule, policy }: Timing, window: Window, now: Ms): Window {
  const { times, latest, passed } = window;
  if (policy.catchUp !== "skip" || rule.type === "once" || now - latest <= MISSED_AFTER) return window;
  return { times: [], latest, passed: { ...passed, count: passed.count + times.length } };
}

function latestDue({ rule, policy }: Timing, first: Ms, upTo: Ms): Window {
  // Of several at once only one could run where none may overlap.
  const wanted = typeof policy.catchUp === "object" && policy.overlap === "allow" ? policy.catchUp.all : 1;
  if (rule.type === "interval") return ofInterval(rule.every, first, upTo, wanted);
  if (rule.type === "cron") return ofCron(rule, first, upTo, wanted);
  return { times: [first], latest: first, passed: { count: 0, more: false } };
}

function ofInterval(every: Ms, first: Ms, upTo: Ms, wanted: number): Window {
  const total = Math.floor((upTo - first) / every) + 1;
  const kept = Math.min(wanted, total);
  const times = Array.from({ length: kept }, (_, i) => first + (total - kept + i) * every);
  return { times, latest: first + (total - 1) * every, passed: { count: total - kept, more: false } };
}

function ofCron(rule: Extract<Rule, { type: "cron" }>, first: Ms, upTo: Ms, wanted: number): Window {
  const next = stepsOf(rule);
  const walked = [first];
  for (let at = next(first); at !== null && at <= upTo; at = next(at)) {
    walked.push(at);
    if (walked.length <= COUNTED + wanted) continue;
    // A long downtime: a look back from its end instead of a walk over everything missed.
    const times = cronBefore(rule, wanted, upTo);
    return { times, latest: Math.max(at, ...times), passed: { count: COUNTED, more: true } };
  }
  const times = walked.slice(-wanted);
  return { times, latest: Math.max(first, ...times), passed: { count: walked.length - times.length, more: false } };
}
