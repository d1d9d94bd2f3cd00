/** What a program says of a schedule, checked and made one record. */
import { calendarTime } from "../core/calendar.ts";
import { milliseconds } from "../core/duration.ts";
import type { Duration } from "../core/duration.ts";
import { expected, InvalidOptionError } from "../core/errors.ts";
import type { Ms } from "../core/record.ts";
import { beginsAfter, checkCron, checkPolicy } from "../core/schedule.ts";
import type { CatchUp, Overlap, Rule, SchedulePolicy, ScheduleTemplate, Timing } from "../core/schedule.ts";
import { catchUpOf } from "../models/timing.ts";
import { tags, text, whole } from "./defaults.ts";
import { checkObject, dateMs, TEMPLATE_KEYS } from "./options.ts";
import type { Wanted } from "./schedule-change.ts";
import type { EnqueueOptions } from "./signatures.ts";

/** When a schedule fires: exactly one of `cron`, `every`, `at` and `once`. */
export interface TimingOptions {
  /** 5 or 6 fields, or a nickname such as `@daily`. */
  readonly cron?: string | undefined;
  /** An IANA time zone for `cron`. Default `"UTC"`. */
  readonly timezone?: string | undefined;
  /** So long after one another; the first at `startAt`, without it after so long. */
  readonly every?: Duration | undefined;
  /** Once, at this time; at once where that is past. It does not run a second time when the schedule is deleted and made again with this id and time. */
  readonly at?: Date | undefined;
  /** Once, as soon as possible. */
  readonly once?: true | undefined;
  /** No occurrence is earlier, one at exactly this time counts. A time from 1970 to the end of 9999. Only with `cron` and `every`. */
  readonly startAt?: Date | undefined;
  /** No occurrence is later, one at exactly this time counts; then the schedule is completed. Only with `cron` and `every`. */
  readonly endAt?: Date | undefined;
}

/** When, and as what, a task is to be run again and again. */
export interface ScheduleOptions extends TimingOptions, Omit<EnqueueOptions, "id" | "runAt" | "runIn" | "dependsOn"> {
  /** The same id again changes the schedule in place, or nothing. Default: a new one. */
  readonly id?: string | undefined;
  /** Runs after which it is completed. Those by hand do not count, nor occurrences that are passed over. Default: no limit. */
  readonly maxRuns?: number | undefined;
  /** Each task is due up to so much later than its occurrence, by chance, so that many schedules of one time do not start together. Default 0. */
  readonly jitter?: Duration | undefined;
  /**
   * What becomes of occurrences that no worker fired in time: `"latest"` (default) fires the latest of them, `{ all: n }` the latest n (at
   * most 1,000), `"skip"` none that is later than a minute. Those passed over leave one event with their count.
   */
  readonly catchUp?: CatchUp | undefined;
  /** `"skip"`: an occurrence is passed over while a task of an earlier one has not ended; only with `cron` and `every`. Default `"allow"`. */
  readonly overlap?: Overlap | undefined;
  /** A name for people. */
  readonly name?: string | undefined;
}

const TRIGGERS = ["cron", "every", "at", "once"] as const;
const TIMING_KEYS = [...TRIGGERS, "timezone", "startAt", "endAt"];
export const SCHEDULE_KEYS = [...TEMPLATE_KEYS, ...TIMING_KEYS, "id", "maxRuns", "jitter", "catchUp", "overlap", "name"];

/** @throws InvalidOptionError for the first wrong option. The caller has refused unknown ones. */
export function wantedOf(options: ScheduleOptions, template: ScheduleTemplate, now: Ms): Wanted {
  const { maxRuns, name, jitter, catchUp = "latest", overlap = "allow" } = options;
  if (overlap !== "allow" && overlap !== "skip") throw expected("overlap", '"allow" or "skip"', overlap);
  const { rule, policy } = timingOf(options, now, overlap);
  const late = jitter === undefined ? 0 : milliseconds(jitter, "jitter");
  if (template.ttl !== undefined && late >= template.ttl) {
    throw expected("jitter", `shorter than the \`ttl\` of ${template.ttl} ms: a task may not start after it`, jitter);
  }
  return {
    rule,
    policy: { ...policy, catchUp: catchUpOf(catchUp), ...(late === 0 ? {} : { jitter: late }) },
    template,
    taskId: undefined,
    tags: options.tags === undefined ? [] : tags(options.tags, "tags"),
    maxRuns: maxRuns === undefined ? undefined : whole(maxRuns, "maxRuns", 1),
    name: name === undefined ? undefined : text(name, "name", 500),
    description: template.description,
  };
}

/**
 * When a schedule of these options fires.
 * @throws InvalidOptionError for the first wrong or unknown one.
 */
export function checkedTiming(options: TimingOptions, now: Ms): Timing {
  checkObject(options, "options", "the id of a schedule, or an object that says when", TIMING_KEYS);
  return timingOf(options, now);
}

function timingOf(options: TimingOptions, now: Ms, overlap: Overlap = "allow"): Timing {
  const { startAt, endAt } = options;
  const policy: SchedulePolicy = {
    catchUp: "latest",
    overlap,
    ...(startAt === undefined ? {} : { startAt: calendarTime(dateMs(startAt, "startAt"), "startAt") }),
    ...(endAt === undefined ? {} : { endAt: dateMs(endAt, "endAt") }),
  };
  const rule = ruleOf(options, beginsAfter(policy.startAt, now));
  checkPolicy(policy, rule.type);
  return { rule, policy };
}

function ruleOf(options: TimingOptions, after: Ms): Rule {
  const given = TRIGGERS.filter((key) => options[key] !== undefined);
  const { cron, every, at, once, timezone = "UTC" } = options;
  if (given.length !== 1) {
    const got = given.length === 0 ? "none" : given.map((key) => `\`${key}\``).join(" and ");
    throw new InvalidOptionError("INVALID_OPTION", `Expected exactly one of \`cron\`, \`every\`, \`at\` and \`once\`, got ${got}`);
  }
  if (options.timezone !== undefined && cron === undefined) throw expected("timezone", "absent where there is no `cron`", timezone);
  if (cron !== undefined) {
    checkCron(cron, timezone, after);
    return { type: "cron", cron, timezone };
  }
  if (every !== undefined) {
    const ms = milliseconds(every, "every");
    if (ms < 1) throw expected("every", "a duration longer than 0", every);
    return { type: "interval", every: ms };
  }
  if (at !== undefined) return { type: "timestamp", at: dateMs(at, "at") };
  if (once !== true) throw expected("once", "true or absent", once);
  return { type: "once" };
}
