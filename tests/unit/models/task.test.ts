import { inspect } from "node:util";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { handlerArguments } from "../../../src/models/arguments.ts";
import { Task, TaskStatus } from "../../../src/models/task.ts";
import type { TaskInit } from "../../../src/models/task.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import { createTask } from "../../fixtures/factories.ts";

const HOUR = 3_600_000;
const hoursFromNow = (hours: number, clock: TestClock): Date => new Date(clock.now() + hours * HOUR);
const code = (value: string) => expect.objectContaining({ code: value });

describe("a new task", () => {
  test("has the seed's defaults", () => {
    const task = createTask();
    expect(task.id).toMatch(/^[0-9a-f]{8}-/);
    expect(task.func).toBe("tests.fixtures.sample_functions.simple_task");
    expect(task.funcArgs).toEqual({ x: 5, y: 10 });
    expect(task.funcKwargs).toEqual({});
    expect(task.queueName).toBe("test");
    expect(task.name).toBe("Test Task");
    expect(task.description).toBe("A test task");
    expect(task.tags).toEqual(["test"]);
    expect(task.priority).toBe(0);
    expect(task.runAt).toBeUndefined();
    expect(task.status).toBe(TaskStatus.Pending);
    expect(task.createdAt).toBeInstanceOf(Date);
    expect(task.startedAt).toBeUndefined();
    expect(task.completedAt).toBeUndefined();
    expect(task.ttl).toBe(HOUR);
    expect(task.dependsOn).toEqual([]);
    expect(task.callback).toBeUndefined();
    expect(task.callbackArgs).toEqual({});
    expect(task.retryCount).toBe(0);
    expect(task.maxRetries).toBe(3);
    expect(task.retryDelay).toBe(5_000);
    expect(task.resultTtl).toBe(HOUR / 2);
    expect(task.storeResult).toBe(true);
  });

  test("has the values that are given", () => {
    const runAt = new Date("2030-01-01T00:00:00Z");
    const task = createTask({
      taskId: "custom-id",
      func: "custom.func",
      funcArgs: { a: 1 },
      funcKwargs: { b: 2 },
      queueName: "custom",
      name: "Custom Task",
      description: "Custom description",
      tags: ["custom", "test"],
      priority: 5,
      runAt,
      ttl: "2h",
      resultTtl: HOUR,
      maxRetries: 5,
      retryDelay: "10s",
      storeResult: false,
    });
    expect(task).toMatchObject({
      id: "custom-id",
      func: "custom.func",
      funcArgs: { a: 1 },
      funcKwargs: { b: 2 },
      queueName: "custom",
      name: "Custom Task",
      description: "Custom description",
      tags: ["custom", "test"],
      priority: 5,
      runAt,
      ttl: 2 * HOUR,
      resultTtl: HOUR,
      maxRetries: 5,
      retryDelay: 10_000,
      storeResult: false,
    });
  });

  test("needs a func only; the rest has defaults, and its name is its func", () => {
    const clock = new TestClock();
    const task = new Task({ func: "reports.daily" }, { clock, newId: () => "id-1" });
    expect(task.toJSON()).toEqual({
      id: "id-1",
      func: "reports.daily",
      funcArgs: {},
      funcKwargs: {},
      queueName: "default",
      name: "reports.daily",
      tags: [],
      priority: 0,
      status: "pending",
      createdAt: "2026-01-01T00:00:00.000Z",
      dependsOn: [],
      callbackArgs: {},
      retryCount: 0,
      maxRetries: 3,
      retryDelay: 5_000,
      storeResult: true,
      backoff: "fixed",
      atMostOnce: false,
      maxCrashes: 3,
      attempt: 0,
      crashCount: 0,
    });
  });

  test("takes null for absent, in every field but func", () => {
    const { func, ...rest } = Object.fromEntries(Object.keys(new Task({ func: "f" })).map((key) => [key, null]));
    const tools = { clock: new TestClock(), newId: () => "id" };
    expect(func).toBeNull();
    expect(Task.fromJSON({ func: "f", ...rest }, tools)).toEqual(new Task({ func: "f" }, tools));
  });

  test("shares no list with what it was made of", () => {
    const tags = ["a"];
    const task = new Task({ func: "f", tags });
    task.tags.push("b");
    expect(tags).toEqual(["a"]);
    expect(new Task({ func: "f" }).tags).not.toBe(new Task({ func: "f" }).tags);
  });

  test.each<[string, unknown, RegExp]>([
    ["func", "", /Expected `func` to be a text that is not empty.*got ""/],
    ["id", "\ud800", /Expected `id` to be a text.*surrogate/],
    ["func", undefined, /Expected `func`/],
    ["id", "", /Expected `id`/],
    ["priority", 1.5, /Expected `priority` to be a whole number, got 1.5/],
    ["priority", "high", /Expected `priority`/],
    ["status", "done", /Expected `status` to be one of "pending", "running"/],
    ["runAt", 5, /Expected `runAt` to be a valid Date, got 5/],
    ["createdAt", new Date(Number.NaN), /Expected `createdAt` to be a valid Date, got an invalid Date/],
    ["retryDelay", -1, /Expected `retryDelay` .* at least 0/],
    ["resultTtl", "-1s", /Expected `resultTtl`/],
    ["timeout", Number.NaN, /Expected `timeout`/],
    ["maxRetries", -1, /Expected `maxRetries` to be a whole number of at least 0/],
    ["maxCrashes", 0, /Expected `maxCrashes`/],
    ["tags", "one", /Expected `tags` to be a list of texts/],
    ["tags", ["a", 1], /Expected `tags\[1\]` to be a text, got 1/],
    ["dependsOn", "parent", /Expected `dependsOn` to be a list of task ids/],
    ["dependsOn", [""], /Expected `dependsOn\[0\]`/],
    ["dependsOn", [{ on: "p", ifFailed: "explode" }], /Expected `dependsOn\[0\].ifFailed`/],
    ["dependsOn", [{ on: "p", iffailed: "run" }], /Did you mean `ifFailed`/],
    ["funcKwargs", [], /Expected `funcKwargs` to be a plain object/],
    ["callbackArgs", new Map(), /Expected `callbackArgs`/],
    ["storeResult", "yes", /Expected `storeResult` to be true or false/],
    ["backoff", "linear", /Expected `backoff` to be one of/],
    ["name", 7, /Expected `name` to be a text/],
    ["prioritY", 1, /got `prioritY`. Did you mean `priority`/],
  ])("refuses %s: %o", (field, value, message) => {
    expect(() => Task.fromJSON({ func: "f", [field]: value })).toThrow(message);
  });

  test("refuses an unknown field with the nearest known one", () => {
    const typo = { queuName: "x" };
    const init: TaskInit = { func: "f", ...typo };
    expect(() => new Task(init)).toThrow(
      expect.objectContaining({ code: "UNKNOWN_OPTION", message: expect.stringContaining("`queueName`") }),
    );
  });
});

