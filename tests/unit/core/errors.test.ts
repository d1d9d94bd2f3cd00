import { describe as group, expect, test } from "vitest";
import * as errors from "../../../src/core/errors.ts";

group("errors", () => {
  test.each([
    [new errors.InputInvalidError("no"), "INPUT_INVALID", "no"],
    [
      new errors.IllegalTransitionError("t1", "completed", "running"),
      "ILLEGAL_TRANSITION",
      "Expected task t1 to be able to become running, but it is completed",
    ],
    [
      new errors.IllegalTransitionError("s1", "completed", "paused", "schedule"),
      "ILLEGAL_TRANSITION",
      "Expected schedule s1 to be able to become paused, but it is completed",
    ],
    [new errors.LeaseLostError("lost"), "LEASE_LOST", "lost"],
    [new errors.ConflictError("changed"), "CONFLICT", "changed"],
    [new errors.TaskNotFoundError("t1"), "TASK_NOT_FOUND", "Expected a task with the id t1, but there is none"],
    [new errors.TaskNotFoundError("t1", " any more"), "TASK_NOT_FOUND", "Expected a task with the id t1, but there is none any more"],
    [new errors.ScheduleNotFoundError("s1"), "SCHEDULE_NOT_FOUND", "Expected a schedule with the id s1, but there is none"],
    [new errors.TaskFailedError("t1", { name: "E", message: "m" }), "TASK_FAILED", "Task t1 failed: E: m"],
    [new errors.TaskCancelledError("t1"), "TASK_CANCELLED", "Task t1 was cancelled"],
    [new errors.TaskCancelledError("t1", "by hand"), "TASK_CANCELLED", "Task t1 was cancelled: by hand"],
    [new errors.TaskExpiredError("t1"), "TASK_EXPIRED", "Task t1 expired: its TTL passed before a worker started it"],
    [new errors.TaskTimeoutError("t1", 5), "TASK_TIMEOUT", "Task t1 ran longer than its timeout of 5 ms"],
    [new errors.ResultTimeoutError("t1", 5), "RESULT_TIMEOUT", "Task t1 did not end within 5 ms; it goes on"],
    [new errors.ResultExpiredError("t1"), "RESULT_EXPIRED", "The result of task t1 is past its TTL"],
    [new errors.ResultNotStoredError("t1"), "RESULT_NOT_STORED", "Task t1 completed, but its result is not stored (storeResult is false)"],
    [new errors.ResultNotStoredError("t1", "deleted"), "RESULT_NOT_STORED", "Task t1 completed, but its result is not stored (deleted)"],
    [new errors.SyncUnsupportedError("no"), "SYNC_UNSUPPORTED", "no"],
    [new errors.WorkerUnknownError("w1"), "WORKER_UNKNOWN", "Expected worker w1 to be registered, but it is not"],
    [new errors.WorkerStoppingError(), "WORKER_STOPPING", "The worker stops and its grace is over; the task is given back"],
    [new errors.StorageError("STORAGE_BUSY", "busy"), "STORAGE_BUSY", "busy"],
  ])("%o has a stable code and a sentence", (error, code, message) => {
    expect(error).toBeInstanceOf(errors.OmniQError);
    expect([error.name, error.code, error.message]).toEqual([error.constructor.name, code, message]);
    expect(error).not.toHaveProperty("cause");
  });

  test("keep their cause", () => {
    const cause = new Error("why");
    expect(new errors.InputInvalidError("no", { cause }).cause).toBe(cause);
  });

  test("tell the task and its failure", () => {
    const error = new errors.TaskFailedError("t1", { name: "E", message: "m", code: "C" });
    expect(error.taskId).toBe("t1");
    expect(error.failure).toEqual({ name: "E", message: "m", code: "C" });
    expect([new errors.TaskCancelledError("a").taskId, new errors.TaskExpiredError("b").taskId]).toEqual(["a", "b"]);
  });

  test("FatalError is the user's to throw: it is no OmniQError", () => {
    const error = new errors.FatalError("enough");
    expect([error.name, error.message]).toEqual(["FatalError", "enough"]);
    expect(error).not.toBeInstanceOf(errors.OmniQError);
  });
});

group("describe", () => {
  test.each<[unknown, string]>([
    [null, "null"],
    [undefined, "undefined"],
    [-0, "0"],
    [Number.NaN, "NaN"],
    [true, "true"],
    [5n, "5n"],
    ["a\nb", '"a\\nb"'],
    ["x".repeat(60), `"${"x".repeat(60)}"`],
    ["x".repeat(61), `"${"x".repeat(57)}..."`],
    [() => 1, "a function"],
    [Symbol("secret"), "a symbol"],
    [[1, 2], "an array of 2"],
    [new Date(0), "1970-01-01T00:00:00.000Z"],
    [new Date(Number.NaN), "an invalid Date"],
    [{ password: "secret" }, "an object"],
    [Object.create(Date.prototype), "what cannot be looked at"],
  ])("%o is %s", (value, text) => {
    expect(errors.describe(value)).toBe(text);
  });

  test("makes the sentence of `expected`", () => {
    expect(errors.expected("ttl", "a number", "x")).toEqual(
      new errors.InvalidOptionError("INVALID_OPTION", 'Expected `ttl` to be a number, got "x"'),
    );
  });
});
