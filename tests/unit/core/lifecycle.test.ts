import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Claim, Settlement } from "../../../src/core/backend.ts";
import { decode, encode } from "../../../src/core/codec.ts";
import { decide } from "../../../src/core/lifecycle.ts";
import type { Outcome, Run } from "../../../src/core/lifecycle.ts";
import { DEFAULT_POLICY } from "../../../src/core/task.ts";
import type { Mark, StoredTask } from "../../../src/core/task.ts";

const RUN: Run = { worker: "w1", elapsed: 40, executionMs: 30, random: () => 0.5 };

function taskOf(more: Partial<StoredTask> = {}): StoredTask {
  return {
    ...DEFAULT_POLICY,
    id: "t1",
    func: "resize",
    args: "{}",
    queue: "default",
    priority: 0,
    tags: [],
    dependsOn: [],
    status: "running",
    phase: "running",
    fence: 7,
    revision: 3,
    attempt: 1,
    retryCount: 0,
    crashCount: 0,
    createdAt: 1_000,
    dueAt: 1_000,
    openParents: 0,
    ...more,
  };
}

function claimOf(task: Partial<StoredTask> = {}, more: Partial<Claim> = {}): Claim {
  return { task: taskOf(task), fence: 7, for: "run", ...more };
}

const FAILURE = { name: "TypeError", message: "no", stack: "at x" };
const EVENT = { taskId: "t1", queue: "default", worker: "w1", executionMs: 30 };
const RESULT = { taskId: "t1", fence: 7, worker: "w1", executionMs: 30, retryCount: 0 };

describe("a run that returned", () => {
  test("completes the task, with its result and one event", () => {
    expect(decide(claimOf({ startedAt: 1_500, resultTtl: 60_000, scheduleId: "s1" }), { kind: "returned", value: "5" }, RUN)).toEqual({
      id: "t1",
      fence: 7,
      to: "completed",
      events: [{ ...EVENT, scheduleId: "s1", type: "completed" }],
      result: { ...RESULT, status: "completed", value: "5", ttl: 60_000, scheduleId: "s1", startedAt: 1_500 },
    });
  });

  test("without a value, and without a worker to name", () => {
    expect(decide(claimOf(), { kind: "returned" }, { elapsed: 0, random: () => 0 })).toEqual({
      id: "t1",
      fence: 7,
      to: "completed",
      events: [{ taskId: "t1", queue: "default", type: "completed" }],
      result: { taskId: "t1", fence: 7, status: "completed", retryCount: 0 },
    });
  });

  test("stores no result where none is wanted", () => {
    expect(decide(claimOf({ storeResult: false }), { kind: "returned", value: "5" }, RUN)).not.toHaveProperty("result");
  });
});

describe("a run that threw", () => {
  test("runs again after retryDelay while retries are left, with a failed result", () => {
    expect(decide(claimOf({ retryCount: 1 }), { kind: "threw", failure: FAILURE }, RUN)).toEqual({
      id: "t1",
      fence: 7,
      to: "again",
      after: 5_000,
      counts: "retry",
      events: [{ ...EVENT, type: "retrying", level: "warning", retryCount: 2, error: "TypeError: no" }],
      result: { ...RESULT, status: "failed", error: FAILURE, retryCount: 2 },
    });
  });

  test("waits as the outcome asks, or as the backoff says", () => {
    expect(decide(claimOf(), { kind: "threw", failure: FAILURE, after: 123 }, RUN)).toMatchObject({ to: "again", after: 123 });
    expect(decide(claimOf({ backoff: "exponential", retryCount: 2 }), { kind: "threw", failure: FAILURE }, RUN)).toMatchObject({
      after: 20_000,
    });
  });

  const failed = {
    id: "t1",
    fence: 7,
    to: "failed",
    reason: "TypeError: no",
    events: [{ ...EVENT, type: "failed", level: "error", retryCount: 0, error: "TypeError: no" }],
    result: { ...RESULT, status: "failed", error: FAILURE },
  };
  test.each<[string, Claim, Outcome]>([
    ["has no retries left", claimOf({ maxRetries: 0 }), { kind: "threw", failure: FAILURE }],
    ["is final", claimOf(), { kind: "threw", failure: FAILURE, final: true }],
    ["would only be retried at its expiry", claimOf({}, { expiresIn: 5_040 }), { kind: "threw", failure: FAILURE }],
  ])("fails for good when it %s", (_, claim, outcome) => {
    expect(decide(claim, outcome, RUN)).toEqual(failed);
  });

  test("is retried in the last millisecond before its expiry", () => {
    expect(decide(claimOf({}, { expiresIn: 5_041 }), { kind: "threw", failure: FAILURE }, RUN)).toMatchObject({ to: "again" });
  });

  test("a long error is a short reason, and whole in the result", () => {
    const failure = { name: "Error", message: "x".repeat(2_000_000) };
    const settlement = decide(claimOf({ callback: { func: "after" } }), { kind: "threw", failure, final: true }, RUN);
    expect(settlement).toMatchObject({ reason: `Error: ${"x".repeat(493)}`, result: { error: failure } });
  });
});

