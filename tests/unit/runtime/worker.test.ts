import { describe, expect, test, vi } from "vitest";
import type { Claim, ClaimAsk } from "../../../src/core/backend.ts";
import { FatalError } from "../../../src/core/errors.ts";
import { encode } from "../../../src/core/codec.ts";
import { DEFAULT_POLICY } from "../../../src/core/task.ts";
import { safeLogger } from "../../../src/runtime/logger.ts";
import { gate, quiet, Rig, task, until, untilAborted } from "./rig.ts";

describe("a worker runs tasks", () => {
  test("synchronous and asynchronous handlers, with result and events", async () => {
    const rig = new Rig();
    const sync = task("sync", ({ x }: { x: number }) => x + 1);
    const slow = task("async", ({ x }: { x: number }) => Promise.resolve(x * 2));
    const worker = rig.worker([sync, slow]);
    await worker.start();
    const ids = await rig.enqueue({ func: "sync", args: encode({ x: 1 }) }, { func: "async", args: encode({ x: 4 }) });
    await rig.ended(...ids);
    expect(await rig.value(ids[0])).toBe(2);
    expect(await rig.value(ids[1])).toBe(8);
    const row = await rig.get(ids[1]);
    expect(row).toMatchObject({ status: "completed", attempt: 1, retryCount: 0 });
    expect(row.startedAt).toBeDefined();
    expect(row.completedAt).toBeDefined();
    expect(await rig.story(ids[0])).toEqual(["enqueued", "executing", "completed"]);
    await worker.stop();
    expect(await rig.backend.presence.workers(10)).toEqual([]);
  });

  test("keyword arguments are merged into the arguments", async () => {
    const rig = new Rig();
    const seen: unknown[] = [];
    const worker = rig.worker([task("t", (args) => seen.push(args))]);
    const [good, bad] = await rig.enqueue(
      { func: "t", args: encode({ a: 1 }), kwargs: encode({ b: 2 }) },
      { func: "t", args: encode({ a: 1 }), kwargs: encode({ a: 2 }) },
    );
    await worker.drain();
    expect(seen).toEqual([{ a: 1, b: 2 }]);
    expect(await rig.status(good)).toBe("completed");
    expect(await rig.get(bad)).toMatchObject({ status: "failed", retryCount: 0 });
  });

  test("never more at a time than it has slots, and claims exactly the free ones", async () => {
    const rig = new Rig();
    let running = 0;
    let most = 0;
    const gates: ReturnType<typeof gate>[] = [];
    const worker = rig.worker(
      [
        task("t", async () => {
          most = Math.max(most, ++running);
          const own = gate();
          gates.push(own);
          await own.promise;
          running--;
        }),
      ],
      { concurrency: 3 },
    );
    const ids = await rig.enqueue(...Array.from({ length: 8 }, () => "t"));
    await worker.start();
    const statuses = async (): Promise<number> => (await rig.backend.desk.get(ids)).filter((row) => row?.status === "running").length;
    await until(() => running === 3);
    await quiet();
    expect(await statuses()).toBe(3);
    gates.shift()?.open();
    await until(() => gates.length === 3);
    expect(await statuses()).toBe(3);
    for (let i = 0; i < 7; i++) {
      gates.shift()?.open();
      await quiet();
    }
    await rig.ended(...ids);
    expect(most).toBe(3);
    await worker.stop();
  });

  test("strictly queue by queue in the order listed", async () => {
    const rig = new Rig();
    const order: string[] = [];
    const worker = rig.worker([task("t", (_, ctx) => order.push(ctx.task.queueName))], {
      queues: ["high", "medium", "low"],
      concurrency: 1,
    });
    for (const queue of ["low", "medium", "high", "low", "high"]) await rig.enqueue({ func: "t", queue });
    await rig.enqueue({ func: "t", queue: "elsewhere" });
    await worker.drain();
    expect(order).toEqual(["high", "high", "medium", "low", "low"]);
  });

  test("an alias is served, an unknown name is left alone", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("new-name", () => 1, { aliases: ["old-name"] })]);
    const [old, unknown] = await rig.enqueue("old-name", "nobody-knows");
    await worker.drain();
    expect(await rig.status(old)).toBe("completed");
    expect(await rig.get(unknown)).toMatchObject({ status: "pending", attempt: 0, fence: 0 });
  });

  test("a hint wakes an idle worker at once, and a due time by its timer", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await quiet();
    const [now, later] = await rig.enqueue("t", { func: "t", due: { in: 42_345 } });
    await rig.ended(now);
    await rig.clock.advance(42_344);
    await quiet();
    expect(await rig.status(later)).toBe("pending");
    await rig.clock.advance(2);
    await rig.ended(later);
    await worker.stop();
  });

  test("a drain ends behind a claim that looked at all that is due, and asks for none before it would end", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("t", () => 1)]);
    const ids = await rig.enqueue("t", "t");
    const { work } = rig.backend;
    const claim = work.claim.bind(work);
    const whole: (boolean | undefined)[] = [];
    Object.assign(work, {
      claim: async (ask: ClaimAsk) => {
        if (!("due" in ask.of)) return await claim(ask);
        whole.push(ask.of.whole);
        return ask.of.whole === true ? await claim(ask) : { claims: [], more: false, partial: true };
      },
    });
    await worker.drain();
    expect(await Promise.all(ids.map((id) => rig.status(id)))).toEqual(["completed", "completed"]);
    expect(whole[0]).toBeUndefined();
    expect(whole).toContain(true);
    await worker.start();
    const before = whole.length;
    await rig.pass(10_000);
    expect(whole.slice(before)).not.toContain(true);
    await worker.stop();
  });

  test("what is due and cannot be claimed is not polled for faster than once a second", async () => {
    const rig = new Rig();
    let asked = 0;
    const worker = rig.worker([task("t", () => 1)]);
    await rig.stores.open();
    Object.assign(rig.backend.work, {
      claim: () => {
        asked++;
        return Promise.resolve({ claims: [], more: false, nextDueIn: 0 });
      },
    });
    await worker.start();
    await rig.pass(20_000);
    // Upkeep asks too: each 3 s.
    expect(asked).toBeLessThan(20 + 7 + 10);
    expect(asked).toBeGreaterThan(15);
    await worker.stop();
  });

  test("what fell due in the same turn is settled in one write, together with the next claim", async () => {
    const rig = new Rig();
    const sets: number[] = [];
    const work = { ...rig.backend.work };
    Object.assign(rig.backend.work, {
      settle: (...args: Parameters<typeof work.settle>) => {
        sets.push(args[0].length);
        return work.settle(...args);
      },
    });
    let runs = 0;
    const depth = async (): Promise<void> => {
      for (let i = runs++ % 7; i > 0; i--) await Promise.resolve();
    };
    const worker = rig.worker([task("t", depth)], { concurrency: 100 });
    await rig.enqueue(...Array.from({ length: 250 }, () => "t"));
    await worker.drain();
    expect(sets).toEqual([100, 100, 50]);
  });
});

