import { beforeEach, describe, expect, test } from "vitest";
import { ResultStorage } from "../../../src/components/result-storage.ts";
import { TaskQueue } from "../../../src/components/task-queue.ts";
import { decide } from "../../../src/core/lifecycle.ts";
import { OmniQ } from "../../../src/index.ts";
import { toNewResult } from "../../../src/models/convert.ts";
import { Task } from "../../../src/models/task.ts";
import { workerRow } from "../../../src/testing/conformance/bench.ts";
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

  test("the result of a late holder is refused, with its fence or without, and the true one stays", async () => {
    const queue = as(new TaskQueue({ backend, clock, queues: ["default"] }));
    const id = await queue.enqueue(new Task({ func: "f", funcArgs: {} }, { clock }));
    const late = await queue.dequeue({ lease: 1_000 });
    // A worker that takes it over, as any does.
    const lost = (await backend.presence.holding(10)).workers.map(({ worker, beat }) => ({ worker, beat }));
    await backend.presence.arrive(workerRow("w"));
    const run = { worker: "w", elapsed: 0, random: () => 0.5 };
    const [taken] = (await backend.work.claim({ worker: "w", limit: 1, of: { lost } })).claims;
    if (taken === undefined || late === undefined) throw new Error("not taken over");
    await backend.work.settle([decide(taken, { kind: "ended" }, run)]);
    const due = { due: true, queues: ["default"], names: "any", announce: false } as const;
    const [claim] = (await backend.work.claim({ worker: "w", limit: 1, of: due })).claims;
    if (claim === undefined) throw new Error("not due");
    await backend.work.settle([decide(claim, { kind: "returned", value: '"true"' }, run)]);

    for (const fence of [undefined, late.fence]) {
      const wrong = make({ taskId: id, fence, result: "LATE" });
      await expect(results.store(wrong)).rejects.toThrow(withCode("LEASE_LOST"));
      await expect(results.update(wrong)).rejects.toThrow(withCode("LEASE_LOST"));
    }
    const omniq = new OmniQ({ backend, clock });
    expect(await omniq.handle(id).result()).toBe("true");
    // To correct it, it is read first.
    const read = await results.get(id);
    if (read === undefined) throw new Error("no result");
    expect(read.fence).toBe(claim.fence);
    read.result = "corrected";
    expect(await results.update(read)).toBe(true);
    expect(await omniq.handle(id).result()).toBe("corrected");
    await omniq.close();
  });

  test("a holder stores without its fence what comes of its run, also where an earlier run has left a result", async () => {
    const queue = as(new TaskQueue({ backend, clock, queues: ["default"] }));
    const id = await queue.enqueue(new Task({ func: "f", funcArgs: {}, maxRetries: 1, retryDelay: 0 }, { clock }));
    for (const status of ["failed", "completed"] as const) {
      const task = await queue.dequeue();
      if (task === undefined) throw new Error("not due");
      task.markStarted();
      if (status === "completed") task.markCompleted();
      else {
        task.markFailed("E: no");
        task.incrementRetry();
      }
      await queue.updateTask(task);
      await results.store(
        make({ taskId: id, status, ...(status === "failed" ? { fence: task.fence, error: "E: no", result: undefined } : {}) }),
      );
    }
    expect(await results.get(id)).toMatchObject({ status: "completed", fence: undefined });
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

  test("text that would come back as another one is refused; of an error, which nobody chose, is kept what can be", async () => {
    for (const field of ["workerId", "scheduleId"])
      for (const text of ["a\0b", "\uD800"])
        await expect(results.store(make({ [field]: text }))).rejects.toThrow(new RegExp(`Expected \`${field}\` to be a text without NUL`));
    expect((await results.stats()).total).toBe(0);
    await results.store(make({ taskId: "t", status: "failed", result: undefined, error: "E: a\0b", errorTraceback: "at \uD800" }));
    expect(await results.get("t")).toMatchObject({ error: "E: a\uFFFDb", errorTraceback: "at \uFFFD" });
  });

  test("refuses what cannot be stored, or is wrong, and writes nothing", async () => {
    await expect(results.store(make({ result: () => 1 }))).rejects.toThrow(withCode("PAYLOAD_REFUSED"));
    const wrong = make();
    wrong.retryCount = -1;
    await expect(results.store(wrong)).rejects.toThrow(/Expected `retryCount`/);
    expect((await results.stats()).total).toBe(0);
  });
});