describe("what the handler asked for", () => {
  test("a retry, counted like a failure", () => {
    const failure = { name: "RetryRequested", message: "the handler asked for a retry" };
    expect(decide(claimOf(), { kind: "retry", after: 9 }, RUN)).toMatchObject({
      to: "again",
      after: 9,
      counts: "retry",
      result: { error: failure },
    });
    expect(decide(claimOf(), { kind: "retry" }, RUN)).toMatchObject({ after: 5_000 });
    expect(decide(claimOf({ retryCount: 3 }), { kind: "retry" }, RUN)).toMatchObject({
      to: "failed",
      result: { error: failure, retryCount: 3 },
    });
  });

  test("a snooze, which costs no retry and stores no result", () => {
    expect(decide(claimOf({ retryCount: 3 }), { kind: "snooze", after: 60_000 }, RUN)).toEqual({
      id: "t1",
      fence: 7,
      to: "again",
      after: 60_000,
      counts: "snooze",
      events: [{ ...EVENT, type: "snoozed" }],
    });
  });

  test("a discard, which is a cancellation with its reason", () => {
    expect(decide(claimOf(), { kind: "discard", reason: "old" }, RUN)).toEqual({
      id: "t1",
      fence: 7,
      to: "cancelled",
      reason: "old",
      events: [{ ...EVENT, type: "cancelled", message: "old" }],
    });
  });
});

describe("what the worker says", () => {
  test("interrupted: the attempt is given back at once", () => {
    expect(decide(claimOf(), { kind: "interrupted" }, RUN)).toEqual({
      id: "t1",
      fence: 7,
      to: "again",
      after: 0,
      counts: "give-back",
      events: [{ ...EVENT, type: "released" }],
    });
  });

  test("cancelled, with the reason that was given, if any", () => {
    expect(decide(claimOf({ reason: "by hand" }), { kind: "cancelled" }, RUN)).toMatchObject({ to: "cancelled", reason: "by hand" });
    expect(decide(claimOf(), { kind: "cancelled" }, RUN)).toEqual({
      id: "t1",
      fence: 7,
      to: "cancelled",
      events: [{ ...EVENT, type: "cancelled" }],
    });
  });
});

describe("a claim that was handed out to end the task", () => {
  const ended: Outcome = { kind: "ended" };

  test("expired", () => {
    expect(decide(claimOf({ reason: "x" }, { for: "expired" }), ended, RUN)).toEqual({
      id: "t1",
      fence: 7,
      to: "expired",
      events: [{ ...EVENT, type: "expired" }],
    });
  });

  test.each<[Claim["for"], Mark]>([
    ["cancelled", "cancelled"],
    ["parent-failed", "parent-failed"],
    ["lost", "cancelled"],
  ])("%s with the mark %s is a cancellation", (why, mark) => {
    expect(decide(claimOf({ mark, reason: "because" }, { for: why }), ended, RUN)).toEqual({
      id: "t1",
      fence: 7,
      to: "cancelled",
      reason: "because",
      events: [{ ...EVENT, type: "cancelled", message: "because" }],
    });
  });

  test("lost: it runs again at once, as a crash", () => {
    expect(decide(claimOf({ crashCount: 1 }, { for: "lost" }), ended, RUN)).toEqual({
      id: "t1",
      fence: 7,
      to: "again",
      after: 0,
      counts: "crash",
      events: [{ ...EVENT, type: "crashed", level: "warning" }],
    });
  });

  test("lost once too often: failed as poison", () => {
    const error = { name: "PoisonError", message: "its worker was lost 3 times while it ran (maxCrashes)" };
    expect(decide(claimOf({ crashCount: 2 }, { for: "lost" }), ended, RUN)).toMatchObject({
      to: "failed",
      reason: "poison",
      counts: "crash",
      result: { status: "failed", error },
      events: [{ type: "failed", error: `PoisonError: ${error.message}` }],
    });
  });

  test("lost although it must not run twice: failed", () => {
    expect(decide(claimOf({ atMostOnce: true }, { for: "lost" }), ended, RUN)).toMatchObject({
      to: "failed",
      reason: "crashed",
      counts: "crash",
      result: { error: { name: "CrashedError" } },
    });
  });
});

