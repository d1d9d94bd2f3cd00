/**
 * Where handlers run. Invariants: at most `concurrency` of them at a time; the worker claims exactly what has room here, so that a task
 * which is `running` has its handler running (but for `prefetch`, the stated trade for speed).
 */
import type { Clock } from "../core/clock.ts";
import type { Ms } from "../core/record.ts";
import type { Execution } from "./execution.ts";

/** Synchronous handlers one after the other hold the event loop at most so long, so that beats go on. */
const LONGEST_TURN = 15;

/** So long nothing is claimed ahead once something came that must not be: a queue of such would go back and forth. */
const NONE_AHEAD: Ms = 60_000;

export interface SlotsOptions {
  readonly clock: Clock;
  readonly concurrency: number;
  readonly prefetch: number;
  readonly yieldTurn: () => Promise<void>;
  /** Whether it may start by now; it is asked again after each write. */
  readonly mayStart: (run: Execution) => boolean;
  /** It lay here until it was too late to start it: to be given back. */
  readonly stale: (run: Execution) => void;
}

export class Slots {
  readonly #options: SlotsOptions;
  #running = new Set<Execution>();
  /** Claimed and not started: those that were prefetched, or that wait for the turn to end. */
  #next: Execution[] = [];
  #filling = false;
  /** From when on as many are claimed ahead as there may be. */
  #aheadFrom: Ms = 0;

  constructor(options: SlotsOptions) {
    this.#options = options;
  }

  /** How many more may be claimed. */
  get room(): number {
    const { concurrency, prefetch, clock } = this.#options;
    const ahead = clock.monotonic() < this.#aheadFrom ? 0 : prefetch;
    return concurrency + ahead - this.#running.size - this.#next.length;
  }

  /** Whether what comes now comes ahead. */
  get isFull(): boolean {
    return this.#running.size + this.#next.length >= this.#options.concurrency;
  }

  /** Nothing is claimed ahead for a while. */
  claimNoneAhead(): void {
    this.#aheadFrom = this.#options.clock.monotonic() + NONE_AHEAD;
  }

  get running(): ReadonlySet<Execution> {
    return this.#running;
  }

  get isEmpty(): boolean {
    return this.#running.size === 0 && this.#next.length === 0;
  }

  /** Takes claims to be run, in this order; `fill` starts them. */
  add(run: Execution): void {
    this.#next.push(run);
  }

  /** Frees the slot of a run that is over. */
  free(run: Execution): void {
    this.#running.delete(run);
  }

  /** Takes one that was not started out again; false when it was. */
  withdraw(run: Execution): boolean {
    const at = this.#next.indexOf(run);
    if (at >= 0) this.#next.splice(at, 1);
    return at >= 0;
  }

  /** Takes out all that were not started. */
  withdrawAll(): readonly Execution[] {
    const all = this.#next;
    this.#next = [];
    return all;
  }

  /** Starts handlers in the free slots. One that ends at once frees its slot for the next, without recursion. */
  fill(): void {
    if (this.#filling) return;
    const { clock, concurrency, mayStart, stale } = this.#options;
    this.#filling = true;
    const began = clock.monotonic();
    let at = 0;
    const held: Execution[] = [];
    let isOut = false;
    while (at < this.#next.length && this.#running.size < concurrency && !isOut) {
      const run = this.#next[at++];
      if (run === undefined) continue;
      if (isStale(run, clock)) stale(run);
      else if (mayStart(run)) {
        this.#running.add(run);
        run.start();
      } else held.push(run);
      isOut = clock.monotonic() - began > LONGEST_TURN;
    }
    this.#next.splice(0, at, ...held);
    this.#filling = false;
    if (isOut && this.#next.length > 0 && this.#running.size < concurrency) void this.#fillLater();
  }

  async #fillLater(): Promise<void> {
    await this.#options.yieldTurn();
    this.fill();
  }
}

/** A task is never started at or after its expiry. */
function isStale({ claim, since }: Execution, clock: Clock): boolean {
  return claim.expiresIn !== undefined && clock.monotonic() - since >= claim.expiresIn;
}
