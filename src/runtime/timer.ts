import { LONGEST_WAIT } from "../core/clock.ts";
import type { Clock } from "../core/clock.ts";
import type { Ms } from "../core/record.ts";

/**
 * Calls `fn` once when `ms` milliseconds have passed on the monotonic clock, in waits of at most 30 s each, so that neither a long
 * time nor a suspended machine fools a timer. Returns the function that prevents it.
 */
export function afterLong(clock: Clock, ms: Ms, fn: () => void): () => void {
  const until = clock.monotonic() + ms;
  const arm = (): (() => void) => {
    const left = until - clock.monotonic();
    if (left <= LONGEST_WAIT) return clock.after(Math.max(0, left), fn);
    return clock.after(LONGEST_WAIT, () => {
      cancel = arm();
    });
  };
  let cancel = arm();
  return () => {
    cancel();
  };
}
