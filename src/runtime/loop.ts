/** One way to do something again and again. */
import { LONGEST_WAIT } from "../core/clock.ts";
import type { Clock } from "../core/clock.ts";
import type { Ms } from "../core/record.ts";

export interface LoopOptions {
  readonly clock: Clock;
  /** Does one step and answers how long to wait for the next: at most 30 s are waited, `Infinity` waits for a nudge. It handles its own errors. */
  readonly step: () => Promise<Ms>;
  /** Nudges bring a step forward, but not nearer than this to the one before. */
  readonly gap: Ms;
  /** Whether waiting keeps the process alive. Default false. */
  readonly keepAlive?: boolean;
}

/** Runs a step, waits as long as it said or until it is nudged, runs it again. Never two at once; a nudge during a step is not lost. */
export class Loop {
  readonly #options: LoopOptions;
  #cancel: (() => void) | undefined;
  #step: Promise<void> | undefined;
  #nudged = false;
  #on = false;
  #began = Number.NEGATIVE_INFINITY;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  /** @param first how long to wait for the first step. */
  start(first: Ms = 0): void {
    this.#on = true;
    this.#arm(first);
  }

  /** Asks for a step soon. */
  nudge(): void {
    if (!this.#on || this.#nudged) return;
    this.#nudged = true;
    if (this.#step === undefined) this.#arm(0);
  }

  /** No further step; resolves when the one under way is over. */
  async stop(): Promise<void> {
    this.#on = false;
    this.#cancel?.();
    await this.#step;
  }

  #arm(wait: Ms): void {
    this.#cancel?.();
    if (wait === Number.POSITIVE_INFINITY) return;
    const { clock, gap, keepAlive } = this.#options;
    const soonest = this.#began + gap - clock.monotonic();
    const ms = Math.max(0, Math.min(Math.max(wait, soonest), LONGEST_WAIT));
    this.#cancel = clock.after(
      ms,
      () => {
        this.#step = this.#run();
      },
      keepAlive,
    );
  }

  async #run(): Promise<void> {
    this.#nudged = false;
    this.#began = this.#options.clock.monotonic();
    const wait = await this.#options.step();
    this.#step = undefined;
    if (this.#on) this.#arm(this.#nudged ? 0 : wait);
  }
}
