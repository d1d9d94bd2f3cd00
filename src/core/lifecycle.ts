/**
 * The only state machine: what a claim came to → what is written. Pure, so that every backend and every worker ends a task alike,
 * whoever claimed it and whether or not it knows the task.
 */
import type { Claim, Settlement } from "./backend.ts";
import type { Random } from "./clock.ts";
import { encode, withKeys } from "./codec.ts";
import type { NewEvent } from "./event.ts";
import { failureText } from "./record.ts";
import type { Failure, Ms, Text } from "./record.ts";
import type { NewResult } from "./result.ts";
import { retryDelayOf } from "./retry.ts";
import { DEFAULT_POLICY } from "./task.ts";
import type { Callback, Final, NewTask } from "./task.ts";

/** What a claim came to. */
export type Outcome =
  | { readonly kind: "returned"; readonly value?: Text }
  /** `final`: no retry, whatever is left. `after`: the wait, where the definition computes its own. */
  | { readonly kind: "threw"; readonly failure: Failure; readonly final?: boolean; readonly after?: Ms }
  | { readonly kind: "retry"; readonly after?: Ms }
  | { readonly kind: "snooze"; readonly after: Ms }
  | { readonly kind: "discard"; readonly reason: string }
  /** The worker stops: the attempt is given back. */
  | { readonly kind: "interrupted" }
  /** The handler stopped because it was cancelled. */
  | { readonly kind: "cancelled" }
  /** The claim was handed out to end the task: `claim.for` says how. */
  | { readonly kind: "ended" };

/** What the settling side knows of the run. */
export interface Run {
  readonly worker?: string;
  /** Milliseconds since the claim, on the settling side's own monotonic clock. */
  readonly elapsed: Ms;
  /** Milliseconds that the handler ran; absent when none did. */
  readonly executionMs?: Ms;
  readonly random: Random;
}

/** Makes the settlement of a claim. */
export function decide(claim: Claim, outcome: Outcome, run: Run): Settlement {
  switch (outcome.kind) {
    case "returned":
      return end(claim, run, "completed", outcome.value === undefined ? {} : { value: outcome.value });
    case "threw":
      return outcome.final === true
        ? end(claim, run, "failed", { failure: outcome.failure })
        : retryOrFail(claim, run, outcome.failure, outcome.after);
    case "retry":
      return retryOrFail(claim, run, { name: "RetryRequested", message: "the handler asked for a retry" }, outcome.after);
    case "snooze":
      return again(claim, run, "snooze", outcome.after, "snoozed");
    case "discard":
      return end(claim, run, "cancelled", { reason: outcome.reason });
    case "interrupted":
      return again(claim, run, "give-back", 0, "released");
    case "cancelled":
      return end(claim, run, "cancelled", claim.task.reason === undefined ? {} : { reason: claim.task.reason });
    case "ended":
      return endMarked(claim, run);
  }
}

/** The end of a claim that was handed out to be ended; a lost one may run again. */
function endMarked(claim: Claim, run: Run): Settlement {
  const { task } = claim;
  const reason = task.reason === undefined ? {} : { reason: task.reason };
  if (claim.for === "expired") return end(claim, run, "expired", {});
  if (claim.for !== "lost") return end(claim, run, "cancelled", reason);
  if (task.mark === "cancelled") return end(claim, run, "cancelled", reason);
  const crashes = task.crashCount + 1;
  if (task.atMostOnce) {
    return crashed(claim, run, {
      name: "CrashedError",
      message: "its worker was lost while it ran, and it must not run twice (atMostOnce)",
    });
  }
  if (crashes >= task.maxCrashes) {
    return crashed(claim, run, { name: "PoisonError", message: `its worker was lost ${crashes} times while it ran (maxCrashes)` });
  }
  return again(claim, run, "crash", 0, "crashed");
}

function crashed(claim: Claim, run: Run, failure: Failure): Settlement {
  return { ...end(claim, run, "failed", { failure, reason: failure.name === "PoisonError" ? "poison" : "crashed" }), counts: "crash" };
}

