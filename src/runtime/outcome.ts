/** What a caller who waits for a task is told, from what is stored. */
import { decode } from "../core/codec.ts";
import { refuseDamaged } from "../core/damaged.ts";
import {
  ResultExpiredError,
  ResultNotStoredError,
  TaskCancelledError,
  TaskExpiredError,
  TaskFailedError,
  TaskNotFoundError,
} from "../core/errors.ts";
import type { Failure, TaskId } from "../core/record.ts";
import type { ResultRow } from "../core/result.ts";
import { isFinal } from "../core/task.ts";
import type { StoredTask } from "../core/task.ts";

export type Told = { readonly value: unknown } | { readonly error: unknown };

/** Whether the row of the result has to be read to tell. */
export function needsResult(task: StoredTask): boolean {
  return isFinal(task) && (task.status === "completed" || task.status === "failed");
}

/** Undefined while the task has not ended: a failed one whose retry is due has not. */
export function toldOf(id: TaskId, task: StoredTask | undefined, result: ResultRow | undefined): Told | undefined {
  if (task === undefined) {
    return {
      error: new TaskNotFoundError(id, " (any more): it was deleted or cleaned up, or the transaction it was enqueued in is not committed"),
    };
  }
  if (!isFinal(task)) return undefined;
  if (task.status === "cancelled") return { error: new TaskCancelledError(id, task.reason) };
  if (task.status === "expired") return { error: new TaskExpiredError(id) };
  // A row of an earlier run is not the result of this end.
  const own = result !== undefined && isOf(task, result) && result.status === task.status ? result : undefined;
  if (own?.damaged === true) return valueOf(own);
  if (task.status === "failed") return { error: new TaskFailedError(id, own?.error ?? failureOf(task.reason)) };
  return own === undefined ? { error: absent(task) } : valueOf(own);
}

/** One without a fence was stored by hand, for an end that wrote none itself; where none is to be kept, it is not this end's. */
function isOf(task: StoredTask, { fence }: ResultRow): boolean {
  return fence === undefined ? task.storeResult : fence === task.fence;
}

function valueOf(result: ResultRow): Told {
  try {
    refuseDamaged(result, `result and error of task ${result.taskId}`);
    return { value: result.value === undefined ? undefined : decode(result.value) };
  } catch (error) {
    return { error };
  }
}

function absent(task: StoredTask): Error {
  if (!task.storeResult) return new ResultNotStoredError(task.id);
  return task.resultTtl === undefined ? new ResultNotStoredError(task.id, "it was deleted") : new ResultExpiredError(task.id);
}

/** The `Name: message` that the task itself keeps, taken apart. */
function failureOf(reason = "Error: the reason is not stored"): Failure {
  const parts = /^(?<name>[A-Za-z_$][\w$.]*): (?<message>.+)$/s.exec(reason)?.groups;
  return { name: parts?.["name"] ?? "Error", message: parts?.["message"] ?? reason };
}
