import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { ResultStatus, TaskResult } from "../../../src/models/result.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import { createResult } from "../../fixtures/factories.ts";

const MINUTE = 60_000;

describe("a new result", () => {
  test("has the seed's defaults", () => {
    const clock = new TestClock();
    const now = new Date(clock.now());
    expect(createResult({ taskId: "t" }, { clock })).toMatchObject({
      taskId: "t",
      status: ResultStatus.Completed,
      result: 15,
      error: undefined,
      errorTraceback: undefined,
      createdAt: now,
      startedAt: now,
      completedAt: now,
      ttl: 30 * MINUTE,
      expiresAt: new Date(clock.now() + 30 * MINUTE),
      executionTime: 100,
      workerId: "test-worker",
      retryCount: 0,
    });
  });

  test("needs a task and a status only", () => {
    const clock = new TestClock();
    const result = new TaskResult({ taskId: "t", status: "failed" }, { clock });
    expect(result.toJSON()).toEqual({ taskId: "t", status: "failed", createdAt: "2026-01-01T00:00:00.000Z", retryCount: 0 });
    expect(result.isExpired).toBe(false);
  });

  test("null is a value that a completed task returned, and absent for a failed one", () => {
    expect(new TaskResult({ taskId: "t", status: "completed", result: null }).result).toBeNull();
    expect(new TaskResult({ taskId: "t", status: "failed", result: null }).result).toBeUndefined();
  });

  test.each<[string, unknown, RegExp]>([
    ["taskId", "", /Expected `taskId`/],
    ["status", "pending", /Expected `status` to be one of "completed", "failed", got "pending"/],
    ["error", new Error("x"), /Expected `error` to be a text/],
    ["executionTime", -1, /Expected `executionTime` to be milliseconds of at least 0, got -1/],
    ["executionTime", "soon", /Expected `executionTime`/],
    ["retryCount", -1, /Expected `retryCount`/],
    ["createdAt", 5, /Expected `createdAt` to be a valid Date/],
    ["worker", "w", /got `worker`/],
    ["fence", -1, /Expected `fence`/],
  ])("refuses %s: %o", (field, value, message) => {
    expect(() => TaskResult.fromJSON({ taskId: "t", status: "completed", [field]: value })).toThrow(message);
  });

  test("a measured time keeps its fractions; text is a duration", () => {
    expect(createResult({ executionTime: 0.25 }).executionTime).toBe(0.25);
    expect(createResult({ executionTime: "2s" }).executionTime).toBe(2_000);
    expect(createResult({ executionTime: null }).executionTime).toBeUndefined();
  });
});

describe("expiry", () => {
  test("createdAt + ttl, reached counts, ttl may be negative, and assignment counts", async () => {
    const clock = new TestClock();
    const result = createResult({ ttl: 10 }, { clock });
    expect(result.isExpired).toBe(false);
    await clock.advance(10);
    expect(result.isExpired).toBe(true);
    expect(createResult({ ttl: -1 }, { clock }).isExpired).toBe(true);
    result.expiresAt = undefined;
    expect(result.isExpired).toBe(false);
  });
});

describe("JSON", () => {
  test.each([
    ["a number", 15],
    ["null", null],
    ["undefined", undefined],
    ["a Date in a Map", new Map([["at", new Date(1)]])],
    ["an error's text", { name: "x" }],
    ["what looks like a tag", { $omniq: "null" }],
  ])("comes back as it was: %s", (_, value) => {
    const result = createResult({ result: value });
    expect(TaskResult.fromJSON(JSON.parse(JSON.stringify(result)))).toStrictEqual(result);
    expect(TaskResult.deserialize(result.serialize())).toStrictEqual(result);
  });

  test("keeps the fence of its claim", () => {
    const result = createResult({ fence: 7 });
    expect(result.toJSON()).toMatchObject({ fence: 7 });
    expect(TaskResult.deserialize(result.serialize())).toStrictEqual(result);
    expect(createResult().toJSON()).not.toHaveProperty("fence");
  });

  test("keeps the error and its stack", () => {
    const result = createResult({ status: "failed", result: undefined, error: "TypeError: boom", errorTraceback: "at f (x.ts:1)" });
    expect(result.toJSON()).toMatchObject({ error: "TypeError: boom", errorTraceback: "at f (x.ts:1)" });
    expect(result.toJSON()).not.toHaveProperty("result");
    expect(TaskResult.deserialize(result.serialize())).toStrictEqual(result);
  });

  test("reads the seed's keys", () => {
    const result = TaskResult.fromJSON({
      task_id: "t",
      status: "completed",
      result: 1,
      execution_time: 100,
      worker_id: "w",
      expires_at: null,
    });
    expect(result).toMatchObject({ taskId: "t", executionTime: 100, workerId: "w", expiresAt: undefined });
  });
});

describe("identity", () => {
  test("equals: the task alone", () => {
    const result = createResult({ taskId: "same" });
    expect(result.equals(createResult({ taskId: "same", result: 0 }))).toBe(true);
    expect(result.equals(createResult({ taskId: "other" }))).toBe(false);
    expect(result.equals(null)).toBe(false);
  });

  test("as text and in the console: TaskResult, the task and the error, never the value", () => {
    const failed = createResult({ taskId: "t-1", status: "failed", error: "Error: boom", result: "secret" });
    for (const shown of [String(failed), inspect(failed)]) {
      expect(shown).toContain("TaskResult(t-1 failed");
      expect(shown).toContain("Error: boom");
      expect(shown).not.toContain("secret");
    }
    expect(String(createResult({ taskId: "t-1" }))).toBe("TaskResult(t-1 completed)");
  });

  test("the words", () => {
    expect(Object.values(ResultStatus)).toEqual(["completed", "failed"]);
  });
});