describe("failures", () => {
  test("are retried after exactly the delay, and then final", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("t", () => Promise.reject(new Error("no")))]);
    await worker.start();
    const [id] = await rig.enqueue({ func: "t", maxRetries: 1, retryDelay: 5_000 });
    await until(async () => (await rig.status(id)) === "failed");
    expect(await rig.get(id)).toMatchObject({ retryCount: 1, nextRetryAt: rig.clock.now() + 5_000, phase: "retrying" });
    const [result] = await rig.backend.results.get([id ?? ""]);
    expect(result).toMatchObject({ status: "failed", error: { name: "Error", message: "no" }, retryCount: 1 });
    await rig.clock.advance(4_999);
    await quiet();
    expect((await rig.get(id)).attempt).toBe(1);
    await rig.clock.advance(2);
    await until(async () => (await rig.get(id)).phase === "failed");
    expect(await rig.get(id)).toMatchObject({ attempt: 2, retryCount: 1 });
    expect(await rig.story(id)).toEqual(["enqueued", "executing", "retrying", "executing", "failed"]);
    await worker.stop();
  });

  test("whatever is thrown becomes a failure, also what cannot be looked at", async () => {
    const rig = new Rig();
    const revoked = (): object => {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      return proxy;
    };
    const trapped = new Proxy(new Error("m"), {
      getPrototypeOf() {
        throw new Error("no");
      },
    });
    const throwing = (make: () => unknown) => () => {
      throw make();
    };
    const worker = rig.worker([
      task("revoked", throwing(revoked)),
      task(
        "trapped",
        throwing(() => trapped),
      ),
      task("late", () => Promise.reject(trapped)),
      task(
        "retryIf",
        throwing(() => 1),
        { retryIf: throwing(revoked) },
      ),
      task(
        "backoff",
        throwing(() => 1),
        { backoff: throwing(revoked) },
      ),
    ]);
    const ids = await rig.enqueue("revoked", "trapped", "late", "retryIf", "backoff");
    await worker.drain();
    for (const id of ids) expect(await rig.status(id)).toBe("failed");
    const rows = await rig.stores.results.results.get(ids);
    expect(rows.map((row) => row?.error?.message)).toEqual(["what cannot be looked at", "m", "m", "1", "1"]);
  });

  test("a retryIf, a backoff or a logger that is async against its type harms nothing", async () => {
    const rig = new Rig();
    const wrong = (): Promise<never> => Promise.reject(new Error("nobody waits for this"));
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    const { logger: plain } = rig.parts;
    const warn = (...line: Parameters<typeof plain.warn>): Promise<never> => {
      plain.warn(...line);
      return wrong();
    };
    const logger = safeLogger(Object.assign({ ...plain }, { warn }));
    const worker = rig.worker([task("bad", () => Promise.reject(new Error("e")), { retryIf: wrong, backoff: wrong })], {}, { logger });
    const [id] = await rig.enqueue("bad");
    await worker.drain();
    await quiet();
    process.off("unhandledRejection", unhandled);
    expect(unhandled).not.toHaveBeenCalled();
    expect(await rig.status(id)).toBe("failed");
    expect(rig.logs.filter(({ data }) => String(data?.["error"]).includes("to answer at once")).length).toBe(2);
  });

  test("a FatalError, a refusing retryIf and unreadable arguments are final at once", async () => {
    const rig = new Rig();
    const foreign = Object.assign(new Error("by name"), { name: "FatalError" });
    const worker = rig.worker([
      task("fatal", () => Promise.reject(new FatalError("stop"))),
      task("foreign", () => Promise.reject(foreign)),
      task("refused", () => Promise.reject(new TypeError("t")), { retryIf: (error: unknown) => !(error instanceof TypeError) }),
      task("throwing", () => Promise.reject(new Error("again")), {
        retryIf: () => {
          throw new Error("broken");
        },
      }),
      task("any", () => 1),
    ]);
    const ids = await rig.enqueue("fatal", "foreign", "refused", { func: "any", args: "{" });
    const [retried] = await rig.enqueue("throwing");
    await worker.drain();
    for (const id of ids) expect(await rig.get(id)).toMatchObject({ phase: "failed", retryCount: 0 });
    expect(await rig.get(retried)).toMatchObject({ phase: "retrying" });
    expect(rig.logs.some(({ message }) => message.includes("`retryIf`"))).toBe(true);
  });

  test("the definition's own backoff wins over the row's; a broken one does not", async () => {
    const rig = new Rig();
    const asked: unknown[] = [];
    const worker = rig.worker([
      task("own", () => Promise.reject(new Error("x")), {
        backoff: (retries: number, error: unknown) => {
          asked.push([retries, error instanceof Error && error.message]);
          return "7s";
        },
      }),
      task("broken", () => Promise.reject(new Error("x")), { backoff: () => "soon" }),
    ]);
    const [own, broken] = await rig.enqueue("own", "broken");
    await worker.drain();
    expect(asked).toEqual([[0, "x"]]);
    expect((await rig.get(own)).nextRetryAt).toBe(rig.clock.now() + 7_000);
    expect((await rig.get(broken)).nextRetryAt).toBe(rig.clock.now() + 5_000);
  });

  test("an input that does not satisfy the schema never reaches the handler", async () => {
    const rig = new Rig();
    const schema = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value: unknown) =>
          typeof value === "object" && value !== null && "n" in value ? { value: { parsed: value.n } } : { issues: [{ message: "no n" }] },
      },
    };
    const late = { "~standard": { ...schema["~standard"], validate: (v: unknown) => Promise.resolve(schema["~standard"].validate(v)) } };
    const seen: unknown[] = [];
    const worker = rig.worker([
      task("t", (args) => seen.push(args), { input: schema }),
      task("late", (args) => seen.push(args), { input: late }),
    ]);
    const [good, bad] = await rig.enqueue({ func: "t", args: encode({ n: 5 }) }, "t");
    const [lateGood, lateBad] = await rig.enqueue({ func: "late", args: encode({ n: 6 }) }, "late");
    await worker.drain();
    expect(seen).toEqual([{ parsed: 5 }, { parsed: 6 }]);
    expect([await rig.status(good), await rig.status(lateGood)]).toEqual(["completed", "completed"]);
    for (const id of [bad, lateBad]) {
      expect(await rig.get(id)).toMatchObject({ phase: "failed", retryCount: 0 });
      expect((await rig.backend.results.get([id ?? ""]))[0]?.error).toMatchObject({ name: "InputInvalidError", code: "INPUT_INVALID" });
    }
  });

  test("the output schema gives the value, and its refusal is a failure that may be retried", async () => {
    const rig = new Rig();
    const output = (ok: boolean): object => ({
      "~standard": { version: 1, vendor: "test", validate: () => (ok ? { value: "out" } : { issues: [{ message: "bad" }] }) },
    });
    const worker = rig.worker([task("good", () => "in", { output: output(true) }), task("bad", () => "in", { output: output(false) })]);
    const [good, bad] = await rig.enqueue("good", "bad");
    await worker.drain();
    expect(await rig.value(good)).toBe("out");
    expect(await rig.get(bad)).toMatchObject({ phase: "retrying" });
    expect((await rig.backend.results.get([bad ?? ""]))[0]?.error).toMatchObject({ name: "OutputInvalidError", code: "OUTPUT_INVALID" });
  });

  test("a result that cannot be stored is a final failure; undefined is no value", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("fn", () => () => 1), task("none", () => undefined)]);
    const [fn, none] = await rig.enqueue("fn", "none");
    await worker.drain();
    expect(await rig.get(fn)).toMatchObject({ phase: "failed", retryCount: 0 });
    expect((await rig.backend.results.get([fn ?? ""]))[0]?.error).toMatchObject({ code: "PAYLOAD_REFUSED" });
    expect(await rig.status(none)).toBe("completed");
    expect((await rig.backend.results.get([none ?? ""]))[0]).not.toHaveProperty("value");
  });

  test("a callback that fails is retried by itself, and its task stays as it ended", async () => {
    const rig = new Rig();
    const [id] = await rig.enqueue({ func: "t", callback: { func: "bad", policy: { ...DEFAULT_POLICY, maxRetries: 1, retryDelay: 0 } } });
    const bad = task("bad", () => {
      throw new Error("no");
    });
    await rig.worker([task("t", () => "done"), bad]).drain();
    const { items } = await rig.backend.desk.find({ func: "bad", limit: 9 });
    expect(items).toMatchObject([{ status: "failed", retryCount: 1 }]);
    expect(await rig.get(id)).toMatchObject({ status: "completed", attempt: 1 });
    expect(await rig.value(id)).toBe("done");
    expect(await rig.story(id)).toEqual(["enqueued", "executing", "completed"]);
  });

  test("a callback whose arguments cannot be read does not keep its task from ending", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("t", () => 1)]);
    const [id] = await rig.enqueue({ func: "t", callback: { func: "t", args: "{" } });
    await worker.drain();
    expect(await rig.status(id)).toBe("completed");
    const { items } = await rig.backend.desk.find({ limit: 10, phase: "failed" });
    expect(items.map((row) => row.id)).toEqual([`${id}.callback1`]);
  });
});

