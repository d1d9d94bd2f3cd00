/** Whether the holder of a unique key still holds it, and may become another task. */
import type { NewTask, Unique } from "../../core/task.ts";
import { STAGE } from "./stage.ts";
import { edgesText } from "./task-row.ts";

/** Whether its time to hold the key is over, or it waits and has expired: nobody may be answered with what will not start. */
export function isOutlived(
  now: number,
  { stage, until, expiresAt }: { readonly stage: number; readonly until: number; readonly expiresAt: number | undefined },
): boolean {
  return (until >= 0 && until <= now) || (stage <= STAGE.blocked && expiresAt !== undefined && expiresAt <= now);
}

/**
 * Why it stays as it is, as the end of a sentence about it; undefined when it is replaced. Its parents may have ended and freed it already,
 * so it never takes others: it would run before them.
 * @param edges what it waits for, as stored.
 */
export function whyKept(
  conflict: Unique["onConflict"],
  waits: boolean,
  { dependsOn }: Pick<NewTask, "dependsOn">,
  edges: string | undefined,
): string | undefined {
  if (conflict !== "replace") return "";
  if (!waits) return " and can no longer be replaced";
  const same = dependsOn.length === 0 || edgesText(dependsOn) === edges;
  return same ? undefined : ", and a replaced task keeps what it waits for: it takes no other `dependsOn`";
}