function retryOrFail(claim: Claim, run: Run, failure: Failure, asked: Ms | undefined): Settlement {
  const { task } = claim;
  const after = asked ?? retryDelayOf(task, task.retryCount, run.random);
  // A task is never started at or after its expiry, so a retry that falls there is not granted.
  const inTime = claim.expiresIn === undefined || after < claim.expiresIn - run.elapsed;
  if (task.retryCount >= task.maxRetries || !inTime) return end(claim, run, "failed", { failure });
  const retryCount = task.retryCount + 1;
  const error = failureText(failure);
  return {
    id: task.id,
    fence: claim.fence,
    to: "again",
    after,
    counts: "retry",
    events: [{ ...eventOf(claim, run), type: "retrying", level: "warning", retryCount, error }],
    ...resultPart(claim, run, { status: "failed", error: failure, retryCount }),
  };
}

function again(
  claim: Claim,
  run: Run,
  counts: "snooze" | "give-back" | "crash",
  after: Ms,
  type: "snoozed" | "released" | "crashed",
): Settlement {
  const level = type === "crashed" ? ({ level: "warning" } as const) : {};
  return { id: claim.task.id, fence: claim.fence, to: "again", after, counts, events: [{ ...eventOf(claim, run), type, ...level }] };
}

interface Ended {
  readonly value?: Text;
  readonly failure?: Failure;
  readonly reason?: string;
}

function end(claim: Claim, run: Run, to: Final, ended: Ended): Settlement {
  const { task } = claim;
  const reason = ended.reason ?? (ended.failure === undefined ? undefined : failureText(ended.failure).slice(0, 500));
  const { retryCount } = task;
  const result: Settlement["result"] =
    to === "completed"
      ? { taskId: task.id, status: "completed", retryCount, ...(ended.value === undefined ? {} : { value: ended.value }) }
      : ended.failure === undefined
        ? undefined
        : { taskId: task.id, status: "failed", retryCount, error: ended.failure };
  return {
    id: task.id,
    fence: claim.fence,
    to,
    events: [finalEvent(claim, run, to, ended)],
    ...(reason === undefined ? {} : { reason }),
    ...(result === undefined ? {} : resultPart(claim, run, result)),
    ...(task.callback === undefined ? {} : { enqueue: [callbackTask(claim, task.callback, to, ended)] }),
  };
}

function finalEvent(claim: Claim, run: Run, to: Final, ended: Ended): NewEvent {
  const event = { ...eventOf(claim, run), type: to };
  if (ended.failure !== undefined)
    return { ...event, level: "error", retryCount: claim.task.retryCount, error: failureText(ended.failure) };
  return ended.reason === undefined ? event : { ...event, message: ended.reason };
}

function eventOf(claim: Claim, run: Run): Omit<NewEvent, "type"> {
  const { task } = claim;
  return {
    taskId: task.id,
    queue: task.queue,
    ...(run.worker === undefined ? {} : { worker: run.worker }),
    ...(task.scheduleId === undefined ? {} : { scheduleId: task.scheduleId }),
    ...(run.executionMs === undefined ? {} : { executionMs: run.executionMs }),
  };
}

function resultPart(claim: Claim, run: Run, result: Omit<NewResult, "taskId"> & { taskId?: string }): { readonly result?: NewResult } {
  const { task } = claim;
  if (!task.storeResult) return {};
  return {
    result: {
      ...result,
      taskId: task.id,
      fence: claim.fence,
      ...(task.resultTtl === undefined ? {} : { ttl: task.resultTtl }),
      ...(task.scheduleId === undefined ? {} : { scheduleId: task.scheduleId }),
      ...(run.worker === undefined ? {} : { worker: run.worker }),
      ...(run.executionMs === undefined ? {} : { executionMs: run.executionMs }),
      ...(task.startedAt === undefined ? {} : { startedAt: task.startedAt }),
    },
  };
}

const ABSENT = encode(undefined);

/** The callback's task: OmniQ's own keys win over the caller's, and its id comes from the claim, so that it is made once an end. */
function callbackTask(claim: Claim, callback: Callback, status: Final, ended: Ended): NewTask {
  const { task, fence } = claim;
  const args = withKeys(callback.args ?? "{}", {
    taskId: JSON.stringify(task.id),
    status: JSON.stringify(status),
    result: ended.value ?? ABSENT,
    error: ended.failure === undefined ? ABSENT : JSON.stringify(failureText(ended.failure)),
  });
  return {
    ...DEFAULT_POLICY,
    ...callback.policy,
    id: `${task.id}.callback${fence}`,
    func: callback.func,
    args,
    queue: callback.queue ?? task.queue,
    priority: callback.priority ?? task.priority,
    tags: [],
    dependsOn: [],
  };
}
