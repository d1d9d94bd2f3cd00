import { describe, expect, test } from "vitest";
import { StorageError } from "../../../src/core/errors.ts";
import type { WorkerRow } from "../../../src/core/backend.ts";
import { gate, quiet, Rig, task, until, untilAborted } from "./rig.ts";

/** Makes verbs of a slice fail while `broken` says so, and counts the calls. */
function breakable<S extends object>(slice: S, names: readonly (keyof S)[]): { broken: boolean; calls: number } {
  const state = { broken: false, calls: 0 };
  for (const name of names) {
    const verb = slice[name];
    if (typeof verb !== "function") throw new TypeError(String(name));
    Object.assign(slice, {
      [name]: (...args: readonly unknown[]): unknown => {
        state.calls++;
        return state.broken ? Promise.reject(new StorageError("STORAGE_BUSY", "busy")) : Reflect.apply(verb, undefined, args);
      },
    });
  }
  return state;
}

describe("a store that fails", () => {
  test("is tried again with growing waits, never in a busy loop; nothing that was done is lost", async () => {
    const rig = new Rig();
    const work = breakable(rig.backend.work, ["claim", "settle"]);
    const slow = gate();
    let runs = 0;
    const worker = rig.worker([
      task("t", async () => {
        runs++;
        await slow.promise;
        return "kept";
      }),
    ]);
    const errors: Error[] = [];
    worker.on("error", (error) => errors.push(error));
    await worker.start();
    const [id] = await rig.enqueue("t");
    await until(() => runs === 1);
    work.broken = true;
    work.calls = 0;
    slow.open();
    await until(() => work.calls === 1);
    await quiet();
    expect(work.calls).toBe(1);
    await rig.pass(4_000);
    expect(work.calls).toBeGreaterThan(6);
    expect(work.calls).toBeLessThan(18);
    expect(rig.logs.filter(({ message }) => message.startsWith("The store")).length).toBeLessThanOrEqual(5);
    expect(errors[0]).toBeInstanceOf(StorageError);
    expect(await rig.status(id)).toBe("running");
    work.broken = false;
    await rig.clock.advance(5_000);
    await rig.ended(id);
    expect(await rig.value(id)).toBe("kept");
    expect(runs).toBe(1);
    await worker.stop();
  });

  test.each(["STORAGE_CORRUPT", "NOT_A_DATABASE"])("for good (%s): whoever drains is told, and a line says what to do", async (code) => {
    const rig = new Rig();
    await rig.enqueue("t");
    const work = { ...rig.backend.work };
    Object.assign(rig.backend.work, { claim: () => Promise.reject(new StorageError(code, "damaged")) });
    const worker = rig.worker([task("t", () => 1)]);
    const told = expect(worker.drain()).rejects.toMatchObject({ code });
    await rig.pass(2_000);
    await told;
    expect(rig.logs.map(({ message }) => message)).toContainEqual(expect.stringContaining("omniq doctor --salvage"));
    expect(worker.isRunning).toBe(false);
    Object.assign(rig.backend.work, work);
    await worker.drain();
    expect((await rig.backend.desk.find({ limit: 9, status: "completed" })).items).toHaveLength(1);
  });

  test("a claim that fails does not keep what has ended from being written", async () => {
    const rig = new Rig();
    const work = { ...rig.backend.work };
    const slow = gate();
    const worker = rig.worker([task("t", () => slow.promise)], { concurrency: 2 });
    await worker.start();
    const [id] = await rig.enqueue("t");
    await until(async () => (await rig.status(id)) === "running");
    const fail = (): Promise<never> => Promise.reject(new StorageError("STORAGE_FAILED", "claims fail"));
    Object.assign(rig.backend.work, {
      claim: fail,
      settle: (...[set, ask]: Parameters<typeof work.settle>) => (ask === undefined ? work.settle(set) : fail()),
    });
    await rig.enqueue("t");
    slow.open();
    await rig.clock.advance(1_000);
    await rig.ended(id);
    Object.assign(rig.backend.work, work);
    await worker.stop();
  });

  test("a settlement that no store takes does not keep the others", async () => {
    const rig = new Rig();
    const work = { ...rig.backend.work };
    let poison = "";
    Object.assign(rig.backend.work, {
      settle: (...[set, ask]: Parameters<typeof work.settle>) =>
        set.some(({ id }) => id === poison) ? Promise.reject(new StorageError("STORAGE_FAILED", "bad row")) : work.settle(set, ask),
    });
    const worker = rig.worker([task("t", () => 1)]);
    const ids = await rig.enqueue("t", "t", "t", "t", "t");
    [, , poison = ""] = ids;
    await worker.start();
    await rig.pass(10_000);
    const rows = await rig.backend.desk.get(ids);
    expect(rows.map((row) => row?.status)).toEqual(["completed", "completed", "running", "completed", "completed"]);
    void worker.stop();
    await quiet();
    await rig.clock.advance(6_000);
    await worker.stop();
    expect(rig.logs.some(({ message, data }) => message.includes("could not be written before") && data?.["left"] === 1)).toBe(true);
  });

  test("a settlement that no store takes does not keep the worker from claiming", async () => {
    const rig = new Rig();
    const work = { ...rig.backend.work };
    const [poison] = await rig.enqueue("t");
    Object.assign(rig.backend.work, {
      settle: (...[set, ask]: Parameters<typeof work.settle>) =>
        set.some(({ id }) => id === poison) ? Promise.reject(new StorageError("STORAGE_FAILED", "bad row")) : work.settle(set, ask),
    });
    let runs = 0;
    const worker = rig.worker([task("t", () => runs++)]);
    await worker.start();
    await rig.pass(30_000);
    expect(runs).toBe(1);
    const [next] = await rig.enqueue("t");
    await until(() => runs === 2);
    await rig.pass(6_000);
    expect(await rig.status(next)).toBe("completed");
    void worker.stop();
    await quiet();
    await rig.clock.advance(6_000);
    await worker.stop();
  });

  test("upkeep and schedules that cannot be done are tried again", async () => {
    const rig = new Rig();
    await rig.stores.open();
    const schedules = breakable(rig.backend.schedules, ["list"]);
    const work = breakable(rig.backend.work, ["release"]);
    schedules.broken = true;
    const worker = rig.worker([]);
    await worker.start();
    await rig.clock.advance(3_000);
    expect(rig.logs.some(({ message }) => message.startsWith("Schedules"))).toBe(true);
    schedules.broken = false;
    work.broken = true;
    await rig.clock.advance(3_000);
    expect(rig.logs.some(({ message }) => message.startsWith("Upkeep"))).toBe(true);
    work.broken = false;
    const before = work.calls;
    await rig.clock.advance(6_000);
    expect(work.calls).toBeGreaterThan(before);
    await worker.stop();
  });
});

