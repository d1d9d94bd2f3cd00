/** The public worker over the components: its options, and what it is without a thread of its own. */
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { EventStorage } from "../../src/components/event-storage.ts";
import { ResultStorage } from "../../src/components/result-storage.ts";
import { TaskQueue } from "../../src/components/task-queue.ts";
import { InvalidOptionError } from "../../src/core/errors.ts";
import { Task } from "../../src/models/task.ts";
import { defineTask } from "../../src/runtime/definition.ts";
import type { TaskDefinition } from "../../src/runtime/definition.ts";
import { definitionsOf } from "../../src/runtime/registry.ts";
import { TestClock } from "../../src/testing/clock.ts";
import { ModelBackend } from "../../src/testing/model.ts";
import { Worker } from "../../src/worker.ts";
import type { ComponentWorkerOptions } from "../../src/worker.ts";

const add = defineTask({ name: "add", handler: ({ x, y }: { readonly x: number; readonly y: number }) => x + y });
const family = defineTask({
  name: "family",
  handler: async (_: unknown, ctx) => {
    const { id, created } = await ctx.enqueue(add, { x: 1, y: 2 }, { priority: 3 });
    return { id, created };
  },
});

function components(queues: readonly string[] = ["default"]) {
  const clock = new TestClock();
  const backend = new ModelBackend({ clock });
  return {
    clock,
    backend,
    taskQueue: new TaskQueue({ backend, queues }),
    resultStorage: new ResultStorage({ backend }),
    eventStorage: new EventStorage({ backend }),
  };
}

/** What a program in plain JavaScript may pass. */
const wrong = (options: unknown): ComponentWorkerOptions => options as ComponentWorkerOptions;

