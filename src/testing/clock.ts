/** A clock that stands still until a test moves it. */
import type { Clock } from "../core/clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

/** A turn of the event loop, so that real asynchronous work (files, threads) gets on. */
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/**
 * A `Clock` for tests: `now()` and `monotonic()` stand still until `advance()` moves them, and timers run in the order of their time.
 * `start` is where `now()` begins, in milliseconds since 1970 or as a `Date`; default 2026-01-01T00:00:00Z.
 */
export class TestClock implements Clock {
  #wall: number;
  #monotonic = 0;
  #timers: readonly Timer[] = [];
  #order = 0;

  constructor(start: number | Date = Date.UTC(2026, 0, 1)) {
    this.#wall = Number(start);
  }

  /** Whole milliseconds, as the machine's clock tells them, also where a timer fired between two; no store takes other times. */
  now(): number {
    // What was added up is a hair less at times.
    return Math.floor(this.#wall + 0.001);
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(ms: number, fn: () => void): () => void {
    const timer: Timer = { at: this.#monotonic + Math.max(0, ms), order: this.#order++, fn };
    this.#timers = [...this.#timers, timer].toSorted((a, b) => a.at - b.at || a.order - b.order);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves both clocks on by `ms`, runs the timers that fall due on the way, and lets the work that they start get on. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await turn();
    for (let timer = this.#timers[0]; timer !== undefined && timer.at <= end; timer = this.#timers[0]) {
      this.#moveTo(timer.at);
      this.#timers = this.#timers.slice(1);
      timer.fn();
      await turn();
    }
    this.#moveTo(end);
    await turn();
  }

  /** Moves the wall clock alone, forwards or back, as an administrator or a time server does; no timer runs. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  #moveTo(monotonic: number): void {
    const on = Math.max(0, monotonic - this.#monotonic);
    this.#wall += on;
    this.#monotonic += on;
  }
}
