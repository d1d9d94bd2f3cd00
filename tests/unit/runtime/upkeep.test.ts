import { describe, expect, test, vi } from "vitest";
import type { SweepAsk } from "../../../src/core/backend.ts";
import type { RunView } from "../../../src/runtime/context.ts";
import { Throttle } from "../../../src/runtime/logger.ts";
import { ProgressBoard } from "../../../src/runtime/progress.ts";
import { sweepRound, sweepsOf } from "../../../src/runtime/retention.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import { ModelBackend } from "../../../src/testing/model.ts";
import { quiet, Rig, task, until } from "./rig.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe("ends that nobody claims", () => {
  test("tasks that expired, in queues and under names that nobody serves, too", async () => {
    const rig = new Rig();
    const ids = await rig.enqueue(
      { func: "unknown", ttl: 1_000 },
      { func: "t", queue: "elsewhere", ttl: 1_000 },
      { func: "t", due: { in: 500 }, ttl: 400 },
    );
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await rig.pass(4_100);
    await rig.ended(...ids);
    for (const id of ids) expect(await rig.get(id)).toMatchObject({ status: "expired", attempt: 0 });
    expect(await rig.story(ids[0])).toEqual(["enqueued", "expired"]);
    await worker.stop();
  });

  test("an expired task is ended by the claim that meets it, and never started", async () => {
    const rig = new Rig();
    let runs = 0;
    const [id] = await rig.enqueue({ func: "t", ttl: 1_000 });
    await rig.clock.advance(1_000);
    await rig.worker([task("t", () => ++runs)]).drain();
    expect(runs).toBe(0);
    expect(await rig.status(id)).toBe("expired");
  });

  test("the children of a failed parent are cancelled soon, with their callbacks", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("bad", () => Promise.reject(new Error("x"))), task("t", () => 1)]);
    await worker.start();
    await rig.pass(1_000);
    const [bad = ""] = await rig.enqueue({ func: "bad", maxRetries: 0 });
    const [child = ""] = await rig.enqueue({
      func: "t",
      dependsOn: [{ id: bad, ifFailed: "cancel" }],
      callback: { func: "t" },
    });
    await rig.pass(600);
    await rig.ended(bad, child);
    expect(await rig.get(child)).toMatchObject({ status: "cancelled", reason: `parent ${bad} failed` });
    await until(async () => (await rig.backend.desk.find({ limit: 9, func: "t", status: "completed" })).items.length === 1);
    await worker.stop();
  });

  test("a cancelled task that does not run is ended after the mark", async () => {
    const rig = new Rig();
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    const [id = ""] = await rig.enqueue({ func: "t", due: { in: HOUR } });
    expect(await rig.backend.desk.cancel([id], "no more")).toEqual(["marked"]);
    await rig.pass(600);
    expect(await rig.get(id)).toMatchObject({ status: "cancelled", reason: "no more" });
    await worker.stop();
  });
});

describe("workers that died", () => {
  const arrive = async (rig: Rig, worker: string): Promise<void> => {
    const row = { ...rig.parts.host, worker, role: "worker", leaseMs: 1_000, queues: ["q"], names: ["t"], concurrency: 1 } as const;
    await rig.backend.presence.arrive(row);
  };
  const claimOne = async (rig: Rig, worker: string): Promise<void> => {
    await arrive(rig, worker);
    await rig.backend.work.claim({ worker, limit: 1, of: { due: true, queues: ["q"], names: ["t"], announce: false } });
  };

  test("one more is seen behind any number of rows of those that hold nothing", async () => {
    const rig = new Rig();
    const [id] = await rig.enqueue({ func: "t", queue: "q" });
    for (let i = 0; i < 1_100; i++) await arrive(rig, `dead${i}`);
    await claimOne(rig, "last");
    const worker = rig.worker([task("t", () => 1)], { queues: ["q"] });
    await worker.start();
    await rig.pass(8_000, 500);
    await until(async () => (await rig.get(id)).crashCount === 1);
    await rig.pass(60_000, 1_000);
    await rig.ended(id);
    await worker.stop();
  });

  test("all that one held is begun anew at once, however much it was", async () => {
    const rig = new Rig();
    const ids = await rig.enqueue(...Array.from({ length: 4_500 }, () => ({ func: "t", queue: "q" })));
    await arrive(rig, "dead");
    await rig.backend.work.claim({ worker: "dead", limit: 4_500, of: { due: true, queues: ["q"], names: ["t"], announce: false } });
    const worker = rig.worker([task("other", () => 1)], { queues: ["q"] });
    await worker.start();
    const crashed = async (): Promise<number> => (await rig.backend.desk.get(ids)).filter((row) => row?.crashCount === 1).length;
    while ((await crashed()) === 0) await rig.pass(100);
    // One look, which comes every 3 s, takes over 2,000.
    for (let passed = 0; passed < 2_500 && (await crashed()) < 4_500; passed += 50) await rig.pass(50);
    expect(await crashed()).toBe(4_500);
    await worker.stop();
  });

  test("more of them than one look is at are all seen", async () => {
    const rig = new Rig();
    const ids = await rig.enqueue(...Array.from({ length: 3 }, () => ({ func: "t", queue: "q" })));
    for (const [i] of ids.entries()) await claimOne(rig, `w${i}`);
    const { presence } = rig.backend;
    const holding = presence.holding.bind(presence);
    vi.spyOn(presence, "holding").mockImplementation((_limit, after) => holding(1, after));
    const worker = rig.worker([task("t", () => 1)], { queues: ["q"] });
    await worker.start();
    await rig.pass(90_000, 500);
    await rig.ended(...ids);
    for (const id of ids) expect(await rig.get(id)).toMatchObject({ status: "completed", crashCount: 1 });
    await worker.stop();
  });
});

