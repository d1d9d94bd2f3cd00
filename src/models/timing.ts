/** When a schedule fires, read from the fields of its model. */
import { calendarTime } from "../core/calendar.ts";
import { expected, InvalidOptionError } from "../core/errors.ts";
import { beginsAfter, checkCron, checkPolicy, isCatchUp, MOST_CAUGHT_UP } from "../core/schedule.ts";
import type { CatchUp, Rule, SchedulePolicy, ScheduleType } from "../core/schedule.ts";
import { date, whole, word } from "./fields.ts";
import type { Schedule } from "./schedule.ts";

/** The trigger that each type needs; the others must be absent. */
const TRIGGERS = { cron: "cronExpression", interval: "interval", timestamp: "runAt" } as const;

/** The type that goes with the first trigger given; a second one is refused by `ruleOf`. */
export function typeOf(given: Pick<Schedule, "cronExpression" | "interval" | "runAt">): ScheduleType {
  if (given.cronExpression !== undefined) return "cron";
  if (given.interval !== undefined) return "interval";
  return given.runAt === undefined ? "once" : "timestamp";
}

/** @throws InvalidOptionError when a trigger is missing, wrong, or not the type's. */
export function ruleOf(schedule: Schedule): Rule {
  const { scheduleType: type, cronExpression: cron, timezone, interval, runAt, startAt, createdAt } = schedule;
  for (const [of, trigger] of Object.entries(TRIGGERS)) {
    const given = schedule[trigger] !== undefined;
    if (given !== (of === type)) throw mismatch(type, trigger, given);
  }
  if (cron !== undefined) {
    checkCron(cron, timezone, beginsAfter(startAt === undefined ? undefined : date(startAt, "startAt").getTime(), createdAt.getTime()));
    return { type: "cron", cron, timezone };
  }
  if (interval !== undefined) return { type: "interval", every: whole(interval, "interval", 1) };
  return runAt === undefined ? { type: "once" } : { type: "timestamp", at: date(runAt, "runAt").getTime() };
}

function mismatch(type: ScheduleType, trigger: string, given: boolean): InvalidOptionError {
  return given
    ? new InvalidOptionError(
        "INVALID_OPTION",
        `Expected a schedule of the type "${type}" to have one trigger at most, its own, got \`${trigger}\``,
      )
    : expected(trigger, `given for a schedule of the type "${type}"`, undefined);
}

/** @throws InvalidOptionError when a value is wrong, or does not go with the type. */
export function policyOf({ scheduleType, startAt, endAt, jitter, catchUp, overlap }: Schedule): SchedulePolicy {
  const policy: SchedulePolicy = {
    catchUp: catchUpOf(catchUp),
    overlap: word(overlap, "overlap", ["allow", "skip"]),
    ...(startAt === undefined ? {} : { startAt: calendarTime(date(startAt, "startAt").getTime(), "startAt") }),
    ...(endAt === undefined ? {} : { endAt: date(endAt, "endAt").getTime() }),
    ...(jitter === undefined ? {} : { jitter: whole(jitter, "jitter", 0) }),
  };
  checkPolicy(policy, scheduleType);
  return policy;
}

/** A copy of its own. */
export function catchUpOf(value: unknown): CatchUp {
  if (!isCatchUp(value)) throw expected("catchUp", `"skip", "latest" or { all: a whole number from 1 to ${MOST_CAUGHT_UP} }`, value);
  return typeof value === "string" ? value : { all: value.all };
}
