/**
 * How a process learns that another one has written: `fs.watch` on the WAL (p50 0.2 ms), with a slow poll as a net. The event comes
 * when frames are written, before their commit can be seen (one in ten commits went unseen): so it looks again after 1 and 4 ms.
 * `PRAGMA data_version` (2 µs) tells whether another connection has committed; own commits do not count.
 */
import type { FSWatcher } from "node:fs";
import type { Clock } from "../../core/clock.ts";

const fs = process.getBuiltinModule("node:fs");

/** Network file systems and containers lose events; nothing polls faster than this. */
const POLL = 1_000;
const LOOK_AGAIN = [1, 4] as const;

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
  /** Looks still to come after an event; a burst of events shares them. */
  #looks: NodeJS.Timeout[] = [];

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
    for (const timer of this.#looks) clearTimeout(timer);
    this.#looks = [];
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
    if (this.#looks.length > 0) return;
    this.#look();
    for (const [i, delay] of LOOK_AGAIN.entries()) {
      const timer = setTimeout(() => {
        if (i === LOOK_AGAIN.length - 1) this.#looks = [];
        this.#look();
      }, delay);
      timer.unref();
      this.#looks.push(timer);
    }
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
