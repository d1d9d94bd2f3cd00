/**
 * Tasks that one more lost claim would end, though they may have had no part in the crash: they are not claimed before they can start, and
 * of those that have been in crashes before, a worker runs one at a time, so that the next crash tells which of them it was.
 */
import type { Clock } from "../core/clock.ts";
import type { Ms, TaskId } from "../core/record.ts";
import type { StoredTask } from "../core/task.ts";
import type { Execution } from "./execution.ts";

/** After how long one that was given back may be claimed again: for each that is before it, and as long as the one that runs has run. */
const EACH: Ms = 100;
const LONGEST: Ms = 60_000;
/** Between two looks whether they are back by the clock of the store, too. */
const LOOK: Ms = 50;

export function isFragile({ atMostOnce, crashCount, maxCrashes }: StoredTask): boolean {
  return atMostOnce || crashCount + 1 >= maxCrashes;
}

function isSuspect({ claim: { for: why, task } }: Execution): boolean {
  return why === "run" && task.crashCount > 0 && isFragile(task);
}

export interface SuspectsOptions {
  readonly clock: Clock;
  /** Every claim whose end is not written yet. */
  readonly held: ReadonlySet<Execution>;
  readonly giveBack: (run: Execution, after: Ms) => void;
  /** Whether one of these tasks is to come later. */
  readonly isAnyDelayed: (ids: readonly TaskId[]) => Promise<boolean>;
}

export class Suspects {
  readonly #options: SuspectsOptions;
  /** Given back, and the time when the last of them may come again. */
  readonly #apart = new Set<TaskId>();
  #backAt: Ms = 0;
  #hurry: (() => void) | undefined;

  constructor(options: SuspectsOptions) {
    this.#options = options;
  }

  /** Gives a suspect back where there is another; true when it did. */
  keepApart(run: Execution): boolean {
    const { clock, giveBack } = this.#options;
    const others = this.#others(run);
    if (others.length === 0) return false;
    const now = clock.monotonic();
    const ran = now - Math.min(...others.map(({ since }) => since));
    const after = Math.min(LONGEST, Math.max(EACH * others.length, ran));
    this.#apart.add(run.claim.task.id);
    this.#backAt = Math.max(this.#backAt, now + after);
    giveBack(run, after);
    return true;
  }

  /** Not while another is held: that it was given back has to be written first. */
  mayStart(run: Execution): boolean {
    return this.#others(run).length === 0;
  }

  /** Resolves when all that were kept apart may come again, or nobody waits for them any more. False where there were none. */
  async areBack(): Promise<boolean> {
    if (this.#apart.size === 0) return false;
    const { clock, isAnyDelayed } = this.#options;
    await this.#wait(this.#backAt - clock.monotonic());
    while (this.#apart.size > 0 && (await isAnyDelayed([...this.#apart]))) await this.#wait(LOOK);
    this.#apart.clear();
    return true;
  }

  /** Nobody waits for them any more. */
  forget(): void {
    this.#apart.clear();
    this.#hurry?.();
  }

  #others(run: Execution): readonly Execution[] {
    return isSuspect(run) ? [...this.#options.held].filter((other) => other !== run && isSuspect(other)) : [];
  }

  async #wait(ms: Ms): Promise<void> {
    await new Promise<void>((resolve) => {
      const disarm = this.#options.clock.after(Math.max(ms, 0), resolve);
      this.#hurry = () => {
        disarm();
        resolve();
      };
    });
  }
}
