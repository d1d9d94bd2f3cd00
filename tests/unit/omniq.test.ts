/** The façade, on the model and on SQLite in memory. */
import { z } from "zod";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineTask, InvalidOptionError, OmniQ } from "../../src/index.ts";
import type { CleanedUp, Backend } from "../../src/index.ts";
import { SQLiteBackend } from "../../src/sqlite.ts";
import { ModelBackend, TestClock } from "../../src/testing/index.ts";

const add = defineTask({ name: "add", handler: ({ x, y }: { x: number; y: number }) => x + y });
const parse = defineTask({ name: "parse", input: z.object({ n: z.coerce.number() }), handler: ({ n }) => n });
const slowSchema = defineTask({
  name: "slow-schema",
  input: z.string().refine((text) => Promise.resolve(text === "good")),
  handler: (text) => text,
});
const fails = defineTask({
  name: "fails",
  maxRetries: 0,
  handler: () => {
    throw new TypeError("no");
  },
});
const retries = defineTask({
  name: "retries",
  retryDelay: "5s",
  handler: (_: undefined, ctx) => {
    if (ctx.attempt === 1) throw new Error("first");
    return ctx.attempt;
  },
});
const family = defineTask({
  name: "family",
  handler: async (_: undefined, ctx) => {
    const child = await ctx.enqueue(add, { x: 2, y: 3 }, { queueName: "children" });
    return child.id;
  },
});
const ended = defineTask({ name: "ended", handler: (args: { note: string; status: string; result: unknown; error?: string }) => args });
const TASKS = [add, parse, slowSchema, fails, retries, family, ended];

const PLACES: readonly (readonly [string, (clock: TestClock) => Backend])[] = [
  ["the model", (clock) => new ModelBackend({ clock })],
  ["SQLite", (clock) => new SQLiteBackend({ path: ":memory:", clock })],
];

