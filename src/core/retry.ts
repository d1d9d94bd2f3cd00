import type { Random } from "./clock.ts";
import type { Ms } from "./record.ts";
import type { Policy } from "./task.ts";

/** No exponential wait is longer. */
export const LONGEST_BACKOFF: Ms = 3_600_000;

/**
 * The wait before the next retry, in milliseconds. `fixed`: exactly `retryDelay`. `exponential`: doubled for each retry
 * granted before, ±20 % so that a storm of failures spreads, at most an hour.
 */
export function retryDelayOf(policy: Pick<Policy, "retryDelay" | "backoff">, retriesGranted: number, random: Random): Ms {
  if (policy.backoff === "fixed") return policy.retryDelay;
  const doubled = policy.retryDelay * 2 ** Math.min(retriesGranted, 52);
  return Math.round(Math.min(LONGEST_BACKOFF, doubled * (0.8 + 0.4 * random())));
}