describe("new Worker()", () => {
  test("runs what is in the queues of its components", async () => {
    const { taskQueue, resultStorage, eventStorage, clock, backend } = components(["high", "low"]);
    await backend.open();
    const task = new Task({ func: "add", funcArgs: { x: 5, y: 10 }, queueName: "low" }, { clock });
    await taskQueue.enqueue(task);
    await using worker = new Worker({ taskQueue, resultStorage, eventStorage, tasks: [add], clock });
    const done: string[] = [];
    worker.on("completed", ({ queueName }) => done.push(queueName));
    await worker.drain();
    expect((await resultStorage.get(task.id))?.result).toBe(15);
    expect((await eventStorage.getEvents({ taskId: task.id })).map(({ eventType }) => eventType)).toEqual(["completed", "executing"]);
    expect(await taskQueue.getTask(task.id)).toMatchObject({ status: "completed" });
    expect(done).toEqual(["low"]);
    expect(worker.isRunning).toBe(false);
  });

  test("a handler enqueues children, whose ids come from its own", async () => {
    const { taskQueue, resultStorage, eventStorage, clock, backend } = components();
    await backend.open();
    const task = new Task({ func: "family" }, { clock });
    await taskQueue.enqueue(task);
    await new Worker({ taskQueue, resultStorage, eventStorage, tasks: [add, family], clock }).drain();
    expect((await resultStorage.get(task.id))?.result).toEqual({ id: `${task.id}.1`, created: true });
    expect((await resultStorage.get(`${task.id}.1`))?.result).toBe(3);
    expect(await taskQueue.getTask(`${task.id}.1`)).toMatchObject({ priority: 3 });
  });

  test("a task that enqueues its own successor goes on for longer than ids would have room for", async () => {
    const { taskQueue, backend, clock } = components();
    const ran: number[] = [];
    const relay: TaskDefinition<{ readonly left: number }, void> = defineTask({
      name: "relay",
      handler: async ({ left }: { readonly left: number }, ctx) => {
        ran.push(left);
        if (left > 0) await ctx.enqueue(relay, { left: left - 1 });
      },
    });
    await backend.open();
    await taskQueue.enqueue(new Task({ func: "relay", funcArgs: { left: 150 } }, { clock }));
    await new Worker({ taskQueue, tasks: [relay], clock }).drain();
    expect(ran).toHaveLength(151);
  });

  test("results and events lie with the tasks where no storage is given", async () => {
    const { taskQueue, resultStorage, eventStorage, clock, backend } = components();
    await backend.open();
    const task = new Task({ func: "add", funcArgs: { x: 1, y: 1 } }, { clock });
    await taskQueue.enqueue(task);
    await new Worker({ taskQueue, tasks: [add], clock }).drain();
    expect((await resultStorage.get(task.id))?.result).toBe(2);
    expect(await eventStorage.getEvents({ taskId: task.id })).toHaveLength(2);
  });

  test("takes modules by URL, by text and by absolute path, and imports them at the start", async () => {
    const { taskQueue, clock } = components();
    const url = new URL("../fixtures/sample-module.ts", import.meta.url);
    for (const modules of [[url], [url.href], [fileURLToPath(url)]]) {
      await using worker = new Worker({ taskQueue, modules, clock });
      await worker.start();
      expect(worker.isRunning).toBe(true);
    }
    const empty = new Worker({ taskQueue, modules: [new URL("../fixtures/empty-module.ts", import.meta.url)], clock });
    await expect(empty.start()).rejects.toMatchObject({ code: "MODULE_EMPTY" });
    const missing = new Worker({ taskQueue, modules: [new URL("../fixtures/no-such-module.ts", import.meta.url)], clock });
    await expect(missing.start()).rejects.toMatchObject({ code: "MODULE_NOT_LOADED" });
    const broken = Object.assign(new SyntaxError("enum"), { code: "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX", stack: "file:///x/tasks.ts:7" });
    await expect(definitionsOf(["file:///x/tasks.ts"], () => Promise.reject(broken))).rejects.toMatchObject({
      code: "MODULE_NOT_LOADED",
      message: expect.stringMatching(
        /importable, got enum \(file:\/\/\/x\/tasks\.ts:7\)\. For TypeScript .* start Node with `--import tsx`/,
      ),
    });
  });

  test("refuses what is wrong, by name", () => {
    const { taskQueue } = components();
    const make = (options: object) => () => new Worker(wrong({ taskQueue, tasks: [add], ...options }));
    expect(() => new Worker(wrong(undefined))).toThrow(InvalidOptionError);
    expect(make({ concurency: 4 })).toThrow(/`concurency`.*`concurrency`/);
    expect(make({ queues: ["a"] })).toThrow(/`queues`/);
    expect(make({ taskQueue: {} })).toThrow(/taskQueue/);
    expect(make({ resultStorage: {} })).toThrow(/resultStorage/);
    expect(make({ eventStorage: {} })).toThrow(/eventStorage/);
    expect(make({ logger: { warn: () => {} } })).toThrow(/`logger` to be an object with the methods debug, info, warn, error/);
    expect(make({ tasks: undefined })).toThrow(/either `tasks` or `modules`, got neither/);
    expect(make({ modules: ["/x.ts"] })).toThrow(/got both/);
    expect(make({ tasks: undefined, modules: [] })).toThrow(/modules/);
    expect(make({ tasks: undefined, modules: ["./x.ts"] })).toThrow(/URL or an absolute path/);
    expect(make({ tasks: undefined, modules: [5] })).toThrow(/URL or an absolute path/);
    expect(make({ tasks: [() => 1] })).toThrow(/defineTask/);
  });

  test("run() refuses a signal that nobody can listen to, typed, and leaves no listener", async () => {
    const { taskQueue } = components();
    const worker = new Worker({ taskQueue, tasks: [add] });
    const before = process.listenerCount("SIGINT");
    for (const signal of ["SIGKILL", "SIGSTOP", "SIGNT"])
      await expect(worker.run({ signals: ["SIGINT", signal] })).rejects.toMatchObject({ code: "INVALID_OPTION" });
    expect(process.listenerCount("SIGINT")).toBe(before);
  });

  test("stopSync without startSync is a no-op", () => {
    const { taskQueue } = components();
    new Worker({ taskQueue, tasks: [add] }).stopSync();
    expect(() => new Worker({ taskQueue, tasks: [add] }).stopSync({ timeout: "x" })).toThrow(/timeout/);
  });
});
