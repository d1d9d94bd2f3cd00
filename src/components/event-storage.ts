/** The event log, by hand: the seed's event storage, over any backend. */
import type { EventStats } from "../core/backend.ts";
import { milliseconds } from "../core/duration.ts";
import type { Duration } from "../core/duration.ts";
import type { EventFilter } from "../core/event.ts";
import { refuseUnknown } from "../core/nearest.ts";
import { toEvent, toNewEvent } from "../models/convert.ts";
import type { EventType, TaskEvent } from "../models/event.ts";
import { maybeDate, whole } from "../models/fields.ts";
import { Component, COUNTED } from "./component.ts";
import { step } from "./steps.ts";
import type { Steps, Store } from "./steps.ts";

/** Rows that one step of `cleanup` takes away. */
const BATCH = 500;

/** Which events are asked for; absent is all. */
export interface EventQuery {
  readonly taskId?: string | undefined;
  readonly eventType?: EventType | undefined;
  readonly scheduleId?: string | undefined;
  /** Not before. */
  readonly from?: Date | undefined;
  /** Not after. */
  readonly to?: Date | undefined;
  /** Default 1,000, the newest ones. */
  readonly limit?: number | undefined;
}

/** Newest first; equal times in reverse order of logging. Events of tasks that are not in this database are accepted. */
export class EventStorage extends Component {
  /**
   * Appends an event; the same one again (by its id) does nothing.
   * @throws PayloadError when its data cannot be stored.
   */
  async log(event: TaskEvent): Promise<void> {
    return this.later((store) => this.#log(store, event));
  }
  logSync(event: TaskEvent): void {
    return this.atOnce((store) => this.#log(store, event));
  }
  *#log(store: Store, event: TaskEvent): Steps<void> {
    yield* step(store.events.append([toNewEvent(event)]));
  }

  /** The events that match, newest first. */
  async getEvents(query: EventQuery = {}): Promise<TaskEvent[]> {
    return this.later((store) => this.#find(store, query, 1_000));
  }
  getEventsSync(query: EventQuery = {}): TaskEvent[] {
    return this.atOnce((store) => this.#find(store, query, 1_000));
  }

  /** The newest events; `limit` is 10 by default. */
  async getLatestEvents(query: Pick<EventQuery, "taskId" | "eventType" | "limit"> = {}): Promise<TaskEvent[]> {
    return this.later((store) => this.#find(store, query, 10));
  }
  getLatestEventsSync(query: Pick<EventQuery, "taskId" | "eventType" | "limit"> = {}): TaskEvent[] {
    return this.atOnce((store) => this.#find(store, query, 10));
  }
  *#find(store: Store, query: EventQuery, limit: number): Steps<TaskEvent[]> {
    const rows = yield* step(store.events.newest(filterOf(query, limit)));
    return rows.map((row) => toEvent(row, this.tools));
  }

  /** Deletes the events that are older than a duration or a time, in batches; answers how many. */
  async cleanup(options: { readonly olderThan: Duration | Date }): Promise<number> {
    return this.later((store) => this.#cleanup(store, options));
  }
  cleanupSync(options: { readonly olderThan: Duration | Date }): number {
    return this.atOnce((store) => this.#cleanup(store, options));
  }
  *#cleanup(store: Store, options: { readonly olderThan: Duration | Date }): Steps<number> {
    refuseUnknown(options, ["olderThan"], "cleanup");
    const { olderThan } = options;
    const given = olderThan instanceof Date ? (yield* step(store.now())) - olderThan.getTime() : olderThan;
    const age = milliseconds(given, "olderThan", olderThan instanceof Date);
    for (let count = 0; ;) {
      const { removed, more } = yield* step(store.sweep({ what: "events", olderThan: age, limit: BATCH }));
      count += removed;
      if (!more) return count;
    }
  }

  /** How many events there are, by type, of the newest million (`more`: there are others), and the times of the oldest and the newest of all. */
  async stats(): Promise<EventStats> {
    return this.backend.events.stats(COUNTED);
  }
  statsSync(): EventStats {
    return this.atOnce((store) => step(store.events.stats(COUNTED)));
  }
}

function filterOf(query: EventQuery, limit: number): EventFilter {
  refuseUnknown(query, ["taskId", "eventType", "scheduleId", "from", "to", "limit"], "a query of events");
  const { taskId, eventType, scheduleId } = query;
  const from = maybeDate(query.from, "from");
  const to = maybeDate(query.to, "to");
  return {
    ...(taskId === undefined ? {} : { taskId }),
    ...(eventType === undefined ? {} : { type: eventType }),
    ...(scheduleId === undefined ? {} : { scheduleId }),
    ...(from === undefined ? {} : { from: from.getTime() }),
    ...(to === undefined ? {} : { to: to.getTime() }),
    limit: whole(query.limit ?? limit, "limit", 0),
  };
}
