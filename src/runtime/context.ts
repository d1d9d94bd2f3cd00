/** What a handler is given beside its arguments. */
import type { Claim } from "../core/backend.ts";
import { milliseconds } from "../core/duration.ts";
import { expected, LeaseLostError } from "../core/errors.ts";
import type { Outcome } from "../core/lifecycle.ts";
import type { TaskId } from "../core/record.ts";
import type { StoredTask } from "../core/task.ts";
import { storable } from "../core/text.ts";
import type { Task } from "../models/task.ts";
import { boundLogger } from "./logger.ts";
import type { Context, EnqueueOptions, InOf, Logger, OutOf, ParentResult, TaskHandle, TaskReference } from "./signatures.ts";

/**
 * Enqueues a child of a running task; its id is made of the parent's id and the number of the call in this run, so that a second
 * attempt makes no second child. Made by the composition root.
 */
export type EnqueueChild = <T extends TaskReference>(
  parent: TaskId,
  call: number,
  task: T,
  args: InOf<T> | undefined,
  options: EnqueueOptions | undefined,
) => Promise<TaskHandle<OutOf<T>>>;

/** What the context sees of its run. */
export interface RunView {
  readonly claim: Claim;
  readonly signal: AbortSignal;
  readonly over: boolean;
  /** The latest progress that is not written yet. */
  progress: { readonly fraction: number; readonly note: string | undefined } | undefined;
  ask(outcome: Outcome): void;
}

/** What the context asks of the worker. */
export interface ContextHost {
  /** Behind `ctx.log`. */
  readonly taskLogger: Logger;
  readonly enqueueChild: EnqueueChild;
  taskOf(row: StoredTask): Task;
  parentResults(row: StoredTask): Promise<readonly ParentResult[]>;
  /** Notes how far a run is; written soon, with others. */
  report(run: RunView, fraction: number, note: string | undefined): void;
}

/** What `retry`, `snooze` and `discard` throw to leave the handler. The outcome is noted already: it counts also when this is swallowed. */
class OutcomeAsked extends Error {
  override readonly name = "OutcomeAsked";
}

/** Each method is a getter, so that a handler may take the context apart (`{ signal, progress }`), and costs nothing until it is used. */
export class HandlerContext implements Context {
  readonly #run: RunView;
  readonly #host: ContextHost;
  #calls = 0;

  constructor(run: RunView, host: ContextHost) {
    this.#run = run;
    this.#host = host;
  }

  get id(): TaskId {
    return this.#run.claim.task.id;
  }

  get attempt(): number {
    return this.#run.claim.task.attempt;
  }

  get fence(): number {
    return this.#run.claim.fence;
  }

  get task(): Task {
    return this.#host.taskOf(this.#run.claim.task);
  }

  get signal(): AbortSignal {
    return this.#run.signal;
  }

  get log(): Logger {
    const { id, func } = this.#run.claim.task;
    return boundLogger(this.#host.taskLogger, { taskId: id, func });
  }

  get progress(): Context["progress"] {
    return (fraction, note) => {
      if (typeof fraction !== "number" || !(fraction >= 0 && fraction <= 1)) throw expected("fraction", "a number from 0 to 1", fraction);
      if (note !== undefined && typeof note !== "string") throw expected("note", "a text", note);
      if (!this.#run.over) this.#host.report(this.#run, fraction, note);
    };
  }

  get enqueue(): Context["enqueue"] {
    return async (task, ...rest) => {
      const [args, options] = rest;
      const call = ++this.#calls;
      if (this.#run.over) throw new LeaseLostError(`Expected task ${this.id} to be running when it enqueues another, but its run is over`);
      return this.#host.enqueueChild(this.id, call, task, args, options);
    };
  }

  get parentResults(): Context["parentResults"] {
    return async () => this.#host.parentResults(this.#run.claim.task);
  }

  get retry(): Context["retry"] {
    return (options) => {
      const { after } = options ?? {};
      return this.#leave(after === undefined ? { kind: "retry" } : { kind: "retry", after: milliseconds(after, "after") });
    };
  }

  get snooze(): Context["snooze"] {
    return (options) => this.#leave({ kind: "snooze", after: milliseconds(options?.after, "after") });
  }

  get discard(): Context["discard"] {
    return (options) => {
      const reason: unknown = options?.reason;
      if (typeof reason !== "string" || reason === "") throw expected("reason", "a text that is not empty", reason);
      return this.#leave({ kind: "discard", reason: storable(reason.slice(0, 500)) });
    };
  }

  #leave(outcome: Outcome & { readonly kind: "retry" | "snooze" | "discard" }): never {
    this.#run.ask(outcome);
    throw new OutcomeAsked(`The handler asked for ${outcome.kind}; let this error pass`);
  }
}