/** The arguments of the callback that a settlement enqueues. */
function argsOf(settlement: Settlement): unknown {
  const [task] = "enqueue" in settlement ? (settlement.enqueue ?? []) : [];
  return task === undefined ? undefined : decode(task.args);
}

describe("the callback", () => {
  test("is a task of its own, in the same settlement", () => {
    const settlement = decide(
      claimOf({ callback: { func: "after" }, priority: 4, queue: "high" }),
      { kind: "returned", value: encode(5n) },
      RUN,
    );
    expect(settlement).toMatchObject({
      enqueue: [{ ...DEFAULT_POLICY, id: "t1.callback7", func: "after", queue: "high", priority: 4, tags: [], dependsOn: [] }],
    });
    expect(argsOf(settlement)).toEqual({ taskId: "t1", status: "completed", result: 5n, error: undefined });
  });

  test("has its own queue, priority and policy where they are given; OmniQ's keys win over its arguments", () => {
    const policy = { ...DEFAULT_POLICY, maxRetries: 9, timeout: 5 };
    const callback = { func: "after", args: encode({ mine: new Date(0), status: "mine" }), queue: "low", priority: 0, policy };
    const settlement = decide(claimOf({ callback, priority: 4 }), { kind: "threw", failure: FAILURE, final: true }, RUN);
    expect(settlement).toMatchObject({ enqueue: [{ queue: "low", priority: 0, maxRetries: 9, timeout: 5 }] });
    expect(argsOf(settlement)).toEqual({ mine: new Date(0), taskId: "t1", status: "failed", result: undefined, error: "TypeError: no" });
  });

  test.each<[Outcome, Claim["for"], string | undefined]>([
    [{ kind: "returned" }, "run", "completed"],
    [{ kind: "threw", failure: FAILURE, final: true }, "run", "failed"],
    [{ kind: "discard", reason: "r" }, "run", "cancelled"],
    [{ kind: "cancelled" }, "run", "cancelled"],
    [{ kind: "ended" }, "expired", "expired"],
    [{ kind: "ended" }, "parent-failed", "cancelled"],
    [{ kind: "threw", failure: FAILURE }, "run", undefined],
    [{ kind: "snooze", after: 1 }, "run", undefined],
    [{ kind: "interrupted" }, "run", undefined],
    [{ kind: "ended" }, "lost", undefined],
  ])("%o of a claim for %s: %s", (outcome, why, status) => {
    const args = argsOf(decide(claimOf({ callback: { func: "after" } }, { for: why }), outcome, RUN));
    if (status === undefined) expect(args).toBeUndefined();
    else expect(args).toMatchObject({ status });
  });

  test("takes the deepest value that a payload can hold", () => {
    let value: unknown = 1;
    for (let i = 0; i < 200; i++) value = [value];
    const settlement = decide(claimOf({ callback: { func: "after" } }), { kind: "returned", value: encode(value) }, RUN);
    expect(argsOf(settlement)).toMatchObject({ result: value });
  });
});

