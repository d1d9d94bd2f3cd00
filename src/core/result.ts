/** What a run came to, as it is stored: one row a task, the latest attempt's. */
import type { MaybeDamaged } from "./damaged.ts";
import type { Failure, Fence, Ms, TaskId, Text } from "./record.ts";

export type ResultStatus = "completed" | "failed";

/**
 * `fence` makes a repeated put harmless and refuses a zombie: a lower one never overwrites a higher one. Absent: made by hand. It replaces
 * another one without, and of those with one what is known to be of an earlier claim: the task lies here, and has a higher fence by now.
 */
export interface NewResult {
  readonly taskId: TaskId;
  readonly fence?: Fence;
  readonly status: ResultStatus;
  readonly value?: Text;
  readonly error?: Failure;
  readonly ttl?: Ms;
  /** Given only with a result made by hand; else `createdAt + ttl`. */
  readonly expiresAt?: Ms;
  readonly scheduleId?: string;
  readonly worker?: string;
  readonly executionMs?: Ms;
  readonly retryCount: number;
  readonly createdAt?: Ms;
  readonly startedAt?: Ms;
  readonly completedAt?: Ms;
}

export interface ResultRow extends NewResult, MaybeDamaged {
  readonly createdAt: Ms;
}
