import { describe, expect, test, vi } from "vitest";
import { gate, quiet, Rig, task, turn, until, untilAborted } from "./rig.ts";

describe("start and stop", () => {
  test("are idempotent, and a worker can start again", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("t", () => 1)]);
    await worker.stop();
    await Promise.all([worker.start(), worker.start()]);
    expect(worker.isRunning).toBe(true);
    expect(await rig.backend.presence.workers(10)).toHaveLength(1);
    expect(worker.stop()).toBe(worker.stop());
    await worker.stop();
    expect(worker.isRunning).toBe(false);
    const [id] = await rig.enqueue("t");
    await quiet();
    expect(await rig.status(id)).toBe("pending");
    await worker.start();
    await rig.ended(id);
    await worker.stop();
    expect(await rig.backend.presence.workers(10)).toEqual([]);
  });

  test("a start that fails can be tried again", async () => {
    const rig = new Rig();
    let broken = true;
    const { open } = rig.parts;
    const worker = rig.worker([], {}, { open: () => (broken ? Promise.reject(new Error("no place")) : open()) });
    await expect(worker.start()).rejects.toThrow("no place");
    await worker.stop();
    broken = false;
    await worker.start();
    await worker.stop();
  });

  test("no new claims; a handler that ends in its grace is settled, with beats meanwhile", async () => {
    const rig = new Rig();
    const slow = gate();
    const worker = rig.worker([task("t", () => slow.promise)], { concurrency: 2 });
    await worker.start();
    const [id] = await rig.enqueue("t");
    await until(async () => (await rig.status(id)) === "running");
    expect(worker.running).toEqual([{ id, func: "t", queueName: "default", attempt: 1 }]);
    const stopped = worker.stop({ timeout: "30s" });
    const [late] = await rig.enqueue("t");
    const [before] = await rig.backend.presence.workers(1);
    await rig.clock.advance(20_000);
    const [after] = await rig.backend.presence.workers(1);
    expect(after?.beat).toBeGreaterThan(before?.beat ?? 0);
    slow.open();
    await stopped;
    expect(worker.running).toEqual([]);
    expect(await rig.status(id)).toBe("completed");
    expect(await rig.status(late)).toBe("pending");
  });

  test("after the grace the signal aborts; what throws then or does not end is given back, its attempt returned", async () => {
    const rig = new Rig();
    const reasons: unknown[] = [];
    const never = gate();
    const worker = rig.worker([
      task("heeds", async (_, ctx) => {
        try {
          await untilAborted(ctx.signal);
        } catch (error) {
          reasons.push(error);
          throw error;
        }
      }),
      task("saves", async (_, ctx) => {
        await untilAborted(ctx.signal).catch(() => {});
        return "saved";
      }),
      task("deaf", () => never.promise),
    ]);
    await worker.start();
    const [heeds, saves, deaf] = await rig.enqueue("heeds", "saves", "deaf");
    await until(async () => (await rig.status(deaf)) === "running");
    await quiet();
    let done = false;
    void worker.stop({ timeout: 2_000 }).then(() => {
      done = true;
      return done;
    });
    await rig.clock.advance(1_999);
    expect(reasons).toEqual([]);
    await rig.clock.advance(1);
    await quiet();
    expect(reasons).toEqual([expect.objectContaining({ code: "WORKER_STOPPING" })]);
    expect(done).toBe(false);
    await rig.clock.advance(1_000);
    await until(() => done);
    expect(await rig.get(heeds)).toMatchObject({ status: "pending", attempt: 0, retryCount: 0, phase: "ready" });
    expect(await rig.get(saves)).toMatchObject({ status: "completed" });
    expect(await rig.get(deaf)).toMatchObject({ status: "pending", attempt: 0 });
    expect(await rig.story(deaf)).toEqual(["enqueued", "executing", "released"]);
    never.open();
    await quiet();
    expect(await rig.get(deaf)).toMatchObject({ status: "pending", attempt: 0 });
    expect(await rig.backend.presence.workers(10)).toEqual([]);
  });

  test("a cancellation reaches a handler in its grace", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("t", (_, ctx) => untilAborted(ctx.signal))]);
    await worker.start();
    const [id = ""] = await rig.enqueue("t");
    await until(async () => (await rig.status(id)) === "running");
    await quiet();
    const stopped = worker.stop({ timeout: "1m" });
    await rig.backend.desk.cancel([id], "no need");
    await rig.clock.advance(300);
    await stopped;
    expect(await rig.get(id)).toMatchObject({ status: "cancelled", reason: "no need" });
  });

  test("a second stop with a shorter timeout speeds it up, a longer one changes nothing", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("t", (_, ctx) => untilAborted(ctx.signal))]);
    await worker.start();
    const [id] = await rig.enqueue("t");
    await until(async () => (await rig.status(id)) === "running");
    await quiet();
    const first = worker.stop({ timeout: "1h" });
    await quiet();
    void worker.stop({ timeout: "2h" });
    await rig.clock.advance(10_000);
    expect(await rig.status(id)).toBe("running");
    const second = worker.stop({ timeout: 0 });
    expect(second).toBe(first);
    await second;
    expect(await rig.status(id)).toBe("pending");
  });

  test("what a claim brings that was under way when the stop came is given back before the worker leaves", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await quiet();
    const work = { ...rig.backend.work };
    const answered = gate();
    let asked = false;
    Object.assign(rig.backend.work, {
      claim: async (ask: Parameters<typeof work.claim>[0]) => {
        const claims = await work.claim(ask);
        if (!("due" in ask.of)) return claims;
        asked = true;
        await answered.promise;
        return claims;
      },
    });
    const [id] = await rig.enqueue("t");
    await until(() => asked);
    const stopped = worker.stop();
    await quiet();
    answered.open();
    await stopped;
    expect(await rig.get(id)).toMatchObject({ status: "pending", attempt: 0 });
    expect(await rig.backend.presence.workers(10)).toEqual([]);
  });

  test("a stop during the start waits for it", async () => {
    const rig = new Rig();
    const worker = rig.worker([]);
    const started = worker.start();
    await worker.stop();
    await started;
    expect(await rig.backend.presence.workers(10)).toEqual([]);
  });

  test("asyncDispose-like use: drain, then a stop that has nothing to wait for, needs no clock", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    const [id] = await rig.enqueue("t");
    await worker.drain();
    expect(worker.isRunning).toBe(true);
    expect(await rig.status(id)).toBe("completed");
    await worker.stop();
  });

  test("wrong options are refused", () => {
    const worker = new Rig().worker([]);
    expect(() => worker.stop({ timeout: "soon" })).toThrow(/timeout/);
    expect(() => worker.stop(JSON.parse('{"timout":1}'))).toThrow(/timeout/);
  });
});

