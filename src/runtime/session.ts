/**
 * One stretch of work, from arriving to leaving: puts together what runs, writes, beats and looks after. Whatever a session does stands
 * in the file of that part; here stands who tells whom.
 */
import type { Claim, Hint } from "../core/backend.ts";
import type { Outcome } from "../core/lifecycle.ts";
import type { Ms, TaskId } from "../core/record.ts";
import type { StoredTask } from "../core/task.ts";
import { toTask } from "../models/convert.ts";
import type { Task } from "../models/task.ts";
import { Cancels } from "./cancels.ts";
import type { EnqueueChild, RunView } from "./context.ts";
import type { Emitter, Ran } from "./emitter.ts";
import { Execution } from "./execution.ts";
import { isFragile, Suspects } from "./fragile.ts";
import type { RunHost } from "./execution.ts";
import { componentLogger, loggingAs } from "./logger.ts";
import type { Warned } from "./logger.ts";
import { Lookout } from "./lookout.ts";
import { parentResults } from "./parents.ts";
import { Presence } from "./presence.ts";
import type { Verdict } from "./presence.ts";
import { ProgressBoard } from "./progress.ts";
import { Pump } from "./pump.ts";
import type { Registry } from "./registry.ts";
import { Scheduler } from "./scheduler.ts";
import { Settler } from "./settler.ts";
import type { Logger, ParentResult } from "./signatures.ts";
import { Slots } from "./slots.ts";
import type { WorkerParts, WorkerSettings } from "./parts.ts";
import { afterLong } from "./timer.ts";
import type { Stores } from "./stores.ts";
import { Upkeep } from "./upkeep.ts";

/** How long handlers have after the abort of a stop, and the last writes after them. */
const AFTER_ABORT: Ms = 1_000;
const LAST_WRITES: Ms = 5_000;

export class Session implements RunHost {
  readonly id: string;
  readonly clock: WorkerParts["clock"];
  readonly logger: Logger;
  readonly taskLogger: Logger;
  readonly enqueueChild: EnqueueChild;

  readonly #stores: Stores;
  readonly #registry: Registry;
  readonly #slots: Slots;
  readonly #suspects: Suspects;
  readonly #settler: Settler;
  readonly #pump: Pump;
  readonly #presence: Presence;
  readonly #upkeep: Upkeep;
  readonly #scheduler: Scheduler;
  readonly #progress: ProgressBoard;
  readonly #cancels: Cancels;
  #claims = 0;
  #unlisten: (() => void) | undefined;
  #stopping: Promise<void> | undefined;
  #graceEnds = Number.POSITIVE_INFINITY;
  #afterAbort = AFTER_ABORT;
  #changed: (() => void) | undefined;