describe("a worker that cannot beat", () => {
  test("aborts its handlers at 80 % of the lease, and settles only what it finds it still holds", async () => {
    const rig = new Rig();
    const presence = breakable(rig.backend.presence, ["beat"]);
    const reasons: unknown[] = [];
    const slow = gate();
    const worker = rig.worker([
      task("heeds", (_, ctx) =>
        untilAborted(ctx.signal).catch((error: unknown) => {
          reasons.push(error);
          throw error;
        }),
      ),
      task("plain", () => slow.promise),
      task("deaf", () => gate().promise),
    ]);
    await worker.start();
    const [heeds, plain, deaf] = await rig.enqueue("heeds", "plain", "deaf");
    await until(async () => (await rig.status(deaf)) === "running");
    await quiet();
    presence.broken = true;
    await rig.clock.advance(9_500);
    expect(reasons).toEqual([]);
    await rig.clock.advance(200);
    expect(reasons).toEqual([expect.objectContaining({ code: "LEASE_LOST" })]);
    slow.open();
    const [late] = await rig.enqueue("plain");
    await rig.clock.advance(2_000);
    await quiet();
    for (const id of [heeds, plain, deaf]) expect(await rig.status(id)).toBe("running");
    expect(await rig.status(late)).toBe("pending");
    presence.broken = false;
    await rig.clock.advance(1_500);
    await rig.ended(plain, late);
    // Still held: the attempts of those that were aborted are given back, and run again.
    expect(await rig.story(heeds)).toEqual(["enqueued", "executing", "released", "executing"]);
    expect((await rig.get(heeds)).attempt).toBe(1);
    expect((await rig.story(deaf)).slice(0, 3)).toEqual(["enqueued", "executing", "released"]);
    const stopped = worker.stop({ timeout: 0 });
    await rig.pass(2_000);
    await stopped;
  });
});