describe("retention", () => {
  test("takes away what ended long ago, by its status, with results, events and rows of workers", async () => {
    const rig = new Rig();
    const [good, bad] = await rig.enqueue("good", { func: "bad", maxRetries: 0 });
    const quick = [task("good", () => 1), task("bad", () => Promise.reject(new Error("x")))];
    await rig.worker(quick).drain();
    await rig.backend.presence.arrive({
      ...rig.parts.host,
      worker: "old",
      role: "worker",
      leaseMs: 1_000,
      queues: [],
      names: [],
      concurrency: 1,
    });
    await rig.clock.advance(8 * DAY);
    const worker = rig.worker(quick);
    await worker.start();
    await rig.pass(90_000, 1_000);
    expect(await rig.backend.desk.get([good ?? ""])).toEqual([undefined]);
    expect(await rig.backend.results.get([good ?? ""])).toEqual([undefined]);
    expect(await rig.status(bad)).toBe("failed");
    expect((await rig.backend.presence.workers(10)).map((row) => row.worker)).not.toContain("old");
    expect(await rig.story(good)).toHaveLength(3);
    await worker.stop();
    await rig.clock.advance(23 * DAY);
    await worker.start();
    await rig.pass(90_000, 1_000);
    expect(await rig.backend.desk.get([bad ?? ""])).toEqual([undefined]);
    expect(await rig.story(bad)).toEqual([]);
    await worker.stop();
  });

  test("a clock that is set back brings nothing back, and ends nothing twice", async () => {
    const rig = new Rig();
    const [done, expired] = await rig.enqueue("t", { func: "nobody", ttl: 1_000 });
    const worker = rig.worker([task("t", () => 1)], { retention: { completed: "1h" } });
    await worker.start();
    await rig.pass(5_000);
    expect(await rig.status(expired)).toBe("expired");
    await rig.clock.advance(3_600_000);
    await rig.pass(180_000, 5_000);
    expect(await rig.backend.desk.get([done ?? ""])).toEqual([undefined]);
    rig.clock.jump(-86_400_000);
    await rig.pass(180_000, 5_000);
    expect(await rig.backend.desk.get([done ?? ""])).toEqual([undefined]);
    expect(await rig.story(expired)).toEqual(["enqueued", "expired"]);
    await worker.stop();
  });

  test("false keeps", async () => {
    const rig = new Rig();
    const [id] = await rig.enqueue("t");
    const worker = rig.worker([task("t", () => 1)], { retention: { completed: false, events: false } });
    await worker.drain();
    await rig.clock.advance(400 * DAY);
    await worker.start();
    await rig.pass(90_000, 1_000);
    expect(await rig.status(id)).toBe("completed");
    expect(await rig.story(id)).toHaveLength(3);
    await worker.stop();
  });

  test("results that lie elsewhere go with their tasks, events of both places go by age", async () => {
    const clock = new TestClock();
    const rig = new Rig({ clock, results: new ModelBackend({ clock }), events: new ModelBackend({ clock }) });
    const [id = ""] = await rig.enqueue("t");
    const worker = rig.worker([task("t", () => 1)], { retention: { events: "1d" } });
    await worker.drain();
    await rig.backend.events.append([{ type: "enqueued", taskId: id }]);
    expect(await rig.value(id)).toBe(1);
    await rig.clock.advance(8 * DAY);
    await worker.start();
    await rig.pass(90_000, 1_000);
    expect(await rig.stores.results.results.get([id])).toEqual([undefined]);
    expect(await rig.backend.events.newest({ limit: 9 })).toEqual([]);
    expect(await rig.story(id)).toEqual([]);
    await worker.stop();
  });

  test("wrong values are refused by name", () => {
    expect(() => sweepsOf(JSON.parse('{"complete":"1d"}'))).toThrow(/completed/);
    expect(() => sweepsOf({ failed: "soon" })).toThrow(/retention\.failed/);
    expect(() => sweepsOf(JSON.parse("5"))).toThrow(/retention/);
  });

  test("a round is bounded, and no kind keeps another waiting", async () => {
    const sweeps = sweepsOf(undefined);
    const seen: SweepAsk[] = [];
    const sweep = (ask: SweepAsk): Promise<{ removed: number; more: boolean }> => {
      seen.push(ask);
      return Promise.resolve({ removed: 200, more: true });
    };
    expect(await sweepRound(sweeps, sweep, () => Promise.resolve(true))).toBe(true);
    expect(seen).toHaveLength(50);
    expect(new Set(seen).size).toBe(sweeps.length);
    seen.length = 0;
    expect(await sweepRound(sweeps, sweep, () => Promise.resolve(false))).toBe(true);
    expect(seen).toHaveLength(1);
    const done = (): Promise<{ removed: number; more: boolean }> => Promise.resolve({ removed: 0, more: false });
    expect(await sweepRound(sweeps, done, () => Promise.resolve(true))).toBe(false);
  });
});

