/**
 * Tasks that one more lost claim would end, though they may have had no part in the crash: they are not claimed before they can start, and
 * of those that have been in crashes before, a worker runs one at a time, so that the next crash tells which of them it was.
 */
import type { Clock } from "../core/clock.ts";
import type { Ms } from "../core/record.ts";
import type { StoredTask } from "../core/task.ts";
import type { Execution } from "./execution.ts";
import type { Slots } from "./slots.ts";

/** After so long one that was given back for another's sake may be claimed again. */
const APART: Ms = 5_000;

export function isFragile({ atMostOnce, crashCount, maxCrashes }: StoredTask): boolean {
  return atMostOnce || crashCount + 1 >= maxCrashes;
}

function isSuspect({ claim: { for: why, task } }: Execution): boolean {
  return why === "run" && task.crashCount > 0 && isFragile(task);
}

export interface SuspectsOptions {
  readonly clock: Clock;
  readonly slots: Pick<Slots, "withdraw">;
  /** Every claim whose end is not written yet. */
  readonly held: ReadonlySet<Execution>;
  readonly giveBack: (run: Execution, after?: Ms) => void;
}

export class Suspects {
  readonly #options: SuspectsOptions;
  /** When the last that was given back may come again. */
  #backAt: Ms = 0;
  #hurry: (() => void) | undefined;

  constructor(options: SuspectsOptions) {
    this.#options = options;
  }

  /**
   * Gives a suspect back where there is another, held or not known to be given back; true when it did. One that has not begun is given back,
   * too, and comes back at once: when it begins, nobody holds the others.
   */
  keepApart(run: Execution): boolean {
    if (!isSuspect(run)) return false;
    const { clock, slots, held, giveBack } = this.#options;
    const others = [...held].filter((other) => other !== run && isSuspect(other));
    if (others.length === 0) return false;
    this.#backAt = clock.monotonic() + APART;
    giveBack(run, APART);
    for (const other of others) if (slots.withdraw(other)) giveBack(other);
    return true;
  }

  /** Resolves when all that were kept apart may come again, or nobody waits for them any more. True where there were any. */
  async areBack(): Promise<boolean> {
    const left = this.#backAt - this.#options.clock.monotonic();
    if (left <= 0) return false;
    await new Promise<void>((resolve) => {
      const disarm = this.#options.clock.after(left, resolve);
      this.#hurry = () => {
        disarm();
        resolve();
      };
    });
    return true;
  }

  /** Nobody waits for them any more. */
  forget(): void {
    this.#backAt = 0;
    this.#hurry?.();
  }
}
