/** Schedules for people: when they fire, in words and in their own time zone; and what a command does to several of them. */
import { formatDuration } from "../core/duration.ts";
import { ScheduleNotFoundError } from "../core/errors.ts";
import type { OmniQ, Schedule, ScheduleInfo, TimingOptions } from "../index.ts";
import { OmniQError } from "../index.ts";
import { EXIT } from "./command.ts";
import type { Given, Run } from "./command.ts";
import { withDatabase } from "./database.ts";
import type { Style } from "./terminal.ts";
import { plain, time } from "./text.ts";

/** `0 3 * * * (Europe/Berlin)`, `every 15m`, `at …`, `once`. */
export function whenOf({ scheduleType, cronExpression, timezone, interval, runAt }: Schedule): string {
  if (scheduleType === "cron") return `${cronExpression ?? ""}${timezone === "UTC" ? "" : ` (${timezone})`}`;
  if (scheduleType === "interval") return `every ${formatDuration(interval ?? 0)}`;
  return runAt === undefined ? "once" : `at ${time(runAt)}`;
}

/** `in 3 h`, or how long it is overdue. */
export function untilOf(date: Date, now: number): string {
  const left = date.getTime() - now;
  return left >= 0 ? `in ${formatDuration(left)}` : `${formatDuration(-left)} ago`;
}

const STYLES: Readonly<Record<string, Style>> = { active: "green", paused: "yellow", completed: "gray" };

export function styleOfStatus(status: string): Style | undefined {
  return STYLES[status];
}

/** A schedule for programs. */
export function scheduleJson(schedule: ScheduleInfo): Readonly<Record<string, unknown>> {
  const { func, queueName, funcArgs, lastPhase, broken } = schedule;
  return { ...schedule.toJSON(), func, queueName, funcArgs, lastPhase, broken };
}

/** `2026-10-25 02:30:00 GMT+1`, in that zone. */
export function zoned(date: Date, timeZone: string): string {
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "shortOffset",
  }).formatToParts(date);
  const part = (type: Intl.DateTimeFormatPartTypes): string => parts.find((each) => each.type === type)?.value ?? "";
  return `${part("year")}-${part("month")}-${part("day")} ${part("hour")}:${part("minute")}:${part("second")} ${part("timeZoneName")}`;
}

/** What the options of `schedules add` and `schedules preview` say of the time. */
export function timingOf(given: Given): TimingOptions {
  return {
    cron: given.text("cron"),
    timezone: given.text("timezone"),
    every: given.duration("every"),
    at: given.time("at"),
    startAt: given.time("startAt"),
    endAt: given.time("endAt"),
  };
}

/** A command that does something to each schedule that is named; one that cannot be done is told, and the others are done. */
export function eachSchedule(done: string, act: (omniq: OmniQ, id: string, given: Given) => Promise<Schedule | undefined>): Run {
  return (given, terminal) =>
    withDatabase(given, terminal, async (omniq) => {
      let failed = false;
      for (const id of new Set(given.arguments)) {
        try {
          const schedule = await act(omniq, id, given);
          if (given.flag("json")) terminal.json({ id, is: done, ...schedule?.toJSON() });
          else terminal.line(`${plain(id)} ${done}${schedule?.nextRunAt === undefined ? "" : `, next ${time(schedule.nextRunAt)}`}`);
        } catch (error) {
          // The schedule's own refusal; anything else ends the command.
          if (!(error instanceof OmniQError) || !REFUSALS.has(error.code)) throw error;
          failed = true;
          terminal.note(`${terminal.paintNote("red", plain(id))}: ${plain(error.message)} (${error.code})`);
        }
      }
      return failed ? EXIT.failed : EXIT.fine;
    });
}

const REFUSALS: ReadonlySet<string> = new Set(["SCHEDULE_NOT_FOUND", "SCHEDULE_BROKEN", "ILLEGAL_TRANSITION", "CONFLICT"]);

/** @throws ScheduleNotFoundError @throws ScheduleBrokenError */
export async function scheduleOf(omniq: OmniQ, id: string): Promise<ScheduleInfo> {
  const schedule = await omniq.schedules.get(id);
  if (schedule === undefined) throw new ScheduleNotFoundError(id);
  return schedule;
}
