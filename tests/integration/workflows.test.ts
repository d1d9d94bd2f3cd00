/** Whole workflows on each engine, from the enqueue to the awaited result. */
import { describe, expect } from "vitest";
import { defineTask, OmniQ } from "../../src/index.ts";
import type { Ended } from "../../src/index.ts";
import { test as base } from "../fixtures/context.ts";
import { createSchedule, createTask } from "../fixtures/factories.ts";
import { ENGINES } from "../fixtures/engines.ts";
import { until, viaSync } from "../fixtures/helpers.ts";
import { sampleTasks } from "../fixtures/sample-functions.ts";

const { simpleTask, multiplyTask, asyncSimpleTask, failingTask } = sampleTasks;

/** Adds up what its parents came to. */
const sumUp = defineTask({
  name: "sum-up",
  handler: async (_args: undefined, ctx) => {
    const parents = await ctx.parentResults();
    return {
      sum: parents.reduce((sum, { result }) => sum + (typeof result === "number" ? result : 0), 0),
      statuses: parents.map(({ status }) => status),
    };
  },
});

describe.each(ENGINES)("on $name", ({ place }) => {
  const test = base
    .extend("place", ({ testDir }, { onCleanup }) => {
      const { options, remove } = place(testDir);
      onCleanup(remove);
      return options;
    })
    .extend("omniq", ({ place: options }, { onCleanup }) => {
      const omniq = new OmniQ(options);
      onCleanup(() => omniq.close());
      return omniq;
    })
    /** The same place through an object of its own, as another process has it. */
    .extend("elsewhere", ({ place: options }, { onCleanup }) => {
      const omniq = new OmniQ(options);
      onCleanup(() => omniq.close());
      return omniq;
    });

  describe("dependencies", () => {
    test("a diamond: the last one starts after both, and reads what they came to", async ({ omniq }) => {
      const [first] = await omniq.enqueueMany([simpleTask.with({ x: 1, y: 2 })]);
      const left = await omniq.enqueue(multiplyTask, { x: 3, y: 4 }, { dependsOn: [first] });
      const right = await omniq.enqueue(asyncSimpleTask, { x: 5, y: 6 }, { dependsOn: [first] });
      const last = await omniq.enqueue(sumUp, undefined, { dependsOn: [left, right] });
      expect((await last.get())?.dependsOn).toEqual([left.id, right.id]);
      await omniq.worker({ tasks: [simpleTask, multiplyTask, asyncSimpleTask, sumUp], concurrency: 4 }).start();
      expect(await last.result({ timeout: "10s" })).toEqual({ sum: 23, statuses: ["completed", "completed"] });
      const [before, after] = [await left.get(), await last.get()];
      expect(after?.startedAt?.getTime()).toBeGreaterThanOrEqual(before?.completedAt?.getTime() ?? Number.POSITIVE_INFINITY);
    });

    test("a parent that fails: its child is cancelled, unless it is to run all the same", async ({ omniq }) => {
      const parent = await omniq.enqueue(failingTask, undefined, { maxRetries: 0 });
      const cancelled = await omniq.enqueue(sumUp, undefined, { dependsOn: [parent] });
      const grandchild = await omniq.enqueue(sumUp, undefined, { dependsOn: [cancelled] });
      const running = await omniq.enqueue(sumUp, undefined, { dependsOn: [{ on: parent, ifFailed: "run" }] });
      await omniq.worker({ tasks: [failingTask, sumUp] }).start();
      await expect(parent.result({ timeout: "10s" })).rejects.toMatchObject({
        code: "TASK_FAILED",
        failure: { name: "Error", message: "This task always fails" },
      });
      await expect(cancelled.result({ timeout: "10s" })).rejects.toMatchObject({ code: "TASK_CANCELLED" });
      await expect(grandchild.result({ timeout: "10s" })).rejects.toMatchObject({ code: "TASK_CANCELLED" });
      expect(await running.result({ timeout: "10s" })).toEqual({ sum: 0, statuses: ["failed"] });
    });
  });

  describe("callbacks", () => {
    test("are told of every end; what OmniQ says wins over the caller's arguments", async ({ omniq }) => {
      const told: Ended[] = [];
      const done = defineTask({ name: "done", handler: (ended: Ended & { readonly note?: string }) => void told.push(ended) });
      const callbackArgs = { note: "mine", status: "mine too" };
      const good = await omniq.enqueue(simpleTask, { x: 5, y: 10 }, { callback: done, callbackArgs });
      const bad = await omniq.enqueue(failingTask, undefined, { callback: done, maxRetries: 0 });
      await omniq.worker({ tasks: [simpleTask, failingTask, done], concurrency: 1 }).drain();
      expect(told.toSorted((a, b) => a.status.localeCompare(b.status))).toEqual([
        { note: "mine", taskId: good.id, status: "completed", result: 15, error: undefined },
        { taskId: bad.id, status: "failed", result: undefined, error: "Error: This task always fails" },
      ]);
    });
  });

  test("NUL and halves of surrogate pairs: refused where something is chosen, and U+FFFD where something is told", async ({ omniq }) => {
    const bad = "a\0b\uD800c";
    for (const options of [
      { id: bad },
      { label: bad },
      { tags: [bad] },
      { queueName: bad },
      { unique: { key: bad } },
      { description: bad },
    ])
      await expect(omniq.enqueue(simpleTask, { x: 1, y: 2 }, options)).rejects.toMatchObject({ code: "INVALID_OPTION" });
    const echo = defineTask({ name: "echo", handler: ({ text }: { text: string }) => text });
    const teller = defineTask({
      name: "teller",
      maxRetries: 0,
      handler: (_args: undefined, ctx) => {
        ctx.progress(0.5, bad);
        throw new Error(bad);
      },
    });
    const [told, echoed] = [await omniq.enqueue(teller, undefined), await omniq.enqueue(echo, { text: bad })];
    const cancelled = await omniq.enqueue(echo, { text: "" }, { runIn: "1d" });
    await omniq.tasks.cancel(cancelled.id, { reason: bad });
    await omniq.worker({ tasks: [teller, echo] }).drain();
    expect(await echoed.result()).toBe(bad);
    const clean = "a\uFFFDb\uFFFDc";
    await expect(told.result()).rejects.toMatchObject({ failure: { message: clean } });
    await expect(cancelled.result()).rejects.toMatchObject({ message: expect.stringContaining(clean) as string });
    expect((await omniq.events.find({ taskId: told.id, eventType: "progress" })).map(({ message }) => message)).toEqual([clean]);
    expect([await omniq.tasks.get(bad), await omniq.results.get(bad)]).toEqual([undefined, undefined]);
  });

  describe("retries", () => {
    test("a task that fails twice and then succeeds: its result, its counts and its events", async ({ omniq }) => {
      const flaky = defineTask({
        name: "flaky",
        maxRetries: 3,
        retryDelay: 5,
        handler: ({ good }: { good: number }, { attempt }) => {
          if (attempt < good) throw new RangeError(`attempt ${attempt}`);
          return attempt;
        },
      });
      const handle = await omniq.enqueue(flaky, { good: 3 });
      await omniq.worker({ tasks: [flaky] }).start();
      expect(await handle.result({ timeout: "10s" })).toBe(3);
      expect(await handle.get()).toMatchObject({ status: "completed", retryCount: 2, attempt: 3 });
      expect((await handle.events()).map(({ eventType, error }) => (error === undefined ? eventType : `${eventType} ${error}`))).toEqual([
        "enqueued",
        "executing",
        "retrying RangeError: attempt 1",
        "executing",
        "retrying RangeError: attempt 2",
        "executing",
        "completed",
      ]);
    });
  });

  describe("expiry and cancellation", () => {
    test("what has expired is never started; what was cancelled neither", async ({ omniq }) => {
      let runs = 0;
      const count = defineTask({ name: "count", handler: () => ++runs });
      const expired = await omniq.enqueue(count, undefined, { ttl: 1 });
      await until(async () => (await expired.get())?.isExpired);
      const cancelled = await omniq.enqueue(count);
      expect(await cancelled.cancel("not needed")).toBe("cancelled");
      const kept = await omniq.enqueue(count);
      await omniq.worker({ tasks: [count] }).start();
      expect(await kept.result({ timeout: "10s" })).toBe(1);
      await expect(expired.result({ timeout: "10s" })).rejects.toMatchObject({ code: "TASK_EXPIRED" });
      await expect(cancelled.result()).rejects.toThrow(/not needed/);
      expect(runs).toBe(1);
      expect((await cancelled.events()).map(({ eventType }) => eventType)).toEqual(["enqueued", "cancelled"]);
    });
  });

  describe("schedules", () => {
    test("each occurrence is a task of its own with the schedule's id; the named task runs as enqueued", async ({ omniq }) => {
      const schedule = await omniq.schedule(multiplyTask, { x: 6, y: 7 }, { id: "often", every: 20, maxRuns: 2 });
      await omniq.worker({ tasks: [multiplyTask] }).start();
      const ended = await until(async () => {
        const now = await omniq.schedules.get(schedule.id);
        return now?.status === "completed" ? now : undefined;
      });
      expect(ended.runCount).toBe(2);
      const tasks = await until(async () => {
        const { items } = await omniq.tasks.find({ scheduleId: "often", status: "completed" });
        return items.length === 2 ? items : undefined;
      });
      expect(tasks.map(({ func, scheduleId }) => [func, scheduleId])).toEqual([
        [multiplyTask.name, "often"],
        [multiplyTask.name, "often"],
      ]);
      expect((await omniq.results.latest("often"))?.result).toBe(42);
    });
  });

  describe("more than one process", () => {
    test("enqueued here, run elsewhere, awaited here", async ({ omniq, elsewhere }) => {
      const handles = await omniq.enqueueMany([simpleTask.with({ x: 1, y: 1 }), simpleTask.with({ x: 2, y: 2 })]);
      await elsewhere.worker({ tasks: [simpleTask] }).start();
      expect(await Promise.all(handles.map((handle) => handle.result({ timeout: "10s" })))).toEqual([2, 4]);
      const again = elsewhere.handle(simpleTask, handles[0].id);
      expect(await again.result({ timeout: "10s" })).toBe(2);
    });

    test("two workers share the work, and run no task twice", async ({ omniq, elsewhere }) => {
      const runs = new Map<number, number>();
      const note = defineTask({ name: "note", handler: ({ i }: { i: number }) => void runs.set(i, (runs.get(i) ?? 0) + 1) });
      await omniq.enqueueMany(Array.from({ length: 50 }, (_, i) => note.with({ i })));
      const workers = [omniq, elsewhere].map((each) => each.worker({ tasks: [note], concurrency: 2 }));
      await Promise.all(workers.map((worker) => worker.start()));
      await until(async () => (await omniq.events.find({ eventType: "completed" })).length === 50);
      expect([...runs.values()]).toEqual(Array.from({ length: 50 }, () => 1));
    });
  });
});