describe("what a handler asks for", () => {
  test("retry, snooze and discard leave the handler", async () => {
    const rig = new Rig();
    const worker = rig.worker([
      task("retry", (_, ctx) => ctx.retry({ after: "9s" })),
      task("plain", (_, ctx) => ctx.retry(), { backoff: () => 3_000 }),
      task("snooze", (_, ctx) => ctx.snooze({ after: 60_000 })),
      task("discard", (_, ctx) => ctx.discard({ reason: "not wanted" })),
    ]);
    const [retry, plain, snooze, discard] = await rig.enqueue("retry", "plain", "snooze", "discard");
    await worker.drain();
    const now = rig.clock.now();
    expect(await rig.get(retry)).toMatchObject({ phase: "retrying", nextRetryAt: now + 9_000, retryCount: 1 });
    expect(await rig.get(plain)).toMatchObject({ phase: "retrying", nextRetryAt: now + 3_000 });
    expect(await rig.get(snooze)).toMatchObject({ phase: "delayed", dueAt: now + 60_000, retryCount: 0, attempt: 0 });
    expect(await rig.get(discard)).toMatchObject({ status: "cancelled", reason: "not wanted" });
    expect(await rig.story(snooze)).toEqual(["enqueued", "executing", "snoozed"]);
  });

  test("the reason of a discard is stored as every engine can, of at most 500 characters", async () => {
    const rig = new Rig();
    const worker = rig.worker([
      task("odd", (_, ctx) => ctx.discard({ reason: "a\0b\uD800" })),
      task("long", (_, ctx) => ctx.discard({ reason: `${"x".repeat(499)}😀 and more` })),
    ]);
    const [odd, long] = await rig.enqueue("odd", "long");
    await worker.drain();
    expect((await rig.get(odd)).reason).toBe("a\uFFFDb\uFFFD");
    expect((await rig.get(long)).reason).toBe(`${"x".repeat(499)}\uFFFD`);
  });

  test("the first outcome wins, also when it is swallowed and something else follows", async () => {
    const rig = new Rig();
    const worker = rig.worker([
      task("t", (_, ctx) => {
        try {
          ctx.discard({ reason: "first" });
        } catch {
          // Swallowed, as a careless handler does.
        }
        try {
          ctx.snooze({ after: 1 });
        } catch {
          // And again.
        }
        return "a value";
      }),
    ]);
    const [id] = await rig.enqueue("t");
    await worker.drain();
    expect(await rig.get(id)).toMatchObject({ status: "cancelled", reason: "first" });
  });

  test("a thousand snoozes cost neither an attempt nor a retry, and each can be seen", async () => {
    const rig = new Rig();
    const [id] = await rig.enqueue("t");
    let runs = 0;
    const worker = rig.worker([task("t", (_: object, ctx) => (++runs <= 1_000 ? ctx.snooze({ after: 10 }) : ctx.fence))]);
    await worker.start();
    await rig.pass(25_000, 10);
    expect(await rig.get(id)).toMatchObject({ status: "completed", attempt: 1, retryCount: 0, crashCount: 0 });
    expect(await rig.value(id)).toBe(1_001);
    expect(await rig.stores.events.events.newest({ taskId: id ?? "", type: "snoozed", limit: 2_000 })).toHaveLength(1_000);
    await worker.stop();
  });

  test("wrong arguments of the context are errors of the handler", async () => {
    const rig = new Rig();
    const worker = rig.worker([
      task("snooze", (_, ctx) => ctx.snooze({ after: "soon" })),
      task("discard", (_, ctx) => ctx.discard({ reason: "" })),
      task("progress", (_, ctx) => ctx.progress(2)),
      task("note", (_, ctx) => ctx.progress(1, JSON.parse("5"))),
    ]);
    const ids = await rig.enqueue("snooze", "discard", "progress", "note");
    await worker.drain();
    for (const id of ids) {
      expect(await rig.get(id)).toMatchObject({ phase: "retrying" });
      expect((await rig.backend.results.get([id]))[0]?.error).toMatchObject({ code: "INVALID_OPTION" });
    }
  });

  test("a context taken apart works, and tells what the row tells", async () => {
    const rig = new Rig();
    const children: unknown[] = [];
    const seen: unknown[] = [];
    const child = task("child", () => 1);
    const worker = rig.worker(
      [
        task("t", async (_, { id, attempt, fence, task: row, log, enqueue, parentResults, signal }) => {
          log.info("hello", { a: 1 });
          await enqueue(child);
          await enqueue(child, undefined, { priority: 1 });
          seen.push(id, attempt, fence, row.id, await parentResults(), signal.aborted);
        }),
      ],
      {},
      {
        enqueueChild: (parent, call, of, args, options) => {
          children.push([parent, call, of.name, args, options]);
          return Promise.reject(new Error("unused"));
        },
      },
    );
    const [id] = await rig.enqueue({ func: "t", maxRetries: 0 });
    await worker.drain();
    // The first child's failure failed the handler: only it was asked for.
    expect(children).toEqual([[id, 1, "child", undefined, undefined]]);
    expect(rig.logs).toContainEqual({ level: "info", message: "hello", data: { a: 1, taskId: id, func: "t", component: "task" } });
    expect(seen).toEqual([]);
  });

  test("the parents' results, as they ended", async () => {
    const rig = new Rig();
    let seen: unknown;
    const worker = rig.worker([
      task("good", () => ({ n: 1 })),
      task("bad", () => Promise.reject(new FatalError("broken"))),
      task("child", async (_, ctx) => {
        seen = await ctx.parentResults();
      }),
    ]);
    const [good = "", bad = ""] = await rig.enqueue("good", "bad");
    const [child] = await rig.enqueue({
      func: "child",
      dependsOn: [
        { id: good, ifFailed: "cancel" },
        { id: bad, ifFailed: "run" },
      ],
    });
    await worker.drain();
    expect(await rig.status(child)).toBe("completed");
    expect(seen).toEqual([
      { taskId: good, status: "completed", result: { n: 1 }, error: undefined },
      { taskId: bad, status: "failed", result: undefined, error: "FatalError: broken" },
    ]);
  });
});

