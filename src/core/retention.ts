/** How long what has ended is kept. */
import type { Ms } from "./record.ts";
import type { Final } from "./task.ts";

/** Milliseconds after its end that a task (with its result), or after its writing that an event, is kept; `false` keeps it. */
export type Retention = Readonly<Record<Final | "events", Ms | false>>;

const DAY: Ms = 86_400_000;

export const DEFAULT_RETENTION = {
  completed: 7 * DAY,
  failed: 30 * DAY,
  cancelled: 7 * DAY,
  expired: 7 * DAY,
  events: 30 * DAY,
} as const satisfies Retention;
