/** When a cron expression is due in its zone: `croner`'s arithmetic, never its timers. */
import { Cron, CronDate, CronPattern } from "croner";
import type { Ms } from "./record.ts";

const DAY = 86_400_000;
/** What a `Date` holds, less what any zone's clock is away from UTC. */
const LIMIT = 8.64e15 - 2 * DAY;

export interface CronRule {
  readonly cron: string;
  readonly timezone: string;
}

/**
 * Gives the first moment after another that the expression means; `null`: none before the year 3000, or no such date.
 * The expression is read once.
 * @throws TypeError or RangeError when it is none.
 */
export function cronSteps({ cron, timezone }: CronRule): (after: Ms) => Ms | null {
  // The pattern by itself: `Cron` would take a date, and "1 Jan 2030 10:00:00 UTC" has five fields.
  const { isFixedTime } = new CronPattern(cron);
  const zoned = cronIn(cron, timezone);
  const fixed = isFixedTime ? aroundMidnight(cron, timezone) : undefined;
  return (after) => {
    if (!(Math.abs(after) <= LIMIT)) return null;
    const next = nextOf(zoned, after);
    return next === null || fixed === undefined ? next : fixed(after, next);
  };
}

/** The latest `count` moments that are not later than `upTo`, oldest first. */
export function cronBefore(rule: CronRule, count: number, upTo: Ms): readonly Ms[] {
  const found: Ms[] = [];
  const next = cronSteps(rule);
  // Back to the first, then on from there: croner's way back leaves out what its way on does.
  let at =
    cronIn(rule.cron, rule.timezone)
      .previousRuns(count, new Date(upTo + 1))
      .at(-1)
      ?.getTime() ?? null;
  while (at !== null && at <= upTo) {
    found.push(at);
    at = next(at);
  }
  return found.slice(-count);
}

function cronIn(cron: string, timezone: string): Cron {
  return new Cron(cron, { timezone, paused: true });
}

function nextOf(cron: Cron, after: Ms): Ms | null {
  return cron.nextRun(new Date(after))?.getTime() ?? null;
}

/**
 * croner leaves out a fixed time in a gap that lasts until midnight (23:00 to 24:00 in Nuuk), because the first moment behind it is
 * on another day. A day that was skipped whole (Apia, 30 December 2011) has no such time, and nothing is made up for it.
 */
function aroundMidnight(cron: string, timezone: string): (after: Ms, next: Ms) => Ms {
  const walls = cronIn(cron, "UTC");
  const days = cronIn("0 0 * * *", timezone);
  return (after, next) => {
    const wall = nextOf(walls, wallClock(after, timezone));
    if (wall === null || wall === wallClock(next, timezone)) return next;
    const midnights = days.nextRuns(4, new Date(wall - 2 * DAY)).map((date) => date.getTime());
    // The midnight before which the clock never came to that time of its day.
    return midnights.find((at) => leavesOut(wallClock(at - 1, timezone), wall)) ?? next;
  };
}

/** Whether the last time shown of a day comes before a time of the same day. */
function leavesOut(last: Ms, wall: Ms): boolean {
  return last < wall && Math.floor(last / DAY) === Math.floor(wall / DAY);
}

/** What the clock on the wall shows, as if it were UTC; whole seconds. */
function wallClock(at: Ms, timezone: string): Ms {
  const { year, month, day, hour, minute, second } = new CronDate(new Date(at), timezone);
  return Date.UTC(year, month, day, hour, minute, second);
}