describe("timeout", () => {
  test("aborts the signal with a TaskTimeoutError and fails the attempt, whatever the handler does then", async () => {
    const rig = new Rig();
    const reasons: unknown[] = [];
    const worker = rig.worker([
      task("heeds", async (_, ctx) => {
        try {
          await untilAborted(ctx.signal);
        } catch (error) {
          reasons.push(error instanceof Error && error.name);
        }
        return "too late";
      }),
      task("asks", async (_, ctx) => {
        await untilAborted(ctx.signal).catch(() => {});
        ctx.discard({ reason: "too late" });
      }),
    ]);
    await worker.start();
    const [heeds, asks] = await rig.enqueue({ func: "heeds", timeout: 60_000 }, { func: "asks", timeout: 60_000 });
    await quiet();
    await rig.clock.advance(59_999);
    expect(await rig.status(heeds)).toBe("running");
    await rig.clock.advance(1);
    await until(async () => (await rig.get(heeds)).phase === "retrying" && (await rig.get(asks)).phase === "retrying");
    expect(reasons).toEqual(["TaskTimeoutError"]);
    expect((await rig.backend.results.get([heeds ?? ""]))[0]?.error).toMatchObject({ name: "TaskTimeoutError", code: "TASK_TIMEOUT" });
    await worker.stop();
  });

  test("that ends at the very time of the lease and of the expiry is one failure, and no retry is granted", async () => {
    const rig = new Rig();
    const [id] = await rig.enqueue({ func: "t", timeout: 1_000, ttl: 1_000, retryDelay: 0 });
    const worker = rig.worker([task("t", (_: object, { signal }) => untilAborted(signal))], { lease: 1_000 });
    const other = rig.worker([task("t", () => 1)], { lease: 1_000 });
    await worker.start();
    await until(async () => (await rig.status(id)) === "running");
    await other.start();
    await rig.pass(5_000);
    expect(await rig.get(id)).toMatchObject({ status: "failed", attempt: 1, retryCount: 0, crashCount: 0 });
    expect(await rig.story(id)).toEqual(["enqueued", "executing", "failed"]);
    await Promise.all([worker.stop(), other.stop()]);
  });

  test("a handler that ignores it is left behind after 1 s: its slot is freed, what comes of it later is dropped", async () => {
    const rig = new Rig();
    const deaf = gate();
    const worker = rig.worker([task("deaf", () => deaf.promise), task("next", () => 1)], { concurrency: 1 });
    await worker.start();
    const [id] = await rig.enqueue({ func: "deaf", timeout: 100, maxRetries: 0 });
    await quiet();
    const [next] = await rig.enqueue("next");
    await rig.clock.advance(1_099);
    await quiet();
    expect(await rig.status(id)).toBe("running");
    await rig.clock.advance(1);
    await rig.ended(id, next);
    expect(await rig.get(id)).toMatchObject({ status: "failed" });
    const settle = vi.spyOn(rig.backend.work, "settle");
    deaf.open();
    await quiet();
    expect(settle).not.toHaveBeenCalled();
    expect(await rig.get(id)).toMatchObject({ status: "failed" });
    expect(rig.logs.some(({ level, message }) => level === "warn" && message.includes("left behind"))).toBe(true);
    await worker.stop();
  });
});

