import { describe, expect, test } from "vitest";
import type { StoredTask } from "../../../src/core/task.ts";
import { DEFAULT_POLICY } from "../../../src/core/task.ts";
import {
  toEvent,
  toNewEvent,
  toNewResult,
  toNewTask,
  toResult,
  toSchedule,
  toScheduleRow,
  toTask,
  toTemplate,
} from "../../../src/models/convert.ts";
import type { ScheduleInit } from "../../../src/models/schedule.ts";
import { Task } from "../../../src/models/task.ts";
import { createEvent, createResult, createSchedule, createTask } from "../../fixtures/factories.ts";

/** The row that a backend makes of a task. */
function stored(task: Task): StoredTask {
  const { due, unique: _, createdAt = 0, ...row } = toNewTask(task);
  const runAt = due !== undefined && "at" in due ? { runAt: due.at } : {};
  const counts = { fence: 0, revision: 1, attempt: 0, retryCount: 0, crashCount: 0, openParents: 0 };
  return { ...row, ...counts, ...runAt, createdAt, dueAt: createdAt, status: "pending", phase: "ready" };
}

describe("tasks", () => {
  test("a whole task makes the round trip", () => {
    const task = createTask({
      runAt: new Date(Date.now() + 1_000),
      dependsOn: ["p", { on: "q", ifFailed: "run" }],
      callback: "done",
      callbackArgs: { at: new Date(1) },
      funcKwargs: { z: new Set([1]) },
      timeout: "1m",
      backoff: "exponential",
      atMostOnce: true,
      maxCrashes: 1,
      scheduleId: "s",
    });
    expect(toTask(stored(task))).toStrictEqual(Object.assign(task, { revision: 1 }));
  });

  test("a plain task makes a plain record: absent fields are left out", () => {
    const task = new Task({ func: "f", createdAt: new Date(7) }, { newId: () => "id" });
    expect(toNewTask(task)).toStrictEqual({
      ...DEFAULT_POLICY,
      id: "id",
      func: "f",
      args: "{}",
      queue: "default",
      priority: 0,
      tags: [],
      createdAt: 7,
      dependsOn: [],
    });
  });

  test.each([[null], [undefined], [[1, 2]], ["text"], [{ when: new Date(5) }]])("arguments %o come back as they were", (funcArgs) => {
    const task = createTask();
    task.funcArgs = funcArgs;
    expect(toTask(stored(task)).funcArgs).toStrictEqual(funcArgs);
  });

  test("what was assigned since is checked", () => {
    const task = createTask();
    task.priority = 0.5;
    expect(() => toNewTask(task)).toThrow(/Expected `priority` to be a whole number, got 0.5/);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a caller in plain JavaScript may pass
    expect(() => toNewTask({ func: "f" } as Task)).toThrow(/Expected `task` to be an instance of Task, got an object/);
  });

  test("refuses what is not pending, kwargs that clash, and a start after the expiry", () => {
    expect(() => toNewTask(createTask({ status: "completed" }))).toThrow(/Expected `status` to be "pending" for a task to be enqueued/);
    expect(() => toNewTask(createTask({ funcKwargs: { x: 1 } }))).toThrow(/got it in both/);
    const late = createTask({ ttl: "1s", runAt: new Date(Date.now() + 60_000) });
    expect(() => toNewTask(late)).toThrow(/Expected `runAt` to be earlier than the task's expiry/);
  });

  test("a template has everything but the id, the times and the parents", () => {
    const row = stored(createTask({ dependsOn: ["p"], callback: "done", runAt: new Date(0), scheduleId: "s", ttl: "1h" }));
    const template = toTemplate(row);
    expect(template).toMatchObject({ func: row.func, args: row.args, label: "Test Task", ttl: 3_600_000, callback: { func: "done" } });
    for (const key of ["id", "createdAt", "dependsOn", "scheduleId", "status", "runAt", "expiresAt"])
      expect(template).not.toHaveProperty(key);
  });
});

describe("results", () => {
  test.each<[string, string, string]>([
    ["TypeError: boom", "TypeError", "boom"],
    ["a.b.C: several: colons\nand lines", "a.b.C", "several: colons\nand lines"],
    ["no name at all", "no name at all", ""],
    ["two words: x", "two words: x", ""],
    ["Error: ", "Error: ", ""],
  ])("the error %o comes back as it was", (error, name, message) => {
    const result = createResult({ status: "failed", result: undefined, error, errorTraceback: "stack" });
    const row = toNewResult(result);
    expect(row.error).toEqual({ name, message, stack: "stack" });
    expect(toResult({ createdAt: 0, ...row })).toStrictEqual(result);
  });

  test("a stack alone, a value, no value", () => {
    for (const init of [{ errorTraceback: "stack" }, { result: new Date(1), scheduleId: "s" }, { result: null }, { result: undefined }]) {
      const result = createResult(init);
      expect(toResult({ createdAt: 0, ...toNewResult(result) })).toStrictEqual(result);
    }
  });
});

describe("events", () => {
  test("make the round trip; empty data is not stored", () => {
    const event = createEvent({ data: { n: 1n }, workerId: "w", scheduleId: "s", executionTime: 1.5, retryCount: 0, error: "E: x" });
    const row = toNewEvent(event);
    expect(toEvent({ ...row, id: event.id, seq: "1", at: event.timestamp.getTime(), level: "info" })).toStrictEqual(event);
    expect(toNewEvent(createEvent())).not.toHaveProperty("data");
  });
});

describe("schedules", () => {
  const template = toTemplate(stored(createTask()));

  test.each<ScheduleInit>([
    { interval: "5m", maxRuns: 2 },
    { cronExpression: "0 3 * * *", timezone: "Europe/Berlin" },
    { runAt: new Date(5) },
    { scheduleType: "once" },
    { interval: "5m", status: "paused", pausedAt: new Date(6) },
    { scheduleType: "once", status: "completed", runCount: 1, lastRunAt: new Date(6) },
  ])("make the round trip: %o", (init) => {
    const schedule = createSchedule({ scheduleType: undefined, ...init, revision: 4 });
    expect(toSchedule(toScheduleRow(schedule, template))).toStrictEqual(schedule);
  });

  test("an active one without a next time stays without", () => {
    const { nextRunAt: _, ...row } = toScheduleRow(createSchedule(), template);
    expect(toSchedule(row).nextRunAt).toBeUndefined();
  });
});
