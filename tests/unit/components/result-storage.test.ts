import { beforeEach, describe, expect, test } from "vitest";
import { ResultStorage } from "../../../src/components/result-storage.ts";
import { toNewResult } from "../../../src/models/convert.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import { ModelBackend } from "../../../src/testing/model.ts";
import { createResult } from "../../fixtures/factories.ts";
import { FORMS, withCode } from "../../fixtures/helpers.ts";

describe.each(FORMS)("a result storage, $form", ({ as }) => {
  let clock: TestClock;
  let backend: ModelBackend;
  let results: ResultStorage;
  const make = (given: Parameters<typeof createResult>[0] = {}) => createResult(given, { clock });

  beforeEach(async () => {
    clock = new TestClock();
    backend = new ModelBackend({ clock, projectName: "test_project" });
    await backend.open();
    results = as(new ResultStorage({ backend, clock }));
  });

  test("says what it is of", () => {
    expect(results.projectName).toBe("test_project");
    expect(results.backend).toBe(backend);
  });

  test("store and get: as it was, for a task that is not in this database, without an event", async () => {
    const result = make({ result: { at: new Date(1) }, scheduleId: "s" });
    await results.store(result);
    expect(await results.get(result.taskId)).toEqual(result);
    expect(await results.get("nobody")).toBeUndefined();
    expect((await backend.events.stats(10_000)).total).toBe(0);
  });

  test("a failure: the error as text, and its stack", async () => {
    const result = make({ status: "failed", result: undefined, error: "TypeError: boom", errorTraceback: "at f" });
    await results.store(result);
    expect(await results.get(result.taskId)).toEqual(result);
  });

  test("one a task: the latest replaces", async () => {
    await results.store(make({ taskId: "t", result: 1 }));
    await results.store(make({ taskId: "t", result: 2 }));
    expect((await results.get("t"))?.result).toBe(2);
    expect((await results.stats()).total).toBe(1);
  });

  test("an expired result reads as undefined, and is still there to be cleaned up", async () => {
    const expired = make({ ttl: -1_000 });
    await results.store(expired);
    expect(await results.get(expired.taskId)).toBeUndefined();
    expect(await results.stats()).toMatchObject({ total: 1, expired: 1 });
    expect(await results.cleanupExpired()).toBe(1);
    expect(await results.stats()).toMatchObject({ total: 0, expired: 0, more: false });
    expect(await results.cleanupExpired()).toBe(0);
  });

  test("expires when its time has come; cleaning up takes more than one batch", async () => {
    const batch = Array.from({ length: 1_001 }, () => toNewResult(make({ ttl: 10 })));
    await backend.results.put(batch);
    const kept = make({ ttl: 20 });
    await results.store(kept);
    await clock.advance(10);
    expect(await results.cleanupExpired()).toBe(1_001);
    expect((await results.get(kept.taskId))?.isExpired).toBe(false);
  });

  test("getLatest: the newest of a schedule", async () => {
    for (const i of [1, 3, 2]) await results.store(make({ scheduleId: "s", result: i, createdAt: new Date(i), ttl: undefined }));
    await results.store(make({ scheduleId: "other", createdAt: new Date(9), ttl: undefined }));
    expect((await results.getLatest("s"))?.result).toBe(3);
    expect(await results.getLatest("nobody")).toBeUndefined();
  });

  test("update: only what is there", async () => {
    const result = make();
    expect(await results.update(result)).toBe(false);
    expect(await results.get(result.taskId)).toBeUndefined();
    await results.store(result);
    result.result = "changed";
    expect(await results.update(result)).toBe(true);
    expect((await results.get(result.taskId))?.result).toBe("changed");
  });

  test("delete: whether there was one", async () => {
    const result = make();
    await results.store(result);
    expect(await results.delete(result.taskId)).toBe(true);
    expect(await results.delete(result.taskId)).toBe(false);
  });

  test("stats: by status", async () => {
    await results.store(make());
    await results.store(make());
    await results.store(make({ status: "failed", error: "E: x" }));
    expect(await results.stats()).toEqual({ total: 3, completed: 2, failed: 1, expired: 0, more: false });
  });

  test("refuses what cannot be stored, or is wrong, and writes nothing", async () => {
    await expect(results.store(make({ result: () => 1 }))).rejects.toThrow(withCode("PAYLOAD_REFUSED"));
    const wrong = make();
    wrong.retryCount = -1;
    await expect(results.store(wrong)).rejects.toThrow(/Expected `retryCount`/);
    expect((await results.stats()).total).toBe(0);
  });
});
