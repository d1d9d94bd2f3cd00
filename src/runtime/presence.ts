/** The worker's signs of life, and what it learns from them: which of its claims are lost, and which are to be cancelled. */
import type { Backend, Deputy, WorkerRow } from "../core/backend.ts";
import type { Clock, Random } from "../core/clock.ts";
import { WorkerUnknownError } from "../core/errors.ts";
import type { Fence, Ms, TaskId } from "../core/record.ts";
import { Waits } from "./backoff.ts";
import { errorFields } from "./logger.ts";
import type { Throttle } from "./logger.ts";
import { Loop } from "./loop.ts";
import { afterLong } from "./timer.ts";

/** Beats in a lease: two may be late before anybody wonders. */
const BEATS_A_LEASE = 2.4;
/** The share of a lease without a beat after which the worker no longer trusts its claims. */
const SILENCE = 0.8;
/** While a beat is under way it is given this share. */
const LAST_CHANCE = 0.9;
/** Hints for an early beat are taken together. */
const EARLIEST = 250;

export interface HeldClaim {
  readonly id: TaskId;
  readonly fence: Fence;
}
export type Verdict = HeldClaim & { readonly is: "lost" | "cancel" };

export interface PresenceOptions {
  readonly main: Backend;
  readonly clock: Clock;
  readonly random: Random;
  readonly throttle: Throttle;
  readonly row: Omit<WorkerRow, "beat" | "arrivedAt" | "seenAt">;
  readonly held: () => readonly HeldClaim[];
  /** After each beat. */
  readonly beaten: (verdicts: readonly Verdict[]) => void;
  /** No beat came through for most of a lease: others may soon take the claims. */
  readonly silenced: () => void;
  readonly failed: (error: unknown) => void;
}

export class Presence {
  readonly #options: PresenceOptions;
  readonly #loop: Loop;
  readonly #waits: Waits;
  readonly #every: Ms;
  #proven: Ms = 0;
  #beating = false;
  #silent = false;
  #disarm: (() => void) | undefined;
  #deputy: Deputy | undefined;

  constructor(options: PresenceOptions) {
    const { clock, random, row } = options;
    this.#options = options;
    this.#every = row.leaseMs / BEATS_A_LEASE;
    this.#waits = new Waits(random, 50, Math.min(1_000, this.#every / 2));
    // A worker that waits for tasks keeps its process alive.
    this.#loop = new Loop({ clock, gap: Math.min(EARLIEST, this.#every / 2), step: () => this.#step(), keepAlive: true });
  }

  /** True from the moment that the claims are no longer to be trusted until a beat has told which are still held. */
  get silent(): boolean {
    return this.#silent;
  }

  /** Writes the worker's row and begins to beat. */
  async start(): Promise<void> {
    await this.arrive();
    this.#prove(this.#options.clock.monotonic());
    const { main, row } = this.#options;
    this.#deputy = main.deputy?.(row.worker, row.leaseMs);
    this.#loop.start(this.#every);
  }

  /** Writes the row, at the start and whenever it turns out to be gone. */
  async arrive(): Promise<void> {
    await this.#options.main.presence.arrive(this.#options.row);
  }

  /** Asks for a beat soon: a cancellation may wait. */
  nudge(): void {
    this.#loop.nudge();
  }

  /** Ends the beats and takes the row away, unless it still holds something. */
  async stop(): Promise<void> {
    await this.#loop.stop();
    this.#disarm?.();
    await this.#deputy?.stop();
    try {
      await this.#options.main.presence.leave(this.#options.row.worker);
    } catch (error) {
      this.#options.throttle.warn("The worker could not sign off; others will notice", errorFields(error));
    }
  }

  async #step(): Promise<Ms> {
    const began = this.#options.clock.monotonic();
    this.#deputy?.awake();
    this.#beating = true;
    try {
      const verdicts = await this.#beat();
      this.#prove(began);
      this.#waits.reset();
      this.#options.beaten(verdicts);
      return this.#every;
    } catch (error) {
      this.#options.throttle.warn("A beat could not be written", errorFields(error));
      this.#options.failed(error);
      return this.#waits.next();
    } finally {
      this.#beating = false;
    }
  }

  async #beat(): Promise<readonly Verdict[]> {
    const { main, row } = this.#options;
    try {
      return await main.presence.beat(row.worker, this.#options.held());
    } catch (error) {
      if (!(error instanceof WorkerUnknownError)) throw error;
      // Swept while it slept. What it still holds is found out by beating again.
      await this.arrive();
      return main.presence.beat(row.worker, this.#options.held());
    }
  }

  #prove(at: Ms): void {
    const { clock, row } = this.#options;
    this.#proven = at;
    this.#silent = false;
    this.#disarm?.();
    this.#disarm = afterLong(clock, at + row.leaseMs * SILENCE - clock.monotonic(), () => {
      this.#watch();
    });
  }

  #watch(): void {
    const { clock, row } = this.#options;
    const now = clock.monotonic();
    this.#proven = Math.max(this.#proven, now - (this.#deputy?.beatAgo() ?? Number.POSITIVE_INFINITY));
    if (now < this.#proven + row.leaseMs * SILENCE) {
      this.#prove(this.#proven);
      return;
    }
    const left = this.#proven + row.leaseMs * LAST_CHANCE - now;
    // A handler that blocked the process delays this timer and the beat alike: the beat under way may well come through.
    if (this.#beating && left > 0) {
      this.#disarm = afterLong(clock, left, () => {
        this.#watch();
      });
      return;
    }
    this.#silent = true;
    this.#options.silenced();
  }
}
