/** The seed's scenarios on a SQLite file; each runs twice, asynchronously and synchronously. */
import { existsSync } from "node:fs";
import { describe, expect } from "vitest";
import type { EventStorage } from "../../src/components/event-storage.ts";
import type { ResultStorage } from "../../src/components/result-storage.ts";
import type { TaskQueue } from "../../src/components/task-queue.ts";
import { Worker } from "../../src/index.ts";
import { OmniQConfig } from "../../src/models/config.ts";
import { EventType, TaskEvent } from "../../src/models/event.ts";
import { ResultStatus, TaskResult } from "../../src/models/result.ts";
import { Schedule, ScheduleType } from "../../src/models/schedule.ts";
import { Task } from "../../src/models/task.ts";
import type { SQLiteBackend } from "../../src/sqlite.ts";
import { MODULES, test } from "../fixtures/context.ts";
import { createEvent, createResult, createTask } from "../fixtures/factories.ts";
import { until, viaSync } from "../fixtures/helpers.ts";
import { sampleTasks, simpleTask } from "../fixtures/sample-functions.ts";
import type { Pair } from "../fixtures/sample-functions.ts";

const MINUTE = 60_000;

/** What a scenario works with: the components themselves, or their synchronous twins. */
interface Parts {
  readonly queue: TaskQueue;
  readonly results: ResultStorage;
  readonly events: EventStorage;
}

function isPair(value: unknown): value is Pair {
  return typeof value === "object" && value !== null && "x" in value && "y" in value;
}

describe("the sample data", () => {
  test("is what the models take", ({ sampleTaskData, sampleScheduleData, sampleResultData, sampleEventData, sampleConfigData }) => {
    expect(new Task(sampleTaskData)).toMatchObject({ id: "test-task-123", runAt: undefined, ttl: 60 * MINUTE, retryDelay: 5_000 });
    expect(new Schedule(sampleScheduleData)).toMatchObject({ id: "test-schedule-123", interval: 5 * MINUTE, maxRuns: 10 });
    expect(new TaskResult(sampleResultData)).toMatchObject({ taskId: "test-task-123", result: 15, executionTime: 100 });
    expect(new TaskEvent(sampleEventData)).toMatchObject({ id: "test-event-123", eventType: "enqueued", workerId: undefined });
    expect(OmniQConfig.fromJSON(sampleConfigData)).toMatchObject({
      projectName: "test_project",
      taskQueue: { config: { queues: ["high", "medium", "low"] } },
      worker: { config: { maxWorkers: 2 } },
    });
  });
});

describe("a task's life by hand", () => {
  const lifecycle = async ({ queue, results, events }: Parts): Promise<void> => {
    const task = createTask();
    expect(await queue.enqueue(task)).toBe(task.id);
    expect(await queue.getTask(task.id)).toMatchObject({ id: task.id, status: "pending", funcArgs: { x: 5, y: 10 } });
    const taken = await queue.dequeue();
    if (taken === undefined || !isPair(taken.funcArgs)) throw new Error("nothing was dequeued");
    expect(taken).toMatchObject({ id: task.id, status: "running", startedAt: undefined });
    taken.markStarted();
    await queue.updateTask(taken);
    await events.log(
      new TaskEvent({ taskId: task.id, eventType: EventType.Executing, message: "Task started", data: { workerId: "test-worker" } }),
    );
    const result = simpleTask(taken.funcArgs);
    taken.markCompleted();
    await queue.updateTask(taken);
    await results.store(
      new TaskResult({ taskId: task.id, status: ResultStatus.Completed, result, executionTime: 100, workerId: "test-worker" }),
    );
    await events.log(new TaskEvent({ taskId: task.id, eventType: EventType.Completed, message: "Task completed", data: { result } }));

    expect(await results.get(task.id)).toMatchObject({ taskId: task.id, status: ResultStatus.Completed, result: 15 });
    const found = await events.getEvents({ taskId: task.id });
    expect(found.map(({ eventType }) => eventType)).toEqual([EventType.Completed, EventType.Executing]);
    expect(found[0]?.data).toEqual({ result: 15 });
    const ended = await queue.getTask(task.id);
    expect(ended?.status).toBe("completed");
    expect(ended?.startedAt).toBeInstanceOf(Date);
    expect(ended?.completedAt).toBeInstanceOf(Date);
  };

  test("async", async ({ testDbPath, sqliteTaskQueue, sqliteResultStorage, sqliteEventStorage }) => {
    await lifecycle({ queue: sqliteTaskQueue, results: sqliteResultStorage, events: sqliteEventStorage });
    expect(existsSync(testDbPath)).toBe(true);
  });

  test("sync", async ({ sqliteTaskQueueSync, sqliteResultStorageSync, sqliteEventStorageSync }) => {
    await lifecycle({
      queue: viaSync(sqliteTaskQueueSync),
      results: viaSync(sqliteResultStorageSync),
      events: viaSync(sqliteEventStorageSync),
    });
  });
});