describe("run", () => {
  test("stops on the first signal, at once on the second", async () => {
    const rig = new Rig();
    const never = gate();
    const worker = rig.worker([task("t", () => never.promise)]);
    let done = false;
    const running = worker.run().finally(() => {
      done = true;
    });
    const [id] = await rig.enqueue("t");
    await until(async () => (await rig.status(id)) === "running");
    expect([...rig.signals.keys()]).toEqual(["SIGINT", "SIGTERM"]);
    rig.signals.get("SIGTERM")?.();
    await quiet();
    expect(done).toBe(false);
    rig.signals.get("SIGINT")?.();
    await running;
    expect(await rig.status(id)).toBe("pending");
    expect(rig.signals.size).toBe(0);
  });

  test("resolves when somebody else stops the worker", async () => {
    const rig = new Rig();
    const worker = rig.worker([]);
    const running = worker.run({ signals: ["SIGHUP"] });
    await until(() => worker.isRunning);
    await turn();
    await worker.stop();
    await running;
  });

  test("wrong signals are refused", async () => {
    const worker = new Rig().worker([]);
    await expect(worker.run({ signals: JSON.parse("[1]") })).rejects.toThrow(/signals/);
    await expect(worker.run({ signals: JSON.parse('"SIGINT"') })).rejects.toThrow(/signals/);
  });

  test.each([
    ["SIGKILL", /a signal that a process can listen to, got "SIGKILL"/],
    ["SIGINTT", /did you mean "SIGINT"\?\), got "SIGINTT"/],
    ["sigterm", /did you mean "SIGTERM"\?/],
  ])("%s is refused before anything listens", async (signal, why) => {
    const rig = new Rig();
    const listening = vi.fn();
    const worker = rig.worker([], {}, { onSignal: listening });
    await expect(worker.run({ signals: ["SIGINT", signal] })).rejects.toThrow(why);
    expect([listening.mock.calls, worker.isRunning]).toEqual([[], false]);
  });

  test("a signal that the system refuses all the same leaves no listener", async () => {
    const rig = new Rig();
    const { onSignal } = rig.parts;
    const refusing: typeof onSignal = (signal, fn) => {
      if (signal === "SIGHUP") throw new Error("EINVAL");
      return onSignal(signal, fn);
    };
    await expect(rig.worker([], {}, { onSignal: refusing }).run({ signals: ["SIGINT", "SIGHUP"] })).rejects.toThrow("EINVAL");
    expect(rig.signals.size).toBe(0);
  });

  test("one that is named twice is listened to once", async () => {
    const rig = new Rig();
    const listened: string[] = [];
    const worker = rig.worker([], {}, { onSignal: (signal, fn) => (listened.push(signal), rig.parts.onSignal(signal, fn)) });
    const running = worker.run({ signals: ["SIGINT", "SIGINT"] });
    await until(() => worker.isRunning);
    rig.signals.get("SIGINT")?.();
    await running;
    expect(listened).toEqual(["SIGINT"]);
  });
});