describe("cancel", () => {
  test("from elsewhere reaches the running handler by a hint; what throws then is cancelled, with the reason", async () => {
    const rig = new Rig();
    let reason: unknown;
    const worker = rig.worker([
      task("t", (_, ctx) =>
        untilAborted(ctx.signal).catch((error: unknown) => {
          reason = error;
          throw error;
        }),
      ),
    ]);
    await worker.start();
    const [id = ""] = await rig.enqueue("t");
    await until(async () => (await rig.status(id)) === "running");
    await quiet();
    expect(await rig.backend.desk.cancel([id], "changed my mind")).toEqual(["asked"]);
    await rig.clock.advance(0);
    await rig.ended(id);
    expect(await rig.get(id)).toMatchObject({ status: "cancelled", reason: "changed my mind" });
    expect(reason).toMatchObject({ name: "TaskCancelledError", code: "TASK_CANCELLED" });
    await worker.stop();
  });

  test("without a hint the next beat tells it; a plain return still completes, anything else does not", async () => {
    const rig = new Rig();
    Object.assign(rig.backend, { listen: () => () => {} });
    const worker = rig.worker([
      task("returns", async (_, ctx) => {
        await untilAborted(ctx.signal).catch(() => {});
        return "done";
      }),
      task("snoozes", async (_, ctx) => {
        await untilAborted(ctx.signal).catch(() => {});
        ctx.snooze({ after: 1 });
      }),
      task("deaf", () => gate().promise),
    ]);
    const ids = await rig.enqueue("returns", "snoozes", "deaf");
    const [returns, snoozes, deaf] = ids;
    await worker.start();
    await until(async () => (await rig.status(deaf)) === "running");
    await rig.backend.desk.cancel(ids);
    await rig.clock.advance(4_900);
    expect(await rig.status(snoozes)).toBe("running");
    await rig.clock.advance(400);
    await rig.ended(returns, snoozes);
    expect([await rig.status(returns), await rig.status(snoozes), await rig.status(deaf)]).toEqual(["completed", "cancelled", "running"]);
    await rig.clock.advance(5_300);
    await rig.ended(deaf);
    expect(await rig.status(deaf)).toBe("cancelled");
    await worker.stop();
  });
});