describe("scheduling", () => {
  const scheduling = async (queue: TaskQueue): Promise<void> => {
    const task = createTask();
    const taskId = await queue.enqueue(task);
    const schedule = new Schedule({ taskId, scheduleType: ScheduleType.Interval, interval: 5 * MINUTE, name: "Test Schedule" });
    expect(await queue.schedule(schedule)).toBe(schedule.id);
    const found = await queue.getSchedule(schedule.id);
    if (found === undefined) throw new Error("the schedule is not there");
    expect(found).toMatchObject({ id: schedule.id, taskId, scheduleType: ScheduleType.Interval, interval: 5 * MINUTE });
    expect(await queue.getReadySchedules()).toEqual([]);
    found.nextRunAt = new Date(Date.now() - MINUTE);
    await queue.updateSchedule(found);
    expect((await queue.getReadySchedules()).map(({ id }) => id)).toEqual([schedule.id]);
  };

  test("async", async ({ sqliteTaskQueue }) => {
    await scheduling(sqliteTaskQueue);
  });

  test("sync", async ({ sqliteTaskQueueSync }) => {
    await scheduling(viaSync(sqliteTaskQueueSync));
  });
});

describe("a worker", () => {
  const processing = async ({ queue, results, events }: Parts, func: string): Promise<void> => {
    const taskId = await queue.enqueue(createTask({ func }));
    const result = await until(() => results.get(taskId));
    expect(result).toMatchObject({ status: "completed", result: 15 });
    const task = await until(async () => {
      const now = await queue.getTask(taskId);
      return now?.status === "completed" ? now : undefined;
    });
    expect(task.startedAt).toBeInstanceOf(Date);
    expect(task.completedAt).toBeInstanceOf(Date);
    const types = (await events.getEvents({ taskId })).map(({ eventType }) => eventType);
    expect(types).toEqual([EventType.Completed, EventType.Executing]);
  };

  describe.each(["simpleTask", "asyncSimpleTask"] as const)("runs a task: %s", (name) => {
    const func = sampleTasks[name].name;

    test("async", async ({ sqliteWorker, sqliteTaskQueue, sqliteResultStorage, sqliteEventStorage }) => {
      expect(sqliteWorker).toBeDefined();
      await processing({ queue: sqliteTaskQueue, results: sqliteResultStorage, events: sqliteEventStorage }, func);
    });

    test("sync", async ({ sqliteWorkerSync, sqliteTaskQueueSync, sqliteResultStorageSync, sqliteEventStorageSync }) => {
      expect(sqliteWorkerSync).toBeDefined();
      const [queue, results] = [viaSync(sqliteTaskQueueSync), viaSync(sqliteResultStorageSync)];
      await processing({ queue, results, events: viaSync(sqliteEventStorageSync) }, func);
    });
  });

  const retry = async ({ queue, results }: Parts): Promise<void> => {
    const taskId = await queue.enqueue(createTask({ func: sampleTasks.failingTask.name }));
    const result = await until(() => results.get(taskId));
    expect(result).toMatchObject({ status: "failed", error: "Error: This task always fails", retryCount: 1 });
    expect(result.errorTraceback).toContain("failingTask");
    const task = await queue.getTask(taskId);
    expect(task).toMatchObject({ status: "failed", retryCount: 1, completedAt: undefined });
    expect(task?.nextRetryAt?.getTime()).toBeGreaterThan(Date.now());
    // It runs again after its delay, and fails for good when no retry is left.
    const short = await queue.enqueue(createTask({ func: sampleTasks.failingTask.name, retryDelay: 10, maxRetries: 2 }));
    const ended = await until(async () => {
      const now = await queue.getTask(short);
      return now?.status === "failed" && now.nextRetryAt === undefined ? now : undefined;
    });
    expect(ended).toMatchObject({ retryCount: 2, attempt: 3 });
  };

  test("retries what fails, async", async ({ sqliteWorker, sqliteTaskQueue, sqliteResultStorage, sqliteEventStorage }) => {
    expect(sqliteWorker).toBeDefined();
    await retry({ queue: sqliteTaskQueue, results: sqliteResultStorage, events: sqliteEventStorage });
  });

  test("retries what fails, sync", async ({ sqliteWorkerSync, sqliteTaskQueueSync, sqliteResultStorageSync, sqliteEventStorageSync }) => {
    expect(sqliteWorkerSync).toBeDefined();
    const [queue, results] = [viaSync(sqliteTaskQueueSync), viaSync(sqliteResultStorageSync)];
    await retry({ queue, results, events: viaSync(sqliteEventStorageSync) });
  });
});