describe("drain", () => {
  test("runs what is ready, what that sets free and what is enqueued meanwhile, then stops the worker that it started", async () => {
    const rig = new Rig();
    const order: string[] = [];
    const worker = rig.worker([
      task("first", async () => {
        order.push("first");
        await rig.enqueue("second");
      }),
      task("second", () => order.push("second")),
      task("child", () => order.push("child")),
    ]);
    const [first = ""] = await rig.enqueue("first");
    await rig.enqueue({ func: "child", dependsOn: [{ id: first, ifFailed: "cancel" }] });
    const [delayed] = await rig.enqueue({ func: "second", due: { in: 1_000 } });
    await worker.drain();
    expect(order.toSorted((a, b) => a.localeCompare(b))).toEqual(["child", "first", "second"]);
    expect(await rig.status(delayed)).toBe("pending");
    expect(worker.isRunning).toBe(false);
  });

  test("ends cascades of failed parents, and more dependents than one settlement frees", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("bad", () => Promise.reject(new Error("x"))), task("good", () => 1), task("child", () => 1)]);
    const [bad = "", good = ""] = await rig.enqueue({ func: "bad", maxRetries: 0 }, "good");
    const [child = ""] = await rig.enqueue({ func: "child", dependsOn: [{ id: bad, ifFailed: "cancel" }] });
    const [grandchild] = await rig.enqueue({ func: "child", dependsOn: [{ id: child, ifFailed: "cancel" }] });
    const many = await rig.enqueue(
      ...Array.from({ length: 300 }, () => ({ func: "child", dependsOn: [{ id: good, ifFailed: "cancel" as const }] })),
    );
    await worker.drain();
    expect(await rig.get(child)).toMatchObject({ status: "cancelled" });
    expect(await rig.get(grandchild)).toMatchObject({ status: "cancelled" });
    expect((await rig.backend.desk.get(many)).every((row) => row?.status === "completed")).toBe(true);
  });
});

describe("prefetch", () => {
  test("claims ahead, starts as slots free up, and gives back what was not started", async () => {
    const rig = new Rig();
    const gates: ReturnType<typeof gate>[] = [];
    const worker = rig.worker(
      [
        task("t", async () => {
          const own = gate();
          gates.push(own);
          await own.promise;
        }),
      ],
      { concurrency: 1, prefetch: 2 },
    );
    const ids = await rig.enqueue("t", "t", "t", "t");
    await worker.start();
    const running = async (): Promise<number> => (await rig.backend.desk.get(ids)).filter((row) => row?.status === "running").length;
    await until(async () => (await running()) === 3);
    await quiet();
    expect(gates).toHaveLength(1);
    gates[0]?.open();
    await until(() => gates.length === 2);
    await until(async () => (await running()) === 3);
    const stopped = worker.stop({ timeout: 1_000 });
    await until(async () => (await running()) === 1);
    gates[1]?.open();
    await stopped;
    const rows = await rig.backend.desk.get(ids);
    expect(rows.map((row) => [row?.status, row?.attempt])).toEqual([
      ["completed", 1],
      ["completed", 1],
      ["pending", 0],
      ["pending", 0],
    ]);
  });

  test("synchronous handlers run one after the other without recursion, and are settled together", async () => {
    const rig = new Rig();
    let runs = 0;
    const worker = rig.worker([task("t", () => ++runs)], { concurrency: 1, prefetch: 99 });
    await rig.enqueue(...Array.from({ length: 100 }, () => "t"));
    await worker.drain();
    expect(runs).toBe(100);
  });

  test("long synchronous handlers let the event loop turn between them", async () => {
    const rig = new Rig();
    const order: string[] = [];
    let spent = 0;
    const clock = {
      now: () => rig.clock.now(),
      monotonic: () => rig.clock.monotonic() + spent,
      after: (ms: number, fn: () => void) => rig.clock.after(ms, fn),
    };
    const work = (): void => {
      if (order.length === 0) setImmediate(() => order.push("turn"));
      order.push("run");
      spent += 20;
    };
    await rig.enqueue("t", "t", "t");
    await rig.worker([task("t", work)], { concurrency: 1, prefetch: 3 }, { clock }).drain();
    expect(order).toEqual(["run", "turn", "run", "run"]);
  });

  test("what was cancelled or lost before it started never starts; what expired is given back", async () => {
    const rig = new Rig();
    const slow = gate();
    let runs = 0;
    const worker = rig.worker([task("slow", () => slow.promise), task("t", () => ++runs)], { concurrency: 1, prefetch: 10 });
    await worker.start();
    await rig.enqueue({ func: "slow", priority: 9 });
    const [cancelled = "", expired] = await rig.enqueue("t", { func: "t", ttl: 2_000 });
    await until(async () => (await rig.status(expired)) === "running");
    await quiet();
    await rig.backend.desk.cancel([cancelled], "no");
    await rig.clock.advance(0);
    await rig.ended(cancelled);
    expect(await rig.get(cancelled)).toMatchObject({ status: "cancelled", reason: "no" });
    await rig.clock.advance(2_000);
    slow.open();
    await rig.ended(expired);
    expect(await rig.get(expired)).toMatchObject({ status: "expired" });
    expect(runs).toBe(0);
    await worker.stop();
  });
});
