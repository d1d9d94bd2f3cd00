/** Fires what is due. Any worker does, without a leader: `fire` is a compare-and-set, and an occurrence is unique. */
import { LONGEST_WAIT } from "../core/clock.ts";
import type { Clock, Random } from "../core/clock.ts";
import type { Ms } from "../core/record.ts";
import { dueOf } from "../core/due.ts";
import { ScheduleBrokenError } from "../core/errors.ts";
import type { FireAsk, ScheduleRow } from "../core/schedule.ts";
import { unreadableText } from "../models/broken.ts";
import { Waits } from "./backoff.ts";
import { errorFields } from "./logger.ts";
import type { Throttle } from "./logger.ts";
import { firingOf } from "./firing.ts";
import { Loop } from "./loop.ts";
import type { Logger } from "./signatures.ts";
import type { Stores } from "./stores.ts";

/** Schedules of one look. */
const BATCH = 100;
/** Others fire too: after so many looks that found everything taken, the next one waits a little. */
const STALE_LOOKS = 3;
const AFTER_STALE: Ms = 1_000;
/** A look comes no nearer to the one before. */
const GAP: Ms = 10;

export interface SchedulerOptions {
  readonly stores: Stores;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly throttle: Throttle;
  readonly newId: () => string;
  readonly yieldTurn: () => Promise<void>;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #loop: Loop;
  readonly #waits: Waits;
  /** Schedules whose rule cannot be computed, at this revision: said once. */
  readonly #broken = new Map<string, number>();
  #stale = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#waits = new Waits(options.random);
    this.#loop = new Loop({ clock: options.clock, gap: GAP, step: () => this.#step() });
  }

  start(): void {
    this.#loop.start();
  }

  /** A schedule has changed: looks again. */
  nudge(): void {
    this.#loop.nudge();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  async #step(): Promise<Ms> {
    try {
      const wait = await this.look(await this.#options.stores.main.now());
      this.#waits.reset();
      return wait;
    } catch (error) {
      this.#options.throttle.warn("Schedules could not be looked at; it is tried again", errorFields(error));
      return this.#waits.next();
    }
  }

  /** Fires what is due at `now` and answers how long to wait for the next. */
  async look(now: Ms): Promise<Ms> {
    const { stores } = this.#options;
    // Those that are left alone stay due: they must not fill the look.
    const rows = await stores.main.schedules.list({ dueBy: now, limit: BATCH + this.#broken.size });
    const asks: FireAsk[] = [];
    for (const row of rows) {
      const ask = this.#askOf(row, now);
      if (ask === undefined) continue;
      asks.push(ask);
      // Counting what was missed takes up to 40 ms a schedule: others get their turn.
      if (ask.events.some(({ type }) => type === "schedule_skipped")) await this.#options.yieldTurn();
    }
    if (asks.length > 0) {
      this.#stale = (await this.#fire(asks)) ? 0 : this.#stale + 1;
      return this.#stale < STALE_LOOKS ? 0 : AFTER_STALE;
    }
    return this.#untilNext(now);
  }

  /** Whether any of them was fired. Where they cannot be fired together each is tried alone: one that fails must not keep the others. */
  async #fire(asks: readonly FireAsk[]): Promise<boolean> {
    const { stores, throttle } = this.#options;
    try {
      return (await stores.fire(asks)).some(({ is }) => is !== "stale");
    } catch (error) {
      if (asks.length === 1) throw error;
    }
    let fired = false;
    for (const ask of asks) {
      try {
        fired = (await stores.fire([ask])).some(({ is }) => is !== "stale") || fired;
      } catch (error) {
        throttle.warn("A schedule could not be fired", { scheduleId: ask.id, ...errorFields(error) });
      }
    }
    return fired;
  }

  /** Fires all that was due at `now`: what becomes due meanwhile would never end. */
  async fireAll(now: Ms): Promise<void> {
    while ((await this.look(now)) === 0);
  }

  async #untilNext(now: Ms): Promise<Ms> {
    const rows = await this.#options.stores.main.schedules.list({ status: "active", limit: BATCH + this.#broken.size });
    const next = rows.find((row) => row.nextRunAt !== undefined && this.#broken.get(row.id) !== row.revision);
    return next?.nextRunAt === undefined ? LONGEST_WAIT : Math.max(1, next.nextRunAt - now);
  }

  #askOf(row: ScheduleRow, now: Ms): FireAsk | undefined {
    if (this.#broken.get(row.id) === row.revision) return undefined;
    try {
      return this.#computed(row, now);
    } catch (error) {
      this.#broken.set(row.id, row.revision);
      this.#options.logger.error("A schedule cannot be computed and is left alone until it changes", {
        scheduleId: row.id,
        ...errorFields(error),
      });
      return undefined;
    }
  }

  #computed(row: ScheduleRow, now: Ms): FireAsk | undefined {
    if (row.unreadable !== undefined) throw new ScheduleBrokenError(row.id, unreadableText(row.unreadable));
    const due = dueOf(row, now);
    return due === undefined ? undefined : firingOf(row, due, this.#options);
  }
}