describe("a worker with a deputy", () => {
  test("is not silent while that beats for it, and is from the moment that it no longer does", async () => {
    const rig = new Rig();
    const presence = breakable(rig.backend.presence, ["beat"]);
    const calls: string[] = [];
    let beatAt: number | undefined;
    Object.assign(rig.backend, {
      deputy: (worker: string, leaseMs: number) => {
        calls.push(`for ${worker}, ${leaseMs}`);
        return {
          awake: () => calls.push("awake"),
          beatAgo: () => (beatAt === undefined ? undefined : rig.clock.monotonic() - beatAt),
          stop: () => Promise.resolve(calls.push("stop")),
        };
      },
    });
    const reasons: unknown[] = [];
    const worker = rig.worker([task("t", (_, ctx) => untilAborted(ctx.signal).catch((error: unknown) => reasons.push(error)))]);
    await worker.start();
    const [id] = await rig.enqueue("t");
    await until(async () => (await rig.status(id)) === "running");
    presence.broken = true;
    for (let i = 0; i < 4; i++) {
      await rig.clock.advance(6_000);
      beatAt = rig.clock.monotonic();
    }
    expect(reasons).toEqual([]);
    await rig.clock.advance(9_000);
    expect(reasons).toEqual([]);
    await rig.clock.advance(1_000);
    expect(reasons).toEqual([expect.objectContaining({ code: "LEASE_LOST" })]);
    presence.broken = false;
    const stopped = worker.stop({ timeout: 0 });
    await rig.pass(3_000);
    await stopped;
    expect(calls[0]).toMatch(/^for \S+, 12000$/);
    expect(calls.at(-1)).toBe("stop");
    expect(calls.filter((call) => call === "awake").length).toBeGreaterThan(4);
  });
});

describe("a silent worker with tasks ahead", () => {
  test("starts none of them, and gives them back when it beats again", async () => {
    const rig = new Rig();
    const presence = breakable(rig.backend.presence, ["beat"]);
    const slow = gate();
    let runs = 0;
    const worker = rig.worker([task("slow", () => slow.promise), task("t", () => ++runs)], { concurrency: 1, prefetch: 1 });
    await worker.start();
    await rig.enqueue({ func: "slow", priority: 1 });
    const [ahead] = await rig.enqueue("t");
    await until(async () => (await rig.status(ahead)) === "running");
    await quiet();
    presence.broken = true;
    await rig.pass(10_500, 500);
    slow.open();
    await quiet();
    expect(runs).toBe(0);
    presence.broken = false;
    await rig.pass(2_000);
    await rig.ended(ahead);
    expect(await rig.story(ahead)).toEqual(["enqueued", "executing", "released", "executing", "completed"]);
    await worker.stop();
  });

  test("a beat that is under way at 80 % of the lease is given its chance; the row that stays is said", async () => {
    const rig = new Rig();
    const presence = { ...rig.backend.presence };
    const slow = gate();
    let hang = false;
    Object.assign(rig.backend.presence, {
      beat: async (...args: Parameters<typeof presence.beat>) => {
        if (hang) await slow.promise;
        return presence.beat(...args);
      },
      leave: () => Promise.reject(new StorageError("STORAGE_BUSY", "busy")),
    });
    const worker = rig.worker([]);
    await worker.start();
    hang = true;
    await rig.pass(10_000, 500);
    const said = (): number => rig.logs.filter(({ message }) => message.includes("no longer trusts")).length;
    expect(said()).toBe(0);
    await rig.pass(1_500, 500);
    expect(said()).toBe(1);
    hang = false;
    slow.open();
    await worker.stop();
    expect(rig.logs.some(({ message }) => message.includes("sign off"))).toBe(true);
  });
});