describe("several queues, strictly in order", () => {
  const QUEUES = ["high", "medium", "low"] as const;

  /** Two tasks in each queue, the lowest first, before the worker starts: `high` is empty before `medium` begins. */
  const fill = async (backend: SQLiteBackend, as: (queue: TaskQueue) => TaskQueue): Promise<readonly string[]> => {
    const ids: string[] = [];
    for (const queueName of QUEUES.toReversed()) {
      for (const i of [1, 2])
        ids.push(await as(backend.taskQueue([queueName])).enqueue(createTask({ queueName, name: `${queueName} ${i}` })));
    }
    return ids;
  };
  const check = async (ids: readonly string[], results: ResultStorage, events: EventStorage): Promise<void> => {
    for (const id of ids) expect(await until(() => results.get(id))).toMatchObject({ status: "completed", result: 15 });
    const started = (await events.getEvents({ eventType: EventType.Executing })).toReversed();
    expect(started.map(({ queueName }) => queueName)).toEqual(["high", "high", "medium", "medium", "low", "low"]);
  };

  test("async", async ({ sqliteBackend, sqliteResultStorage, sqliteEventStorage }) => {
    const ids = await fill(sqliteBackend, (queue) => queue);
    const worker = new Worker({
      taskQueue: sqliteBackend.taskQueue(QUEUES),
      resultStorage: sqliteResultStorage,
      eventStorage: sqliteEventStorage,
      concurrency: 1,
      tasks: [sampleTasks.simpleTask],
    });
    await worker.start();
    try {
      await check(ids, sqliteResultStorage, sqliteEventStorage);
    } finally {
      await worker.stop();
    }
  });

  test("sync", async ({ sqliteBackendSync, sqliteResultStorageSync, sqliteEventStorageSync }) => {
    const ids = await fill(sqliteBackendSync, viaSync);
    const worker = new Worker({
      taskQueue: sqliteBackendSync.taskQueue(QUEUES),
      resultStorage: sqliteResultStorageSync,
      eventStorage: sqliteEventStorageSync,
      concurrency: 1,
      modules: MODULES,
    });
    worker.startSync();
    try {
      await check(ids, viaSync(sqliteResultStorageSync), viaSync(sqliteEventStorageSync));
    } finally {
      worker.stopSync();
    }
  });
});

describe("what expires", () => {
  const taskTtl = async (queue: TaskQueue): Promise<void> => {
    const taskId = await queue.enqueue(createTask({ ttl: -1_000 }));
    expect(await queue.dequeue()).toBeUndefined();
    const task = await queue.getTask(taskId);
    expect(task?.isExpired).toBe(true);
    expect(task?.status).toBe("expired");
  };
  const resultTtl = async (results: ResultStorage): Promise<void> => {
    const result = createResult({ ttl: -1_000 });
    await results.store(result);
    expect(await results.get(result.taskId)).toBeUndefined();
    expect(await results.cleanupExpired()).toBe(1);
    expect(await results.cleanupExpired()).toBe(0);
  };

  test("a task, async", async ({ sqliteTaskQueue }) => {
    await taskTtl(sqliteTaskQueue);
  });

  test("a task, sync", async ({ sqliteTaskQueueSync }) => {
    await taskTtl(viaSync(sqliteTaskQueueSync));
  });

  test("a result, async", async ({ sqliteResultStorage }) => {
    await resultTtl(sqliteResultStorage);
  });

  test("a result, sync", async ({ sqliteResultStorageSync }) => {
    await resultTtl(viaSync(sqliteResultStorageSync));
  });
});

