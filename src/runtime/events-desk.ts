/** The event log, read back or followed. */
import type { EventFilter, EventRow } from "../core/event.ts";
import { expected } from "../core/errors.ts";
import type { TaskId } from "../core/record.ts";
import { toEvent } from "../models/convert.ts";
import type { TaskEvent } from "../models/event.ts";
import { eventFilter } from "./filter.ts";
import type { EventFind } from "./filter.ts";
import { MoveWatch } from "./move-watch.ts";
import { awake } from "./pending.ts";
import type { Shared } from "./shared.ts";

export interface FollowOptions extends Omit<EventFind, "limit"> {
  /** The cursor of the last event that was seen; `"now"`: only what comes. Default: from the oldest that is kept. */
  readonly after?: string | undefined;
  /** Ends the iteration. */
  readonly signal?: AbortSignal | undefined;
}

/** An event with the place where to go on after it. */
export type FollowedEvent = TaskEvent & { readonly cursor: string };

/** Behind hints, it looks this often. */
const NET = 1_000;
/** Events read at once. */
const PAGE = 500;
/** Events that a handle shows. */
const OF_ONE = 1_000;

export class EventsDesk {
  readonly #shared: Shared;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** Newest first, each with the cursor to follow after it. @throws InvalidOptionError for an unknown or wrong part of the filter. */
  async find(filter: EventFind = {}): Promise<readonly FollowedEvent[]> {
    const asked = eventFilter(filter);
    const rows = await this.#shared.access.use((stores) => stores.events.events.newest(asked));
    return rows.map((row) => this.#followed(row));
  }

  /** Those of one task, oldest first, at most 1,000. */
  async of(taskId: TaskId): Promise<readonly TaskEvent[]> {
    const rows = await this.#shared.access.use((stores) => stores.events.events.newest({ taskId, limit: OF_ONE }));
    return rows.toReversed().map((row) => toEvent(row, this.#shared));
  }

  /**
   * Every event as it is written, oldest first, until the signal aborts, the loop is left or OmniQ is closed. Each carries its
   * `cursor`: following after it again misses nothing and repeats nothing.
   */
  follow(options: FollowOptions = {}): AsyncIterableIterator<FollowedEvent> {
    const asked = { ...eventFilter(options, ["after", "signal"]), limit: PAGE };
    const { after, signal } = options;
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw expected("signal", "an AbortSignal", signal);
    if (after !== undefined && typeof after !== "string") throw expected("after", 'the cursor of an event, or "now"', after);
    return this.#follow(asked, after, signal);
  }

  async *#follow(
    filter: EventFilter,
    after: string | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<FollowedEvent, undefined> {
    const { access } = this.#shared;
    const { events } = await access.open();
    const bell = new Bell(this.#shared, signal);
    const moves = new MoveWatch(this.#shared.clock);
    const deafen = events.listen(() => bell.ring());
    try {
      let cursor = after === "now" ? await events.events.tail() : after;
      while (!bell.over) {
        bell.reset();
        const page = await access.use(() => events.events.read(cursor, filter));
        for (const row of page.events) {
          if (bell.over) return;
          yield this.#followed(row);
        }
        const moved = page.cursor !== cursor;
        cursor = page.cursor;
        // A window whose events the filter left out may be followed by one whose events it does not.
        if (moved) continue;
        await access.use(() => moves.look(events));
        await bell.wait();
      }
    } finally {
      deafen();
      bell.stop();
    }
  }

  #followed(row: EventRow): FollowedEvent {
    return Object.assign(toEvent(row, this.#shared), { cursor: row.seq });
  }
}

/** Rung by a hint, by the time, by the caller's signal or by the end of OmniQ. A ring while nobody waits is remembered. */
class Bell {
  readonly #shared: Shared;
  readonly #stop: () => void;
  #rung = false;
  #over: boolean;
  #wake: () => void = () => {};

  constructor(shared: Shared, signal: AbortSignal | undefined) {
    this.#shared = shared;
    this.#over = signal?.aborted ?? false;
    const end = (): void => {
      this.#over = true;
      this.ring();
    };
    signal?.addEventListener("abort", end, { once: true });
    const forget = shared.access.onClose(end);
    this.#stop = () => {
      signal?.removeEventListener("abort", end);
      forget();
    };
  }

  get over(): boolean {
    return this.#over;
  }

  reset(): void {
    this.#rung = false;
  }

  ring(): void {
    this.#rung = true;
    this.#wake();
  }

  async wait(): Promise<void> {
    if (this.#rung || this.#over) return;
    await new Promise<void>((resolve) => {
      const disarm = awake(this.#shared.clock).after(NET, resolve);
      this.#wake = () => {
        disarm();
        resolve();
      };
    });
    this.#wake = () => {};
  }

  stop(): void {
    this.#stop();
  }
}
