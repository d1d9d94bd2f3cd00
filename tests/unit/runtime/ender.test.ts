/** How a caller ends what nobody runs: whole cascades, and also where the store fails between the claim and the end. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { StorageError } from "../../../src/core/errors.ts";
import { defineTask, OmniQ } from "../../../src/index.ts";
import type { TaskHandle } from "../../../src/index.ts";
import { ModelBackend, TestClock } from "../../../src/testing/index.ts";

const t = defineTask({ name: "t", handler: () => 1 });
const busy = () => Promise.reject(new StorageError("STORAGE_BUSY", "locked"));

describe("ending what nobody runs", () => {
  let clock: TestClock;
  let backend: ModelBackend;
  let omniq: OmniQ<never>;
  beforeEach(() => {
    clock = new TestClock();
    backend = new ModelBackend({ clock });
    omniq = new OmniQ({ backend, clock, logger: { debug() {}, info() {}, warn() {}, error() {} } });
  });
  afterEach(() => omniq.close());

  test("a chain of any length ends with its head, and nothing stays claimed", async () => {
    const chain: TaskHandle[] = [await omniq.enqueue(t)];
    for (let i = 0; i < 130; i++) chain.push(await omniq.enqueue(t, undefined, { dependsOn: chain.slice(-1) }));
    expect(await chain[0]?.cancel()).toBe("cancelled");
    const rows = await backend.desk.get(chain.map(({ id }) => id));
    expect(new Set(rows.map((row) => row?.status))).toEqual(new Set(["cancelled"]));
  });

  test("a store that is busy after the claim is tried again", async () => {
    const handle = await omniq.enqueue(t);
    const settle = vi.spyOn(backend.work, "settle").mockImplementationOnce(busy).mockImplementationOnce(busy);
    const cancelled = handle.cancel();
    await clock.advance(1_000);
    expect(await cancelled).toBe("cancelled");
    expect(settle).toHaveBeenCalledTimes(3);
    expect((await handle.get())?.status).toBe("cancelled");
  });

  test("when it stays busy the caller is told so, and the next call of any kind ends the task", async () => {
    const [one, two, three] = await omniq.enqueueMany([t.with(), t.with(), t.with()]);
    const settle = vi.spyOn(backend.work, "settle").mockImplementation(busy);
    const first = expect(one.cancel()).rejects.toMatchObject({ code: "STORAGE_BUSY" });
    await clock.advance(1_000);
    await first;
    expect((await one.get())?.status).toBe("pending");
    settle.mockRestore();
    await expect(one.result()).rejects.toMatchObject({ code: "TASK_CANCELLED" });

    vi.spyOn(backend.work, "settle").mockImplementation(busy);
    const second = expect(two.cancel()).rejects.toMatchObject({ code: "STORAGE_BUSY" });
    await clock.advance(1_000);
    await second;
    vi.restoreAllMocks();
    expect(await three.cancel()).toBe("cancelled");
    expect((await two.get())?.status).toBe("cancelled");
  });

  test("what is still owed at the end is written before the client leaves", async () => {
    const handle = await omniq.enqueue(t);
    vi.spyOn(backend.work, "settle").mockImplementation(busy);
    const told = expect(handle.cancel()).rejects.toMatchObject({ code: "STORAGE_BUSY" });
    await clock.advance(1_000);
    await told;
    vi.restoreAllMocks();
    await omniq.close();
    await backend.open();
    expect(await backend.desk.get([handle.id])).toMatchObject([{ status: "cancelled" }]);
    expect(await backend.presence.workers(10)).toEqual([]);
  });

  test("one that no store takes keeps neither the others nor later calls", async () => {
    const [bad, good] = await omniq.enqueueMany([t.with(), t.with()]);
    const plain = backend.work.settle.bind(backend.work);
    vi.spyOn(backend.work, "settle").mockImplementation(async (set, ask) => {
      if (set.some(({ id }) => id === bad.id)) throw new StorageError("STORAGE_FAILED", "bad row");
      return plain(set, ask);
    });
    await expect(omniq.tasks.cancel({ func: "t" })).rejects.toMatchObject({ code: "STORAGE_FAILED" });
    expect(await (await omniq.enqueue(t)).cancel()).toBe("cancelled");
    expect((await good.get())?.status).toBe("cancelled");
    expect((await bad.get())?.status).toBe("pending");
  });
});
