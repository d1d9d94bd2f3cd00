import { describe, expect, test } from "vitest";
import * as factories from "../../../src/testing/factories.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import { createConfig, createScheduleSequence, createTask, createTaskSequence, DEFAULT_FUNC } from "../../fixtures/factories.ts";
import { sampleTasks } from "../../fixtures/sample-functions.ts";

const MINUTE = 60_000;
const { createEvent, createEventSequence, createResult, createSchedule } = factories;

describe("given values win by presence", () => {
  test("empty and absent ones replace a task's defaults", () => {
    const task = factories.createTask({
      funcArgs: [],
      tags: [],
      description: "",
      ttl: 0,
      priority: 0,
      resultTtl: undefined,
      name: undefined,
    });
    expect(task).toMatchObject({ funcArgs: [], tags: [], description: "", ttl: 0, resultTtl: undefined, name: task.func });
    expect(factories.createTask({ ttl: undefined, description: undefined })).toMatchObject({
      ttl: undefined,
      expiresAt: undefined,
      description: undefined,
    });
    expect(factories.createTask({ funcArgs: {} }).funcArgs).toEqual({});
  });

  test("of results and events, too", () => {
    expect(createResult({ result: undefined, executionTime: 0, workerId: "" })).toMatchObject({
      result: undefined,
      executionTime: 0,
      workerId: "",
    });
    expect(createResult({ result: null }).result).toBeNull();
    expect(createEvent({ message: "", data: {}, taskId: undefined, retryCount: 0 })).toMatchObject({
      message: "",
      taskId: undefined,
      retryCount: 0,
    });
  });

  test("the seed's names of the ids", () => {
    expect(createTask({ taskId: "a" }).id).toBe("a");
    expect(createTask({ id: "b" }).id).toBe("b");
    expect(createSchedule({ scheduleId: "c", taskId: "d" })).toMatchObject({ id: "c", taskId: "d" });
  });
});

describe("tasks", () => {
  test("the package's own func, and the seed's in the fixtures", () => {
    expect(factories.createTask().func).toBe("test-task");
    expect(createTask().func).toBe(DEFAULT_FUNC);
    expect(sampleTasks.simpleTask.name).toBe(DEFAULT_FUNC);
  });

  test("use the clock and ids that they are given", () => {
    const clock = new TestClock(5);
    let ids = 0;
    const task = createTask({}, { clock, newId: () => `id-${++ids}` });
    expect(task).toMatchObject({ id: "id-1", createdAt: new Date(5) });
  });

  test.each([createTaskSequence, factories.createTaskSequence])("a sequence: names in order, one queue, ids of their own", (sequence) => {
    const tasks = sequence(3, "q");
    expect(tasks.map(({ name, queueName }) => [name, queueName])).toEqual([
      ["Task 0", "q"],
      ["Task 1", "q"],
      ["Task 2", "q"],
    ]);
    expect(new Set(tasks.map(({ id }) => id)).size).toBe(3);
    expect(sequence(1)[0]?.queueName).toBe("test");
    expect(sequence(0)).toEqual([]);
  });
});

describe("schedules", () => {
  test("an interval belongs to interval schedules only", () => {
    expect(createSchedule()).toMatchObject({ scheduleType: "interval", interval: 5 * MINUTE });
    expect(createSchedule({ cronExpression: "@daily" })).toMatchObject({ scheduleType: "cron", interval: undefined });
    expect(createSchedule({ scheduleType: "cron", cronExpression: "@daily" }).interval).toBeUndefined();
    expect(createSchedule({ runAt: new Date(5) })).toMatchObject({
      scheduleType: "timestamp",
      interval: undefined,
      nextRunAt: new Date(5),
    });
    expect(createSchedule({ scheduleType: "once" })).toMatchObject({ scheduleType: "once", interval: undefined });
  });

  test("the first occurrence is one interval from now, unless a time is given", () => {
    const clock = new TestClock();
    expect(createSchedule({ interval: "1m" }, { clock }).nextRunAt).toEqual(new Date(clock.now() + MINUTE));
    expect(createSchedule({ nextRunAt: new Date(7) }, { clock }).nextRunAt).toEqual(new Date(7));
  });

  test("a sequence: the i-th has interval × (i + 1)", () => {
    expect(createScheduleSequence(3, "2m").map(({ interval, name }) => [interval, name])).toEqual([
      [2 * MINUTE, "Schedule 0"],
      [4 * MINUTE, "Schedule 1"],
      [6 * MINUTE, "Schedule 2"],
    ]);
    expect(createScheduleSequence(1)[0]?.interval).toBe(5 * MINUTE);
  });
});

describe("events", () => {
  test("a sequence: one of each type, of one task", () => {
    const events = createEventSequence("t", ["enqueued", "executing", "completed"]);
    expect(events.map(({ taskId, eventType }) => [taskId, eventType])).toEqual([
      ["t", "enqueued"],
      ["t", "executing"],
      ["t", "completed"],
    ]);
  });
});

describe("configurations", () => {
  test("the seed's", () => {
    const config = createConfig();
    expect(config.projectName).toBe("test_project");
    expect(config.taskQueue).toMatchObject({ type: "sqlite", config: { baseDir: "./test_data", queues: ["high", "medium", "low"] } });
    expect(config.resultStore).toMatchObject({ type: "sqlite", config: { baseDir: "./test_data" } });
    expect(config.eventStore).toMatchObject({ type: "sqlite", config: { baseDir: "./test_data" } });
    expect(config.worker).toMatchObject({ type: "async", config: { maxWorkers: 2 } });
  });

  test("what is given is added key by key; what is wrong is refused", () => {
    const config = createConfig({ projectName: "other", taskQueueConfig: { queues: ["one"] }, workerConfig: { maxWorkers: 7 } });
    expect(config).toMatchObject({ projectName: "other", taskQueue: { config: { baseDir: "./test_data", queues: ["one"] } } });
    expect(config.worker.config.maxWorkers).toBe(7);
    expect(() => createConfig({ workerConfig: { maxWorkers: 0 } })).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });
});