describe("workers that died", () => {
  const dead = (rig: Rig, more: Partial<WorkerRow> = {}): Promise<void> =>
    rig.backend.presence.arrive({
      worker: "dead",
      role: "worker",
      host: "other",
      boot: "x",
      pid: 9,
      started: "1",
      leaseMs: 12_000,
      queues: ["default"],
      names: ["t"],
      concurrency: 10,
      ...more,
    });
  const claimAll = (rig: Rig, worker = "dead"): Promise<unknown> =>
    rig.backend.work.claim({ worker, limit: 100, of: { due: true, queues: ["default"], names: "any", announce: true } });

  test("are found when their beat stood still for a whole lease; their tasks run again, as a crash and not as a failure", async () => {
    const rig = new Rig();
    const [id, once, poison] = await rig.enqueue("t", { func: "t", atMostOnce: true }, { func: "t", maxCrashes: 1 });
    await dead(rig);
    await claimAll(rig);
    const worker = rig.worker([task("t", () => "again")]);
    await worker.start();
    await rig.clock.advance(11_000);
    expect(await rig.status(id)).toBe("running");
    await rig.clock.advance(4_500);
    await rig.ended(id, once, poison);
    expect(await rig.get(id)).toMatchObject({ status: "completed", crashCount: 1, retryCount: 0, attempt: 2 });
    expect(await rig.get(once)).toMatchObject({ status: "failed", reason: "crashed" });
    expect(await rig.get(poison)).toMatchObject({ status: "failed", reason: "poison" });
    expect(await rig.story(id)).toEqual(["enqueued", "executing", "crashed", "executing", "completed"]);
    await worker.stop();
  });

  test.each([0, 700, 1_500, 2_300, 2_999])(
    "are found within 20 s of their last beat, by default, wherever it lies between two looks: %d ms",
    async (offset) => {
      const rig = new Rig();
      const [id] = await rig.enqueue("t");
      const worker = rig.worker([task("t", () => 1)], { queues: ["other"] });
      await worker.start();
      await rig.clock.advance(offset);
      await dead(rig);
      await claimAll(rig);
      for (let beats = 0; beats < 3; beats++) {
        await rig.clock.advance(5_000);
        await rig.backend.presence.beat("dead", []);
      }
      const last = rig.clock.monotonic();
      while ((await rig.get(id)).crashCount === 0 && rig.clock.monotonic() - last < 30_000) await rig.pass(250, 250);
      const took = rig.clock.monotonic() - last;
      // Not before its lease is over, either.
      expect([took >= 12_000, took <= 20_000]).toEqual([true, true]);
      await worker.stop();
    },
  );

  test("are found at once when their process is known to be gone", async () => {
    const rig = new Rig();
    const [id] = await rig.enqueue("t");
    await dead(rig);
    await claimAll(rig);
    const worker = rig.worker([task("t", () => 1)], {}, { isGone: (row) => row.pid === 9 });
    await worker.start();
    await rig.clock.advance(0);
    await rig.ended(id);
    await worker.stop();
  });

  test("a client that claimed by hand is found, too, after its own lease", async () => {
    const rig = new Rig();
    const [id] = await rig.enqueue("t");
    await dead(rig, { role: "client", leaseMs: 300_000 });
    await claimAll(rig);
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await rig.clock.advance(295_000);
    expect(await rig.status(id)).toBe("running");
    await rig.clock.advance(10_000);
    await rig.ended(id);
    await worker.stop();
  });

  test("a beat, and not the wall clock, proves life", async () => {
    const rig = new Rig();
    const [id] = await rig.enqueue("t");
    await dead(rig);
    await claimAll(rig);
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await rig.clock.advance(3_000);
    rig.clock.jump(3_600_000 * 24);
    await rig.clock.advance(3_000);
    rig.clock.jump(-3_600_000 * 48);
    for (let i = 0; i < 10; i++) {
      await rig.clock.advance(5_000);
      await rig.backend.presence.beat("dead", []);
    }
    expect(await rig.status(id)).toBe("running");
    expect((await rig.get(id)).fence).toBe(1);
    await worker.stop();
  });

  test("of a great many claims each is taken over once, in batches, and the empty row is left in peace", async () => {
    const rig = new Rig();
    const ids = await rig.enqueue(...Array.from({ length: 250 }, () => ({ func: "t", atMostOnce: true })));
    await dead(rig, { leaseMs: 1_000 });
    await rig.backend.work.claim({ worker: "dead", limit: 250, of: { due: true, queues: ["default"], names: "any", announce: false } });
    const asked: number[] = [];
    const work = { ...rig.backend.work };
    Object.assign(rig.backend.work, {
      claim: (ask: Parameters<typeof work.claim>[0]) => {
        if ("lost" in ask.of) asked.push(ask.limit);
        return work.claim(ask);
      },
    });
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    await rig.clock.advance(4_000);
    await rig.ended(...ids);
    expect(asked).toEqual([100, 100, 100]);
    await rig.clock.advance(20_000);
    expect(asked).toHaveLength(3);
    await worker.stop();
  });
});
