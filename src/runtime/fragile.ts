/**
 * Tasks that one more lost claim would end, though they may have had no part in the crash: they are not claimed before they can start, and
 * of those that have been in crashes before, a worker runs one at a time, so that the next crash tells which of them it was.
 */
import type { Ms } from "../core/record.ts";
import type { StoredTask } from "../core/task.ts";

export function isFragile({ atMostOnce, crashCount, maxCrashes }: StoredTask): boolean {
  return atMostOnce || crashCount + 1 >= maxCrashes;
}

export function isSuspect(task: StoredTask): boolean {
  return task.crashCount > 0 && isFragile(task);
}

/** After so long one that was given back for another's sake may be claimed again. */
export const APART: Ms = 5_000;
/** So long nothing is claimed ahead once something fragile came: a queue of such would go back and forth. */
export const NONE_AHEAD: Ms = 60_000;
