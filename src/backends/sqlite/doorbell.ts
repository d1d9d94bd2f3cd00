/**
 * How a process learns that another one has written: `fs.watch` on the WAL (p50 0.2 ms), with a slow poll as a net. The event comes
 * when frames are written, before their commit can be seen (one in ten commits went unseen; with `full` it is seen only when the disk
 * has it, which may take long): so it looks again, less and less often for a third of a second after the last event.
 * `PRAGMA data_version` (2 µs) tells whether another connection has committed; own commits do not count.
 */
import type { FSWatcher } from "node:fs";
import type { Clock } from "../../core/clock.ts";

const fs = process.getBuiltinModule("node:fs");

/** Network file systems and containers lose events; nothing polls faster than this. */
const POLL = 1_000;
/** Milliseconds from the event to the next look, and from each look to the next. */
const LOOK_AGAIN = [1, 2, 4, 16, 64, 256] as const;

export interface DoorbellOptions {
  readonly walPath: string;
  readonly clock: Clock;
  /** Changes when another connection has committed; `undefined` when it cannot be read now. */
  readonly version: () => number | undefined;
  readonly onRing: () => void;
}

export class Doorbell {
  readonly #options: DoorbellOptions;
  #watcher: FSWatcher | undefined;
  #stopPoll: (() => void) | undefined;
  #seen: number | undefined;
  /** The next look, and the place of the wait before it. */
  #next: NodeJS.Timeout | undefined;
  #place = 0;

  constructor(options: DoorbellOptions) {
    this.#options = options;
  }

  start(): void {
    this.#seen = this.#options.version();
    this.#watch();
    this.#poll();
  }

  stop(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#stopPoll?.();
    this.#stopPoll = undefined;
    clearTimeout(this.#next);
    this.#next = undefined;
  }

  /** The file itself, not its folder: other files written there would wake us. A platform without it is left to the poll. */
  #watch(): void {
    try {
      this.#watcher = fs.watch(this.#options.walPath, { persistent: false }, () => {
        this.#event();
      });
      this.#watcher.on("error", () => {
        this.#watcher?.close();
        this.#watcher = undefined;
      });
    } catch {
      this.#watcher = undefined;
    }
  }

  #event(): void {
    // A burst of events, as of our own commits, shares the looks: one a millisecond.
    const looksSoon = this.#next !== undefined && this.#place <= 1;
    if (looksSoon && this.#place === 0) return;
    clearTimeout(this.#next);
    if (!looksSoon) this.#look();
    this.#lookAgain(0);
  }

  #lookAgain(place: number): void {
    this.#place = place;
    this.#next = setTimeout(() => {
      this.#next = undefined;
      this.#look();
      if (place + 1 < LOOK_AGAIN.length) this.#lookAgain(place + 1);
    }, LOOK_AGAIN[place]);
    this.#next.unref();
  }

  #poll(): void {
    this.#stopPoll = this.#options.clock.after(POLL, () => {
      if (this.#watcher === undefined) this.#watch();
      this.#look();
      this.#poll();
    });
  }

  #look(): void {
    const version = this.#options.version();
    if (version === undefined || version === this.#seen) return;
    this.#seen = version;
    this.#options.onRing();
  }
}