describe.each(PLACES)("OmniQ on %s", (_, open) => {
  let clock: TestClock;
  let omniq: OmniQ<unknown>;
  beforeEach(() => {
    clock = new TestClock();
    omniq = new OmniQ<unknown>({ backend: open(clock), clock, taskDefaults: { maxRetries: 2 } });
  });
  afterEach(() => omniq.close());
  const drain = (queues = ["default"]): Promise<void> => omniq.worker({ tasks: TASKS, queues }).drain();

  describe("enqueue", () => {
    test("stores the task as it was asked for and says so in the log", async () => {
      const handle = await omniq.enqueue(add, { x: 1, y: 2 }, { queueName: "high", priority: 5, tags: ["a"], label: "Sum", ttl: "1h" });
      expect(handle.created).toBe(true);
      const task = await handle.get();
      expect(task).toMatchObject({ func: "add", funcArgs: { x: 1, y: 2 }, queueName: "high", priority: 5, tags: ["a"], name: "Sum" });
      expect(task).toMatchObject({ status: "pending", maxRetries: 2, ttl: 3_600_000, createdAt: new Date(clock.now()) });
      expect((await handle.events()).map((event) => event.eventType)).toEqual(["enqueued"]);
    });

    test("validates with the schema, stores what was passed, and the handler gets the schema's output", async () => {
      const handle = await omniq.enqueue(parse, { n: "42" });
      expect((await handle.get())?.funcArgs).toEqual({ n: "42" });
      await drain();
      expect(await handle.result()).toBe(42);
      await expect(omniq.enqueue(parse, { n: "x" })).rejects.toMatchObject({
        code: "INPUT_INVALID",
        message: expect.stringMatching(/^Expected the arguments of "parse" to satisfy its schema, got n: /),
      });
      expect((await omniq.stats()).tasks.ready).toBe(0);
    });

    test("waits for a schema that waits", async () => {
      const handle = await omniq.enqueue(slowSchema, "good");
      await expect(omniq.enqueue(slowSchema, "bad")).rejects.toMatchObject({ code: "INPUT_INVALID" });
      await expect(omniq.enqueueMany([slowSchema.with("bad"), { task: add, args: "no" as never, options: { id: "" } }])).rejects.toThrow(
        "`id`",
      );
      await drain();
      expect(await handle.result()).toBe("good");
    });

    test("refuses what cannot be stored or is no task, and writes nothing", async () => {
      // @ts-expect-error a function is no data
      await expect(omniq.enqueue(add, { x: 1, y: () => 2 })).rejects.toMatchObject({ code: "PAYLOAD_REFUSED" });
      await expect(omniq.enqueue({ name: "add" } as never)).rejects.toThrow(
        "Expected `task` to be a task made by defineTask(), got an object",
      );
      await expect(omniq.enqueue(add, { x: 1, y: 2 }, { priorty: 1 } as never)).rejects.toThrow("Did you mean `priority`?");
      expect((await omniq.tasks.find()).items).toEqual([]);
    });

    test("the same id again is the same task, with other arguments it is refused", async () => {
      const one = await omniq.enqueue(add, { x: 1, y: 2 }, { id: "own" });
      const two = await omniq.enqueue(add, { x: 1, y: 2 }, { id: "own" });
      expect([one.id, one.created, two.id, two.created]).toEqual(["own", true, "own", false]);
      await expect(omniq.enqueue(add, { x: 9, y: 2 }, { id: "own" })).rejects.toMatchObject({ code: "ID_REUSED" });
    });

    test("unique keeps, replaces or throws", async () => {
      const unique = { key: "k" };
      const first = await omniq.enqueue(add, { x: 1, y: 1 }, { unique });
      const kept = await omniq.enqueue(add, { x: 2, y: 2 }, { unique });
      expect([kept.id, kept.created]).toEqual([first.id, false]);
      const replaced = await omniq.enqueue(add, { x: 3, y: 3 }, { unique: { ...unique, onConflict: "replace" } });
      expect(replaced.id).toBe(first.id);
      expect((await first.get())?.funcArgs).toEqual({ x: 3, y: 3 });
      await expect(omniq.enqueue(add, { x: 4, y: 4 }, { unique: { ...unique, onConflict: "throw" } })).rejects.toMatchObject({
        code: "UNIQUE_CONFLICT",
      });
      // Another definition may use the same word.
      expect((await omniq.enqueue(parse, { n: 1 }, { unique })).created).toBe(true);
    });

    test("a replacement that would be due only after its TTL is refused like any other, and the holder stays", async () => {
      const unique = { key: "k", onConflict: "replace" } as const;
      const first = await omniq.enqueue(add, { x: 1, y: 1 }, { runIn: "5m", ttl: "10m", unique });
      for (const late of [{ runIn: "10m" }, { runAt: new Date(Date.now() + 700_000) }] as const) {
        const put = omniq.enqueue(add, { x: 2, y: 2 }, { ...late, ttl: "10m", unique });
        await expect(put).rejects.toMatchObject({ code: "INVALID_OPTION" });
      }
      expect((await first.get())?.funcArgs).toEqual({ x: 1, y: 1 });
    });

    test("a task is not retried while another holds its unique key; a filter counts it", async () => {
      const unique = { key: "k" };
      const one = await omniq.enqueue(add, { x: 1, y: 1 }, { unique });
      await one.cancel();
      const other = await omniq.enqueue(add, { x: 2, y: 2 }, { unique });
      expect(await omniq.tasks.retry(one.id)).toEqual({ is: "conflict", over: "unique", taskId: other.id });
      expect(await omniq.tasks.retry({ phase: "cancelled" })).toEqual({ conflict: 1 });
      await drain();
      expect(await omniq.tasks.retry({ phase: "cancelled" })).toEqual({ retried: 1 });
      expect((await omniq.enqueue(add, { x: 3, y: 3 }, { unique })).id).toBe(one.id);
      await one.cancel();
      await (await omniq.enqueue(add, { x: 4, y: 4 }, { unique })).cancel();
      expect(await omniq.tasks.retry({ phase: "cancelled" }), "of two the older gets it").toEqual({ retried: 1, conflict: 1 });
      expect((await one.get())?.phase).toBe("ready");
    });

    test("by name", async () => {
      const handle = await omniq.enqueueNamed<number>("add", { x: 1, y: 2 }, { tags: ["named"] });
      await drain();
      expect(await handle.result()).toBe(3);
      await expect(omniq.enqueueNamed("")).rejects.toThrow("Expected `task.name`");
    });

    test("tx is refused where the backend has none", async () => {
      await expect(omniq.enqueue(add, { x: 1, y: 2 }, { tx: {} })).rejects.toMatchObject({ code: "TX_UNSUPPORTED" });
    });
  });

  describe("enqueueMany", () => {
    test("all in one call, the handles in the order given, parents first whatever the order", async () => {
      const [child, parent] = await omniq.enqueueMany([
        add.with({ x: 1, y: 1 }, { dependsOn: ["parent"], id: "child" }),
        { task: parse, args: { n: "7" }, options: { id: "parent" } },
      ]);
      expect([child.id, parent.id]).toEqual(["child", "parent"]);
      expect((await omniq.tasks.why("child")).reason).toBe("blocked");
      await drain();
      expect([await child.result(), await parent.result()]).toEqual([2, 7]);
      expect(await omniq.enqueueMany([])).toEqual([]);
    });

    test("or nothing", async () => {
      const good = add.with({ x: 1, y: 1 });
      await expect(omniq.enqueueMany([good, { ...good, options: { tx: {} } as object }])).rejects.toThrow(
        "Expected `calls[1].options.tx` to be given once for all of them, as enqueueMany(calls, { tx }), got an object",
      );
      await expect(omniq.enqueueMany([good, parse.with({ n: "x" })])).rejects.toMatchObject({ code: "INPUT_INVALID" });
      await expect(omniq.enqueueMany([good, add.with({ x: 1, y: 1 }, { dependsOn: ["gone"] })])).rejects.toMatchObject({
        code: "UNKNOWN_PARENT",
      });
      const circle = [add.with({ x: 1, y: 1 }, { id: "a", dependsOn: ["b"] }), add.with({ x: 1, y: 1 }, { id: "b", dependsOn: ["a"] })];
      await expect(omniq.enqueueMany(circle)).rejects.toMatchObject({ code: "DEPENDENCY_CYCLE" });
      await expect(omniq.enqueue(add, { x: 1, y: 1 }, { id: "a", dependsOn: ["a"] })).rejects.toMatchObject({ code: "DEPENDENCY_CYCLE" });
      const twice = [add.with({ x: 1, y: 1 }, { id: "a" }), add.with({ x: 1, y: 1 }, { id: "a" })];
      await expect(omniq.enqueueMany(twice)).rejects.toMatchObject({ code: "ID_REUSED" });
      await expect(omniq.enqueueMany("x" as never)).rejects.toThrow("Expected `calls` to be an array");
      await expect(omniq.enqueueMany([3] as never)).rejects.toThrow("Expected `calls[0]` to be an object");
      await expect(omniq.enqueueMany([{ task: add, argz: {} }] as never)).rejects.toThrow("Did you mean `args`?");
      expect((await omniq.tasks.find({ func: "parse" })).items).toEqual([]);
    });
  });

  describe("result", () => {
    test("waits for the end, beyond a failure that will be retried", async () => {
      const handle = await omniq.enqueue(retries);
      await drain();
      let told = false;
      const waiting = handle.result().finally(() => (told = true));
      await clock.advance(1_000);
      expect(told).toBe(false);
      expect(await omniq.results.get(handle.id)).toMatchObject({ status: "failed", error: "Error: first" });
      await clock.advance(4_000);
      await drain();
      expect(await waiting).toBe(2);
    });

    test("tells what the handler threw", async () => {
      const handle = await omniq.enqueue(fails);
      await drain();
      await expect(handle.result()).rejects.toMatchObject({ code: "TASK_FAILED", failure: { name: "TypeError", message: "no" } });
    });

    test("many callers of one task, and of many tasks", async () => {
      const handles = await Promise.all([1, 2, 3].map((x) => omniq.enqueue(add, { x, y: 0 })));
      const waiting = Promise.all([...handles, ...handles].map((handle) => handle.result()));
      await drain();
      expect(await waiting).toEqual([1, 2, 3, 1, 2, 3]);
    });

    test("gives up after its timeout or at a signal, and the task goes on", async () => {
      const handle = await omniq.enqueue(add, { x: 1, y: 2 });
      const late = expect(handle.result({ timeout: "2s" })).rejects.toMatchObject({ code: "RESULT_TIMEOUT" });
      const controller = new AbortController();
      const aborted = expect(handle.result({ signal: controller.signal })).rejects.toThrow("enough");
      await clock.advance(1_999);
      controller.abort(new Error("enough"));
      await aborted;
      await clock.advance(1);
      await late;
      await expect(handle.result({ signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
      await expect(handle.result({ timout: 5 } as never)).rejects.toThrow("Did you mean `timeout`?");
      await expect(handle.result({ signal: {} as never })).rejects.toThrow("Expected `signal` to be an AbortSignal");
      await drain();
      expect(await handle.result({ timeout: 0 })).toBe(3);
    });

    test("never hangs: not when the task is cancelled, deleted or past its TTL, and no worker is there", async () => {
      const cancelled = await omniq.enqueue(add, { x: 1, y: 2 });
      const deleted = await omniq.enqueue(add, { x: 2, y: 2 });
      const expires = await omniq.enqueue(add, { x: 3, y: 2 }, { ttl: "5s" });
      const orphan = await omniq.enqueue(add, { x: 4, y: 2 }, { dependsOn: [cancelled] });
      const told = Promise.allSettled([cancelled, deleted, expires, orphan].map((handle) => handle.result()));
      await clock.advance(10);
      expect(await cancelled.cancel("no need")).toBe("cancelled");
      expect(await omniq.tasks.delete(deleted.id)).toBe("deleted");
      await clock.advance(6_000);
      expect((await told).map((each) => each.status === "rejected" && each.reason.code)).toEqual([
        "TASK_CANCELLED",
        "TASK_NOT_FOUND",
        "TASK_EXPIRED",
        "TASK_CANCELLED",
      ]);
      expect((await expires.events()).map((event) => event.eventType)).toEqual(["enqueued", "expired"]);
    });

    test("never hangs: not when OmniQ is closed", async () => {
      const handle = await omniq.enqueue(add, { x: 1, y: 2 });
      const waiting = expect(handle.result()).rejects.toMatchObject({ code: "CLOSED" });
      await clock.advance(10);
      await omniq.close();
      await waiting;
      await expect(handle.result()).rejects.toMatchObject({ code: "CLOSED" });
      await expect(omniq.enqueue(add, { x: 1, y: 2 })).rejects.toMatchObject({ code: "CLOSED" });
    });

    test("by the id alone, typed or not", async () => {
      const { id } = await omniq.enqueue(add, { x: 1, y: 2 });
      await drain();
      const sum: number = await omniq.handle(add, id).result();
      expect([sum, await omniq.handle(id).result()]).toEqual([3, 3]);
      expect(() => omniq.handle("")).toThrow("Expected `id`");
    });

    test("says that a result is not stored, or past its TTL", async () => {
      const kept = await omniq.enqueue(add, { x: 1, y: 2 }, { storeResult: false });
      const short = await omniq.enqueue(add, { x: 1, y: 2 }, { resultTtl: "1s" });
      await drain();
      await expect(kept.result()).rejects.toMatchObject({ code: "RESULT_NOT_STORED" });
      expect(await short.result()).toBe(3);
      await clock.advance(1_000);
      await expect(short.result()).rejects.toMatchObject({ code: "RESULT_EXPIRED" });
      expect(await omniq.results.get(short.id)).toBeUndefined();
    });
  });

  test("a handler's children have ids of their parent's making, and a callback is told of the end", async () => {
    const handle = await omniq.enqueue(family, undefined, { callback: ended, callbackArgs: { note: "n", status: "mine" } });
    await drain();
    expect(await handle.result()).toBe(`${handle.id}.1`);
    await drain(["children"]);
    expect(await omniq.handle(`${handle.id}.1`).result()).toBe(5);
    const [told] = (await omniq.tasks.find({ func: "ended" })).items;
    expect(told?.funcArgs).toMatchObject({ note: "n", status: "completed", taskId: handle.id, result: `${handle.id}.1` });
  });

  test("a second attempt finds the child of the first, also when its arguments have changed", async () => {
    let tries = 0;
    const parent = defineTask({
      name: "changing",
      retryDelay: 0,
      handler: async (_: void, ctx) => {
        const child = await ctx.enqueue(add, { x: ++tries, y: 0 }, { queueName: "children" });
        if (tries === 1) throw new Error("once");
        return [child.id, child.created];
      },
    });
    const handle = await omniq.enqueue(parent);
    await omniq.worker({ tasks: [parent] }).drain();
    expect(await handle.result()).toEqual([`${handle.id}.1`, false]);
    expect((await omniq.tasks.get(`${handle.id}.1`))?.funcArgs).toEqual({ x: 1, y: 0 });
    expect(() => omniq.worker(undefined as never)).toThrow("Expected `options` to be an object with `tasks`");
  });

  describe("tasks", () => {
    test("find: by what is asked, newest first, page by page", async () => {
      for (let x = 0; x < 5; x++) {
        await omniq.enqueue(add, { x, y: 0 }, { tags: x % 2 === 0 ? ["even", "number"] : ["number"] });
        await clock.advance(1_000);
      }
      await omniq.enqueue(parse, { n: 1 }, { queueName: "other", runIn: "1h" });
      const numbers = async (filter: Parameters<typeof omniq.tasks.find>[0]): Promise<readonly unknown[]> =>
        (await omniq.tasks.find(filter)).items.map((task) => (task.funcArgs as { x?: number }).x);
      expect(await numbers({ func: "add" })).toEqual([4, 3, 2, 1, 0]);
      expect(await numbers({ tags: ["number", "even"] })).toEqual([4, 2, 0]);
      expect(
        await numbers({ phase: "ready", createdFrom: new Date(clock.now() - 3_000), createdTo: new Date(clock.now() - 1_500) }),
      ).toEqual([3, 2]);
      expect((await omniq.tasks.find({ phase: "delayed" })).items).toMatchObject([{ func: "parse", queueName: "other" }]);
      const page = await omniq.tasks.find({ func: "add", limit: 2 });
      expect(page.items).toHaveLength(2);
      expect(await numbers({ func: "add", limit: 2, ...(page.next === undefined ? {} : { after: page.next }) })).toEqual([2, 1]);
      await expect(omniq.tasks.find({ phaze: "ready" } as never)).rejects.toThrow("Did you mean `phase`?");
      await expect(omniq.tasks.find({ phase: "waiting" as never })).rejects.toThrow("Expected `phase` to be one of ready");
      await expect(omniq.tasks.find({ limit: 5_000 })).rejects.toThrow("Expected `limit` to be at most 1000");
    });

    test("cancel, retry and delete take an id", async () => {
      const handle = await omniq.enqueue(add, { x: 1, y: 2 });
      expect(await omniq.tasks.cancel(handle.id, { reason: "why not" })).toBe("cancelled");
      expect(await handle.get()).toMatchObject({ status: "cancelled", reason: "why not" });
      const long = await omniq.enqueue(add, { x: 1, y: 2 });
      await long.cancel(`${"x".repeat(499)}😀`);
      expect((await long.get())?.reason).toBe(`${"x".repeat(499)}\uFFFD`);
      expect(await omniq.tasks.cancel(handle.id)).toBe("final");
      expect(await omniq.tasks.retry(handle.id)).toBe("retried");
      expect(await omniq.tasks.retry(handle.id)).toBe("not-final");
      expect((await handle.events()).map((event) => event.eventType)).toEqual(["enqueued", "cancelled", "requeued"]);
      await drain();
      expect(await handle.result()).toBe(3);
      expect(await omniq.tasks.delete(handle.id)).toBe("deleted");
      expect(await omniq.tasks.get(handle.id)).toBeUndefined();
      for (const verb of ["cancel", "retry", "delete"] as const) expect(await omniq.tasks[verb](handle.id)).toBe("missing");
    });

    test("cancel, retry and delete take a filter, which says something", async () => {
      const calls = Array.from({ length: 450 }, (_each, x) => add.with({ x, y: 0 }, { tags: ["many"] }));
      await omniq.enqueueMany(calls);
      await omniq.enqueue(add, { x: 0, y: 0 }, { queueName: "other" });
      expect(await omniq.tasks.cancel({ tags: ["many"] })).toEqual({ cancelled: 450 });
      expect((await omniq.stats()).tasks).toMatchObject({ cancelled: 450, ready: 1 });
      expect(await omniq.tasks.retry({ status: "cancelled", func: "add" })).toEqual({ retried: 450 });
      expect(await omniq.tasks.delete({ queueName: "default" })).toEqual({ deleted: 450 });
      await expect(omniq.tasks.delete({})).rejects.toThrow("Expected the filter to say which tasks are meant");
      await expect(omniq.tasks.cancel({ limit: 3 } as never)).rejects.toThrow("got `limit`");
      await expect(omniq.tasks.cancel(3 as never)).rejects.toThrow("Expected `filter` to be an object");
      await expect(omniq.tasks.get("")).rejects.toThrow("Expected `id` to be the id of a task");
    });

    test("retry by a filter brings parents back before their children, across its pages", async () => {
      const tags = ["nightly"];
      await omniq.enqueue(add, { x: 0, y: 0 }, { tags });
      await drain();
      const parent = await omniq.enqueue(add, { x: 0, y: 0 }, { tags });
      const near = await omniq.enqueue(add, { x: 0, y: 1 }, { tags, dependsOn: [parent] });
      await omniq.enqueueMany(Array.from({ length: 450 }, (_each, x) => add.with({ x, y: 2 }, { tags })));
      const far = await omniq.enqueue(add, { x: 0, y: 3 }, { tags, dependsOn: [near] });
      await omniq.tasks.cancel({ phase: "ready" });
      expect((await omniq.stats()).tasks).toMatchObject({ cancelled: 453, completed: 1 });
      expect(await omniq.tasks.retry({ tags })).toEqual({ retried: 453, "not-final": 1 });
      expect([(await near.get())?.phase, (await far.get())?.phase]).toEqual(["blocked", "blocked"]);
      await drain();
      expect((await omniq.stats()).tasks).toMatchObject({ completed: 454, blocked: 0 });
    });

    test("the children of a cancelled task end with it, however many", async () => {
      const parent = await omniq.enqueue(add, { x: 0, y: 0 });
      await omniq.enqueueMany(Array.from({ length: 600 }, (_each, x) => add.with({ x, y: 1 }, { dependsOn: [parent] })));
      expect(await parent.cancel()).toBe("cancelled");
      expect((await omniq.stats()).tasks).toMatchObject({ cancelled: 601, blocked: 0 });
      expect((await omniq.stats()).events.byType).toEqual({ enqueued: 601, cancelled: 601 });
    });
  });

  describe("events", () => {
    test("find is newest first", async () => {
      const handle = await omniq.enqueue(add, { x: 1, y: 2 });
      await drain();
      const types = async (filter: Parameters<typeof omniq.events.find>[0]): Promise<readonly string[]> =>
        (await omniq.events.find(filter)).map((event) => event.eventType);
      expect(await types({ taskId: handle.id })).toEqual(["completed", "executing", "enqueued"]);
      expect(await types({ eventType: "executing", limit: 1 })).toEqual(["executing"]);
      expect(await types({ from: new Date(clock.now() + 1) })).toEqual([]);
      expect(await types({ to: new Date(clock.now()), limit: 2 })).toEqual(["completed", "executing"]);
      await expect(omniq.events.find({ eventType: "done" as never })).rejects.toThrow("Expected `eventType` to be one of enqueued");
    });

    test("follow is oldest first, goes on with what comes, and again after a cursor", async () => {
      await omniq.enqueue(add, { x: 1, y: 2 }, { id: "one" });
      const seen: string[] = [];
      let cursor = "";
      const controller = new AbortController();
      const following = (async () => {
        for await (const event of omniq.events.follow({ signal: controller.signal })) {
          seen.push(`${event.taskId} ${event.eventType}`);
          if (seen.length === 2) cursor = event.cursor;
        }
      })();
      await clock.advance(10);
      expect(seen).toEqual(["one enqueued"]);
      await omniq.enqueue(add, { x: 1, y: 2 }, { id: "two" });
      await drain();
      await clock.advance(1_000);
      expect(seen).toHaveLength(6);
      controller.abort();
      await following;
      const again: string[] = [];
      for await (const event of omniq.events.follow({ after: cursor })) {
        again.push(`${event.taskId} ${event.eventType}`);
        if (again.length === 4) break;
      }
      expect(again).toEqual(seen.slice(2));
    });

    test("a cursor that nobody was given is refused, and other questions of the same turn are answered", async () => {
      const handle = await omniq.enqueue(add, { x: 1, y: 2 });
      for (const after of ["junk", "", "-1", "1.5", "9".repeat(16)]) {
        const bad = { code: "INVALID_OPTION" };
        const asked = Promise.allSettled([
          omniq.tasks.find({ after }),
          handle.get(),
          omniq.events.follow({ after }).next(),
          omniq.tasks.find(),
        ]);
        await clock.advance(10);
        expect(await asked).toMatchObject([
          { reason: bad },
          { value: { id: handle.id } },
          { reason: bad },
          { value: { items: [{ id: handle.id }] } },
        ]);
      }
    });

    test("follow from now on, of some kind, until OmniQ is closed", async () => {
      await omniq.enqueue(add, { x: 1, y: 2 });
      const seen: unknown[] = [];
      const following = (async () => {
        for await (const event of omniq.events.follow({ after: "now", eventType: "cancelled" })) seen.push(event.taskId);
      })();
      await clock.advance(10);
      const handle = await omniq.enqueue(add, { x: 1, y: 2 });
      await handle.cancel();
      await clock.advance(1_000);
      await omniq.close();
      await following;
      expect(seen).toEqual([handle.id]);
      expect(() => omniq.events.follow({ limit: 3 } as never)).toThrow("got `limit`");
      expect(() => omniq.events.follow({ after: 3 as never })).toThrow("Expected `after`");
      expect(() => omniq.events.follow({ signal: 3 as never })).toThrow("Expected `signal`");
    });
  });

  describe("schedules", () => {
    test("fire when due, and the same code again changes nothing", async () => {
      const options = { id: "hourly", every: "1h", tags: ["s"], maxRuns: 5, name: "Hourly" } as const;
      const made = await omniq.schedule(add, { x: 1, y: 2 }, options);
      expect(made).toMatchObject({ id: "hourly", created: true, changed: false });
      expect(await made.get()).toMatchObject({
        func: "add",
        queueName: "default",
        funcArgs: { x: 1, y: 2 },
        interval: 3_600_000,
        status: "active",
        nextRunAt: new Date(clock.now() + 3_600_000),
      });
      await clock.advance(3_600_000);
      await drain();
      expect(await made.latest()).toMatchObject({ result: 3, scheduleId: "hourly" });
      const before = await made.get();
      expect(before).toMatchObject({ runCount: 1, lastPhase: "completed" });
      expect(await omniq.schedule(add, { x: 1, y: 2 }, options)).toMatchObject({ created: false, changed: false });
      expect((await made.get())?.revision).toBe(before?.revision);
      const changed = await omniq.schedule(add, { x: 5, y: 5 }, { ...options, every: "2h" });
      expect(changed).toMatchObject({ created: false, changed: true });
      expect(await changed.get()).toMatchObject({ runCount: 1, interval: 7_200_000, nextRunAt: new Date(clock.now() + 7_200_000) });
      await clock.advance(7_200_000);
      await drain();
      expect(await omniq.results.latest("hourly")).toMatchObject({ result: 10 });
      expect((await omniq.results.latest("hourly"))?.taskId).toBe((await made.get())?.lastTaskId);
    });

    test("a handle pauses, resumes, previews, runs and deletes its schedule", async () => {
      const handle = await omniq.schedule(add, { x: 1, y: 2 }, { every: "1h" });
      expect(await handle.pause()).toMatchObject({ status: "paused" });
      expect(await handle.resume()).toMatchObject({ status: "active" });
      expect(await handle.preview(2)).toEqual([new Date(clock.now() + 3_600_000), new Date(clock.now() + 7_200_000)]);
      const before = await handle.get();
      const now = await handle.runNow();
      await drain();
      expect(await now.result()).toBe(3);
      expect(await handle.get()).toMatchObject({
        runCount: 0,
        nextRunAt: before?.nextRunAt,
        lastTaskId: now.id,
        lastRunAt: new Date(clock.now()),
      });
      expect((await omniq.events.find({ scheduleId: handle.id, eventType: "schedule_fired" }))[0]).toMatchObject({
        taskId: now.id,
        data: { byHand: true },
      });
      expect(await handle.delete()).toBe(true);
      expect(await handle.delete()).toBe(false);
      expect(await handle.get()).toBeUndefined();
      expect(await handle.latest()).toMatchObject({ result: 3 });
      for (const call of [() => handle.pause(), () => handle.resume(), () => handle.runNow(), () => handle.preview()]) {
        await expect(call()).rejects.toMatchObject({ code: "SCHEDULE_NOT_FOUND" });
      }
    });

    test("a paused one runs by hand, too; where none may overlap only when nothing of it is open", async () => {
      const handle = await omniq.schedule(add, { x: 1, y: 2 }, { id: "alone", every: "1h", overlap: "skip" });
      await handle.pause();
      const first = await handle.runNow();
      expect((await handle.get())?.lastPhase).toBe("ready");
      await expect(handle.runNow()).rejects.toMatchObject({ code: "CONFLICT", message: expect.stringContaining(first.id) as string });
      await drain();
      expect((await handle.runNow()).id).not.toBe(first.id);
      const allowed = await omniq.schedule(add, { x: 1, y: 2 }, { id: "many", every: "1h" });
      await Promise.all([allowed.runNow(), allowed.runNow()]);
      expect((await omniq.tasks.find({ scheduleId: "many" })).items).toHaveLength(2);
    });

    test("by name alone, and for a task that was enqueued", async () => {
      const named = await omniq.scheduleNamed<number>(add.name, { x: 2, y: 2 }, { id: "named", once: true });
      await drain();
      expect(await named.latest()).toMatchObject({ result: 4 });
      const task = await omniq.enqueue(add, { x: 3, y: 4 }, { id: "model", priority: 7, tags: ["kept"], maxRetries: 9, runIn: "1d" });
      const options = { id: "copied", every: "1h", priority: 1, ttl: "30m", queueName: "default" } as const;
      const copied = await omniq.scheduleTask(task, options);
      expect(await copied.get()).toMatchObject({ taskId: "model" });
      const run = await copied.runNow();
      expect(await run.get()).toMatchObject({ priority: 1, ttl: 1_800_000, tags: ["kept"], maxRetries: 9, funcArgs: { x: 3, y: 4 } });
      expect((await task.get())?.status).toBe("pending");
      // Its task is gone: the same call still changes nothing, and another id finds nothing to copy.
      await omniq.tasks.delete("model");
      expect(await omniq.scheduleTask("model", options)).toMatchObject({ created: false, changed: false });
      expect(await omniq.scheduleTask("model", { ...options, every: "2h" })).toMatchObject({ changed: true });
      await expect(omniq.scheduleTask("other", options), "a schedule of another task").rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
      await expect(omniq.scheduleTask("model", { every: "1h" })).rejects.toMatchObject({ code: "TASK_NOT_FOUND" });
      await expect(omniq.scheduleTask(5 as never, { every: "1h" })).rejects.toMatchObject({ code: "INVALID_OPTION" });
      await expect(omniq.scheduleNamed("", {}, { every: "1h" })).rejects.toMatchObject({ code: "INVALID_OPTION" });
    });

    test("what the options say of its times is kept, changed in place, and refused where it is wrong", async () => {
      const [startAt, endAt] = [new Date(clock.now() + 5_000), new Date(clock.now() + 9_000)];
      const options = { id: "s", every: 2_000, startAt, endAt, jitter: "1s", catchUp: { all: 3 }, overlap: "skip" } as const;
      const handle = await omniq.schedule(add, { x: 1, y: 2 }, options);
      expect(await handle.get()).toMatchObject({ startAt, endAt, jitter: 1_000, catchUp: { all: 3 }, overlap: "skip", nextRunAt: startAt });
      expect(await omniq.schedule(add, { x: 1, y: 2 }, options)).toMatchObject({ changed: false });
      expect(await handle.preview()).toEqual([5_000, 7_000, 9_000].map((ms) => new Date(clock.now() + ms)));
      expect(await omniq.schedule(add, { x: 1, y: 2 }, { ...options, jitter: 0, catchUp: "skip" })).toMatchObject({ changed: true });
      expect(await handle.get()).toMatchObject({ jitter: undefined, catchUp: "skip", nextRunAt: startAt });
      const wrong: readonly [object, string][] = [
        [{ every: "1h", catchUp: "none" }, "catchUp"],
        [{ every: "1h", catchUp: { all: 1_001 } }, "catchUp"],
        [{ every: "1h", overlap: "queue" }, "overlap"],
        [{ every: "1h", jitter: "soon" }, "jitter"],
        [{ every: "1h", jitter: "1m", ttl: "1m" }, "jitter"],
        [{ every: "1h", startAt: endAt, endAt: startAt }, "endAt"],
        [{ at: startAt, startAt }, "startAt"],
        [{ every: "1h", endAt: "tomorrow" }, "endAt"],
        [{ every: "1h", starAt: startAt }, "startAt"],
      ];
      for (const [options, name] of wrong) {
        await expect(omniq.schedule(add, { x: 1, y: 2 }, options as never)).rejects.toThrow(`\`${name}\``);
      }
    });

    test("resumed from a time on, it makes up for what came since, as its policy says", async () => {
      const handle = await omniq.schedule(add, { x: 1, y: 2 }, { id: "s", cron: "* * * * *", catchUp: { all: 10 } });
      await handle.pause();
      const paused = new Date(clock.now());
      await clock.advance(5 * 60_000);
      await handle.resume({ from: paused });
      await drain();
      expect(await handle.get()).toMatchObject({ runCount: 5 });
      await handle.pause();
      await handle.resume({ from: new Date(clock.now() + 3_600_000) });
      expect((await handle.get())?.nextRunAt).toEqual(new Date(clock.now() + 3_660_000));
      await expect(handle.resume({ from: "now" as never })).rejects.toThrow("`from`");
      await expect(handle.resume(null as never)).rejects.toThrow("`options`");
      await expect(omniq.schedules.list(null as never)).rejects.toThrow("`filter`");
      const unique = await omniq.schedule(add, { x: 1, y: 2 }, { every: "1h", unique: { key: "k", onConflict: "throw" } });
      await unique.runNow();
      await expect(unique.runNow()).rejects.toMatchObject({ code: "UNIQUE_CONFLICT" });
      await expect(handle.resume({ form: paused } as never)).rejects.toMatchObject({ code: "UNKNOWN_OPTION" });
    });

    test("a preview needs no schedule", async () => {
      const dates = await omniq.schedules.preview(
        { cron: "30 2 * * *", timezone: "Europe/Berlin", startAt: new Date("2026-03-28T00:00:00Z") },
        3,
      );
      expect(dates.map((date) => date.toISOString())).toEqual([
        "2026-03-28T01:30:00.000Z",
        "2026-03-29T01:00:00.000Z",
        "2026-03-30T00:30:00.000Z",
      ]);
      expect(await omniq.schedules.preview({ every: "1h", endAt: new Date(clock.now() + 1) })).toEqual([]);
      expect(await omniq.schedules.preview({ every: "1h" })).toHaveLength(5);
      await expect(omniq.schedules.preview({ every: "1h", jitter: 5 } as never)).rejects.toMatchObject({ code: "UNKNOWN_OPTION" });
      await expect(omniq.schedules.preview(null as never)).rejects.toMatchObject({ code: "INVALID_OPTION" });
      await expect(omniq.schedules.preview({ every: "1h" }, 1_001)).rejects.toThrow("`count`");
      await expect(omniq.schedules.preview({ every: "1h" }, 0)).rejects.toThrow("`count`");
    });

    test("get, list, pause, resume and delete", async () => {
      await omniq.schedule(add, { x: 1, y: 2 }, { id: "a", cron: "0 3 * * *", timezone: "Europe/Berlin" });
      await omniq.schedule(add, { x: 1, y: 2 }, { id: "b", at: new Date(clock.now() + 1_000) });
      await omniq.schedule(add, { x: 1, y: 2 }, { once: true });
      expect((await omniq.schedules.list()).map((schedule) => schedule.scheduleType)).toEqual(["once", "timestamp", "cron"]);
      expect(await omniq.schedules.pause("b")).toMatchObject({ status: "paused", nextRunAt: undefined });
      expect((await omniq.schedules.pause("b")).status).toBe("paused");
      expect((await omniq.schedules.list({ status: "paused" })).map(({ id }) => id)).toEqual(["b"]);
      expect(await omniq.schedules.resume("b")).toMatchObject({ status: "active", nextRunAt: new Date(clock.now() + 1_000) });
      const types = (await omniq.events.find({ scheduleId: "b" })).map((event) => event.eventType);
      expect(types).toEqual(["schedule_resumed", "schedule_paused"]);
      expect(await omniq.schedules.delete("b")).toBe(true);
      expect(await omniq.schedules.delete("b")).toBe(false);
      expect(await omniq.schedules.get("b")).toBeUndefined();
      expect(await omniq.schedules.get("a")).toMatchObject({ cronExpression: "0 3 * * *", timezone: "Europe/Berlin" });
      await expect(omniq.schedules.pause("b")).rejects.toMatchObject({ code: "SCHEDULE_NOT_FOUND" });
      await expect(omniq.schedules.list({ status: "gone" as never })).rejects.toThrow("Expected `status`");
    });

    test("one that is deleted while it is made again is there in the end", async () => {
      const options = { id: "a", every: "1h" } as const;
      await omniq.schedule(add, { x: 1, y: 2 }, options);
      const calls = [1, 2, 3, 4].flatMap((x) => [omniq.schedule(add, { x, y: x }, options), omniq.schedules.delete("a")]);
      await Promise.all(calls);
      await omniq.schedule(add, { x: 9, y: 9 }, options);
      expect((await omniq.schedules.get("a"))?.funcArgs).toEqual({ x: 9, y: 9 });
    });

    test("several changes at once all come through", async () => {
      await omniq.schedule(add, { x: 1, y: 2 }, { id: "a", every: "1h" });
      const changes = [1, 2, 3].map((x) => omniq.schedule(add, { x, y: x }, { id: "a", every: "1h" }));
      await Promise.all(changes);
      expect((await omniq.schedules.get("a"))?.revision).toBeGreaterThan(1);
    });

    test.each([
      [{}, "Expected exactly one of `cron`, `every`, `at` and `once`, got none"],
      [{ every: "1h", once: true }, "got `every` and `once`"],
      [{ every: 0 }, "Expected `every` to be a duration longer than 0"],
      [{ cron: "nonsense" }, "Expected `cron` to be a cron expression"],
      [{ cron: "0 0 * * *", timezone: "Mars" }, "Expected `timezone` to be an IANA time zone"],
      [{ cron: "0 0 * * *", timezone: null }, "Expected `timezone` to be an IANA time zone"],
      [{ every: "1h", startAt: new Date(8.64e15) }, "Expected `startAt` to be a time from 1970 to the end of 9999"],
      [{ every: "1h", timezone: "UTC" }, "Expected `timezone` to be absent where there is no `cron`"],
      [{ at: "tomorrow" }, "Expected `at` to be a valid Date"],
      [{ once: 1 }, "Expected `once` to be true or absent"],
      [{ once: true, maxRuns: 0 }, "Expected `maxRuns`"],
      [{ once: true, name: "" }, "Expected `name`"],
      [{ once: true, id: 3 }, "Expected `id`"],
      [{ once: true, runAt: new Date(0) }, "got `runAt`"],
    ])("%j is refused: %s", async (options, message) => {
      await expect(omniq.schedule(add, { x: 1, y: 2 }, options as never)).rejects.toThrow(message);
      expect(await omniq.schedules.list()).toEqual([]);
    });

    test.each<[string, (omniq: OmniQ) => Promise<unknown>, string]>([
      ["a number for a filter", (o) => o.schedules.list(5 as never), "Expected `filter` to be an object, got 5"],
      ["a list for a filter", (o) => o.schedules.list([] as never), "Expected `filter` to be an object, got an array of 0"],
      ["a date for a filter", (o) => o.schedules.list(new Date(0) as never), "Expected `filter` to be an object, got 1970-01-01"],
      ["a key that no filter has", (o) => o.schedules.list({ state: "paused" } as never), "got `state`. Did you mean `status`?"],
      ["no limit", (o) => o.schedules.list({ limit: null } as never), "Expected `limit` to be a whole number of at least 1, got null"],
      [
        "a number for options",
        (o) => o.schedules.resume("s", 5 as never),
        "Expected `options` to be an object such as { from: date }, got 5",
      ],
      ["a date for options", (o) => o.schedules.resume("s", new Date(0) as never), "such as { from: date }, got 1970-01-01"],
      ["a key that no options have", (o) => o.schedules.resume("s", { frm: 1 } as never), "got `frm`. Did you mean `from`?"],
      ["no date", (o) => o.schedules.resume("s", { from: null } as never), "Expected `from` to be a valid Date, got null"],
      ["a date at the end of time", (o) => o.schedules.resume("s", { from: new Date(8.64e15) }), "Expected `from` to be a time from 1970"],
      ["a date before time", (o) => o.schedules.resume("s", { from: new Date(-1) }), "Expected `from` to be a time from 1970"],
      [
        "a start at the end of time",
        (o) => o.schedules.preview({ every: "1h", startAt: new Date(8.64e15) }),
        "Expected `startAt` to be a time",
      ],
      ["a number to be previewed", (o) => o.schedules.preview(5 as never), "the id of a schedule, or an object that says when, got 5"],
      ["nothing to be previewed", (o) => o.schedules.preview(undefined as never), "or an object that says when, got undefined"],
      ["a key that no timing has", (o) => o.schedules.preview({ evry: "1h" } as never), "got `evry`. Did you mean `every`?"],
      ["no count", (o) => o.schedules.preview("s", null as never), "Expected `count`"],
      ["no zone", (o) => o.schedules.preview({ cron: "@daily", timezone: null } as never), "Expected `timezone` to be an IANA time zone"],
      ["no zone of an interval", (o) => o.schedules.preview({ every: 5, timezone: null } as never), "where there is no `cron`, got null"],
      ["no id to get", (o) => o.schedules.get(undefined as never), "Expected `id` to be an id"],
      ["an object to get", (o) => o.schedules.get({ id: "s" } as never), "Expected `id` to be an id"],
      ["a number to pause", (o) => o.schedules.pause(5 as never), "Expected `id` to be an id"],
      ["a list to delete", (o) => o.schedules.delete(["s"] as never), "Expected `id` to be an id"],
      ["no id to run", (o) => o.schedules.runNow(null as never), "Expected `id` to be an id"],
      ["no id of results", (o) => o.schedules.latest(""), "Expected `id` to be an id"],
    ])("%s is refused, and changes nothing", async (_, wrong, message) => {
      const handle = await omniq.schedule(add, { x: 1, y: 2 }, { id: "s", every: "1h" });
      await handle.pause();
      const before = await handle.get();
      await expect(wrong(omniq)).rejects.toThrow(InvalidOptionError);
      await expect(wrong(omniq)).rejects.toThrow(message);
      expect(await handle.get()).toEqual(before);
      expect(await handle.resume()).toMatchObject({ status: "active", nextRunAt: new Date(clock.now() + 3_600_000) });
    });

    test("the arguments are checked", async () => {
      await expect(omniq.schedule(parse, { n: "x" }, { once: true })).rejects.toMatchObject({ code: "INPUT_INVALID" });
      await expect(omniq.schedule("add" as never, {} as never, { once: true })).rejects.toThrow("made by defineTask()");
    });
  });

  test("queues are listed, paused, resumed and cleared", async () => {
    const handle = await omniq.enqueue(add, { x: 1, y: 2 }, { queueName: "high" });
    await omniq.enqueue(add, { x: 1, y: 2 }, { queueName: "high", runIn: "1h" });
    await omniq.queues.pause("high");
    expect(await omniq.queues.list()).toEqual([
      { name: "high", paused: true, pausedAt: new Date(clock.now()), readySince: new Date(clock.now()), tasks: { ready: 1, delayed: 1 } },
    ]);
    await drain(["high"]);
    expect((await handle.get())?.status).toBe("pending");
    await omniq.queues.resume("high");
    await drain(["high"]);
    expect(await handle.result()).toBe(3);
    expect(await omniq.queues.clear("high")).toBe(1);
    expect((await omniq.queues.list()).map(({ name, paused, tasks }) => [name, paused, tasks])).toEqual([["high", false, {}]]);
    await expect(omniq.queues.pause("")).rejects.toThrow("Expected `name`");
  });

  test("a worker that starts while OmniQ is closed is stopped or refused", async () => {
    const [early, late] = [omniq.worker({ tasks: [add] }), omniq.worker({ tasks: [add] })];
    await omniq.open();
    const starting = early.start();
    const closing = omniq.close();
    await expect(late.start()).rejects.toMatchObject({ code: "CLOSED" });
    await Promise.all([starting, closing]);
    expect([early.isRunning, late.isRunning]).toEqual([false, false]);
  });

  test("workers are listed while they work, and stopped by close", async () => {
    const worker = omniq.worker({ tasks: TASKS, queues: ["high", "default"], concurrency: 3 });
    await worker.start();
    expect(await omniq.workers.list()).toMatchObject([
      { queues: ["high", "default"], concurrency: 3, alive: true, startedAt: new Date(clock.now()) },
    ]);
    await omniq.close();
    expect(worker.isRunning).toBe(false);
  });

  test("stats and cleanup", async () => {
    await omniq.enqueue(add, { x: 1, y: 2 });
    await omniq.enqueue(fails);
    await drain();
    await omniq.enqueue(add, { x: 1, y: 2 }, { runIn: "90d", queueName: "later" });
    const { tasks, queues, more, results, events } = await omniq.stats();
    expect(tasks).toMatchObject({ completed: 1, failed: 1, delayed: 1, ready: 0 });
    expect({ queues, more }).toEqual({ queues: { later: { delayed: 1 } }, more: false });
    expect(results).toMatchObject({ total: 2, completed: 1, failed: 1 });
    expect(events).toMatchObject({ total: 7, oldest: new Date(clock.now()) });
    await clock.advance(8 * 86_400_000);
    expect(await omniq.cleanup()).toMatchObject({ tasks: { completed: 1, failed: 0, cancelled: 0, expired: 0 }, events: 0 });
    await clock.advance(30 * 86_400_000);
    const told: CleanedUp[] = [];
    const cleaned = await omniq.cleanup({ onProgress: (soFar) => told.push(soFar) });
    expect(cleaned).toMatchObject({ tasks: { failed: 1 }, events: 7 });
    expect(told.at(-1)).toEqual(cleaned);
    expect(told[0]).toMatchObject({ events: 0 });
    await expect(omniq.cleanup({ onProgres: () => {} } as never)).rejects.toThrow(/Did you mean `onProgress`/);
    expect((await omniq.stats()).tasks).toMatchObject({ completed: 0, failed: 0, delayed: 1 });
  });
});

describe("making an OmniQ", () => {
  test("does nothing until it is used", async () => {
    const omniq = new OmniQ({ baseDir: "/proc/nowhere" });
    await omniq.close();
    await omniq.close();
    await using other = new OmniQ({ url: "sqlite::memory:" });
    await other.open();
    expect((await other.stats()).tasks.ready).toBe(0);
  });

  test("what opens it closes it", async () => {
    const mine = new ModelBackend({ clock: new TestClock() });
    await mine.open();
    const omniq = new OmniQ({ backend: mine });
    await omniq.stats();
    await omniq.close();
    expect(mine.isOpen).toBe(true);
    const theirs = new ModelBackend({ clock: new TestClock() });
    const other = new OmniQ({ backend: theirs });
    await Promise.all([other.stats(), other.stats()]);
    await other.close();
    expect(theirs.isOpen).toBe(false);
  });

  test("opening that failed is tried again", async () => {
    let tries = 0;
    class Flaky extends ModelBackend {
      override readonly open = (): Promise<void> =>
        tries++ === 0 ? Promise.reject(new Error("not yet")) : Promise.resolve(this.sync.open());
    }
    const omniq = new OmniQ({ backend: new Flaky({ clock: new TestClock() }) });
    await expect(omniq.stats()).rejects.toThrow("not yet");
    expect((await omniq.stats()).more).toBe(false);
    await omniq.close();
  });

  test("results and events can lie elsewhere", async () => {
    const clock = new TestClock();
    const [main, results, events] = [1, 2, 3].map(() => new ModelBackend({ clock }));
    if (main === undefined || results === undefined || events === undefined) throw new Error("three were made");
    const omniq = new OmniQ<unknown>({ backend: main, results, events, clock });
    const handle = await omniq.enqueue(add, { x: 1, y: 2 });
    await omniq.worker({ tasks: [add] }).drain();
    expect(await handle.result()).toBe(3);
    expect((await handle.events()).map((event) => event.eventType)).toEqual(["enqueued", "executing", "completed"]);
    expect([(await main.results.stats(10_000)).total, (await results.results.stats(10_000)).total]).toEqual([0, 1]);
    const cancelled = await omniq.enqueue(add, { x: 1, y: 2 });
    await cancelled.cancel();
    await omniq.tasks.retry(cancelled.id);
    expect((await cancelled.events()).map((event) => event.eventType)).toEqual(["enqueued", "cancelled", "requeued"]);
    expect(await omniq.tasks.delete(handle.id)).toBe("deleted");
    expect((await results.results.stats(10_000)).total).toBe(0);
    await omniq.close();
  });

  test.each([
    [{ projectNam: "shop" }, "Did you mean `projectName`?"],
    [null, "Expected `options` to be an object"],
    [
      { backend: new ModelBackend({ clock: new TestClock() }), url: "sqlite:a.db" },
      "Expected `backend` to be given without `url`, got both",
    ],
    [{ url: "sqlite:a.db", baseDir: "." }, "Expected `url` to be given without `baseDir`"],
    [{ backend: {} }, "Expected `backend` to be a backend"],
    [{ results: 3 }, "Expected `results` to be a backend"],
    [{ url: "postgres://u:secret@host/db", durability: "normal" }, "Expected `durability` to be given with an SQLite file"],
    [{ url: "postgres://u:secret@host/db", baseDir: "." }, "Expected `url` to be given without `baseDir`"],
    [{ schema: "shop" }, "Expected `schema` to be given with a postgres:// URL"],
    [{ url: "mysql://u:secret@host/db" }, "Expected `url` to be a URL of a known scheme: sqlite:<path>"],
    [{ events: "redis:" }, "Expected `events` to be a URL of a known scheme"],
    [{ taskDefaults: { maxRetrys: 1 } }, "Did you mean `maxRetries`?"],
    [{ taskDefaults: 3 }, "Expected `taskDefaults` to be an object"],
    [{ retention: { done: "1d" } }, "`done`"],
    [{ payloadLimit: 0 }, "Expected `payloadLimit`"],
    [{ logger: {} }, "Expected `logger` to be an object with the methods debug, info, warn, error"],
    [{ clock: 3 }, "Expected `clock` to be an object with the methods now, monotonic, after"],
    [{ projectName: "" }, "Expected `projectName`"],
    [{ baseDir: 3 }, "Expected `baseDir`"],
  ])("%j is refused: %s", (options, message) => {
    expect(() => new OmniQ(options as never)).toThrow(message);
  });

  test("a URL with a password is never shown", () => {
    expect(() => new OmniQ({ url: "mysql://u:secret@host/db" })).toThrow(/^(?!.*secret)/s);
  });

  test("from a configuration: its stores, its defaults, its worker", async () => {
    const omniq = OmniQ.fromConfig(
      {
        projectName: "shop",
        taskQueue: { type: "sqlite", config: { url: "sqlite::memory:", queues: ["high", "low"] } },
        worker: { config: { maxWorkers: 3 } },
        taskDefaults: { maxRetries: 9, queueName: "high" },
      },
      { clock: new TestClock() },
    );
    const handle = await omniq.enqueue(add, { x: 1, y: 2 });
    expect(await handle.get()).toMatchObject({ maxRetries: 9, queueName: "high" });
    const worker = omniq.worker({ tasks: [add], concurrency: undefined });
    await worker.start();
    expect(await omniq.workers.list()).toMatchObject([{ queues: ["high", "low"], concurrency: 3 }]);
    await worker.drain();
    expect(await handle.result()).toBe(3);
    await omniq.close();
    expect(() => OmniQ.fromConfig({ projektName: "x" } as never)).toThrow("projektName");
  });
});
