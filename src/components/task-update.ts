/** What `updateTask` may write: the difference between a row and the object that a person changed. Pure; never an overwrite. */
import type { Claim, Settlement, TaskPatch } from "../core/backend.ts";
import type { Random } from "../core/clock.ts";
import { decode, encode } from "../core/codec.ts";
import { ConflictError, IllegalTransitionError, InvalidOptionError, LeaseLostError } from "../core/errors.ts";
import { decide } from "../core/lifecycle.ts";
import type { Outcome } from "../core/lifecycle.ts";
import type { Ms } from "../core/record.ts";
import { isLegal, ttlFrom } from "../core/task.ts";
import type { StoredTask } from "../core/task.ts";
import { callbackOf, labelOf, storedFields, toFailure } from "../models/convert.ts";
import type { Task, TaskField } from "../models/task.ts";

/** What may be changed on a task that does not run. */
const EDITABLE: readonly TaskField[] = [
  "queueName",
  "priority",
  "runAt",
  "ttl",
  "name",
  "description",
  "tags",
  "maxRetries",
  "retryDelay",
  "resultTtl",
  "storeResult",
  "callback",
  "callbackArgs",
];

/** What a change of status by the holder of the claim brings with it. */
const ENDING: readonly TaskField[] = ["status", "startedAt", "completedAt", "reason", "nextRetryAt"];

export type Plan =
  | { readonly do: "nothing" }
  | { readonly do: "edit"; readonly revision: number; readonly patch: TaskPatch }
  | { readonly do: "settle"; readonly settlement: Settlement };

/**
 * Decides what a changed task writes over its row.
 * @throws LeaseLostError when the status changed and the object does not hold the current claim.
 * @throws ConflictError when somebody else changed the row since it was read.
 * @throws IllegalTransitionError when the life of a task does not know the change of status.
 * @throws InvalidOptionError `NOT_EDITABLE` with the name of a field that cannot be changed.
 */
export function planUpdate(row: StoredTask, task: Task, now: Ms, random: Random): Plan {
  if (task.fence !== undefined && task.fence !== row.fence) throw lost(task, "its claim is no longer the current one");
  const changed = changedFields(row, task);
  if (row.status === "running") return planRunning(row, task, changed, now, random);
  if (task.status !== row.status) throw lost(task, `it is ${row.status} and nobody runs it`);
  if (changed.length === 0) return { do: "nothing" };
  if (task.revision !== row.revision) throw stale(task);
  // The expiry follows from the TTL: who changes both says the same twice.
  const expiryFollows =
    changed.includes("ttl") && task.expiresAt?.getTime() === (task.ttl === undefined ? undefined : ttlFrom(row) + task.ttl);
  const allowed: readonly TaskField[] = expiryFollows ? [...EDITABLE, "expiresAt"] : EDITABLE;
  refuse(changed, allowed, `a task that does not run can be changed in ${EDITABLE.join(", ")} only`);
  return { do: "edit", revision: row.revision, patch: patchOf(row, task, changed) };
}

function planRunning(row: StoredTask, task: Task, changed: readonly TaskField[], now: Ms, random: Random): Plan {
  if (task.status === "running") {
    // When it started is what the claim wrote.
    refuse(changed, ["startedAt"], "a running task can be changed in its status only");
    return { do: "nothing" };
  }
  if (task.fence === undefined) throw lost(task, "this object came without a claim (`dequeue` gives one)");
  if (!isLegal("running", task.status, false)) throw new IllegalTransitionError(task.id, "running", task.status);
  const granted = task.status === "failed" && task.retryCount === row.retryCount + 1;
  const allowed: readonly TaskField[] = [
    ...ENDING,
    ...(granted ? (["retryCount"] as const) : []),
    ...(task.status === "pending" ? (["runAt"] as const) : []),
  ];
  refuse(changed, allowed, "the end of a run changes the status with its times only");
  const expiresIn = row.expiresAt === undefined ? {} : { expiresIn: row.expiresAt - now };
  const claim: Claim = { task: row, fence: task.fence, for: "run", ...expiresIn };
  const { result: _, ...settlement } = decide(claim, outcomeOf(task, granted, now), { elapsed: 0, random });
  return { do: "settle", settlement: { ...settlement, events: [] } };
}

