/** How a page of tasks is found: by which index, in which order, and from where on. The same on every backend. */
import type { TaskPage, TaskQuery } from "./backend.ts";
import { pairOf, placeOf } from "./cursor.ts";
import type { Ms } from "./record.ts";
import type { Final } from "./task.ts";

/** Index entries, and rows behind them, that one page looks at, at most, matching or not. */
export const FIND_WINDOW = 5_000;

/**
 * The filter whose index leads to the tasks, newest first: of several that which tells most apart. Each of them lies with the time of
 * creation in its index, so that a span of time is sought, too. `none`: what is left goes by the order of arrival, window by window.
 */
export type Way =
  | { readonly by: "scheduleId" | "func" | "queue"; readonly value: string }
  | { readonly by: "phase"; readonly value: Ended }
  | { readonly by: "none" };
/** How few tasks end. Those that completed are nearly all that there are. */
export type Ended = Exclude<Final, "completed">;

export function wayOf(query: TaskQuery): Way {
  const { scheduleId, phase, func, queue } = query;
  if (scheduleId !== undefined) return { by: "scheduleId", value: scheduleId };
  if (phase === "failed" || phase === "cancelled" || phase === "expired") return { by: "phase", value: phase };
  if (func !== undefined) return { by: "func", value: func };
  if (queue !== undefined) return { by: "queue", value: queue };
  return { by: "none" };
}

/** How many entries to look at: first so many, then so many. A page that is common in the window is full before the window is read. */
export function sizesOf(query: TaskQuery, way: Way): readonly number[] {
  return isWhole(query, way) ? [query.limit + 1] : [Math.min(4 * query.limit + 100, FIND_WINDOW), FIND_WINDOW];
}

/** Whether every entry on this way is one that is asked for. */
function isWhole(query: TaskQuery, { by }: Way): boolean {
  const { limit: _limit, after: _after, createdFrom, createdTo, ...others } = query;
  const given = Object.entries(by === "none" ? { ...others, createdFrom, createdTo } : others).filter(([, value]) => value !== undefined);
  return given.every(([key]) => key === by) && others.phase !== "cancelled" && others.phase !== "expired";
}

/** A task comes after the place in a page when it is older: created before, or at the same time and arrived before. */
export interface Place {
  readonly createdAt: Ms;
  readonly arrived: number;
}

const NEWEST: Place = { createdAt: Number.MAX_SAFE_INTEGER, arrived: Number.MAX_SAFE_INTEGER };

/** Where the page begins. @throws InvalidOptionError for a cursor that was not answered for such a query. */
export function placeAfter({ after, createdTo }: TaskQuery, { by }: Way): Place {
  if (by === "none") return after === undefined ? NEWEST : { ...NEWEST, arrived: placeOf(after) };
  const newest = createdTo === undefined ? NEWEST : { ...NEWEST, createdAt: createdTo };
  if (after === undefined) return newest;
  const [createdAt, arrived] = pairOf(after);
  return createdAt > newest.createdAt ? newest : { createdAt, arrived };
}

function cursorAt({ createdAt, arrived }: Place, { by }: Way): string {
  return by === "none" ? String(arrived) : `${createdAt}.${arrived}`;
}

/** `next` is where the page ends: at its last task where there is more, else at the end of what was looked at. */
export function pageOf(items: TaskPage["items"], end: Place | undefined, way: Way): TaskPage {
  return end === undefined ? { items } : { items, next: cursorAt(end, way) };
}
