import type { EventStats } from "../../core/backend.ts";
import { placeOf } from "../../core/cursor.ts";
import type { EventFilter, EventRow, EventType, NewEvent } from "../../core/event.ts";
import type { Moment, Row } from "./state.ts";
import { defined } from "./state.ts";

/** Writes an event, unless one with its id is there. */
export function append(moment: Moment, event: NewEvent): void {
  const { state, now } = moment;
  const number = ++state.counted;
  const id = event.id ?? `event-${number}`;
  if (state.events.has(id)) return;
  state.events.set(id, { ...event, id, seq: cursorOf(number), at: event.at ?? now, level: event.level ?? "info" });
}

/** The event of a change of this task. */
export function tell(moment: Moment, type: EventType, task: Pick<Row, "id" | "queue" | "scheduleId">, worker?: string): void {
  const { id: taskId, queue, scheduleId } = task;
  append(moment, defined<NewEvent>({ type, taskId, queue, scheduleId, worker }));
}

/** Oldest first, after the cursor. A page that is not full has read to the end. */
export function read(moment: Moment, after: string | undefined, filter: EventFilter): { events: readonly EventRow[]; cursor: string } {
  const from = after === undefined ? "" : cursorOf(placeOf(after));
  const events = written(moment)
    .filter((event) => event.seq > from && matches(event, filter))
    .slice(0, filter.limit);
  const last = events.at(-1);
  return { events, cursor: last !== undefined && events.length === filter.limit ? last.seq : tail(moment, after) };
}

export function tail(moment: Moment, atLeast = cursorOf(0)): string {
  const last = written(moment).at(-1)?.seq ?? "";
  return last > atLeast ? last : atLeast;
}

export function newest(moment: Moment, filter: EventFilter): readonly EventRow[] {
  return written(moment)
    .filter((event) => matches(event, filter))
    .toSorted((a, b) => b.at - a.at || (a.seq < b.seq ? 1 : -1))
    .slice(0, filter.limit);
}

export function eventStats(moment: Moment, upTo: number): EventStats {
  const all = written(moment);
  const counted = upTo === 0 ? [] : all.slice(-upTo);
  const byType: Record<string, number> = {};
  for (const event of counted) byType[event.type] = (byType[event.type] ?? 0) + 1;
  const times = all.map((event) => event.at);
  const bounds = all.length === 0 ? {} : { oldest: Math.min(...times), newest: Math.max(...times) };
  return { total: counted.length, byType, ...bounds, more: all.length > counted.length };
}

function written(moment: Moment): readonly EventRow[] {
  return [...moment.state.events.values()];
}

function matches(event: EventRow, { taskId, type, scheduleId, from, to }: EventFilter): boolean {
  return (
    (taskId === undefined || event.taskId === taskId) &&
    (type === undefined || event.type === type) &&
    (scheduleId === undefined || event.scheduleId === scheduleId) &&
    (from === undefined || event.at >= from) &&
    (to === undefined || event.at <= to)
  );
}

/** Texts of one length, so that they sort as the numbers do. */
function cursorOf(number: number): string {
  return String(number).padStart(16, "0");
}
