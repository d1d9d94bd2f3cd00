import { describe, expect, test } from "vitest";
import { StorageError } from "../../../src/core/errors.ts";
import { Stores } from "../../../src/runtime/stores.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import { ModelBackend } from "../../../src/testing/model.ts";
import { gate, newTask, quiet, Rig, task, until } from "./rig.ts";

const apart = (): Rig => {
  const clock = new TestClock();
  return new Rig({ clock, results: new ModelBackend({ clock, projectName: "r" }), events: new ModelBackend({ clock, projectName: "e" }) });
};

describe("results and events elsewhere", () => {
  test("are written there, and only there", async () => {
    const rig = apart();
    const [id = "", bad] = await rig.enqueue({ func: "t", callback: { func: "t" } }, { func: "bad", maxRetries: 0 });
    await rig.worker([task("t", () => 5), task("bad", () => Promise.reject(new Error("no")))]).drain();
    expect(await rig.value(id)).toBe(5);
    expect(await rig.backend.results.get([id])).toEqual([undefined]);
    expect(await rig.story(id)).toEqual(["enqueued", "executing", "completed"]);
    expect(await rig.story(bad)).toEqual(["enqueued", "executing", "failed"]);
    expect(await rig.story(`${id}.callback1`)).toEqual(["enqueued", "executing", "completed"]);
    expect((await rig.backend.events.newest({ taskId: id, limit: 9 })).map(({ type }) => type)).toEqual([]);
  });

  test("the result is there before the end can be seen", async () => {
    const rig = apart();
    const order: string[] = [];
    const results = { ...rig.stores.results.results };
    const work = { ...rig.backend.work };
    Object.assign(rig.stores.results.results, {
      put: (...args: Parameters<typeof results.put>) => {
        order.push("result");
        return results.put(...args);
      },
    });
    Object.assign(rig.backend.work, {
      settle: (...args: Parameters<typeof work.settle>) => {
        order.push("settlement");
        return work.settle(...args);
      },
    });
    await rig.enqueue("t");
    await rig.worker([task("t", () => 5)]).drain();
    expect(order).toEqual(["result", "settlement"]);
  });

  test("a result that cannot be written keeps the task from ending, until it can", async () => {
    const rig = apart();
    const results = { ...rig.stores.results.results };
    Object.assign(rig.stores.results.results, { put: () => Promise.reject(new StorageError("STORAGE_BUSY", "busy")) });
    const worker = rig.worker([task("t", () => 5)]);
    await worker.start();
    const [id] = await rig.enqueue("t");
    await rig.pass(1_000);
    expect(await rig.status(id)).toBe("running");
    Object.assign(rig.stores.results.results, results);
    await rig.pass(5_000);
    expect(await rig.status(id)).toBe("completed");
    expect(await rig.value(id)).toBe(5);
    await worker.stop();
  });

  test("an event log that is down delays nobody's work, and gets its events later, once", async () => {
    const rig = apart();
    const events = { ...rig.stores.events.events };
    await rig.stores.open();
    let down = true;
    Object.assign(rig.stores.events.events, {
      append: (...args: Parameters<typeof events.append>) => (down ? Promise.reject(new Error("down")) : events.append(...args)),
    });
    const [first, second] = await rig.enqueue("t", "t");
    const worker = rig.worker([task("t", () => 5)], { concurrency: 1 });
    await worker.start();
    await rig.ended(first, second);
    expect(rig.stores.owed).toBe(6);
    down = false;
    const [third] = await rig.enqueue("t");
    await rig.ended(third);
    await until(() => rig.stores.owed === 0);
    for (const id of [first, second, third]) expect(await rig.story(id)).toEqual(["enqueued", "executing", "completed"]);
    await worker.stop();
  });

  test("a repeated settlement tells its events again, which are there once; a lost one tells nothing", async () => {
    const rig = apart();
    const [id = ""] = await rig.enqueue("t");
    await rig.backend.presence.arrive({
      ...rig.parts.host,
      worker: "w",
      role: "worker",
      leaseMs: 1e9,
      queues: [],
      names: [],
      concurrency: 1,
    });
    await rig.stores.claim({ worker: "w", limit: 1, of: { due: true, queues: ["default"], names: "any", announce: true } });
    const settlement = { id, fence: 1, to: "completed", events: [{ type: "completed", taskId: id }] } as const;
    expect((await rig.stores.settle([settlement])).settled).toEqual(["settled"]);
    expect((await rig.stores.settle([settlement])).settled).toEqual(["repeated"]);
    expect((await rig.stores.settle([{ ...settlement, fence: 0, events: [{ type: "failed", taskId: id }] }])).settled).toEqual(["lost"]);
    expect(await rig.story(id)).toEqual(["enqueued", "executing", "completed"]);
  });

  test("progress is written only while the claim is the current one", async () => {
    const rig = apart();
    const slow = gate();
    const worker = rig.worker([task("t", () => slow.promise)]);
    await worker.start();
    const [id = ""] = await rig.enqueue("t");
    await until(async () => (await rig.status(id)) === "running");
    const word = (fence: number) => ({ id, fence, event: { type: "progress", taskId: id } as const });
    expect(await rig.stores.progress([word(1), word(0)])).toEqual(["written", "lost"]);
    expect(await rig.story(id)).toEqual(["enqueued", "executing", "progress"]);
    slow.open();
    await rig.ended(id);
    expect(await rig.stores.progress([word(1)])).toEqual(["lost"]);
    await worker.stop();
  });

  test("nothing is announced that was not asked for, and refused calls announce nothing", async () => {
    const rig = apart();
    await rig.stores.open();
    await rig.stores.enqueue([
      { tasks: [newTask({ id: "quiet", func: "t" })], announce: false },
      { tasks: [newTask({ id: "orphan", func: "t", dependsOn: [{ id: "nobody", ifFailed: "run" }] })], announce: true },
    ]);
    await quiet();
    expect(await rig.story("quiet")).toEqual([]);
    expect(await rig.story("orphan")).toEqual([]);
  });
});

describe("one place for all", () => {
  test("is opened once", async () => {
    const backend = new ModelBackend({ clock: new TestClock() });
    const stores = new Stores(backend);
    expect(stores.places).toEqual([backend]);
    await stores.open();
    await stores.open();
    expect(backend.isOpen).toBe(true);
    await stores.append([]);
    expect(stores.owed).toBe(0);
  });
});