describe("event queries", () => {
  const querying = async (events: EventStorage): Promise<void> => {
    const taskId = "test-task-123";
    for (const eventType of [EventType.Enqueued, EventType.Executing, EventType.Completed])
      await events.log(createEvent({ taskId, eventType }));
    await events.log(createEvent({ taskId: "other-task", eventType: EventType.Enqueued }));
    expect(await events.getEvents({ taskId })).toHaveLength(3);
    const enqueued = await events.getEvents({ taskId, eventType: EventType.Enqueued });
    expect(enqueued.map(({ eventType }) => eventType)).toEqual([EventType.Enqueued]);
    const latest = await events.getLatestEvents({ taskId, limit: 2 });
    expect(latest.map(({ eventType }) => eventType)).toEqual([EventType.Completed, EventType.Executing]);
    expect(await events.stats()).toMatchObject({ total: 4, byType: { enqueued: 2, executing: 1, completed: 1 } });
  };

  test("async", async ({ sqliteEventStorage }) => {
    await querying(sqliteEventStorage);
  });

  test("sync", async ({ sqliteEventStorageSync }) => {
    await querying(viaSync(sqliteEventStorageSync));
  });
});

describe("the rest of the components on a file", () => {
  test("what was written is there after closing and opening again", async ({ sqliteBackend, sqliteTaskQueue, sqliteResultStorage }) => {
    const task = createTask({ funcArgs: { at: new Date(5), big: 1n } });
    await sqliteTaskQueue.enqueue(task);
    await sqliteResultStorage.store(createResult({ taskId: task.id, result: new Map([["k", 1]]) }));
    await sqliteBackend.close();
    await sqliteBackend.initialize();
    expect((await sqliteTaskQueue.getTask(task.id))?.funcArgs).toStrictEqual({ at: new Date(5), big: 1n });
    expect((await sqliteResultStorage.get(task.id))?.result).toStrictEqual(new Map([["k", 1]]));
  });

  const edits = async (queue: TaskQueue): Promise<void> => {
    const [parent, child] = [createTask({ priority: 1 }), createTask()];
    child.dependsOn.push(parent.id);
    await queue.enqueue(parent);
    await queue.enqueue(child);
    const mine = await queue.getTask(child.id);
    if (mine === undefined) throw new Error("the task is not there");
    mine.priority = 5;
    mine.tags = ["edited"];
    await queue.updateTask(mine);
    expect(await queue.getTask(child.id)).toMatchObject({ priority: 5, tags: ["edited"] });
    expect(await queue.size()).toBe(2);
    expect(await queue.delete(parent.id)).toBe(false);
    expect(await queue.clear()).toBe(2);
    expect(await queue.size()).toBe(0);
  };

  test("edit, size, delete and clear, async", async ({ sqliteTaskQueue }) => {
    await edits(sqliteTaskQueue);
  });

  test("edit, size, delete and clear, sync", async ({ sqliteTaskQueueSync }) => {
    await edits(viaSync(sqliteTaskQueueSync));
  });

  test("two holders: the late one changes nothing", async ({ sqliteTaskQueue }) => {
    await sqliteTaskQueue.enqueue(createTask());
    const first = await sqliteTaskQueue.dequeue();
    if (first === undefined) throw new Error("nothing was dequeued");
    const late = Task.deserialize(first.serialize());
    first.status = "pending";
    await sqliteTaskQueue.updateTask(first);
    const second = await sqliteTaskQueue.dequeue();
    expect(second?.fence).toBeGreaterThan(late.fence ?? 0);
    late.markCompleted();
    await expect(sqliteTaskQueue.updateTask(late)).rejects.toThrow(expect.objectContaining({ code: "LEASE_LOST" }));
    expect((await sqliteTaskQueue.getTask(late.id))?.status).toBe("running");
  });
});