describe("expiresAt", () => {
  test("is createdAt + ttl, to the millisecond", () => {
    const task = createTask({ ttl: HOUR });
    expect(task.expiresAt).toEqual(new Date(task.createdAt.getTime() + HOUR));
  });

  test("is the given one where there is one, and absent without a ttl", () => {
    const expiresAt = new Date("2030-01-01T00:00:00Z");
    expect(createTask({ ttl: HOUR, expiresAt }).expiresAt).toBe(expiresAt);
    expect(createTask({ ttl: undefined }).expiresAt).toBeUndefined();
  });

  test.each([0, -1, "-1s"])("may be reached from the start: ttl %s", (ttl) => {
    const task = createTask({ ttl }, { clock: new TestClock() });
    expect(task.isExpired).toBe(true);
    expect(task.status).toBe("pending");
  });
});

describe("getters look at the present values", () => {
  const clock = new TestClock();
  const make = (init: Partial<TaskInit>) => createTask(init, { clock });

  test("phase: what its fields say, and what the store said while the status is that one", () => {
    expect(make({}).phase).toBe("ready");
    expect(make({ runAt: hoursFromNow(1, clock) }).phase).toBe("delayed");
    expect(make({ status: "failed" }).phase).toBe("failed");
    expect(make({ status: "failed", nextRetryAt: hoursFromNow(1, clock) }).phase).toBe("retrying");
    expect(make({ status: "failed", nextRetryAt: hoursFromNow(-1, clock) }).phase).toBe("ready");
    const blocked = Task.placed(make({}), "blocked");
    expect(blocked.phase).toBe("blocked");
    blocked.markStarted();
    expect(blocked.phase).toBe("running");
    expect("phase" in blocked.toJSON()).toBe(false);
  });

  test("isReady: runAt absent, ahead, reached, past", () => {
    expect(make({}).isReady).toBe(true);
    expect(make({ runAt: hoursFromNow(1, clock) }).isReady).toBe(false);
    expect(make({ runAt: new Date(clock.now()) }).isReady).toBe(true);
    expect(make({ runAt: hoursFromNow(-1, clock) }).isReady).toBe(true);
  });

  test("isReady: nextRetryAt goes before runAt, and nothing else counts", () => {
    const task = make({ runAt: hoursFromNow(-1, clock), nextRetryAt: hoursFromNow(1, clock) });
    expect(task.isReady).toBe(false);
    task.nextRetryAt = new Date(clock.now());
    expect(task.isReady).toBe(true);
    task.status = "completed";
    expect(task.isReady).toBe(true);
  });

  test("isReady follows the clock", async () => {
    const own = new TestClock();
    const task = createTask({ runAt: hoursFromNow(1, own) }, { clock: own });
    await own.advance(HOUR - 1);
    expect(task.isReady).toBe(false);
    await own.advance(1);
    expect(task.isReady).toBe(true);
  });

  test("isExpired: absent, ahead, reached, past, also after assignment and whatever the status", () => {
    const task = make({ ttl: undefined });
    expect(task.isExpired).toBe(false);
    task.expiresAt = hoursFromNow(1, clock);
    expect(task.isExpired).toBe(false);
    task.expiresAt = new Date(clock.now());
    expect(task.isExpired).toBe(true);
    task.expiresAt = hoursFromNow(-1, clock);
    task.status = "completed";
    expect(task.isExpired).toBe(true);
  });

  test("canRetry: retryCount < maxRetries", () => {
    expect(make({}).canRetry).toBe(true);
    expect(make({ maxRetries: 0 }).canRetry).toBe(false);
    expect(make({ maxRetries: 3, retryCount: 2 }).canRetry).toBe(true);
    expect(make({ maxRetries: 3, retryCount: 3 }).canRetry).toBe(false);
  });
});