  constructor(parts: WorkerParts, stores: Stores, settings: WorkerSettings, registry: Registry, emitter: Emitter) {
    const { clock, random, newId, yieldTurn } = parts;
    const { queues, concurrency, prefetch, lease: leaseMs, sweeps } = settings;
    const { names } = registry;
    const worker = shortened(newId());
    const { main } = stores;
    const failed = (error: unknown): void => {
      emitter.emit("error", error instanceof Error ? error : new Error(String(error)));
    };
    const warned: Warned = new Map();
    const tools = { stores, main, clock, random, ...loggingAs("worker", parts, warned), worker, newId, yieldTurn, emitter };
    this.id = worker;
    this.clock = clock;
    this.logger = tools.logger;
    this.taskLogger = componentLogger(parts.logger, "task");
    this.enqueueChild = parts.enqueueChild;
    this.#stores = stores;
    this.#registry = registry;
    this.#progress = new ProgressBoard({ ...tools, write: (set) => stores.progress(set), lost: (run) => this.#lose(run) });
    this.#settler = new Settler({
      ...tools,
      progress: this.#progress,
      wake: () => this.#pump.wake(),
      endedBadly: () => this.#upkeep.nudge(),
    });
    const { held } = this.#settler;
    const isAnyDelayed = async (ids: readonly TaskId[]): Promise<boolean> =>
      (await main.desk.get(ids)).some((task) => task?.phase === "delayed");
    const giveBack = (run: Execution, after?: Ms): void => {
      this.#giveBack(run, after);
    };
    this.#suspects = new Suspects({ clock, held, giveBack, isAnyDelayed });
    this.#slots = new Slots({ ...tools, concurrency, prefetch, mayStart: (run) => this.#suspects.mayStart(run), stale: giveBack });
    this.#presence = new Presence({
      ...tools,
      row: { ...parts.host, worker, role: "worker", leaseMs, queues, names, concurrency },
      held: () => [...held].map(({ claim }) => ({ id: claim.task.id, fence: claim.fence })),
      beaten: (verdicts) => this.#beaten(verdicts),
      silenced: () => this.#silenced(),
      failed,
    });
    this.#pump = new Pump({
      ...tools,
      slots: this.#slots,
      settler: this.#settler,
      of: { due: true, queues, names, announce: true },
      isSilent: () => this.#presence.silent,
      arriveAgain: () => this.#arriveAgain(),
      claimed: (claim) => this.#claimed(claim),
      idle: () => emitter.emit("idle"),
      failed,
    });
    const lookout = new Lookout(clock, parts.isGone);
    this.#upkeep = new Upkeep({ ...tools, ...loggingAs("upkeep", parts, warned), lookout, sweeps, end: (claims) => this.#endAll(claims) });
    this.#scheduler = new Scheduler({ ...tools, ...loggingAs("scheduler", parts, warned) });
    const runs = (): readonly Execution[] => [...held].filter((run) => run.settlement === undefined);
    this.#cancels = new Cancels({ ...tools, runs, cancelled: (run, reason) => this.#cancelled(run, reason) });
  }

  /** What runs now. */
  get running(): readonly Ran[] {
    return [...this.#slots.running].map(({ claim: { task } }) => ({
      id: task.id,
      func: task.func,
      queueName: task.queue,
      attempt: task.attempt,
    }));
  }

  async start(): Promise<void> {
    await this.#presence.start();
    this.#unlisten = this.#stores.main.listen((hint) => {
      this.#hinted(hint);
    });
    this.#cancels.start();
    this.#pump.start();
    this.#upkeep.start();
    this.#scheduler.start();
  }

  /**
   * Resolves when nothing of its queues is ready or run here, also not what the end of others sets free. Schedules count up to its start.
   * @param only whether the session was begun for this alone: then they fire no further.
   */
  async drain(only: boolean): Promise<void> {
    if (only) await this.#scheduler.stop();
    const now = await this.#stores.main.now();
    let before = -1;
    while (before !== this.#claims && this.#stopping === undefined) {
      before = this.#claims;
      await this.#scheduler.fireAll(now);
      await this.#pump.rest();
      if (this.#stopping === undefined) await this.#upkeep.tend();
      await this.#pump.rest();
      if (await this.#suspects.areBack()) before = -1;
    }
  }

  /**
   * Stops in two steps: handlers have `grace` to end, then their signals abort and they have `afterAbort` more; what is unfinished then
   * is given back. A later call can only make it shorter.
   */
  stop(grace: Ms, afterAbort: Ms = AFTER_ABORT): Promise<void> {
    this.#graceEnds = Math.min(this.#graceEnds, this.clock.monotonic() + grace);
    this.#afterAbort = Math.min(this.#afterAbort, afterAbort);
    this.#changed?.();
    this.#suspects.forget();
    this.#stopping ??= this.#windDown();
    return this.#stopping;
  }

  // ---------------------------------------------------------------- what runs ask of their worker

  taskOf(row: StoredTask): Task {
    return toTask(row, { clock: this.clock });
  }

  async parentResults(row: StoredTask): Promise<readonly ParentResult[]> {
    return parentResults(this.#stores, row);
  }

  report(run: RunView, fraction: number, note: string | undefined): void {
    this.#progress.report(run, fraction, note);
  }

  ended(run: Execution, outcome: Outcome | undefined): void {
    this.#slots.free(run);
    if (outcome === undefined) this.#settler.drop(run);
    else this.#settler.settle(run, outcome);
    this.#slots.fill();
    this.#pump.wake();
    this.#changed?.();
  }

  // ---------------------------------------------------------------- what the parts tell

  #claimed(claim: Claim): void {
    this.#claims++;
    const definition = this.#registry.find(claim.task.func);
    const run = new Execution(claim, definition, this.clock.monotonic(), this);
    this.#settler.hold(run);
    if (claim.for !== "run") this.#settler.settle(run, { kind: "ended" });
    else if (this.#stopping !== undefined || definition === undefined) this.#giveBack(run);
    else if (isFragile(claim.task) && this.#slots.isFull) this.#refuseAhead(run);
    else if (!this.#suspects.keepApart(run)) this.#slots.add(run);
  }

  #giveBack(run: Execution, after: Ms = 0): void {
    // It must not expire meanwhile.
    const { expiresIn = Number.POSITIVE_INFINITY } = run.claim;
    this.#settler.settle(run, { kind: "interrupted", after: Math.min(after, Math.floor(expiresIn / 2)) });
  }

  #refuseAhead(run: Execution): void {
    this.#slots.claimNoneAhead();
    this.#giveBack(run);
  }

  async #endAll(claims: readonly Claim[]): Promise<void> {
    for (const claim of claims) this.#claimed(claim);
    await this.#settler.flushed();
  }

  #hinted(hint: Hint): void {
    if (hint === "task" || hint === "any") this.#pump.hint();
    if (hint === "schedule" || hint === "any") this.#scheduler.nudge();
    if (hint === "cancel") this.#upkeep.nudge();
    if ((hint === "cancel" || hint === "any") && this.#slots.running.size > 0) this.#cancels.nudge();
  }

  #beaten(verdicts: readonly Verdict[]): void {
    for (const { id, fence, is } of verdicts) {
      const run = [...this.#settler.held].find(({ claim }) => claim.task.id === id && claim.fence === fence);
      // What waits to be written is over here, and answered by its own write.
      if (run === undefined) continue;
      if (is === "lost") this.#lose(run);
      // Its reason is read with it.
      else this.#cancels.nudge();
    }
    // Hints may be lost: each beat asks again.
    this.#pump.hint();
  }

  #lose(run: RunView): void {
    for (const held of this.#settler.held) {
      if (held !== run) continue;
      if (this.#slots.withdraw(held)) this.#settler.drop(held);
      else held.interrupt("lost");
    }
  }

  #silenced(): void {
    const running = this.#slots.running.size;
    this.logger[running > 0 ? "error" : "warn"]("The worker could not beat for most of its lease and no longer trusts its claims", {
      worker: this.id,
      running,
    });
    for (const run of this.#slots.withdrawAll()) this.#giveBack(run);
    for (const run of this.#slots.running) run.interrupt("silent");
  }

  #cancelled(run: Execution, reason: string | undefined): void {
    run.noteReason(reason);
    if (this.#slots.withdraw(run)) this.#settler.settle(run, { kind: "cancelled" });
    else run.interrupt("cancel");
  }

  async #arriveAgain(): Promise<boolean> {
    try {
      await this.#presence.arrive();
      this.#presence.nudge();
      return true;
    } catch {
      return false;
    }
  }

  // ---------------------------------------------------------------- stopping

  async #windDown(): Promise<void> {
    const { logger } = this;
    const claimed = this.#pump.refuse();
    for (const run of this.#slots.withdrawAll()) this.#giveBack(run);
    const looks = Promise.all([this.#scheduler.stop(), this.#upkeep.stop()]);
    await this.#emptyBy(() => this.#graceEnds);
    const aborted = this.clock.monotonic();
    for (const run of this.#slots.running) run.interrupt("stop");
    await this.#emptyBy(() => aborted + this.#afterAbort);
    for (const run of this.#slots.running) run.leaveBehind();
    // A claim that was under way may still have brought something, to be given back.
    await this.#soon(Promise.all([claimed, looks]).then(() => this.#settler.flushed()));
    const left = this.#settler.abandon();
    if (left > 0) logger.error("Outcomes could not be written before the worker stopped; other workers take the tasks over", { left });
    await Promise.all([looks, this.#cancels.stop(), this.#progress.stop()]);
    await this.#pump.stop();
    await this.#presence.stop();
    this.#unlisten?.();
  }

  /** Resolves when no handler runs any more, or at that time, which may come nearer meanwhile. */
  async #emptyBy(time: () => Ms): Promise<void> {
    while (this.#slots.running.size > 0 && this.clock.monotonic() < time()) {
      await new Promise<void>((resolve) => {
        const disarm = afterLong(this.clock, time() - this.clock.monotonic(), resolve);
        this.#changed = () => {
          disarm();
          resolve();
        };
      });
      this.#changed = undefined;
    }
  }

  async #soon(work: Promise<void>): Promise<void> {
    let disarm: (() => void) | undefined;
    const late = new Promise<void>((resolve) => {
      disarm = this.clock.after(LAST_WRITES, resolve);
    });
    await Promise.race([work, late]);
    disarm?.();
  }
}

/** The random end of an id is enough, 46 bits of it: it stands in two events and the result of each task, so that each character costs three bytes. */
function shortened(id: string): string {
  const end = id.slice(-12);
  return /^[0-9a-f]{12}$/.test(end) ? (Number.parseInt(end, 16) % 36 ** 9).toString(36) : end;
}
