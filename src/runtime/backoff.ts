/** The waits between attempts at a store that cannot be reached. */
import type { Random } from "../core/clock.ts";
import type { Ms } from "../core/record.ts";

/** Doubles from 50 ms to 5 s, each wait between half and the whole of it, so that many workers do not come back at once. */
export class Waits {
  readonly #random: Random;
  readonly #least: Ms;
  readonly #most: Ms;
  #next: Ms;

  constructor(random: Random, least: Ms = 50, most: Ms = 5_000) {
    this.#random = random;
    this.#least = least;
    this.#most = most;
    this.#next = least;
  }

  next(): Ms {
    const wait = this.#next * (0.5 + 0.5 * this.#random());
    this.#next = Math.min(this.#most, this.#next * 2);
    return wait;
  }

  reset(): void {
    this.#next = this.#least;
  }
}
