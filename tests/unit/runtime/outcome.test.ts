import { describe, expect, test } from "vitest";
import { encode } from "../../../src/core/codec.ts";
import type { ResultRow } from "../../../src/core/result.ts";
import type { StoredTask } from "../../../src/core/task.ts";
import { needsResult, toldOf } from "../../../src/runtime/outcome.ts";

const row = (over: Partial<StoredTask>): StoredTask => ({ id: "t", fence: 3, storeResult: true, retryCount: 0, ...over }) as StoredTask;
const result = (over: Partial<ResultRow>): ResultRow => ({
  taskId: "t",
  status: "completed",
  retryCount: 0,
  createdAt: 0,
  fence: 3,
  ...over,
});
const code = (told: ReturnType<typeof toldOf>): unknown =>
  told !== undefined && "error" in told && told.error instanceof Error && "code" in told.error ? told.error.code : told;

describe("what a waiting caller is told", () => {
  test("nothing while the task has not ended, also while a retry is due", () => {
    for (const open of [row({ status: "pending" }), row({ status: "running" }), row({ status: "failed", nextRetryAt: 5 })]) {
      expect(toldOf("t", open, result({}))).toBeUndefined();
      expect(needsResult(open)).toBe(false);
    }
  });

  test("the value of this end's run, or of a result made by hand", () => {
    const completed = row({ status: "completed" });
    expect(needsResult(completed)).toBe(true);
    expect(toldOf("t", completed, result({ value: encode({ a: new Date(0) }) }))).toEqual({ value: { a: new Date(0) } });
    expect(toldOf("t", completed, result({}))).toEqual({ value: undefined });
    const { fence: _, ...byHand } = result({ value: "1" });
    expect(toldOf("t", completed, byHand)).toEqual({ value: 1 });
    // The end would have written one: whoever stored this is not who ended it.
    expect(code(toldOf("t", row({ status: "completed", storeResult: false }), byHand))).toBe("RESULT_NOT_STORED");
  });

  test("not the result of an earlier run", () => {
    expect(code(toldOf("t", row({ status: "completed" }), result({ fence: 2, value: "1" })))).toBe("RESULT_NOT_STORED");
    expect(code(toldOf("t", row({ status: "completed" }), result({ status: "failed" })))).toBe("RESULT_NOT_STORED");
  });

  test("why there is no value", () => {
    expect(code(toldOf("t", undefined, undefined))).toBe("TASK_NOT_FOUND");
    expect(toldOf("t", row({ status: "cancelled", reason: "no need" }), undefined)).toMatchObject({
      error: { code: "TASK_CANCELLED", message: "Task t was cancelled: no need" },
    });
    expect(code(toldOf("t", row({ status: "expired" }), undefined))).toBe("TASK_EXPIRED");
    expect(code(toldOf("t", row({ status: "completed", storeResult: false }), undefined))).toBe("RESULT_NOT_STORED");
    expect(code(toldOf("t", row({ status: "completed", resultTtl: 5 }), undefined))).toBe("RESULT_EXPIRED");
    expect(toldOf("t", row({ status: "completed" }), undefined)).toMatchObject({
      error: { message: expect.stringContaining("it was deleted") },
    });
    expect(code(toldOf("t", row({ status: "completed" }), result({ value: "{" })))).toBe("PAYLOAD_UNREADABLE");
  });

  test("a failure as it is stored, else what the task itself remembers of it", () => {
    const error = { name: "TypeError", message: "no", stack: "at x", code: "E" };
    expect(toldOf("t", row({ status: "failed" }), result({ status: "failed", error }))).toMatchObject({
      error: { code: "TASK_FAILED", failure: error, taskId: "t" },
    });
    const told = toldOf("t", row({ status: "failed", reason: "RangeError: too far" }), undefined);
    expect(told).toMatchObject({ error: { failure: { name: "RangeError", message: "too far" } } });
    expect(toldOf("t", row({ status: "failed", reason: "poison" }), undefined)).toMatchObject({
      error: { failure: { name: "Error", message: "poison" } },
    });
    expect(toldOf("t", row({ status: "failed" }), undefined)).toMatchObject({
      error: { failure: { message: "the reason is not stored" } },
    });
  });
});
