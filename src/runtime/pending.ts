/** One caller who waits: for a value, for so long, until a signal. */
import type { Clock } from "../core/clock.ts";
import { ResultTimeoutError } from "../core/errors.ts";
import type { Ms, TaskId } from "../core/record.ts";
import type { Told } from "./outcome.ts";
import { afterLong } from "./timer.ts";

/** The same clock, whose timers keep the process alive: for what somebody awaits. */
export function awake(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (ms, fn) => clock.after(ms, fn, true),
  };
}

export class Pending {
  readonly id: TaskId;
  readonly promise: Promise<unknown>;
  #resolve: (value: unknown) => void = () => {};
  #reject: (reason: unknown) => void = () => {};
  #looked = false;
  #late: ResultTimeoutError | undefined;
  #stop: () => void = () => {};

  constructor(id: TaskId) {
    this.id = id;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Begins to watch the time and the signal; `settle` or `reject` ends that. */
  watch(clock: Clock, timeout: Ms | undefined, signal: AbortSignal | undefined): void {
    const abort = (): void => {
      this.reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    const disarm = timeout === undefined ? undefined : afterLong(awake(clock), timeout, () => this.#expire(timeout));
    this.#stop = () => {
      signal?.removeEventListener("abort", abort);
      disarm?.();
    };
  }

  settle(told: Told): void {
    if ("error" in told) this.reject(told.error);
    else {
      this.#stop();
      this.#resolve(told.value);
    }
  }

  reject(reason: unknown): void {
    this.#stop();
    this.#reject(reason);
  }

  /** The store was asked and the task has not ended. */
  looked(): void {
    this.#looked = true;
    if (this.#late !== undefined) this.reject(this.#late);
  }

  /** A time that was over before the store was asked even once still gets that answer. */
  #expire(timeout: Ms): void {
    const error = new ResultTimeoutError(this.id, timeout);
    if (this.#looked) this.reject(error);
    else this.#late = error;
  }
}
