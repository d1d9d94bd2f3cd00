/**
 * What the worker holds, from the claim until its end is written. Invariants: a claim is held until its settlement was answered or it
 * was found lost; a settlement that could not be written waits on; nothing is settled under two outcomes.
 */
import type { Claim, Settled, Settlement } from "../core/backend.ts";
import type { Clock, Random } from "../core/clock.ts";
import { LeaseLostError } from "../core/errors.ts";
import { decide } from "../core/lifecycle.ts";
import type { Outcome, Run } from "../core/lifecycle.ts";
import type { Failure } from "../core/record.ts";
import type { Emitter, Ran } from "./emitter.ts";
import type { Execution } from "./execution.ts";
import type { ProgressBoard } from "./progress.ts";
import type { Logger } from "./signatures.ts";

/** Settlements of one write at most: it must not hold the event loop. */
const MOST = 500;

export interface SettlerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly worker: string;
  readonly emitter: Emitter;
  readonly progress: Pick<ProgressBoard, "takeLast">;
  /** Something waits to be written. */
  readonly wake: () => void;
  /** Tasks have ended otherwise than completed: their dependents may have to be ended, too. */
  readonly endedBadly: () => void;
}

export class Settler {
  readonly #options: SettlerOptions;
  readonly #held = new Set<Execution>();
  #waiting: Execution[] = [];
  #most = MOST;
  /** Settlements decided, and those answered, so far. */
  #decided = 0;
  #answered = 0;
  #flushes: { readonly upTo: number; readonly resolve: () => void }[] = [];
  #lost = 0;

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  /** Every claim whose end is not written yet. */
  get held(): ReadonlySet<Execution> {
    return this.#held;
  }

  /** Settlements that wait to be written. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Claims that were lost so far. */
  get lost(): number {
    return this.#lost;
  }

  hold(run: Execution): void {
    this.#held.add(run);
  }

  /** Decides what is written of a claim, and has it written soon. */
  settle(run: Execution, outcome: Outcome): void {
    run.over = true;
    const settlement = this.#decide(run, outcome);
    const last = this.#options.progress.takeLast(run);
    run.settlement = last === undefined ? settlement : { ...settlement, events: [last, ...settlement.events] };
    this.#waiting.push(run);
    this.#decided++;
    this.#options.wake();
  }

  /** Lets go of a claim that somebody else has. */
  drop(run: Execution): void {
    run.over = true;
    if (!this.#held.delete(run)) return;
    this.#lost++;
    const { id, func } = run.claim.task;
    this.#options.logger.warn("A claim was lost: another worker has the task, and what came of it here is not written", {
      taskId: id,
      func,
    });
    if (this.#options.emitter.has("error")) {
      this.#options.emitter.emit("error", new LeaseLostError(`Expected this worker to hold the claim of task ${id}, but it was lost`), {
        id,
        func,
      });
    }
  }

  /** Takes what waits, oldest first; `written` or `putBack` must follow. */
  take(): readonly Execution[] {
    const set = this.#waiting.length <= this.#most ? this.#waiting : this.#waiting.slice(0, this.#most);
    this.#waiting = set === this.#waiting ? [] : this.#waiting.slice(this.#most);
    return set;
  }

  /**
   * They could not be written. Fewer are tried next, down to one, and one that fails alone goes to the end: a settlement that no
   * store will take must not keep the others.
   */
  putBack(set: readonly Execution[]): void {
    this.#most = Math.max(1, set.length >> 1);
    this.#waiting = set.length === 1 ? [...this.#waiting, ...set] : [...set, ...this.#waiting];
  }

  written(set: readonly Execution[], answers: readonly Settled[]): void {
    this.#answered += set.length;
    this.#most = Math.min(MOST, this.#most * 2);
    let bad = false;
    for (const [i, run] of set.entries()) {
      const answer = answers[i];
      if (answer === "settled" || answer === "repeated") {
        this.#held.delete(run);
        bad ||= run.settlement !== undefined && run.settlement.to !== "completed" && run.settlement.to !== "again";
        this.#tell(run);
      } else this.drop(run);
    }
    if (bad) this.#options.endedBadly();
    this.#resolveFlushes();
  }

  /** Resolves when as many settlements are answered as were decided before this call. */
  async flushed(): Promise<void> {
    const upTo = this.#decided;
    if (this.#answered >= upTo) return;
    await new Promise<void>((resolve) => {
      this.#flushes.push({ upTo, resolve });
    });
  }

  /** Gives up what is not written: those who wait for it go on. Returns how many that were. */
  abandon(): number {
    const left = this.#decided - this.#answered;
    this.#waiting = [];
    this.#answered = this.#decided;
    this.#resolveFlushes();
    return left;
  }

  #resolveFlushes(): void {
    if (this.#flushes.length === 0) return;
    const done = this.#flushes.filter(({ upTo }) => upTo <= this.#answered);
    this.#flushes = this.#flushes.filter(({ upTo }) => upTo > this.#answered);
    for (const { resolve } of done) resolve();
  }

  #decide(run: Execution, outcome: Outcome): Settlement {
    const { clock, random, worker } = this.#options;
    const { claim, executionMs } = run;
    const elapsed = clock.monotonic() - run.since;
    const facts: Run = executionMs === undefined ? { worker, elapsed, random } : { worker, elapsed, random, executionMs };
    return decide(claim, outcome, facts);
  }

  #tell(run: Execution): void {
    const { emitter } = this.#options;
    const { settlement } = run;
    if (settlement === undefined) return;
    if (settlement.to === "completed") {
      if (emitter.has("completed")) emitter.emit("completed", ranOf(run));
    } else if (settlement.to === "failed") {
      if (emitter.has("failed")) emitter.emit("failed", { ...ranOf(run), error: failureOf(settlement, run.claim) });
    } else if (settlement.to === "again" && settlement.counts === "retry" && emitter.has("retrying")) {
      emitter.emit("retrying", { ...ranOf(run), error: failureOf(settlement, run.claim), after: settlement.after });
    }
  }
}

function ranOf({ claim: { task }, executionMs }: Execution): Ran {
  const { id, func, queue, attempt } = task;
  return { id, func, queueName: queue, attempt, ...(executionMs === undefined ? {} : { executionTime: executionMs }) };
}

/** Where no result is stored the event still says what went wrong. */
function failureOf({ result, events }: Settlement, claim: Claim): Failure {
  if (result?.error !== undefined) return result.error;
  return { name: "Error", message: events.find((event) => event.error !== undefined)?.error ?? claim.task.reason ?? "" };
}