describe("marking", () => {
  test("started: running, with its time", () => {
    const clock = new TestClock();
    const task = createTask({}, { clock });
    task.markStarted();
    expect(task.status).toBe(TaskStatus.Running);
    expect(task.startedAt).toEqual(new Date(clock.now()));
    expect(task.completedAt).toBeUndefined();
  });

  test("completed and failed: with their time", async () => {
    const clock = new TestClock();
    const completed = createTask({}, { clock });
    const failed = createTask({}, { clock });
    completed.markStarted();
    failed.markStarted();
    await clock.advance(5);
    completed.markCompleted();
    failed.markFailed("Error: boom");
    expect(completed.status).toBe(TaskStatus.Completed);
    expect(completed.completedAt).toEqual(new Date(clock.now()));
    expect(completed.startedAt).toEqual(new Date(clock.now() - 5));
    expect(failed.status).toBe(TaskStatus.Failed);
    expect(failed.completedAt).toEqual(new Date(clock.now()));
    expect(failed.reason).toBe("Error: boom");
  });

  test("a dequeued task, running and not started, can be started once", () => {
    const task = createTask({ status: "running" });
    task.markStarted();
    expect(task.startedAt).toBeInstanceOf(Date);
    expect(() => task.markStarted()).toThrow(code("ILLEGAL_TRANSITION"));
  });

  test("a failed task with a retry due can be started, without one it cannot", () => {
    const task = createTask({ status: "failed", nextRetryAt: new Date(), completedAt: new Date() });
    task.markStarted();
    expect(task).toMatchObject({ status: "running", nextRetryAt: undefined, completedAt: undefined });
    const ended = createTask({ status: "failed" });
    expect(() => ended.markStarted()).toThrow(/Expected task .* to be able to become running, but it is failed/);
  });

  test.each<[TaskStatus, "markStarted" | "markCompleted" | "markFailed"]>([
    ["pending", "markCompleted"],
    ["completed", "markStarted"],
    ["completed", "markCompleted"],
    ["completed", "markFailed"],
    ["failed", "markFailed"],
    ["cancelled", "markStarted"],
    ["expired", "markStarted"],
  ])("%s: %s() is refused and changes nothing", (status, mark) => {
    const task = createTask({ status });
    const before = task.toJSON();
    expect(() => task[mark]()).toThrow(code("ILLEGAL_TRANSITION"));
    expect(task.toJSON()).toEqual(before);
  });

  test("incrementRetry counts, whatever the status", () => {
    const task = createTask({ maxRetries: 3 });
    task.incrementRetry();
    expect(task.retryCount).toBe(1);
    task.status = "cancelled";
    task.incrementRetry();
    expect(task.retryCount).toBe(2);
  });
});