describe("claims that are lost", () => {
  /** Somebody else takes all that a worker holds. */
  const steal = async (rig: Rig): Promise<readonly Claim[]> => {
    const [row] = await rig.backend.presence.workers(10);
    await rig.backend.presence.arrive({
      ...rig.parts.host,
      worker: "thief",
      role: "client",
      leaseMs: 1e9,
      queues: [],
      names: [],
      concurrency: 0,
    });
    const { claims } = await rig.backend.work.claim({
      worker: "thief",
      limit: 10,
      of: { lost: [{ worker: row?.worker ?? "", beat: row?.beat ?? 0 }] },
    });
    return claims;
  };

  test("abort the handler, settle nothing and are told", async () => {
    const rig = new Rig();
    let reason: unknown;
    const errors: unknown[] = [];
    const worker = rig.worker([
      task("t", (_, ctx) =>
        untilAborted(ctx.signal).catch((error: unknown) => {
          reason = error;
        }),
      ),
    ]);
    worker.on("error", (error, about) => errors.push([error.name, about?.func]));
    await worker.start();
    const [id] = await rig.enqueue("t");
    await until(async () => (await rig.status(id)) === "running");
    const [claim] = await steal(rig);
    await rig.clock.advance(5_000);
    await until(() => errors.length === 1);
    expect(reason).toMatchObject({ name: "LeaseLostError" });
    expect(errors).toEqual([["LeaseLostError", "t"]]);
    expect(await rig.get(id)).toMatchObject({ status: "running", fence: claim?.fence });
    expect(await rig.story(id)).toEqual(["enqueued", "executing"]);
    await worker.stop({ timeout: 0 });
  });

  test("a zombie's late outcome is refused, and its worker goes on", async () => {
    const rig = new Rig();
    const slow = gate();
    const worker = rig.worker([task("t", () => slow.promise), task("other", () => 1)]);
    await worker.start();
    const [id] = await rig.enqueue("t");
    await until(async () => (await rig.status(id)) === "running");
    await steal(rig);
    slow.open();
    await until(() => rig.logs.some(({ message }) => message.includes("claim was lost")));
    expect((await rig.get(id)).status).toBe("running");
    const [other] = await rig.enqueue("other");
    await rig.ended(other);
    await worker.stop();
  });

  test("a worker whose row was swept arrives again and goes on", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await quiet();
    const [before] = await rig.backend.presence.workers(10);
    await rig.backend.presence.leave(before?.worker ?? "");
    const [id] = await rig.enqueue("t");
    await rig.ended(id);
    expect((await rig.backend.presence.workers(10)).map((row) => row.worker)).toEqual([before?.worker]);
    await rig.backend.presence.leave(before?.worker ?? "");
    await rig.clock.advance(5_000);
    expect(await rig.backend.presence.workers(10)).toHaveLength(1);
    await worker.stop();
  });
});

