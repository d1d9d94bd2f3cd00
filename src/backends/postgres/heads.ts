/**
 * Where a worker's claims begin to look. While any transaction is open that began before, what was claimed since leaves dead entries in front
 * of the claim's index that nothing can take away, and every claim reads them all: 200,000 made it twice as dear. Invariants: a claim passes
 * over nothing but what lies before the head of its queue and name; a head is used only where looking from the beginning read far more
 * than it took, and looking from the beginning takes a tenth of the time at least. So whatever comes in front of a head (by a
 * higher priority, or an earlier time) is found a little later, and nothing is passed over for good. Who has to know that nothing is left
 * asks for a look from the beginning.
 */
import type { Clock } from "../../core/clock.ts";
import type { Ms } from "../../core/record.ts";

/** The last that was taken of a queue and a name, in the claim's order; all before it was taken, too. */
export interface Head {
  readonly q: string;
  readonly n: string;
  readonly p: number;
  readonly d: number;
  readonly r: number;
}

/** Entries read in vain that are worth a head: about 1 ms. */
const WASTE = 5_000;
/** Milliseconds until the next look from the beginning, for each entry that the last one read in vain: ten times what it took. */
const REST = 0.002;

export class Heads {
  readonly #clock: Clock;
  readonly #at = new Map<string, Head>();
  #timed: number | undefined;
  /** When to look from the beginning again; undefined while every claim does. */
  #until: Ms | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds until the next look from the beginning; 0: this claim is one. */
  get rest(): Ms {
    return this.#until === undefined ? 0 : Math.max(0, this.#until - this.#clock.monotonic());
  }

  /** Where to begin; nothing for a look from the beginning. */
  get begin(): { readonly heads: readonly Head[]; readonly timed?: number } | undefined {
    if (this.rest === 0) return undefined;
    return { heads: [...this.#at.values()], ...(this.#timed === undefined ? {} : { timed: this.#timed }) };
  }

  /**
   * What a claim took, in its order, and how many index entries it read in vain.
   * @param whole whether it looked from the beginning.
   * @param promoted all that was timed before this had been promoted.
   */
  took(whole: boolean, last: readonly Head[], wasted: number, promoted: number): void {
    if (whole) {
      this.#at.clear();
      this.#until = wasted < WASTE ? undefined : this.#clock.monotonic() + wasted * REST;
    }
    if (this.#until === undefined) return;
    this.#timed = promoted;
    for (const head of last) this.#at.set(`${head.q}\0${head.n}`, head);
  }
}
