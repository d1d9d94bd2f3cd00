/** Tasks that one more lost claim would end. */
import { describe, expect, test } from "vitest";
import type { NewTask } from "../../../src/core/task.ts";
import { gate, quiet, Rig, task, until } from "./rig.ts";

/** Enqueues tasks whose worker was lost so often. */
async function crashed(
  rig: Rig,
  times: number,
  ...tasks: readonly (Partial<NewTask> & { readonly func: string })[]
): Promise<readonly string[]> {
  const ids = await rig.enqueue(...tasks.map((each) => ({ maxCrashes: 2, ...each })));
  const { presence, work } = rig.backend;
  await presence.arrive({ ...rig.parts.host, worker: "dead", role: "worker", leaseMs: 1_000, queues: [], names: [], concurrency: 1 });
  for (let i = 0; i < times; i++) {
    const names = tasks.map(({ func }) => func);
    const { claims } = await work.claim({ worker: "dead", limit: 99, of: { due: true, queues: ["default"], names, announce: false } });
    await work.settle(claims.map(({ task: { id }, fence }) => ({ id, fence, to: "again", after: 0, counts: "crash", events: [] })));
  }
  expect((await rig.backend.desk.get(ids)).map((row) => row?.crashCount)).toEqual(ids.map(() => times));
  return ids;
}

describe("of tasks that have been in crashes", () => {
  test("one runs at a time, while nobody holds the others; what has been in none runs beside it", async () => {
    const rig = new Rig();
    const ids = await crashed(rig, 1, { func: "suspect" }, { func: "suspect" }, { func: "suspect" });
    const [other] = await rig.enqueue("other");
    const heldAtStart: number[] = [];
    const gates = new Map<string, ReturnType<typeof gate>>();
    const runs = async (_: unknown, { id }: { readonly id: string }): Promise<void> => {
      heldAtStart.push((await rig.backend.desk.get(ids)).filter((row) => row?.status === "running").length);
      const own = gate();
      gates.set(id, own);
      await own.promise;
    };
    const worker = rig.worker([task("suspect", runs), task("other", () => 1)], { concurrency: 5 });
    await worker.start();
    for (const n of [1, 2, 3]) {
      await until(async () => {
        await rig.pass(1_000);
        return gates.size === n;
      });
      const rows = await rig.backend.desk.get(ids);
      expect(rows.filter((row) => row?.status === "running")).toHaveLength(1);
      [...gates.values()].at(-1)?.open();
    }
    await rig.ended(...ids, other);
    expect(heldAtStart).toEqual([1, 1, 1]);
    expect((await rig.backend.desk.get(ids)).map((row) => [row?.status, row?.attempt, row?.crashCount])).toEqual(
      ids.map(() => ["completed", 2, 1]),
    );
    expect((await rig.story(ids[1])).slice(0, 4)).toEqual(["enqueued", "executing", "released", "executing"]);
    await worker.stop();
  });

  test("a drain waits for those that it kept apart", async () => {
    const rig = new Rig();
    const ids = await crashed(rig, 1, { func: "t" }, { func: "t" }, { func: "t" });
    let runs = 0;
    const drained = rig.worker([task("t", () => ++runs)]).drain();
    await rig.pass(20_000, 500);
    await drained;
    expect(runs).toBe(3);
    expect(await rig.status(ids[2])).toBe("completed");
  });

  test("short ones follow each other soon; a long one is seldom asked after", async () => {
    const rig = new Rig();
    const ids = await crashed(rig, 1, ...Array.from({ length: 30 }, () => ({ func: "t" })));
    const [long = ""] = await crashed(rig, 1, { func: "long", priority: 1 });
    const slow = gate();
    const worker = rig.worker([task("t", () => 1), task("long", () => slow.promise)]);
    await worker.start();
    await rig.pass(600_000, 1_000);
    const released = (await Promise.all(ids.map((id) => rig.story(id)))).map((story) => story.filter((type) => type === "released").length);
    expect(Math.max(...released)).toBeLessThan(30);
    slow.open();
    await rig.ended(long);
    await rig.pass(60_000, 1_000);
    await rig.pass(30_000, 50);
    await rig.ended(...ids);
    await worker.stop();
  });

  test("a drain that is stopped waits for none of them", async () => {
    const rig = new Rig();
    await crashed(rig, 1, { func: "t" }, { func: "t" });
    const worker = rig.worker([task("t", () => 1)]);
    await worker.start();
    const drained = worker.drain();
    await until(async () => (await rig.backend.desk.find({ limit: 9, status: "completed" })).items.length === 1);
    await quiet();
    await worker.stop();
    await drained;
    expect((await rig.backend.desk.find({ limit: 9, status: "completed" })).items).toHaveLength(1);
  });

  test("one that would expire meanwhile comes back before", async () => {
    const rig = new Rig();
    const ids = await crashed(rig, 1, { func: "t", ttl: 4_000 }, { func: "t", ttl: 4_000 });
    const drained = rig.worker([task("t", () => 1)]).drain();
    await rig.pass(6_000);
    await drained;
    expect((await rig.backend.desk.get(ids)).map((row) => row?.status)).toEqual(["completed", "completed"]);
  });
});

describe("prefetch claims nothing ahead that one lost claim would end", () => {
  test.each([
    ["atMostOnce", { atMostOnce: true }],
    ["maxCrashes: 1", { maxCrashes: 1 }],
  ])("%s", async (_, of) => {
    const rig = new Rig();
    const slow = gate();
    const ids = await rig.enqueue(...Array.from({ length: 4 }, () => ({ func: "t", ...of })));
    const [plain] = await rig.enqueue({ func: "t", priority: -1 });
    const worker = rig.worker([task("t", () => slow.promise)], { concurrency: 1, prefetch: 4 });
    await worker.start();
    await until(async () => (await rig.story(ids[3])).includes("released"));
    await quiet();
    expect((await rig.backend.desk.get(ids)).map((row) => row?.status)).toEqual(["running", "pending", "pending", "pending"]);
    slow.open();
    await rig.ended(...ids, plain);
    expect((await rig.story(ids[3])).filter((type) => type === "released")).toHaveLength(1);
    await worker.stop();
  });
});
