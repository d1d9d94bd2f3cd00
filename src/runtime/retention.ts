/** How long what has ended is kept, and the bounded steps that take it away. */
import type { SweepAsk } from "../core/backend.ts";
import { milliseconds } from "../core/duration.ts";
import type { Duration } from "../core/duration.ts";
import { expected } from "../core/errors.ts";
import { refuseUnknown } from "../core/nearest.ts";
import type { Ms } from "../core/record.ts";
import { FINALS } from "../core/task.ts";
import type { Final } from "../core/task.ts";

/** From the end of a task, or the time of an event, on; `false` keeps it for ever. */
export type Retention = Readonly<Partial<Record<Final | "events", Duration | false>>>;
export type CheckedRetention = Readonly<Record<Final | "events", Ms | false>>;

const DAY = 86_400_000;
export const DEFAULT_RETENTION: CheckedRetention = {
  completed: 7 * DAY,
  failed: 30 * DAY,
  cancelled: 7 * DAY,
  expired: 7 * DAY,
  events: 30 * DAY,
};
/** Rows of workers that are long gone, and the memory of occurrences, are no use to people. */
const WORKERS_KEPT = DAY;
const OCCURRENCES_KEPT = 30 * DAY;

/** @throws InvalidOptionError for an unknown key or a wrong value. */
export function checkRetention(given: unknown): CheckedRetention {
  if (given === undefined) return DEFAULT_RETENTION;
  if (typeof given !== "object" || given === null) throw expected("retention", 'an object such as { completed: "7d" }', given);
  refuseUnknown(given, Object.keys(DEFAULT_RETENTION), "`retention`");
  const checked = Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]: [string, unknown]) => [key, value === false ? false : milliseconds(value, `retention.${key}`)]);
  return { ...DEFAULT_RETENTION, ...Object.fromEntries(checked) };
}

/** What housekeeping asks of the stores, each to be repeated while there is more. */
export function sweepsOf(retention: CheckedRetention, limit: number): readonly SweepAsk[] {
  const tasks = FINALS.flatMap((status): readonly SweepAsk[] => {
    const olderThan = retention[status];
    return olderThan === false ? [] : [{ what: "tasks", status, olderThan, limit }];
  });
  const { events } = retention;
  return [
    ...tasks,
    { what: "results", limit },
    ...(events === false ? [] : [{ what: "events", olderThan: events, limit } as const]),
    { what: "workers", olderThan: WORKERS_KEPT, limit },
    { what: "occurrences", olderThan: OCCURRENCES_KEPT, limit },
  ];
}
