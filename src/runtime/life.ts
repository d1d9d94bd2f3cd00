/** Whether a worker lives, as people are told: good enough to look at, not to take its claims. */
import type { WorkerRow } from "../core/backend.ts";
import type { Ms } from "../core/record.ts";
import type { IsGone } from "./lookout.ts";

/** `silent`: not seen within its lease. `gone`: this machine knows that its process has ended, whenever it was seen last. */
export type Life = "alive" | "silent" | "gone";

/** @param now by the backend's clock. */
export function lifeOf(worker: WorkerRow, now: Ms, isGone: IsGone): Life {
  if (isGone(worker)) return "gone";
  return now - worker.seenAt <= worker.leaseMs ? "alive" : "silent";
}
