/** What a task is: the plain records that cross the contract, and the pure questions about them. */
import type { MaybeDamaged } from "./damaged.ts";
import type { Ms, TaskId, Text } from "./record.ts";

/** The stored status, for people. `failed` with a `nextRetryAt` will run again. */
export type TaskStatus = "pending" | "running" | Final;
/** The statuses in which a task has ended (`failed` only without `nextRetryAt`). */
export type Final = "completed" | "failed" | "cancelled" | "expired";
/** Where a task stands, precisely: what `find`, `stats`, the CLI and `why` speak in. */
export type Phase = "ready" | "delayed" | "retrying" | "blocked" | "running" | Final;

export const FINALS: readonly Final[] = ["completed", "failed", "cancelled", "expired"];
export const PHASES: readonly Phase[] = ["ready", "delayed", "retrying", "blocked", "running", ...FINALS];

/** How the wait before a retry grows: `fixed` is exactly `retryDelay`, `exponential` doubles with ±20 %, at most an hour. */
export type Backoff = "fixed" | "exponential";

/** Everything a settling worker needs lies in the row, so that a worker which does not know the task can settle it. */
export interface Policy {
  /** Retries after failures; 3 means at most four runs that fail. */
  readonly maxRetries: number;
  readonly retryDelay: Ms;
  readonly backoff: Backoff;
  /** Longest run of one attempt; absent is no limit. */
  readonly timeout?: Ms;
  /** After a crash: failed instead of running again. */
  readonly atMostOnce: boolean;
  /** Crashes after which the task is failed as `poison`. */
  readonly maxCrashes: number;
  readonly resultTtl?: Ms;
  readonly storeResult: boolean;
}

export const DEFAULT_POLICY = {
  maxRetries: 3,
  retryDelay: 5_000,
  backoff: "fixed",
  atMostOnce: false,
  maxCrashes: 3,
  storeResult: true,
} as const satisfies Policy;

/** A parent, and what becomes of the child when it ends other than completed. */
export interface Edge {
  readonly id: TaskId;
  readonly ifFailed: "cancel" | "run";
}

/** The task that is enqueued in the transaction that ends this one. */
export interface Callback {
  readonly func: string;
  /** The caller's own arguments, encoded; absent is none. */
  readonly args?: Text;
  /** Default: the queue of the task that ends. */
  readonly queue?: string;
  /** Default: the priority of the task that ends. */
  readonly priority?: number;
  /** Resolved at enqueue from the callback's definition; default `DEFAULT_POLICY`. */
  readonly policy?: Policy;
}

export interface Unique {
  /** Already made one per definition by the façade. */
  readonly key: string;
  /** Until the task has started, has ended, or for so many milliseconds from now. */
  readonly until: "started" | "finished" | Ms;
  readonly onConflict: "keep" | "replace" | "refuse";
}

/** A task to be written. Delays are relative, so that the backend's clock decides; absolute times are those that the user gave. */
export interface NewTask extends Policy {
  readonly id: TaskId;
  /** The name of a definition, matched exactly; never a path. */
  readonly func: string;
  readonly args: Text;
  /** The seed's keyword arguments, encoded; absent when empty. */
  readonly kwargs?: Text;
  readonly queue: string;
  /** Higher first. */
  readonly priority: number;
  readonly label?: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly due?: { readonly at: Ms } | { readonly in: Ms };
  /** Counted from `createdAt`, after a replacement or a retry from that; may be negative: already expired. */
  readonly ttl?: Ms;
  /** Given only with a task made by hand; else the backend's clock. */
  readonly createdAt?: Ms;
  /** Given only with a task made by hand; else `createdAt + ttl`. */
  readonly expiresAt?: Ms;
  readonly dependsOn: readonly Edge[];
  readonly unique?: Unique;
  readonly callback?: Callback;
  readonly scheduleId?: string;
}

/** Why a row was taken out of the ready set before it was claimed to be ended. */
export type Mark = "cancelled" | "expired" | "parent-failed";

/** A task as it lies in a backend. One that is damaged has no callback: nobody knows what of it is left. */
export interface StoredTask extends Omit<NewTask, "due" | "unique" | "createdAt" | "expiresAt">, MaybeDamaged {
  readonly status: TaskStatus;
  readonly phase: Phase;
  /** Set while the row waits to be ended, and on a running task whose cancellation was asked. */
  readonly mark?: Mark;
  /** Why it was cancelled or failed without an error of its handler. */
  readonly reason?: string;
  readonly fence: number;
  readonly revision: number;
  /** Runs started, those given back or snoozed not counted. */
  readonly attempt: number;
  /** Retries granted after failures. */
  readonly retryCount: number;
  readonly crashCount: number;
  readonly createdAt: Ms;
  /** The user's own due time. */
  readonly runAt?: Ms;
  /** When it may start: the later of creation, `runAt`, retry and snooze. */
  readonly dueAt: Ms;
  readonly nextRetryAt?: Ms;
  readonly startedAt?: Ms;
  readonly completedAt?: Ms;
  readonly expiresAt?: Ms;
  readonly openParents: number;
  /** Who holds the claim. */
  readonly worker?: string;
}

/**
 * From when its TTL counts: the creation or, where it was replaced or retried since, that moment, which only its expiry tells. Not from
 * before the creation: an expiry that was given with the task may be earlier than its TTL says.
 */
export function ttlFrom({ createdAt, expiresAt, ttl }: Lifetime): Ms {
  return expiresAt === undefined || ttl === undefined ? createdAt : Math.max(createdAt, expiresAt - ttl);
}

interface Lifetime {
  readonly createdAt: Ms;
  readonly expiresAt?: Ms | undefined;
  readonly ttl?: Ms | undefined;
}

/** Legal changes of status by themselves (design §6); `tasks.retry` alone leads from an end back to pending. */
const LEGAL: Readonly<Record<TaskStatus, readonly TaskStatus[]>> = {
  pending: ["running", "cancelled", "expired", "failed"],
  running: ["completed", "failed", "cancelled", "pending"],
  failed: ["running", "failed", "cancelled", "expired"],
  completed: [],
  cancelled: [],
  expired: [],
};

/** Whether a task may go from one status to another. A failed one goes on only while a retry is due. */
export function isLegal(from: TaskStatus, to: TaskStatus, retryDue: boolean): boolean {
  return LEGAL[from].includes(to) && (from !== "failed" || retryDue);
}

/** Ended for good: no retry is due. */
export function isFinal(task: { readonly status: TaskStatus; readonly nextRetryAt?: unknown }): boolean {
  const retryDue = task.nextRetryAt !== undefined && task.nextRetryAt !== null;
  return task.status !== "pending" && task.status !== "running" && !(task.status === "failed" && retryDue);
}
