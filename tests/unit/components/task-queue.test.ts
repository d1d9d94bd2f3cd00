import { beforeEach, describe, expect, test } from "vitest";
import { TaskQueue } from "../../../src/components/task-queue.ts";
import { WorkerUnknownError } from "../../../src/core/errors.ts";
import type { NewTask } from "../../../src/core/task.ts";
import { toNewTask } from "../../../src/models/convert.ts";
import type { ModelTools } from "../../../src/models/defaults.ts";
import { Schedule } from "../../../src/models/schedule.ts";
import { Task } from "../../../src/models/task.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import type { TaskOptions } from "../../../src/testing/factories.ts";
import { ModelBackend } from "../../../src/testing/model.ts";
import { createSchedule, createTask, createTaskSequence } from "../../fixtures/factories.ts";
import { FORMS, withCode } from "../../fixtures/helpers.ts";

const MINUTE = 60_000;

describe.each(FORMS)("a task queue, $form", ({ as }) => {
  let clock: TestClock;
  let tools: ModelTools;
  let backend: ModelBackend;
  let queue: TaskQueue;
  const queueOf = (...queues: string[]): TaskQueue => as(new TaskQueue({ backend, queues, clock }));
  const make = (given: TaskOptions = {}): Task => createTask(given, tools);
  const put = async (given: TaskOptions = {}): Promise<Task> => {
    const task = make(given);
    await queue.enqueue(task);
    return task;
  };
  const read = async (id: string): Promise<Task> => {
    const task = await queue.getTask(id);
    if (task === undefined) throw new Error(`no task ${id}`);
    return task;
  };
  const take = async (from = queue): Promise<Task> => {
    const task = await from.dequeue();
    if (task === undefined) throw new Error("nothing to dequeue");
    return task;
  };
  const events = async (): Promise<number> => (await backend.events.stats(10_000)).total;

  beforeEach(async () => {
    clock = new TestClock();
    tools = { clock };
    backend = new ModelBackend({ clock, projectName: "test_project" });
    await backend.open();
    queue = queueOf("test");
  });

  test("says what it is of", () => {
    expect(queue.projectName).toBe("test_project");
    expect(queue.queues).toEqual(["test"]);
    expect(queue.backend).toBe(backend);
    expect(new TaskQueue({ backend, queues: ["q"], projectName: "other" }).projectName).toBe("other");
  });

  test.each([[[]], [[""]], [["a", 5]], ["test"], [undefined]])("refuses %o as its queues", (queues) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a caller in plain JavaScript may pass
    expect(() => new TaskQueue({ backend, queues: queues as string[] })).toThrow(/Expected `queues/);
  });

  describe("enqueue and getTask", () => {
    test("the id comes back, and the task as it was", async () => {
      const task = make({ runAt: new Date(clock.now() + MINUTE), funcArgs: { at: new Date(1) }, callback: "done", callbackArgs: { a: 1 } });
      expect(await queue.enqueue(task)).toBe(task.id);
      const found = await read(task.id);
      expect(found.status).toBe("pending");
      expect(found).toEqual(Object.assign(task, { revision: found.revision }));
      expect(await queue.getTask("nobody")).toBeUndefined();
    });

    test("writes no event", async () => {
      await put();
      expect(await events()).toBe(0);
    });

    test("the same task again does nothing", async () => {
      const task = await put();
      expect(await queue.enqueue(task)).toBe(task.id);
      expect(await queue.size()).toBe(1);
    });

    test("refuses another queue's task", async () => {
      await expect(queue.enqueue(make({ queueName: "other" }))).rejects.toThrow(
        expect.objectContaining({
          name: "EnqueueRefusedError",
          code: "QUEUE_MISMATCH",
          message: expect.stringContaining('one of "test", got "other"'),
        }),
      );
      expect(await queueOf("other").size()).toBe(0);
    });

    test("refuses an id in use and an unknown parent", async () => {
      const task = await put();
      await expect(queue.enqueue(make({ taskId: task.id, funcArgs: 1 }))).rejects.toThrow(withCode("ID_REUSED"));
      await expect(queue.enqueue(make({ dependsOn: ["nobody"] }))).rejects.toThrow(withCode("UNKNOWN_PARENT"));
      expect(await queue.size()).toBe(1);
    });

    test("refuses what cannot be stored, and writes nothing", async () => {
      await expect(queue.enqueue(make({ funcArgs: { f: () => 1 } }))).rejects.toThrow(withCode("PAYLOAD_REFUSED"));
      await expect(queue.enqueue(make({ funcArgs: "x".repeat(2 ** 20) }))).rejects.toThrow(withCode("PAYLOAD_TOO_LARGE"));
      expect(await queue.size()).toBe(0);
    });
  });

  describe("dequeue", () => {
    test("claims: running, not started, with a fence; nobody else gets it", async () => {
      const { id } = await put();
      const task = await take();
      expect(task).toMatchObject({ id, status: "running", startedAt: undefined, attempt: 1 });
      expect(task.fence).toBeGreaterThan(0);
      expect(await queue.dequeue()).toBeUndefined();
      expect((await read(id)).status).toBe("running");
      expect(await events()).toBe(0);
    });

    test("the claim is in the task's JSON", async () => {
      await put();
      const task = await take();
      const elsewhere = Task.deserialize(task.serialize());
      expect(elsewhere).toMatchObject({ fence: task.fence, revision: task.revision });
      elsewhere.markStarted();
      elsewhere.markCompleted();
      await queueOf("anything").updateTask(elsewhere);
      expect((await read(task.id)).status).toBe("completed");
    });

    test("takes the queues in order, strictly, then by priority", async () => {
      const all = queueOf("high", "low");
      const first = make({ queueName: "low", priority: 9 });
      const second = make({ queueName: "high" });
      const third = make({ queueName: "high", priority: 1 });
      for (const task of [first, second, third]) await all.enqueue(task);
      expect([(await take(all)).id, (await take(all)).id, (await take(all)).id]).toEqual([third.id, second.id, first.id]);
    });

    test("is one client, with its lease; another lease is another claim row", async () => {
      for (const task of createTaskSequence(3, "test", tools)) await queue.enqueue(task);
      expect(await backend.presence.workers(9)).toEqual([]);
      await queue.dequeue();
      await queue.dequeue();
      await queue.dequeue({ lease: "10s" });
      const workers = await backend.presence.workers(9);
      expect(workers.map(({ role, leaseMs, queues, boot }) => ({ role, leaseMs, queues, boot }))).toEqual([
        { role: "client", leaseMs: 300_000, queues: ["test"], boot: "" },
        { role: "client", leaseMs: 10_000, queues: ["test"], boot: "" },
      ]);
      expect(workers[0]?.beat).toBeGreaterThan(workers[1]?.beat ?? 0);
    });

    test("arrives again when its row was swept", async () => {
      expect(await queue.dequeue()).toBeUndefined();
      await clock.advance(10 * MINUTE);
      await backend.sweep({ what: "workers", olderThan: MINUTE, limit: 9 });
      expect(await backend.presence.workers(9)).toEqual([]);
      const { id } = await put();
      expect((await take()).id).toBe(id);
    });

    test("lets other errors of presence through", async () => {
      await queue.dequeue();
      await backend.close();
      await expect(queue.dequeue()).rejects.toThrow(withCode("CLOSED"));
    });

    test("an expired task is not handed out but ended, without event or result, and the next one is taken", async () => {
      const expired = await put({ ttl: -1_000, callback: "done", priority: 1 });
      expect(expired.isExpired).toBe(true);
      const { id } = await put();
      // Its end goes through the one state machine: the callback is there, with its priority.
      expect([(await take()).func, (await take()).id]).toEqual(["done", id]);
      expect(await read(expired.id)).toMatchObject({ status: "expired", isExpired: true });
      expect((await backend.results.stats(10_000)).total).toBe(0);
      const { byType } = await backend.events.stats(10_000);
      expect(Object.keys(byType)).not.toContain("expired");
    });

    test("only an expired task: nothing", async () => {
      const { id } = await put({ ttl: "-1s" });
      expect(await queue.dequeue()).toBeUndefined();
      expect((await read(id)).isExpired).toBe(true);
    });

    test("more due tasks than one claim looks at are no end", async () => {
      const runAt = new Date(clock.now() + MINUTE);
      const delayed = (i: number, more: object): NewTask => ({
        ...toNewTask(make({ runAt: new Date(runAt.getTime() + i), ttl: "1h", ...more })),
        queue: "elsewhere",
      });
      await backend.work.enqueue([{ tasks: Array.from({ length: 600 }, (_, i) => delayed(i, {})), announce: false }]);
      const { id } = await put({ runAt: new Date(runAt.getTime() + 1_000) });
      await clock.advance(2 * MINUTE);
      expect((await take()).id).toBe(id);
    });

    test.each([{ lease: -1 }, { lease: "soon" }, { leese: 1 }])("refuses %o", async (options) => {
      await expect(queue.dequeue(options)).rejects.toThrow(/`lease`|`leese`/);
    });
  });

  describe("a run by hand", () => {
    test("enqueue, dequeue, start, end: the task completed, its dependents free, its callback enqueued, no event, no result", async () => {
      const parent = await put({ callback: "done", callbackArgs: { a: 1 } });
      const child = await put({ dependsOn: [parent.id] });
      const task = await take();
      task.markStarted();
      const { startedAt } = task;
      await queue.updateTask(task);
      expect(task.startedAt).toBe(startedAt);
      await clock.advance(5);
      task.markCompleted();
      await queue.updateTask(task);
      expect(await read(task.id)).toMatchObject({ status: "completed", completedAt: new Date(clock.now()) });
      expect(task.revision).toBe((await read(task.id)).revision);
      const funcs = [await take(), await take()];
      expect(funcs.map(({ id, func }) => (id === child.id ? "child" : func)).toSorted()).toEqual(["child", "done"]);
      expect(funcs.find(({ func }) => func === "done")?.funcArgs).toMatchObject({ a: 1, taskId: parent.id, status: "completed" });
      expect((await backend.results.stats(10_000)).total).toBe(0);
      const { byType } = await backend.events.stats(10_000);
      expect(Object.keys(byType).filter((type) => type !== "enqueued")).toEqual([]);
    });

    test("writing the same end again changes nothing", async () => {
      await put();
      const task = await take();
      task.markCompleted();
      await queue.updateTask(task);
      const { revision } = task;
      await queue.updateTask(task);
      expect(await read(task.id)).toMatchObject({ status: "completed", revision });
    });

    test("failed is final", async () => {
      await put();
      const task = await take();
      task.markFailed("TypeError: boom");
      await queue.updateTask(task);
      expect(await read(task.id)).toMatchObject({ status: "failed", reason: "TypeError: boom", nextRetryAt: undefined, retryCount: 0 });
    });

    test("failed without a reason says so", async () => {
      await put();
      const task = await take();
      task.markFailed();
      await queue.updateTask(task);
      expect((await read(task.id)).reason).toBe("Error: marked as failed");
    });

    test("failed with incrementRetry() runs again after retryDelay", async () => {
      const { id } = await put({ retryDelay: "5s" });
      const task = await take();
      task.markFailed();
      task.incrementRetry();
      await queue.updateTask(task);
      const again = { status: "failed", retryCount: 1, nextRetryAt: new Date(clock.now() + 5_000) };
      expect(task).toMatchObject(again);
      expect(await read(id)).toMatchObject(again);
      expect(await queue.dequeue()).toBeUndefined();
      await clock.advance(5_000);
      expect(await take()).toMatchObject({ id, retryCount: 1, attempt: 2, nextRetryAt: undefined });
    });

    test("failed with nextRetryAt runs again then, and at once where that is past", async () => {
      const { id } = await put();
      for (const wait of [7_000, -1]) {
        const task = await take();
        task.markFailed();
        task.nextRetryAt = new Date(clock.now() + wait);
        await queue.updateTask(task);
        expect((await read(id)).nextRetryAt).toEqual(new Date(clock.now() + Math.max(0, wait)));
        await clock.advance(Math.max(0, wait));
      }
      expect((await take()).attempt).toBe(3);
    });

    test("no retry is left, or it would come after the expiry: final, and the object says so", async () => {
      for (const given of [{ maxRetries: 0 }, { ttl: "2s" }]) {
        await put(given);
        const task = await take();
        task.markFailed();
        task.incrementRetry();
        await queue.updateTask(task);
        expect(task).toMatchObject({ status: "failed", nextRetryAt: undefined, retryCount: 0 });
      }
    });

    test("cancelled with and without a reason", async () => {
      for (const reason of ["not needed", undefined]) {
        await put();
        const task = await take();
        task.status = "cancelled";
        task.reason = reason;
        await queue.updateTask(task);
        expect(await read(task.id)).toMatchObject({ status: "cancelled", reason });
      }
    });

    test("pending again gives it back, with a later runAt it snoozes", async () => {
      const { id } = await put();
      const given = await take();
      given.status = "pending";
      await queue.updateTask(given);
      const task = await take();
      expect(task).toMatchObject({ id, attempt: 1 });
      task.status = "pending";
      task.runAt = new Date(clock.now() + MINUTE);
      await queue.updateTask(task);
      expect(await queue.dequeue()).toBeUndefined();
      await clock.advance(MINUTE);
      expect((await take()).id).toBe(id);
    });

    test("a status that a run does not lead to is refused", async () => {
      await put();
      const task = await take();
      task.status = "expired";
      await expect(queue.updateTask(task)).rejects.toThrow(withCode("ILLEGAL_TRANSITION"));
      expect((await read(task.id)).status).toBe("running");
    });

    test("what runs can be changed in its status only", async () => {
      await put();
      const task = await take();
      task.priority = 7;
      await expect(queue.updateTask(task)).rejects.toThrow(
        expect.objectContaining({ code: "NOT_EDITABLE", message: expect.stringContaining("`priority`") }),
      );
      task.markCompleted();
      await expect(queue.updateTask(task)).rejects.toThrow(withCode("NOT_EDITABLE"));
      task.priority = 0;
      task.retryCount = 1;
      await expect(queue.updateTask(task)).rejects.toThrow(/`retryCount`/);
      expect((await read(task.id)).status).toBe("running");
    });

    test("an update is a sign of life", async () => {
      await put();
      const task = await take();
      const [before] = await backend.presence.workers(1);
      await queue.updateTask(task);
      const [after] = await backend.presence.workers(1);
      expect(after?.beat).toBe((before?.beat ?? 0) + 1);
      await expect(queueOf("test").updateTask(task)).resolves.toBeUndefined();
      expect((await backend.presence.workers(1))[0]?.beat).toBe(after?.beat);
    });
  });

  describe("the fence", () => {
    test("a late holder changes nothing", async () => {
      await put();
      const late = await take();
      const [row] = await backend.presence.workers(1);
      await backend.presence.arrive({
        worker: "w",
        role: "worker",
        host: "",
        boot: "",
        pid: 0,
        started: "",
        leaseMs: 1,
        queues: [],
        names: [],
        concurrency: 1,
      });
      const lost = await backend.work.claim({ worker: "w", limit: 1, of: { lost: [{ worker: row?.worker ?? "", beat: row?.beat ?? 0 }] } });
      expect(lost.claims).toHaveLength(1);
      late.markCompleted();
      await expect(queue.updateTask(late)).rejects.toThrow(withCode("LEASE_LOST"));
      expect((await read(late.id)).status).toBe("running");
    });

    test("a late holder is refused also where another has written the same status", async () => {
      await put();
      const task = await take();
      const late = Task.fromJSON(task.toJSON());
      task.status = "pending";
      await queue.updateTask(task);
      const second = await take();
      second.markCompleted();
      await queue.updateTask(second);
      late.markCompleted();
      await expect(queue.updateTask(late)).rejects.toThrow(withCode("LEASE_LOST"));
    });

    test("without a claim the status cannot change", async () => {
      const waiting = await put();
      const read1 = await read(waiting.id);
      read1.status = "cancelled";
      await expect(queue.updateTask(read1)).rejects.toThrow(/hold the current claim .* it is pending and nobody runs it/);
      await take();
      const running = await read(waiting.id);
      expect(running.fence).toBeUndefined();
      running.markCompleted();
      await expect(queue.updateTask(running)).rejects.toThrow(/came without a claim/);
      expect((await read(waiting.id)).status).toBe("running");
    });

    test("the claim was taken between the look and the write: refused", async () => {
      await put();
      const task = await take();
      task.markCompleted();
      const answers = { settled: ["lost"] as const };
      Object.assign(backend.work, { settle: async () => answers });
      Object.assign(backend.sync.work, { settle: () => answers });
      await expect(queue.updateTask(task)).rejects.toThrow(withCode("LEASE_LOST"));
      const missing = { settled: ["missing"] as const };
      Object.assign(backend.work, { settle: async () => missing });
      Object.assign(backend.sync.work, { settle: () => missing });
      await expect(queue.updateTask(task)).rejects.toThrow(withCode("TASK_NOT_FOUND"));
    });
  });

  describe("edits of what does not run", () => {
    test("every editable field", async () => {
      const { id } = await put({ callback: "old" });
      const task = await read(id);
      Object.assign(task, {
        queueName: "moved",
        priority: 4,
        runAt: new Date(clock.now() + MINUTE),
        ttl: 2 * MINUTE,
        name: "New name",
        description: undefined,
        tags: ["new"],
        maxRetries: 9,
        retryDelay: 1,
        resultTtl: undefined,
        storeResult: false,
        callback: "new",
        callbackArgs: { b: 2 },
      });
      await queue.updateTask(task);
      const found = await read(id);
      expect(found).toEqual(task);
      expect(found).toMatchObject({ queueName: "moved", name: "New name", callback: "new", callbackArgs: { b: 2 }, storeResult: false });
      expect(found.expiresAt).toEqual(new Date(found.createdAt.getTime() + 2 * MINUTE));
    });

    test("the TTL of a task that was retried counts from then, also where the expiry is changed along", async () => {
      const { id } = await put({ ttl: MINUTE, maxRetries: 0 });
      const failed = await take();
      failed.markFailed();
      await queue.updateTask(failed);
      await clock.advance(3 * MINUTE);
      const retriedAt = clock.now();
      expect(await backend.desk.requeue([id])).toEqual(["requeued"]);
      const task = await read(id);
      task.ttl = MINUTE + 1;
      task.expiresAt = new Date(retriedAt + MINUTE + 1);
      await queue.updateTask(task);
      expect(await read(id)).toEqual(task);
      Object.assign(task, { ttl: MINUTE + 2, expiresAt: new Date(task.createdAt.getTime() + MINUTE + 2) });
      await expect(queue.updateTask(task)).rejects.toThrow("Expected `expiresAt` to be unchanged");
    });

    test("fields can be taken away", async () => {
      const { id } = await put({ callback: "old", callbackArgs: { a: 1 }, runAt: new Date(clock.now() + 1) });
      const task = await read(id);
      Object.assign(task, {
        runAt: undefined,
        ttl: undefined,
        expiresAt: undefined,
        name: task.func,
        callback: undefined,
        callbackArgs: {},
      });
      await queue.updateTask(task);
      const found = await read(id);
      expect(found).toMatchObject({ runAt: undefined, ttl: undefined, expiresAt: undefined, name: found.func, callback: undefined });
      expect(found.callbackArgs).toEqual({});
    });

    test("a callback's other arguments leave its queue and policy as they are", async () => {
      const row = { ...toNewTask(make()), callback: { func: "done", args: '{"a":1}', queue: "callbacks", priority: 3 } };
      await backend.work.enqueue([{ tasks: [row], announce: false }]);
      const task = await read(row.id);
      task.callbackArgs = { a: 2 };
      await queue.updateTask(task);
      const [stored] = await backend.desk.get([row.id]);
      expect(stored?.callback).toEqual({ func: "done", args: '{"a":2}', queue: "callbacks", priority: 3 });
    });

    test("one object can be edited again and again", async () => {
      const { id } = await put();
      const task = await read(id);
      for (const priority of [1, 2]) {
        task.priority = priority;
        await queue.updateTask(task);
      }
      expect((await read(id)).priority).toBe(2);
    });

    test("nothing changed, nothing written", async () => {
      const { id } = await put();
      const { revision } = await read(id);
      await queue.updateTask(await read(id));
      expect((await read(id)).revision).toBe(revision);
    });

    test("who read it before another's edit is refused, and so is who never read it", async () => {
      const made = await put();
      const [mine, theirs] = [await read(made.id), await read(made.id)];
      theirs.priority = 1;
      await queue.updateTask(theirs);
      mine.priority = 2;
      await expect(queue.updateTask(mine)).rejects.toThrow(/changed meanwhile/);
      made.priority = 3;
      await expect(queue.updateTask(made)).rejects.toThrow(
        expect.objectContaining({ code: "CONFLICT", message: expect.stringContaining("getTask") }),
      );
      expect((await read(made.id)).priority).toBe(1);
    });

    test.each<[string, unknown]>([
      ["func", "other"],
      ["funcArgs", { x: 6, y: 10 }],
      ["funcKwargs", { z: 1 }],
      ["createdAt", new Date(0)],
      ["expiresAt", new Date(0)],
      ["startedAt", new Date(0)],
      ["attempt", 3],
      ["retryCount", 1],
      ["nextRetryAt", new Date(0)],
      ["dependsOn", ["p"]],
      ["timeout", 5],
      ["backoff", "exponential"],
      ["atMostOnce", true],
      ["maxCrashes", 9],
      ["scheduleId", "s"],
      ["reason", "because"],
    ])("%s cannot be changed", async (field, value) => {
      const { id } = await put();
      const task = await read(id);
      const before = await read(id);
      Object.assign(task, { [field]: value });
      await expect(queue.updateTask(task)).rejects.toThrow(
        expect.objectContaining({ code: "NOT_EDITABLE", message: expect.stringContaining(`\`${field}\``) }),
      );
      expect(await read(id)).toEqual(before);
    });

    test("what has ended is not edited, what is not there neither, what is wrong is refused", async () => {
      await put();
      const task = await take();
      task.markCompleted();
      await queue.updateTask(task);
      task.priority = 5;
      await expect(queue.updateTask(task)).rejects.toThrow(/to wait or to run, but it has ended/);
      await expect(queue.updateTask(make())).rejects.toThrow(withCode("TASK_NOT_FOUND"));
      const { id } = await put();
      const wrong = await read(id);
      wrong.maxRetries = -1;
      await expect(queue.updateTask(wrong)).rejects.toThrow(/Expected `maxRetries`/);
    });

    test("the row changed between the look and the write: refused", async () => {
      const { id } = await put();
      for (const [answer, code] of [
        ["stale", "CONFLICT"],
        ["running", "CONFLICT"],
        ["missing", "TASK_NOT_FOUND"],
      ] as const) {
        const task = await read(id);
        task.priority = 5;
        Object.assign(backend.desk, { edit: async () => [answer] });
        Object.assign(backend.sync.desk, { edit: () => [answer] });
        await expect(queue.updateTask(task)).rejects.toThrow(withCode(code));
      }
    });
  });

  describe("delete, size and clear", () => {
    test("delete: what waits or has ended goes, what runs, has dependents or is not there stays", async () => {
      const parent = await put({ priority: 1 });
      const child = await put({ dependsOn: [parent.id] });
      expect(await queue.delete(parent.id)).toBe(false);
      const running = await take();
      expect(await queue.delete(running.id)).toBe(false);
      expect(await queue.delete(child.id)).toBe(true);
      expect(await queue.getTask(child.id)).toBeUndefined();
      running.markCompleted();
      await queue.updateTask(running);
      expect(await queue.delete(running.id)).toBe(true);
      expect(await queue.delete(running.id)).toBe(false);
    });

    test("size: ready, delayed, blocked and retrying, of these queues", async () => {
      const retrying = await put({ priority: 1 });
      const failed = await take();
      failed.markFailed();
      failed.incrementRetry();
      await queue.updateTask(failed);
      await put();
      await put({ runAt: new Date(clock.now() + 1) });
      await put({ dependsOn: [retrying.id] });
      await queueOf("other").enqueue(make({ queueName: "other" }));
      expect(await queue.size()).toBe(4);
      expect(await queueOf("test", "other").size()).toBe(5);
      await take();
      expect(await queue.size()).toBe(3);
      expect(await queueOf("empty").size()).toBe(0);
    });

    test("clear: all that waits, whole chains, also more than one batch; what runs and other queues stay", async () => {
      const running = await put({ priority: 9 });
      await take();
      await queueOf("other").enqueue(make({ queueName: "other" }));
      let before: string | undefined;
      for (let i = 0; i < 20; i++) before = (await put({ dependsOn: before === undefined ? [] : [before] })).id;
      const many = Array.from({ length: 700 }, () => toNewTask(make()));
      await backend.work.enqueue([{ tasks: many, announce: false }]);
      expect(await queue.clear()).toBe(720);
      expect(await queue.size()).toBe(0);
      expect((await read(running.id)).status).toBe("running");
      expect(await queueOf("other").size()).toBe(1);
      expect(await queue.clear()).toBe(0);
    });

    test("clear: parents of another queue's tasks stay, and hide nothing behind them", async () => {
      const parents = Array.from({ length: 600 }, () => toNewTask(make()));
      const children = parents.map(({ id }) => ({
        ...toNewTask(make({ queueName: "other" })),
        dependsOn: [{ id, ifFailed: "cancel" } as const],
      }));
      const free = Array.from({ length: 10 }, () => toNewTask(make()));
      await backend.work.enqueue([{ tasks: [...parents, ...children, ...free], announce: false }]);
      expect(await queue.clear()).toBe(10);
      expect(await queue.size()).toBe(600);
      expect(await queueOf("test", "other").clear()).toBe(1_200);
    });
  });

  describe("schedules", () => {
    const scheduled = async (given: object = {}): Promise<Schedule> => {
      const task = await put({ callback: "done" });
      const schedule = createSchedule({ taskId: task.id, ...given }, tools);
      expect(await queue.schedule(schedule)).toBe(schedule.id);
      return schedule;
    };
    const find = async (id: string): Promise<Schedule> => {
      const found = await queue.getSchedule(id);
      if (found === undefined) throw new Error(`no schedule ${id}`);
      return found;
    };

    test("in the future it is not ready; moved to the past it is the one", async () => {
      const schedule = await scheduled();
      const found = await find(schedule.id);
      expect(found).toEqual(schedule);
      expect(await queue.getReadySchedules()).toEqual([]);
      found.nextRunAt = new Date(clock.now() - MINUTE);
      await queue.updateSchedule(found);
      const ready = await queue.getReadySchedules();
      expect(ready.map(({ id }) => id)).toEqual([schedule.id]);
      expect(await queue.getReadySchedules()).toEqual(ready);
      expect(await queue.getSchedule("nobody")).toBeUndefined();
    });

    test("ready ones come oldest first; paused ones do not", async () => {
      const times = [3, 1, 2];
      for (const i of times) await scheduled({ scheduleId: `s${i}`, nextRunAt: new Date(clock.now() - i) });
      const paused = await find("s2");
      paused.pause();
      await queue.updateSchedule(paused);
      expect((await queue.getReadySchedules()).map(({ id }) => id)).toEqual(["s3", "s1"]);
    });

    test("copies func, arguments and options of the task, so that its deletion breaks nothing", async () => {
      const schedule = await scheduled();
      const task = await read(schedule.taskId ?? "");
      expect(await queue.delete(task.id)).toBe(true);
      const [row] = await backend.schedules.list({ ids: [schedule.id], limit: 1 });
      expect(row?.template).toMatchObject({
        func: task.func,
        args: '{"x":5,"y":10}',
        queue: "test",
        ttl: task.ttl,
        callback: { func: "done" },
      });
    });

    test("needs a task that is there, and an id of its own", async () => {
      await expect(queue.schedule(createSchedule())).rejects.toThrow(withCode("TASK_NOT_FOUND"));
      await expect(queue.schedule(new Schedule({ interval: 1 }))).rejects.toThrow(/Expected `taskId`/);
      const schedule = await scheduled();
      await expect(queue.schedule(createSchedule({ scheduleId: schedule.id, taskId: schedule.taskId }))).rejects.toThrow(
        withCode("CONFLICT"),
      );
    });

    test("is refused when it would never fire; one that is there is completed by an end that is past", async () => {
      const { id, taskId } = await scheduled();
      const never = createSchedule({ taskId, endAt: new Date(clock.now() + 1) }, tools);
      await expect(queue.schedule(never)).rejects.toThrow(/Expected `endAt` to be .*, since it would never fire/);
      expect(await queue.getSchedule(never.id)).toBeUndefined();
      const found = await find(id);
      found.endAt = new Date(clock.now() + 1);
      await queue.updateSchedule(found);
      expect(found).toMatchObject({ status: "completed", nextRunAt: undefined });
      expect(await find(id)).toEqual(found);
    });

    test("can be changed, paused and resumed, by one object again and again", async () => {
      const { id } = await scheduled();
      const schedule = await find(id);
      schedule.pause();
      await queue.updateSchedule(schedule);
      expect(await find(id)).toMatchObject({ status: "paused", nextRunAt: undefined, pausedAt: new Date(clock.now()) });
      await clock.advance(MINUTE);
      schedule.resume();
      Object.assign(schedule, { name: "Renamed", description: undefined, tags: [], maxRuns: 4 });
      await queue.updateSchedule(schedule);
      expect(await find(id)).toEqual(schedule);
      expect(await find(id)).toMatchObject({ status: "active", nextRunAt: new Date(clock.now() + 5 * MINUTE), maxRuns: 4 });
    });

    test("another trigger counts from now, unless the next time is given", async () => {
      const { id } = await scheduled();
      const schedule = await find(id);
      await clock.advance(MINUTE);
      schedule.interval = 2 * MINUTE;
      await queue.updateSchedule(schedule);
      expect(schedule.nextRunAt).toEqual(new Date(clock.now() + 2 * MINUTE));
      schedule.interval = 3 * MINUTE;
      schedule.nextRunAt = new Date(clock.now() + 1);
      await queue.updateSchedule(schedule);
      expect((await find(id)).nextRunAt).toEqual(new Date(clock.now() + 1));
      Object.assign(schedule, { scheduleType: "once", interval: undefined });
      await queue.updateSchedule(schedule);
      expect((await find(id)).nextRunAt).toEqual(new Date(clock.now()));
    });

    test.each<[string, unknown]>([
      ["runCount", 1],
      ["lastRunAt", new Date(0)],
      ["createdAt", new Date(0)],
      ["taskId", "other"],
    ])("%s cannot be changed", async (field, value) => {
      const { id } = await scheduled();
      const schedule = await find(id);
      Object.assign(schedule, { [field]: value });
      await expect(queue.updateSchedule(schedule)).rejects.toThrow(
        expect.objectContaining({ code: "NOT_EDITABLE", message: expect.stringContaining(`\`${field}\``) }),
      );
    });

    test("a completed one does not go on; a wrong trigger is refused", async () => {
      const { id } = await scheduled();
      const schedule = await find(id);
      schedule.status = "completed";
      await queue.updateSchedule(schedule);
      schedule.status = "active";
      await expect(queue.updateSchedule(schedule)).rejects.toThrow(/`status`/);
      schedule.cronExpression = "* * * * *";
      await expect(queue.updateSchedule(schedule)).rejects.toThrow(/one trigger at most/);
    });

    test("who read it before another's change is refused, also between look and write", async () => {
      const { id } = await scheduled();
      const [mine, theirs] = [await find(id), await find(id)];
      theirs.name = "theirs";
      await queue.updateSchedule(theirs);
      mine.name = "mine";
      await expect(queue.updateSchedule(mine)).rejects.toThrow(withCode("CONFLICT"));
      expect((await find(id)).name).toBe("theirs");
      const [row] = await backend.schedules.list({ ids: [id], limit: 1 });
      Object.assign(backend.schedules, { put: async () => ({ is: "stale", row }) });
      Object.assign(backend.sync.schedules, { put: () => ({ is: "stale", row }) });
      await expect(queue.updateSchedule(theirs)).rejects.toThrow(withCode("CONFLICT"));
    });

    test("deleteSchedule: whether it was there; unknown ones cannot be changed", async () => {
      const schedule = await scheduled();
      expect(await queue.deleteSchedule(schedule.id)).toBe(true);
      expect(await queue.deleteSchedule(schedule.id)).toBe(false);
      await expect(queue.updateSchedule(schedule)).rejects.toThrow(withCode("SCHEDULE_NOT_FOUND"));
    });
  });

  test("a lost row of presence does not stop an update", async () => {
    await put();
    const task = await take();
    const gone = (): never => {
      throw new WorkerUnknownError("w");
    };
    Object.assign(backend.presence, { beat: async () => gone() });
    Object.assign(backend.sync.presence, { beat: gone });
    await expect(queue.updateTask(task)).resolves.toBeUndefined();
    const broken = (): never => {
      throw new RangeError("broken");
    };
    Object.assign(backend.presence, { beat: async () => broken() });
    Object.assign(backend.sync.presence, { beat: broken });
    await expect(queue.updateTask(task)).rejects.toThrow("broken");
  });
});

test("a backend without synchronous verbs: the twins say so", () => {
  const backend = new ModelBackend({ clock: new TestClock() });
  const queue = new TaskQueue({ backend: Object.assign(Object.create(backend), { sync: undefined }), queues: ["test"] });
  expect(() => queue.sizeSync()).toThrow(
    expect.objectContaining({ code: "SYNC_UNSUPPORTED", message: expect.stringContaining('"model"') }),
  );
});
