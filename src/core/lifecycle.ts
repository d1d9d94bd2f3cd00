/**
 * The only state machine: what a claim came to → what is written. Pure, so that every backend and every worker ends a task alike,
 * whoever claimed it and whether or not it knows the task.
 */
import type { Claim, Settlement } from "./backend.ts";
import type { Random } from "./clock.ts";
import { encode, withKeys } from "./codec.ts";
import type { EventType, NewEvent } from "./event.ts";
import { failureText } from "./record.ts";
import type { Draft, Failure, Ms, Text } from "./record.ts";
import type { NewResult, ResultStatus } from "./result.ts";
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
  /** The worker stops, or cannot run it now: the attempt is given back. `after`: not to be claimed before. */
  | { readonly kind: "interrupted"; readonly after?: Ms }
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
      return interrupted(claim, run, outcome.after);
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

/** The worker stopped first. A handler that has begun may have had its effect: what must not run twice is failed, not given back. */
function interrupted(claim: Claim, run: Run, after: Ms = 0): Settlement {
  if (!claim.task.atMostOnce || run.executionMs === undefined) return again(claim, run, "give-back", after, "released");
  const failure = { name: "InterruptedError", message: "its worker stopped while it ran, and it must not run twice (atMostOnce)" };
  return end(claim, run, "failed", { failure, reason: "interrupted" });
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
    events: [{ ...eventOf(claim, run, "retrying"), level: "warning", retryCount, error }],
    ...(task.storeResult ? { result: resultOf(claim, run, "failed", retryCount, { failure }) } : {}),
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
  return { id: claim.task.id, fence: claim.fence, to: "again", after, counts, events: [{ ...eventOf(claim, run, type), ...level }] };
}

interface Ended {
  readonly value?: Text;
  readonly failure?: Failure;
  readonly reason?: string;
}

function end(claim: Claim, run: Run, to: Final, ended: Ended): Settlement {
  const { task } = claim;
  const settlement: Draft<Extract<Settlement, { to: Final }>> = {
    id: task.id,
    fence: claim.fence,
    to,
    events: [finalEvent(claim, run, to, ended)],
  };
  const reason = ended.reason ?? (ended.failure === undefined ? undefined : failureText(ended.failure).slice(0, 500));
  if (reason !== undefined) settlement.reason = reason;
  if (task.storeResult && (to === "completed" || ended.failure !== undefined)) {
    settlement.result = resultOf(claim, run, to === "completed" ? "completed" : "failed", task.retryCount, ended);
  }
  if (task.callback !== undefined) settlement.enqueue = [callbackTask(claim, task.callback, to, ended)];
  return settlement;
}

function finalEvent(claim: Claim, run: Run, to: Final, { failure, reason }: Ended): NewEvent {
  const event = eventOf(claim, run, to);
  if (failure !== undefined) return { ...event, level: "error", retryCount: claim.task.retryCount, error: failureText(failure) };
  if (reason !== undefined) event.message = reason;
  return event;
}

function eventOf({ task }: Claim, run: Run, type: EventType): Draft<NewEvent> {
  const event: Draft<NewEvent> = { type, taskId: task.id, queue: task.queue };
  if (run.worker !== undefined) event.worker = run.worker;
  if (task.scheduleId !== undefined) event.scheduleId = task.scheduleId;
  if (run.executionMs !== undefined) event.executionMs = run.executionMs;
  return event;
}

function resultOf({ task, fence }: Claim, run: Run, status: ResultStatus, retryCount: number, { value, failure }: Ended): NewResult {
  const result: Draft<NewResult> = { taskId: task.id, fence, status, retryCount };
  if (value !== undefined) result.value = value;
  if (failure !== undefined) result.error = failure;
  if (task.resultTtl !== undefined) result.ttl = task.resultTtl;
  if (task.scheduleId !== undefined) result.scheduleId = task.scheduleId;
  if (run.worker !== undefined) result.worker = run.worker;
  if (run.executionMs !== undefined) result.executionMs = run.executionMs;
  if (task.startedAt !== undefined) result.startedAt = task.startedAt;
  return result;
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