/** What the new status says that the run came to. A retry is asked for by `nextRetryAt` or by `incrementRetry()`. */
function outcomeOf(task: Task, granted: boolean, now: Ms): Outcome {
  if (task.status === "completed") return { kind: "returned" };
  if (task.status === "failed") {
    const failure = toFailure(task.reason ?? "Error: marked as failed") ?? { name: "Error", message: "" };
    const { nextRetryAt } = task;
    if (nextRetryAt !== undefined) return { kind: "threw", failure, after: Math.max(0, nextRetryAt.getTime() - now) };
    return granted ? { kind: "threw", failure } : { kind: "threw", failure, final: true };
  }
  if (task.status === "cancelled") return task.reason === undefined ? { kind: "cancelled" } : { kind: "discard", reason: task.reason };
  const wait = task.runAt === undefined ? 0 : task.runAt.getTime() - now;
  return wait > 0 ? { kind: "snooze", after: wait } : { kind: "interrupted" };
}

/** The fields in which the object differs from the row, but for the revision. */
function changedFields(row: StoredTask, task: Task): readonly TaskField[] {
  const { revision: _, ...stored } = storedFields(row);
  const before: Partial<Record<TaskField, unknown>> = { ...stored, func: row.func };
  const differing = Object.keys(before).filter((key): key is TaskField => isField(key, task) && !same(before[key], task[key]));
  if (!same(decode(row.args), task.funcArgs)) differing.push("funcArgs");
  if (!same(row.kwargs === undefined ? {} : decode(row.kwargs), task.funcKwargs)) differing.push("funcKwargs");
  if (!same(row.callback?.args === undefined ? {} : decode(row.callback.args), task.callbackArgs)) differing.push("callbackArgs");
  return differing;
}

function isField(key: string, task: Task): key is TaskField {
  return Object.hasOwn(task, key);
}

/** Equal as stored. */
function same(a: unknown, b: unknown): boolean {
  return a === b || encode(a, { limit: Number.POSITIVE_INFINITY }) === encode(b, { limit: Number.POSITIVE_INFINITY });
}

function patchOf(row: StoredTask, task: Task, changed: readonly TaskField[]): TaskPatch {
  const has = (field: TaskField): boolean => changed.includes(field);
  return {
    ...(has("queueName") ? { queue: task.queueName } : {}),
    ...(has("priority") ? { priority: task.priority } : {}),
    ...(has("runAt") ? { runAt: task.runAt?.getTime() ?? null } : {}),
    ...(has("ttl") ? { ttl: task.ttl ?? null } : {}),
    ...(has("name") ? { label: labelOf(task) ?? null } : {}),
    ...(has("description") ? { description: task.description ?? null } : {}),
    ...(has("tags") ? { tags: [...task.tags] } : {}),
    ...(has("maxRetries") ? { maxRetries: task.maxRetries } : {}),
    ...(has("retryDelay") ? { retryDelay: task.retryDelay } : {}),
    ...(has("resultTtl") ? { resultTtl: task.resultTtl ?? null } : {}),
    ...(has("storeResult") ? { storeResult: task.storeResult } : {}),
    ...(has("callback") || has("callbackArgs") ? { callback: callbackPatch(row, task) } : {}),
  };
}

/** The same callback with other arguments keeps its queue, priority and policy. */
function callbackPatch(row: StoredTask, task: Task): NonNullable<StoredTask["callback"]> | null {
  const callback = callbackOf(task);
  if (callback === undefined || callback.func !== row.callback?.func) return callback ?? null;
  const { args: _, ...kept } = row.callback;
  return { ...kept, ...callback };
}

function refuse(changed: readonly TaskField[], allowed: readonly TaskField[], rule: string): void {
  const field = changed.find((each) => !allowed.includes(each));
  if (field !== undefined) throw new InvalidOptionError("NOT_EDITABLE", `Expected \`${field}\` to be unchanged: ${rule}`);
}

function lost(task: Task, why: string): LeaseLostError {
  return new LeaseLostError(
    `Expected to hold the current claim of task ${task.id} to make it ${task.status}, but ${why}; nothing was written`,
  );
}

export function stale(task: Task): ConflictError {
  const why =
    task.revision === undefined
      ? "was not read from the queue (`getTask` gives it with its revision)"
      : "was changed meanwhile: read it again";
  return new ConflictError(`Expected to edit task ${task.id} as it is now, but it ${why}; nothing was written`);
}
