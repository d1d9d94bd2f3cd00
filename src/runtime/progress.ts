/** How far running tasks are: the latest word of each, at most one a 250 ms, many in one write. */
import { storable } from "../core/text.ts";
import type { Progress } from "../core/backend.ts";
import type { Clock } from "../core/clock.ts";
import { encode } from "../core/codec.ts";
import type { NewEvent } from "../core/event.ts";
import type { RunView } from "./context.ts";
import { errorFields } from "./logger.ts";
import type { Throttle } from "./logger.ts";
import { Loop } from "./loop.ts";

const GAP = 250;

export interface ProgressOptions {
  readonly clock: Clock;
  readonly worker: string;
  readonly throttle: Throttle;
  readonly write: (set: readonly Progress[]) => Promise<readonly ("written" | "lost")[]>;
  /** The claim of this run is not the current one any more. */
  readonly lost: (run: RunView) => void;
}

export class ProgressBoard {
  readonly #options: ProgressOptions;
  readonly #changed = new Set<RunView>();
  readonly #loop: Loop;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#loop = new Loop({ clock: options.clock, gap: GAP, step: () => this.#write() });
    this.#loop.start(Number.POSITIVE_INFINITY);
  }

  report(run: RunView, fraction: number, note: string | undefined): void {
    run.progress = { fraction, note };
    this.#changed.add(run);
    this.#loop.nudge();
  }

  /** The last word of a run that ends, to be written with its settlement: afterwards its claim would not allow it. */
  takeLast(run: RunView): NewEvent | undefined {
    return this.#event(run);
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
  }

  async #write(): Promise<number> {
    const words = [...this.#changed].flatMap((run) => {
      const event = this.#event(run);
      // A run that has ended meanwhile took its last word with it.
      return event === undefined ? [] : [{ run, event }];
    });
    this.#changed.clear();
    if (words.length === 0) return Number.POSITIVE_INFINITY;
    try {
      const answers = await this.#options.write(
        words.map(({ run: { claim }, event }) => ({ id: claim.task.id, fence: claim.fence, event })),
      );
      for (const [i, { run }] of words.entries()) if (answers[i] === "lost" && !run.over) this.#options.lost(run);
    } catch (error) {
      // The next word will come; a store that is down must not pile them up.
      this.#options.throttle.warn("Progress could not be written", errorFields(error));
    }
    return Number.POSITIVE_INFINITY;
  }

  #event(run: RunView): NewEvent | undefined {
    if (run.progress === undefined) return undefined;
    const { fraction, note } = run.progress;
    run.progress = undefined;
    const { id, queue, scheduleId } = run.claim.task;
    return {
      type: "progress",
      taskId: id,
      queue,
      worker: this.#options.worker,
      data: encode({ fraction, ...(note === undefined ? {} : { note: note.slice(0, 1_000) }) }),
      ...(scheduleId === undefined ? {} : { scheduleId }),
      ...(note === undefined ? {} : { message: storable(note.slice(0, 1_000)) }),
    };
  }
}