describe("what a worker tells", () => {
  test("its listeners hear of each end, and one that throws does no harm", async () => {
    const rig = new Rig();
    const heard: unknown[] = [];
    const worker = rig.worker([task("good", () => 1), task("bad", () => Promise.reject(new Error("no")))]);
    worker.on("completed", () => {
      throw new Error("a bad listener");
    });
    worker.on("completed", ({ func, attempt, queueName }) => heard.push(["completed", func, attempt, queueName]));
    worker.on("failed", ({ func, error }) => heard.push(["failed", func, error.message]));
    worker.on("retrying", ({ func, error, after }) => heard.push(["retrying", func, error.message, after]));
    const off = worker.on("idle", () => heard.push(["idle"]));
    await rig.enqueue("good", { func: "bad", maxRetries: 0 }, { func: "bad", maxRetries: 1, storeResult: false });
    await worker.start();
    await until(() => heard.length === 4);
    expect(heard).toEqual([
      ["completed", "good", 1, "default"],
      ["failed", "bad", "no"],
      ["retrying", "bad", "Error: no", 5_000],
      ["idle"],
    ]);
    off();
    await rig.enqueue("good");
    await until(() => heard.length === 5);
    await quiet();
    expect(heard[4]).toEqual(["completed", "good", 1, "default"]);
    expect(heard).toHaveLength(5);
    expect(rig.logs.some(({ level, message }) => level === "error" && message.includes("listener"))).toBe(true);
    await worker.stop();
  });

  test("an event that is not known, and a listener that is none, are refused", () => {
    const worker = new Rig().worker([]);
    expect(() => worker.on(JSON.parse('"done"'), () => {})).toThrow(/completed/);
    expect(() => worker.on("idle", JSON.parse("1"))).toThrow(/function/);
  });

  test("never a payload", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("t", () => Promise.reject(new Error("x")), { backoff: () => "bad" })]);
    await rig.enqueue({ func: "t", args: encode({ secret: "s3cr3t" }) });
    await worker.drain();
    expect(JSON.stringify(rig.logs)).not.toContain("s3cr3t");
  });
});
