/**
 * One claim and what it comes to. A run ends exactly once: when its handler does, or when it is left behind; what comes later is
 * dropped. Nothing that a handler does makes this throw.
 */
import type { Claim, Settlement } from "../core/backend.ts";
import type { Clock } from "../core/clock.ts";
import { decode, encode } from "../core/codec.ts";
import { refuseDamaged } from "../core/damaged.ts";
import { milliseconds } from "../core/duration.ts";
import { InputInvalidError, LeaseLostError, TaskCancelledError, TaskTimeoutError, WorkerStoppingError } from "../core/errors.ts";
import type { Outcome } from "../core/lifecycle.ts";
import type { Ms } from "../core/record.ts";
import { handlerArguments } from "../models/arguments.ts";
import { HandlerContext } from "./context.ts";
import type { ContextHost } from "./context.ts";
import { isA, isFatal, toFailure } from "./failure.ts";
import { errorFields } from "./logger.ts";
import { parseWith } from "./schema.ts";
import type { Logger, TaskDefinition } from "./signatures.ts";
import { afterLong } from "./timer.ts";

/** Why `ctx.signal` aborts. `silent`: the worker could not beat for so long that others may soon take its claims. */
export type Interrupt = "timeout" | "cancel" | "stop" | "lost" | "silent";

/** How long a handler may go on after its signal has aborted, before it is left behind. */
const GRACE: Readonly<Record<Interrupt, Ms>> = { timeout: 1_000, cancel: 5_000, stop: 1_000, lost: 1_000, silent: 1_000 };

/** What a run needs of its worker. */
export interface RunHost extends ContextHost {
  readonly clock: Clock;
  /** The worker's own. */
  readonly logger: Logger;
  /** Called once for each run that was started. `undefined`: the claim is lost, there is nothing to settle. */
  ended(run: Execution, outcome: Outcome | undefined): void;
}

export class Execution {
  claim: Claim;
  /** When the claim was answered, on the monotonic clock. */
  readonly since: Ms;
  /** What is to be written, once it is known. */
  settlement: Settlement | undefined;
  /** The latest progress that is not written yet. */
  progress: { readonly fraction: number; readonly note: string | undefined } | undefined;
  /** Milliseconds that the handler ran. */
  executionMs: Ms | undefined;
  /** No handler of it counts any more. */
  over = false;

  readonly #definition: TaskDefinition | undefined;
  readonly #host: RunHost;
  #startedAt: Ms = 0;
  #controller: AbortController | undefined;
  #interrupt: Interrupt | undefined;
  #cancelled = false;
  #lost = false;
  #asked: Outcome | undefined;
  #disarm: (() => void) | undefined;

  /** @param definition absent where the claim was handed out to be ended. */
  constructor(claim: Claim, definition: TaskDefinition | undefined, since: Ms, host: RunHost) {
    this.claim = claim;
    this.since = since;
    this.#definition = definition;
    this.#host = host;
  }

