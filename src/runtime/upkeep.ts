/**
 * What any worker does for all: it takes over from the dead, ends what is marked, frees dependents, and cleans up. Everything in
 * bounded batches; each claim it takes is ended through decide and settle like any other.
 */
import type { Beat, Claim, ClaimAsk } from "../core/backend.ts";
import type { Clock, Random } from "../core/clock.ts";
import { INLINE_RELEASES } from "../core/backend.ts";
import type { SweepAsk } from "../core/backend.ts";
import type { Ms } from "../core/record.ts";
import { Waits } from "./backoff.ts";
import { errorFields } from "./logger.ts";
import type { Throttle } from "./logger.ts";
import type { Lookout } from "./lookout.ts";
import { Loop } from "./loop.ts";
import { sweepRound } from "./retention.ts";
import type { Stores } from "./stores.ts";

/** Between two looks, between two looks at the other workers, and between two rounds of cleaning up. */
const EVERY: Ms = 3_000;
const CLEAN_EVERY: Ms = 60_000;
/** After a look or a round whose budget was spent before the work was done. */
const SOON: Ms = 50;
const CLEAN_SOON: Ms = 1_000;
/** A look that is asked for comes no nearer to the one before. */
const GAP: Ms = 500;
/** Claims of one batch; batches of one look, of each kind. */
const BATCH = 100;
const BATCHES = 20;
/** Workers that one look is at. Where more hold something, the next look goes on behind them. */
const WORKERS = 1_000;

export interface UpkeepOptions {
  readonly stores: Stores;
  readonly clock: Clock;
  readonly random: Random;
  readonly throttle: Throttle;
  readonly worker: string;
  readonly lookout: Lookout;
  readonly sweeps: readonly SweepAsk[];
  readonly yieldTurn: () => Promise<void>;
  /** Ends these claims; resolves when that is written. */
  readonly end: (claims: readonly Claim[]) => Promise<void>;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #loop: Loop;
  readonly #waits: Waits;
  #on = false;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #cleanAt: Ms;
  #look: Promise<boolean> | undefined;
  /** What they hold is being taken over. */
  #dead: readonly Beat[] = [];
  /** Where the next look at the workers goes on. */
  #next: string | undefined;

  constructor(options: UpkeepOptions) {
    const { clock, random } = options;
    this.#options = options;
    this.#waits = new Waits(random);
    this.#cleanAt = clock.monotonic() + CLEAN_EVERY * random();
    this.#loop = new Loop({ clock, gap: GAP, step: () => this.#step() });
  }

  start(): void {
    this.#on = true;
    this.#loop.start();
  }

  /** Asks for a look soon. */
  nudge(): void {
    this.#loop.nudge();
  }

  async stop(): Promise<void> {
    this.#on = false;
    await this.#loop.stop();
  }

  /** Ends what is marked and frees what waits for ended parents, until nothing is left of it. */
  async tend(): Promise<void> {
    while ((await this.#tendOnce()) && this.#on);
  }

  async #step(): Promise<Ms> {
    try {
      // Asked together they share a transaction: most looks find nothing, and are all that an idle worker does.
      const more = await Promise.all([this.#recover(), this.#tendOnce()]);
      await this.#clean();
      this.#waits.reset();
      return more.includes(true) ? SOON : EVERY;
    } catch (error) {
      this.#options.throttle.warn("Upkeep could not be done; it is tried again", errorFields(error));
      return this.#waits.next();
    }
  }

  /** Never two at once: the loop's and that of `tend` share. */
  async #tendOnce(): Promise<boolean> {
    this.#look ??= this.#tend().finally(() => {
      this.#look = undefined;
    });
    return this.#look;
  }

  /** True while there is more. Both are asked together, so that a look that finds nothing is one transaction. */
  async #tend(): Promise<boolean> {
    const [{ ended, more }, unreleased] = await Promise.all([this.#endAll({ ended: true }), this.#release()]);
    // What was ended may have left dependents to free.
    return more || ended > 0 || unreleased;
  }

  async #release(): Promise<boolean> {
    for (let batch = 0; batch < BATCHES; batch++) {
      if (!(await this.#options.stores.main.work.release(INLINE_RELEASES))) return false;
      if (!(await this.#between())) return true;
    }
    return true;
  }

  /** Takes over what dead workers hold. True while there is more: all of it is begun anew within the same 20 s, however much it is. */
  async #recover(): Promise<boolean> {
    if (this.#dead.length === 0) this.#dead = await this.#lookForDead();
    if (this.#dead.length === 0) return false;
    const { more } = await this.#endAll({ lost: this.#dead });
    if (!more) this.#dead = [];
    return more;
  }

  async #lookForDead(): Promise<readonly Beat[]> {
    const { stores, clock, lookout, worker } = this.#options;
    if (clock.monotonic() - this.#lookedAt < EVERY) return [];
    const { presence } = stores.main;
    const [{ workers, next }, others] = await Promise.all([presence.holding(WORKERS, this.#next), presence.workers(WORKERS)]);
    this.#lookedAt = clock.monotonic();
    this.#next = next;
    const holders = workers.filter((row) => row.worker !== worker);
    return lookout.dead(holders, { others, more: next !== undefined });
  }

  /** Ends all claims of a kind, batch by batch. `more`: the budget was spent before. */
  async #endAll(
    of: { readonly ended: true } | { readonly lost: readonly Beat[] },
  ): Promise<{ readonly ended: number; readonly more: boolean }> {
    const { stores, worker, end } = this.#options;
    const ask: ClaimAsk = { worker, limit: BATCH, of };
    let ended = 0;
    for (let batch = 0; batch < BATCHES; batch++) {
      const { claims, more } = await stores.claim(ask);
      await end(claims);
      ended += claims.length;
      if (!more) return { ended, more };
      if (!(await this.#between())) break;
    }
    return { ended, more: true };
  }

  async #clean(): Promise<void> {
    const { stores, clock, random, sweeps } = this.#options;
    if (clock.monotonic() < this.#cleanAt) return;
    const more = await sweepRound(
      sweeps,
      async (ask) => stores.sweep(ask),
      async () => this.#between(),
    );
    this.#cleanAt = clock.monotonic() + (more ? CLEAN_SOON : CLEAN_EVERY * (0.5 + random()));
  }

  async #between(): Promise<boolean> {
    await this.#options.yieldTurn();
    return this.#on;
  }
}
