/** Tells running handlers soon that they were cancelled. The beat tells it too, but only each few seconds. */
import type { Backend } from "../core/backend.ts";
import type { Clock } from "../core/clock.ts";
import type { Execution } from "./execution.ts";
import { errorFields } from "./logger.ts";
import { Loop } from "./loop.ts";
import type { Logger } from "./signatures.ts";

/** Hints are taken together. */
const GAP = 250;

export interface CancelsOptions {
  readonly main: Backend;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The runs that may be cancelled. */
  readonly runs: () => readonly Execution[];
  readonly cancelled: (run: Execution, reason: string | undefined) => void;
}

/** Reads, and writes nothing: a beat at each hint would be a hint for every other process, and their beats hints for this one. */
export class Cancels {
  readonly #options: CancelsOptions;
  readonly #loop: Loop;

  constructor(options: CancelsOptions) {
    this.#options = options;
    this.#loop = new Loop({ clock: options.clock, gap: GAP, step: () => this.#look() });
  }

  start(): void {
    this.#loop.start(Number.POSITIVE_INFINITY);
  }

  /** A cancellation may wait. */
  nudge(): void {
    this.#loop.nudge();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  async #look(): Promise<number> {
    const { main, logger, runs, cancelled } = this.#options;
    const held = runs();
    try {
      const rows = held.length === 0 ? [] : await main.desk.get(held.map(({ claim }) => claim.task.id));
      for (const [i, run] of held.entries()) {
        const row = rows[i];
        if (row?.mark === "cancelled" && row.fence === run.claim.fence && !run.over) cancelled(run, row.reason);
      }
    } catch (error) {
      logger.debug("Cancellations could not be read; the next beat tells of them", errorFields(error));
    }
    return Number.POSITIVE_INFINITY;
  }
}