describe("JSON", () => {
  test("toJSON: plain, ISO times, without what is absent", () => {
    const task = createTask();
    const json = task.toJSON();
    expect(json).toMatchObject({ id: task.id, func: task.func, funcArgs: task.funcArgs, status: task.status, ttl: HOUR });
    expect(json["createdAt"]).toBe(task.createdAt.toISOString());
    expect(json).not.toHaveProperty("runAt");
    expect(JSON.parse(JSON.stringify(task))).toEqual(json);
  });

  test("fromJSON reads it back", () => {
    const task = createTask({ runAt: new Date(), dependsOn: ["a", { on: "b", ifFailed: "run" }], fence: 3, revision: 7 });
    expect(Task.fromJSON(task.toJSON())).toEqual(task);
  });

  test("reads the seed's keys, and times without a zone as UTC", () => {
    const task = Task.fromJSON({
      func: "f",
      func_args: { inner_key: 1 },
      queue_name: "q",
      created_at: "2024-03-01T12:30:45.123456",
      run_at: "2024-03-01 12:30+02:00",
      max_retries: 1,
      depends_on: ["p"],
      callback_args: { k: 1 },
    });
    expect(task).toMatchObject({ funcArgs: { inner_key: 1 }, queueName: "q", maxRetries: 1, dependsOn: ["p"], callbackArgs: { k: 1 } });
    expect(task.createdAt.toISOString()).toBe("2024-03-01T12:30:45.123Z");
    expect(task.runAt?.toISOString()).toBe("2024-03-01T10:30:00.000Z");
    for (const at of [-8.64e15, Date.UTC(-1, 0), Date.UTC(10_000, 0), 8.64e15]) {
      const far = new Task({ func: "f", runAt: new Date(at) });
      expect(Task.fromJSON(far.toJSON()).runAt).toEqual(far.runAt);
    }
    expect(Task.fromJSON({ func: "f", runAt: "2024-03-01" }).runAt?.toISOString()).toBe("2024-03-01T00:00:00.000Z");
  });

  test.each(["tomorrow", "", "2024-13-01T00:00:00Z", "1700000000000"])("refuses %o as a time", (runAt) => {
    expect(() => Task.fromJSON({ func: "f", runAt })).toThrow(/Expected `runAt` to be a time in ISO 8601/);
  });

  test("refuses an unknown key, one key in both spellings, and what is no object", () => {
    expect(() => Task.fromJSON({ func: "f", max_retry: 1 })).toThrow(/got `max_retry`. Did you mean `maxRetries`/);
    expect(() => Task.fromJSON({ func: "f", funcArgs: {}, func_args: {} })).toThrow(/`funcArgs` once, got it twice/);
    for (const data of [null, undefined, "task", 5, [], new Date()])
      expect(() => Task.fromJSON(data)).toThrow(/Expected `a task` to be an object/);
  });

  test("arguments that JSON cannot keep come back as they were", () => {
    const funcArgs = {
      at: new Date(5),
      map: new Map([["k", new Set([1n])]]),
      none: undefined,
      zero: -0,
      bytes: new Uint8Array([1, 2]),
      looksLikeATag: { $omniq: "date", v: "x" },
    };
    const task = createTask({ funcArgs, callbackArgs: { at: new Date(6) }, funcKwargs: { big: 9n } });
    const back = Task.fromJSON(JSON.parse(JSON.stringify(task)));
    expect(back.funcArgs).toStrictEqual(funcArgs);
    expect(back.callbackArgs).toStrictEqual({ at: new Date(6) });
    expect(back.funcKwargs).toStrictEqual({ big: 9n });
    const live = { at: new Date(5), big: 1n };
    expect(Task.fromJSON({ func: "f", funcArgs: live }).funcArgs).toBe(live);
  });

  test.each([[null], [undefined], [0], [""], [false], [[]], [[null]], ["text"], [{ $omniq: "null" }]])(
    "arguments %o come back",
    (funcArgs) => {
      const task = createTask();
      task.funcArgs = funcArgs;
      expect(Task.deserialize(task.serialize()).funcArgs).toStrictEqual(funcArgs);
    },
  );

  test("any task comes back from its bytes", () => {
    const date = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("2100-01-01") });
    const args = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withNullPrototype: false });
    const init = fc.record({ funcArgs: args, ttl: fc.integer({ min: -1e9, max: 1e9 }), runAt: date, tags: fc.array(fc.string()) });
    fc.assert(
      fc.property(init, ({ funcArgs, ...given }) => {
        const task = createTask(given);
        task.funcArgs = funcArgs;
        let bytes: Uint8Array;
        try {
          bytes = task.serialize();
        } catch (error) {
          // What cannot make the round trip is refused, never changed.
          expect(error).toMatchObject({ code: "PAYLOAD_REFUSED" });
          return;
        }
        expect(Task.deserialize(bytes)).toStrictEqual(task);
      }),
    );
  });

  test("serialize makes bytes; deserialize refuses other ones", () => {
    const bytes = createTask().serialize();
    expect(bytes).toBeInstanceOf(Uint8Array);
    expect(() => Task.deserialize(bytes.subarray(0, 10))).toThrow(code("PAYLOAD_UNREADABLE"));
    expect(() => Task.deserialize(new Uint8Array([0xff, 0xfe]))).toThrow(code("PAYLOAD_UNREADABLE"));
  });

  test("what cannot be stored is refused with its path", () => {
    expect(() => createTask({ funcArgs: { f: [() => 1] } }).toJSON()).toThrow(/Cannot store a function at funcArgs.f\[0\]/);
  });
});