const test = base.extend("omniq", ({ testDir }, { onCleanup }) => {
  const omniq = new OmniQ({ projectName: "test_project", baseDir: testDir });
  onCleanup(() => omniq.close());
  return omniq;
});

describe("the components and the façade on one file", () => {
  test("a schedule made by hand of a task that is deleted then", async ({ omniq, sqliteTaskQueue, sqliteWorker }) => {
    expect(sqliteWorker.isRunning).toBe(true);
    const taskId = await sqliteTaskQueue.enqueue(createTask({ runAt: new Date(Date.now() + 60_000) }));
    const scheduleId = await sqliteTaskQueue.schedule(createSchedule({ taskId, scheduleType: "once" }));
    expect(await sqliteTaskQueue.delete(taskId)).toBe(true);
    const result = await until(() => omniq.results.latest(scheduleId));
    expect(result).toMatchObject({ status: "completed", result: 15, scheduleId });
  });

  test("a task enqueued by hand is awaited by the façade; one enqueued by the façade is run by hand", async ({
    omniq,
    sqliteTaskQueue,
  }) => {
    const byFacade = await omniq.enqueue(simpleTask, { x: 1, y: 2 }, { queueName: "test" });
    const taken = await sqliteTaskQueue.dequeue();
    expect(taken).toMatchObject({ id: byFacade.id, func: simpleTask.name, funcArgs: { x: 1, y: 2 } });
    if (taken === undefined) return;
    taken.markStarted();
    taken.markFailed("Error: by hand");
    await sqliteTaskQueue.updateTask(taken);
    await expect(byFacade.result({ timeout: "10s" })).rejects.toMatchObject({ code: "TASK_FAILED" });
    const byHand = await sqliteTaskQueue.enqueue(createTask());
    await omniq.worker({ tasks: [simpleTask], queues: ["test"] }).start();
    expect(await omniq.handle(simpleTask, byHand).result({ timeout: "10s" })).toBe(15);
  });

  test("without a single await: a worker on its own thread, and the synchronous verbs", ({
    sqliteTaskQueueSync,
    sqliteResultStorageSync,
    sqliteWorkerSync,
  }) => {
    expect(sqliteWorkerSync.isRunning).toBe(true);
    const parent = createTask({ func: sampleTasks.asyncMultiplyTask.name });
    const child = createTask({ dependsOn: [parent.id], funcArgs: { x: 1, y: 1 } });
    sqliteTaskQueueSync.enqueueSync(parent);
    sqliteTaskQueueSync.enqueueSync(child);
    const end = performance.now() + 10_000;
    while (sqliteResultStorageSync.getSync(child.id) === undefined && performance.now() < end) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
    expect(sqliteResultStorageSync.getSync(parent.id)?.result).toBe(50);
    expect(sqliteResultStorageSync.getSync(child.id)?.result).toBe(2);
    sqliteWorkerSync.stopSync();
    expect(sqliteWorkerSync.isRunning).toBe(false);
    expect(sqliteTaskQueueSync.sizeSync()).toBe(0);
  });

  test("kwargs are merged into the arguments that the handler gets", async ({ sqliteWorker, sqliteTaskQueue, sqliteResultStorage }) => {
    expect(sqliteWorker.isRunning).toBe(true);
    const task = createTask({ func: sampleTasks.taskWithKwargs.name, funcArgs: { a: 9, b: 2 }, funcKwargs: { operation: "divide" } });
    await sqliteTaskQueue.enqueue(task);
    expect((await until(() => sqliteResultStorage.get(task.id))).result).toBe(4);
  });

  test("a synchronous program reads what an asynchronous one wrote", async ({ sqliteWorker, sqliteTaskQueue, sqliteResultStorage }) => {
    expect(sqliteWorker.isRunning).toBe(true);
    const task = createTask();
    await sqliteTaskQueue.enqueue(task);
    const result = await until(() => viaSync(sqliteResultStorage).get(task.id));
    expect(result.result).toBe(15);
  });
});
