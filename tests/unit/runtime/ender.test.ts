/** How a caller ends what nobody runs: whole cascades, and also where the store fails between the claim and the end. */
import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { StorageError } from "../../../src/core/errors.ts";
import { hostIdentity } from "../../../src/host.ts";
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

  /** A worker of another process that runs these tasks. */
  async function holding(row: { readonly leaseMs: number; readonly pid?: number }, ...ids: readonly string[]): Promise<void> {
    await omniq.open();
    const worker = { worker: "w", role: "worker", queues: ["default"], names: ["t"], concurrency: 9 } as const;
    await backend.presence.arrive({ ...worker, host: "elsewhere", boot: "b", pid: 1, started: "", ...(row.pid && hostIdentity()), ...row });
    if (ids.length > 0) await omniq.enqueueMany(ids.map((id) => t.with(undefined, { id })));
    await backend.work.claim({ worker: "w", limit: 9, of: { due: true, queues: ["default"], names: ["t"], announce: false } });
  }

  test.runIf(hostIdentity().boot !== "")(
    "whoever waits ends what was asked to stop on a worker that is gone, and nothing else of it",
    async () => {
      const { pid } = spawnSync(process.execPath, ["--version"]);
      await holding({ leaseMs: 3_600_000, pid }, "asked", "plain", "also");
      const child = await omniq.enqueue(t, undefined, { dependsOn: ["asked"] });
      const told = expect(omniq.handle("asked").result()).rejects.toMatchObject({
        code: "TASK_CANCELLED",
        message: expect.stringContaining("stop"),
      });
      await clock.advance(10);
      for (const id of ["asked", "also"]) expect(await omniq.tasks.cancel(id, { reason: "stop it" })).toBe("asked");
      await clock.advance(2_000);
      await told;
      await expect(child.result()).rejects.toMatchObject({ code: "TASK_CANCELLED" });
      await expect(omniq.handle("also").result()).rejects.toMatchObject({ code: "TASK_CANCELLED" });
      expect((await omniq.handle("plain").get())?.status).toBe("running");
      expect((await omniq.handle("asked").events()).map(({ eventType }) => eventType)).toEqual(["enqueued", "cancelled"]);
    },
  );

  test("so it is with a worker of another machine that has not beaten for a lease, and not before", async () => {
    await holding({ leaseMs: 12_000 }, "asked");
    await omniq.tasks.cancel("asked");
    const told = expect(omniq.handle("asked").result()).rejects.toMatchObject({ code: "TASK_CANCELLED" });
    for (let i = 0; i < 30; i++) {
      await clock.advance(1_000);
      await backend.presence.beat("w", []);
    }
    await clock.advance(11_000);
    expect((await omniq.handle("asked").get())?.status).toBe("running");
    await clock.advance(3_000);
    await told;
  });

  test("also where it claimed the task only to end it", async () => {
    await holding({ leaseMs: 1_000 });
    await omniq.enqueue(t, undefined, { id: "doomed" });
    await backend.desk.cancel(["doomed"], "by hand");
    await backend.work.claim({ worker: "w", limit: 9, of: { ids: ["doomed"] } });
    const told = expect(omniq.handle("doomed").result()).rejects.toMatchObject({ code: "TASK_CANCELLED" });
    await clock.advance(3_000);
    await told;
  });

  test("of more workers than one look is at, too", async () => {
    await holding({ leaseMs: 1_000 }, "asked");
    await omniq.tasks.cancel("asked");
    const [row] = await backend.presence.workers(1);
    if (row === undefined) throw new Error("no worker");
    const strangers = { workers: [{ ...row, worker: "a", beat: 3 }], next: "a" };
    const real = backend.presence.holding.bind(backend.presence);
    const look = vi
      .spyOn(backend.presence, "holding")
      .mockImplementation(async (limit, after) => (after === undefined ? strangers : real(limit, after)));
    const told = expect(omniq.handle("asked").result()).rejects.toMatchObject({ code: "TASK_CANCELLED" });
    await clock.advance(6_000);
    await told;
    expect(look.mock.calls.slice(0, 3).map(([, after]) => after)).toEqual([undefined, "a", undefined]);
  });
});