describe("whatever happens", () => {
  const failure = fc.record({ name: fc.string(), message: fc.string() });
  const wait = fc.nat(1_000_000);
  const outcome: fc.Arbitrary<Outcome> = fc.oneof(
    fc.record({ kind: fc.constant("returned" as const), value: fc.jsonValue().map((value) => encode(value)) }),
    fc.record({ kind: fc.constant("threw" as const), failure, final: fc.boolean(), after: wait }, { requiredKeys: ["kind", "failure"] }),
    fc.record({ kind: fc.constant("retry" as const), after: wait }, { requiredKeys: ["kind"] }),
    fc.record({ kind: fc.constant("snooze" as const), after: wait }),
    fc.record({ kind: fc.constant("discard" as const), reason: fc.string() }),
    fc.constantFrom<Outcome>({ kind: "interrupted" }, { kind: "cancelled" }, { kind: "ended" }),
  );
  const why = fc.constantFrom<Claim["for"]>("run", "lost", "expired", "cancelled", "parent-failed");
  const task = fc.record(
    {
      maxRetries: fc.nat(5),
      retryCount: fc.nat(5),
      crashCount: fc.nat(5),
      maxCrashes: fc.integer({ min: 1, max: 5 }),
      retryDelay: wait,
      backoff: fc.constantFrom("fixed" as const, "exponential" as const),
      atMostOnce: fc.boolean(),
      storeResult: fc.boolean(),
      mark: fc.constantFrom<Mark>("cancelled", "expired", "parent-failed"),
      reason: fc.string(),
      callback: fc.record(
        {
          func: fc.string(),
          args: fc.oneof(
            fc.string(),
            fc.dictionary(fc.string(), fc.jsonValue()).map((value) => encode(value)),
          ),
        },
        { requiredKeys: ["func"] },
      ),
    },
    { requiredKeys: [] },
  );
  const run = fc.record({
    elapsed: wait,
    random: fc.constantFrom(
      () => 0,
      () => 0.999,
    ),
  });

  test("it never throws, shows the claim's fence, and writes one event: a final one exactly at an end", () => {
    const finals = new Set(["completed", "failed", "cancelled", "expired"]);
    fc.assert(
      fc.property(task, why, fc.option(wait, { nil: undefined }), outcome, run, (given, reason, expiresIn, came, how) => {
        const claim = claimOf(given, { for: reason, ...(expiresIn === undefined ? {} : { expiresIn }) });
        const settlement = decide(claim, came, how);
        expect([settlement.id, settlement.fence, settlement.events.length]).toEqual(["t1", 7, 1]);
        const [event] = settlement.events;
        expect(finals.has(event?.type ?? "")).toBe(settlement.to !== "again");
        if (settlement.to !== "again") expect(event?.type).toBe(settlement.to);
        expect(settlement.result === undefined || claim.task.storeResult).toBe(true);
        expect(settlement.result?.fence ?? 7).toBe(7);
      }),
      { numRuns: 2_000 },
    );
  });

  test("retries granted never exceed maxRetries, crashes never maxCrashes, and a chain of failures ends", () => {
    fc.assert(
      fc.property(
        fc.nat(6),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.tuple(outcome, why), { minLength: 40, maxLength: 40 }),
        (maxRetries, maxCrashes, came) => {
          const now = { maxRetries, maxCrashes, retryCount: 0, crashCount: 0 };
          for (const [each, reason] of came) {
            const settlement = decide(claimOf({ ...now }, { for: reason }), each, RUN);
            if (settlement.counts === "retry") now.retryCount++;
            if (settlement.counts === "crash") now.crashCount++;
            expect(now.retryCount).toBeLessThanOrEqual(maxRetries);
            expect(now.crashCount).toBeLessThanOrEqual(maxCrashes);
            if (settlement.to !== "again") break;
          }
          let runs = 0;
          for (
            let retryCount = 0;
            decide(claimOf({ maxRetries, retryCount }), { kind: "threw", failure: FAILURE }, RUN).to === "again";
            retryCount++
          )
            runs++;
          expect(runs).toBe(maxRetries);
        },
      ),
    );
  });
});

describe("a run that its worker interrupted", () => {
  test("is given back; but once it has begun, what must not run twice has failed", () => {
    expect(decide(claimOf(), { kind: "interrupted" }, RUN)).toMatchObject({ to: "again", counts: "give-back" });
    const unstarted = { worker: "w1", elapsed: 40, random: () => 0.5 };
    expect(decide(claimOf({ atMostOnce: true }), { kind: "interrupted" }, unstarted)).toMatchObject({ to: "again", counts: "give-back" });
    expect(decide(claimOf({ atMostOnce: true }), { kind: "interrupted" }, RUN)).toMatchObject({
      to: "failed",
      reason: "interrupted",
      result: { status: "failed", error: { name: "InterruptedError" } },
    });
  });
});