describe("identity", () => {
  test("equals: the id alone", () => {
    const task = createTask({ taskId: "same-id" });
    expect(task.equals(createTask({ taskId: "same-id", name: "other" }))).toBe(true);
    expect(task.equals(createTask({ taskId: "different-id" }))).toBe(false);
    expect(task.equals({ id: "same-id" })).toBe(false);
    expect(task.equals(undefined)).toBe(false);
  });

  test("as text and in the console: Task, the id and the name", () => {
    const task = createTask({ name: "Test Task" });
    for (const shown of [String(task), inspect(task)]) {
      expect(shown).toContain("Task");
      expect(shown).toContain(task.id);
      expect(shown).toContain("Test Task");
    }
    expect(String(new Task({ func: "plain.name" }))).toContain("plain.name");
  });

  test("the words of the status", () => {
    expect(Object.values(TaskStatus)).toEqual(["pending", "running", "completed", "failed", "cancelled", "expired"]);
    expect(Object.isFrozen(TaskStatus)).toBe(true);
  });
});

describe("handlerArguments", () => {
  test("are funcArgs as they are, whatever they are, where there are no kwargs", () => {
    const args = [1];
    expect(handlerArguments(args)).toBe(args);
    expect(handlerArguments(null, {})).toBeNull();
  });

  test("are both where there are kwargs", () => {
    expect(handlerArguments({ a: 1 }, { b: 2 })).toEqual({ a: 1, b: 2 });
  });

  test("refuses kwargs beside anything but a plain object, and a key in both", () => {
    expect(() => handlerArguments([1], { b: 2 })).toThrow(/Expected `funcArgs` to be a plain object where funcKwargs are given/);
    expect(() => handlerArguments({ a: 1 }, { a: 2 })).toThrow(/`a` to stand in funcArgs or in funcKwargs, got it in both/);
  });
});