describe("progress", () => {
  test("an answer goes to the run that it is about, also when another has ended meanwhile", async () => {
    const lost: unknown[] = [];
    const written: unknown[] = [];
    const runOf = (id: string): RunView => ({ claim: { task: { id, queue: "q" }, fence: 1 } }) as RunView;
    const clock = new TestClock();
    const board = new ProgressBoard({
      clock,
      worker: "w",
      throttle: new Throttle(new Rig().parts.logger, clock),
      write: (set) => {
        written.push(...set.map(({ id }) => id));
        return Promise.resolve(set.map(({ id }) => (id === "gone" ? "lost" : "written")));
      },
      lost: (run) => lost.push(run.claim.task.id),
    });
    const runs = ["ended", "healthy", "gone"].map(runOf);
    for (const run of runs) board.report(run, 0.5, undefined);
    const [ended] = runs;
    if (ended !== undefined) board.takeLast(ended);
    await clock.advance(1_000);
    expect(written).toEqual(["healthy", "gone"]);
    expect(lost).toEqual(["gone"]);
    await board.stop();
  });

  test("the latest word of each 250 ms, and the last one with the end", async () => {
    const rig = new Rig();
    let report: ((fraction: number, note?: string) => void) | undefined;
    let end = (): void => {};
    const worker = rig.worker([
      task("t", (_, ctx) => {
        report = (fraction, note) => ctx.progress(fraction, note);
        return new Promise<void>((resolve) => {
          end = resolve;
        });
      }),
    ]);
    await worker.start();
    const [id = ""] = await rig.enqueue("t");
    await until(() => report !== undefined);
    await quiet();
    const words = async (): Promise<readonly unknown[]> => {
      const events = await rig.backend.events.newest({ taskId: id, type: "progress", limit: 100 });
      return events.toReversed().map(({ data }) => JSON.parse(data ?? ""));
    };
    for (let i = 0; i <= 10; i++) report?.(i / 100);
    await rig.pass(10, 10);
    expect(await words()).toEqual([{ fraction: 0.1 }]);
    report?.(0.2);
    report?.(0.3, "nearly");
    await rig.pass(200, 50);
    expect(await words()).toHaveLength(1);
    await rig.pass(50, 50);
    expect(await words()).toEqual([{ fraction: 0.1 }, { fraction: 0.3, note: "nearly" }]);
    report?.(0.9);
    report?.(1);
    end();
    await rig.ended(id);
    expect(await words()).toEqual([{ fraction: 0.1 }, { fraction: 0.3, note: "nearly" }, { fraction: 1 }]);
    expect((await rig.story(id)).slice(-2)).toEqual(["progress", "completed"]);
    report?.(0.5);
    await rig.pass(500);
    expect(await words()).toHaveLength(3);
    await worker.stop();
  });

  test("of a lost claim aborts the handler; words that cannot be written do no harm", async () => {
    const rig = new Rig();
    let report = (_fraction: number): void => {};
    const worker = rig.worker([
      task("t", (_, ctx) => {
        report = (fraction) => ctx.progress(fraction);
        return new Promise<void>((resolve) => {
          ctx.signal.addEventListener("abort", () => resolve());
        });
      }),
    ]);
    await worker.start();
    const [id] = await rig.enqueue("t");
    await until(async () => (await rig.status(id)) === "running");
    await quiet();
    const work = { ...rig.backend.work };
    Object.assign(rig.backend.work, { progress: () => Promise.reject(new Error("down")) });
    report(0.1);
    await rig.pass(300);
    expect(rig.logs.some(({ message }) => message.startsWith("Progress could not"))).toBe(true);
    Object.assign(rig.backend.work, { progress: () => Promise.resolve(["lost"]) });
    report(0.2);
    await rig.pass(300);
    expect(rig.logs.some(({ message }) => message.includes("claim was lost"))).toBe(true);
    Object.assign(rig.backend.work, work);
    await worker.stop();
  });
});
