/** `omniq/testing` as users have it: an OmniQ in memory on a clock, and one handler by itself. */
import { z } from "zod";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineTask } from "../../../src/index.ts";
import { drain, OutcomeError, runTask, TestClock, testOmniQ } from "../../../src/testing/index.ts";
import type { TestOmniQ } from "../../../src/testing/index.ts";

const add = defineTask({ name: "add", handler: ({ x, y }: { x: number; y: number }) => x + y });
const mail = defineTask({
  name: "mail",
  input: z.object({ to: z.string(), retries: z.number().default(0) }),
  queueName: "mails",
  maxRetries: 1,
  retryDelay: "5s",
  handler: async ({ to, retries }, ctx) => {
    if (ctx.attempt <= retries) throw new Error("not yet");
    await ctx.enqueue(add, { x: 1, y: 1 }, { queueName: "elsewhere" });
    return `sent to ${to}`;
  },
});

describe("testOmniQ", () => {
  let omniq: TestOmniQ;
  beforeEach(() => {
    omniq = testOmniQ({ tasks: [add, mail] });
  });
  afterEach(() => omniq.close());

  test("drain runs what is ready in every queue, and what handlers enqueue meanwhile", async () => {
    const handle = await omniq.enqueue(mail, { to: "ada" });
    await omniq.drain();
    expect(await handle.result()).toBe("sent to ada");
    const [child] = await omniq.expectEnqueued(add, { x: 1 });
    expect(child).toMatchObject({ status: "completed", queueName: "elsewhere" });
  });

  test("advance moves to the retry", async () => {
    const handle = await omniq.enqueue(mail, { to: "ada", retries: 1 });
    await omniq.drain();
    expect(await handle.get()).toMatchObject({ status: "failed", retryCount: 1 });
    await omniq.advance("5s");
    await omniq.drain();
    expect(await handle.result()).toBe("sent to ada");
  });

  test("the clock can be handed in, and is told from a plain one", async () => {
    const clock = new TestClock(Date.UTC(2030, 0, 1));
    const other = testOmniQ({ clock, tasks: [add] });
    const handle = await other.enqueue(add, { x: 1, y: 2 });
    expect((await handle.get())?.createdAt).toEqual(new Date(Date.UTC(2030, 0, 1)));
    await other.close();
    // @ts-expect-error a test clock is needed
    expect(() => testOmniQ({ clock: { now: () => 1, monotonic: () => 1, after: () => () => {} } })).toThrow("TestClock");
  });

  test("expectEnqueued finds by parts of the arguments and tells what there was instead", async () => {
    await omniq.enqueueMany([add.with({ x: 1, y: 2 }), add.with({ x: 1, y: 3 })]);
    expect((await omniq.expectEnqueued(add, { x: 1 })).map((task) => task.funcArgs)).toEqual([
      { x: 1, y: 2 },
      { x: 1, y: 3 },
    ]);
    await expect(omniq.expectEnqueued(add, { y: 4 })).rejects.toThrow('Expected add({"y":4}) to be enqueued, got add({"x":1,"y":3}), add(');
    await expect(testOmniQ().expectEnqueued(mail)).rejects.toThrow("Expected mail(…) to be enqueued, got no task at all");
  });

  test("drain takes any OmniQ and leaves what it does not know", async () => {
    const handle = await omniq.enqueue(add, { x: 2, y: 2 });
    await omniq.enqueue(mail, { to: "bo" });
    await drain(omniq, [add]);
    expect(await handle.result()).toBe(4);
    expect((await omniq.tasks.find({ phase: "ready" })).items.map((task) => task.func)).toEqual(["mail"]);
  });
});

describe("runTask", () => {
  test("answers the value, of the schema's output", async () => {
    expect(await runTask(add, { x: 1, y: 2 })).toBe(3);
    const enqueued: unknown[] = [];
    const said = await runTask(mail, { to: "ada" }, { onEnqueue: (task, args, options) => enqueued.push([task.name, args, options]) });
    expect(said).toBe("sent to ada");
    expect(enqueued).toEqual([["add", { x: 1, y: 1 }, { queueName: "elsewhere" }]]);
  });

  test("rejects with what the handler throws and with what a worker would refuse", async () => {
    await expect(runTask(mail, { to: "ada", retries: 2 })).rejects.toThrow("not yet");
    expect(await runTask(mail, { to: "ada", retries: 2 }, { attempt: 3 })).toBe("sent to ada");
    // @ts-expect-error a number is no address
    await expect(runTask(mail, { to: 1 })).rejects.toMatchObject({ code: "INPUT_INVALID" });
    const odd = defineTask({ name: "odd", handler: () => () => 1 });
    await expect(runTask(odd)).rejects.toMatchObject({ code: "PAYLOAD_REFUSED" });
  });

  test("what the handler asks for is a typed rejection, even if it swallows it", async () => {
    const later = defineTask({
      name: "later",
      handler: (kind: string, ctx) => {
        if (kind === "snooze") return ctx.snooze({ after: "1m" });
        if (kind === "retry") return ctx.retry();
        try {
          return ctx.discard({ reason: "old" });
        } catch {
          return "swallowed";
        }
      },
    });
    await expect(runTask(later, "snooze")).rejects.toMatchObject({ outcome: "snooze", after: 60_000 });
    await expect(runTask(later, "retry")).rejects.toMatchObject({ outcome: "retry", after: undefined });
    await expect(runTask(later, "")).rejects.toSatisfy((error) => error instanceof OutcomeError && error.reason === "old");
  });

  test("the context is what was asked for", async () => {
    const seen: unknown[] = [];
    const look = defineTask({
      name: "look",
      handler: async (_: undefined, ctx) => {
        ctx.progress(0.5, "half");
        ctx.log.info("hello");
        return [ctx.id, ctx.fence, ctx.task.func, ctx.signal.aborted, await ctx.parentResults()];
      },
    });
    const parent = { taskId: "p", status: "completed", result: 1, error: undefined } as const;
    const value = await runTask(look, undefined, {
      id: "t",
      fence: 7,
      signal: AbortSignal.abort(),
      parentResults: [parent],
      onProgress: (fraction, note) => seen.push([fraction, note]),
    });
    expect(value).toEqual(["t", 7, "look", true, [parent]]);
    expect(seen).toEqual([[0.5, "half"]]);
  });

  test("a child that was enqueued cannot be waited for", async () => {
    const waits = defineTask({ name: "waits", handler: async (_: undefined, ctx) => (await ctx.enqueue(add, { x: 1, y: 1 })).result() });
    await expect(runTask(waits, undefined)).rejects.toThrow("Expected a queue behind the task");
  });
});