  /** Made when it is first asked for: most handlers never look. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#interrupt !== undefined) this.#controller.abort(this.#reason(this.#interrupt));
    }
    return this.#controller.signal;
  }

  /** Starts the handler. A synchronous one has ended when this returns. */
  start(): void {
    const { clock } = this.#host;
    const { timeout } = this.claim.task;
    this.#startedAt = clock.monotonic();
    if (timeout !== undefined) {
      this.#disarm = afterLong(clock, timeout, () => {
        this.interrupt("timeout");
      });
    }
    this.#run().catch((error: unknown) => {
      const { id, func } = this.claim.task;
      this.#host.logger.error("What came of a task could not be noted", { taskId: id, func, ...errorFields(error) });
    });
  }

  /** Notes the outcome that the handler asks for: the first one wins, unless the run was over its time before. */
  ask(outcome: Outcome): void {
    if (this.#interrupt !== "timeout") this.#asked ??= outcome;
  }

  /** Aborts the signal; a handler that does not end in time is left behind. */
  interrupt(why: Interrupt): void {
    if (this.over || (why === "cancel" && this.#cancelled) || (why === "lost" && this.#lost)) return;
    if (why === "cancel") this.#cancelled = true;
    if (why === "lost") this.#lost = true;
    else if (this.#interrupt !== undefined) return;
    if (this.#interrupt === undefined) {
      this.#interrupt = why;
      this.#controller?.abort(this.#reason(why));
    }
    this.#disarm?.();
    this.#disarm = this.#host.clock.after(GRACE[why], () => {
      this.leaveBehind();
    });
  }

  /** Notes why it was cancelled. */
  noteReason(reason: string | undefined): void {
    if (reason !== undefined) this.claim = { ...this.claim, task: { ...this.claim.task, reason } };
  }

  /** Ends the run without its handler. */
  leaveBehind(): void {
    if (this.over) return;
    const { id, func } = this.claim.task;
    this.#host.logger.warn("A handler did not end after its signal aborted, and was left behind", {
      taskId: id,
      func,
      why: this.#interrupt,
    });
    this.#end(this.#cutShort({ kind: "interrupted" }));
  }

  async #run(): Promise<void> {
    const { task } = this.claim;
    let at: "arguments" | "input" | "handler" | "output" = "arguments";
    try {
      refuseDamaged(task, `the arguments of task ${task.id}`);
      let args = handlerArguments(decode(task.args), kwargsOf(task.kwargs));
      at = "input";
      if (this.#definition?.input !== undefined) {
        args = parseWith(this.#definition.input, args, `the arguments of "${task.func}"`);
        if (args instanceof Promise) args = await args;
        if (this.#interrupt !== undefined) throw this.#reason(this.#interrupt);
      }
      at = "handler";
      // What the handler takes is what its schema made, or what its typed enqueue took.
      let value: unknown = this.#definition?.handler(args as never, new HandlerContext(this, this.#host));
      if (isThenable(value)) value = await value;
      at = "output";
      if (this.#definition?.output !== undefined) {
        value = parseWith(this.#definition.output, value, `the result of "${task.func}"`);
        if (value instanceof Promise) value = await value;
      }
      this.#end(this.#returned(value));
    } catch (error) {
      this.#end(this.#cutShort(this.#failed(at, error)));
    }
  }

  #end(outcome: Outcome): void {
    if (this.over) return;
    this.over = true;
    this.#disarm?.();
    this.executionMs = this.#host.clock.monotonic() - this.#startedAt;
    this.#host.ended(this, this.#lost ? undefined : outcome);
  }

  /** A plain return completes the task, also when it was to be cancelled; not when it came too late, or after another outcome was asked for. */
  #returned(value: unknown): Outcome {
    if (this.#asked !== undefined || this.#interrupt === "timeout") return this.#cutShort({ kind: "interrupted" });
    if (value === undefined) return { kind: "returned" };
    try {
      return { kind: "returned", value: encode(value, { name: "result" }) };
    } catch (error) {
      return { kind: "threw", failure: toFailure(error), final: true };
    }
  }

  /** What a run comes to that did not return plainly; `own` is what it would be had nothing interrupted it. */
  #cutShort(own: Outcome): Outcome {
    if (this.#cancelled) return { kind: "cancelled" };
    if (this.#asked?.kind === "retry" && this.#asked.after === undefined) return { ...this.#asked, ...this.#ownDelay(undefined) };
    if (this.#asked !== undefined) return this.#asked;
    if (this.#interrupt === "timeout") return this.#failed("handler", this.#reason("timeout"));
    // What it throws now comes of the abort, unless it says itself that the task has failed for good.
    if (this.#interrupt !== undefined && !(own.kind === "threw" && own.final === true)) return { kind: "interrupted" };
    return own;
  }

  #failed(at: "arguments" | "input" | "handler" | "output", error: unknown): Outcome {
    const mismatch = isA(error, InputInvalidError);
    const failure =
      at === "output" && mismatch ? { ...toFailure(error), name: "OutputInvalidError", code: "OUTPUT_INVALID" } : toFailure(error);
    if (at === "arguments" || (at === "input" && mismatch) || isFatal(error) || this.#refusesRetry(error)) {
      return { kind: "threw", failure, final: true };
    }
    return { kind: "threw", failure, ...this.#ownDelay(error) };
  }

  #refusesRetry(error: unknown): boolean {
    try {
      const answer: unknown = this.#definition?.retryIf?.(error);
      this.#refusePromise("retryIf", answer);
      return answer === false;
    } catch (thrown) {
      this.#complain("retryIf", thrown);
      return false;
    }
  }

  /** The wait that the definition's own function computes; the row's policy where there is none, or where it fails. */
  #ownDelay(error: unknown): { readonly after?: Ms } {
    const backoff = this.#definition?.backoff;
    if (typeof backoff !== "function") return {};
    try {
      const wait = backoff(this.claim.task.retryCount, error);
      this.#refusePromise("backoff", wait);
      return { after: milliseconds(wait, "backoff") };
    } catch (thrown) {
      this.#complain("backoff", thrown);
      return {};
    }
  }

  /** Nobody waits for these functions: an async one is refused, and its rejection must not end the process. */
  #refusePromise(option: string, answer: unknown): void {
    if (!isThenable(answer)) return;
    Promise.resolve(answer).catch(() => {});
    throw new TypeError(`Expected \`${option}\` to answer at once, got a promise`);
  }

  #complain(option: string, thrown: unknown): void {
    const { id, func } = this.claim.task;
    this.#host.logger.warn(`The \`${option}\` of a task threw`, { taskId: id, func, ...errorFields(thrown) });
  }

  #reason(why: Interrupt): Error {
    const { id, timeout, reason } = this.claim.task;
    if (why === "timeout") return new TaskTimeoutError(id, timeout ?? 0);
    if (why === "cancel") return new TaskCancelledError(id, reason);
    if (why === "stop") return new WorkerStoppingError();
    return new LeaseLostError(
      why === "lost"
        ? `Expected this worker to hold the claim of task ${id}, but another one has taken it`
        : `Expected this worker to prove its life in time, but it could not: another one may take task ${id}`,
    );
  }
}

function kwargsOf(text: string | undefined): Readonly<Record<string, unknown>> {
  const kwargs = text === undefined ? {} : decode(text);
  return typeof kwargs === "object" && kwargs !== null ? { ...kwargs } : {};
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
