/** How a waiting caller looks: what it reads and how often. That it is told the truth is tested with the façade. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { StorageError } from "../../../src/core/errors.ts";
import { defineTask, OmniQ } from "../../../src/index.ts";
import { ModelBackend, TestClock } from "../../../src/testing/index.ts";

const add = defineTask({ name: "add", handler: ({ x }: { x: number }) => x });

describe("waiting for results", () => {
  let clock: TestClock;
  let backend: ModelBackend;
  let omniq: OmniQ<never>;
  let drain: () => Promise<void>;
  beforeEach(() => {
    clock = new TestClock();
    backend = new ModelBackend({ clock });
    omniq = new OmniQ({ backend, clock, logger: { debug() {}, info() {}, warn() {}, error() {} } });
    drain = () => omniq.worker({ tasks: [add] }).drain();
  });
  afterEach(() => omniq.close());

  const waitingFor = async (count: number) => {
    const handles = await omniq.enqueueMany(Array.from({ length: count }, (_, x) => add.with({ x })));
    const results = Promise.allSettled(handles.map((handle) => handle.result()));
    return {
      handles,
      results,
      values: async () => (await results).map((each) => (each.status === "fulfilled" ? each.value : each.reason)),
    };
  };

  test("one read for all that wait, a bounded set at a time", async () => {
    const get = vi.spyOn(backend.desk, "get");
    const { values } = await waitingFor(700);
    await clock.advance(0);
    expect(get.mock.calls.map(([ids]) => ids.length)).toEqual([500, 200]);
    await drain();
    expect(await values()).toEqual(Array.from({ length: 700 }, (_, x) => x));
  });

  test("a look a second behind hints, and none when nobody waits", async () => {
    const { values } = await waitingFor(1);
    await clock.advance(0);
    const get = vi.spyOn(backend.desk, "get");
    await clock.advance(3_500);
    expect(get).toHaveBeenCalledTimes(3);
    await drain();
    await values();
    get.mockClear();
    await clock.advance(10_000);
    expect(get).not.toHaveBeenCalled();
  });

  test("a lost hint costs a second", async () => {
    vi.spyOn(backend, "listen").mockReturnValue(() => {});
    const { handles, values } = await waitingFor(1);
    await clock.advance(10);
    await handles[0]?.cancel();
    await clock.advance(989);
    const told = vi.fn();
    void values().then(told);
    await clock.advance(0);
    expect(told).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(told).toHaveBeenCalledOnce();
  });

  test("a look that took long rests ten times as long, a hint or not", async () => {
    const { handles } = await waitingFor(3);
    await clock.advance(0);
    const plain = backend.desk.get.bind(backend.desk);
    const get = vi.spyOn(backend.desk, "get").mockImplementation(async (ids) => {
      await clock.advance(20);
      return plain(ids);
    });
    await handles[0]?.cancel();
    await clock.advance(0);
    expect(get).toHaveBeenCalledTimes(1);
    await handles[1]?.cancel();
    await clock.advance(150);
    expect(get).toHaveBeenCalledTimes(1);
    await clock.advance(50);
    expect(get).toHaveBeenCalledTimes(2);
    get.mockRestore();
  });

  test("a store that is busy is asked again; any other trouble is told", async () => {
    const { values } = await waitingFor(1);
    await clock.advance(0);
    const get = vi.spyOn(backend.desk, "get");
    get.mockRejectedValueOnce(new StorageError("STORAGE_BUSY", "locked"));
    await clock.advance(1_000);
    get.mockRejectedValueOnce(new StorageError("STORAGE_IO", "gone"));
    await clock.advance(1_000);
    expect(await values()).toMatchObject([{ code: "STORAGE_IO" }]);
  });

  test("what waits to be ended is tried again when it could not be", async () => {
    const handle = await omniq.enqueue(add, { x: 1 }, { ttl: 500 });
    const told = expect(handle.result()).rejects.toMatchObject({ code: "TASK_EXPIRED" });
    vi.spyOn(backend.work, "claim").mockRejectedValueOnce(new StorageError("STORAGE_BUSY", "locked"));
    await clock.advance(1_000);
    expect((await handle.get())?.status).toBe("pending");
    await clock.advance(1_000);
    await told;
  });

  test("a move away is told within seconds, to who follows events, too; any other trouble with writing is not", async () => {
    const refuseMoved = vi.fn(() => Promise.reject(new StorageError("STORAGE_READONLY", "read-only")));
    Object.assign(backend, { refuseMoved });
    const { values } = await waitingFor(2);
    const followed = expect(omniq.events.follow({ after: "now" }).next()).rejects.toMatchObject({ code: "STORAGE_MOVED" });
    for (let i = 0; i < 4; i++) await clock.advance(1_000);
    expect(refuseMoved).not.toHaveBeenCalled();
    for (let i = 0; i < 4; i++) await clock.advance(1_000);
    expect(refuseMoved.mock.calls.length).toBe(2);
    refuseMoved.mockImplementation(() => Promise.reject(new StorageError("STORAGE_MOVED", "elsewhere")));
    for (let i = 0; i < 6; i++) await clock.advance(1_000);
    expect(await values()).toMatchObject([{ code: "STORAGE_MOVED" }, { code: "STORAGE_MOVED" }]);
    await followed;
  });

  test("a client that was swept arrives again", async () => {
    const one = await omniq.enqueue(add, { x: 1 });
    await one.cancel();
    await clock.advance(2 * 86_400_000);
    await omniq.cleanup();
    expect(await backend.presence.workers(10)).toEqual([]);
    const two = await omniq.enqueue(add, { x: 2 });
    expect(await two.cancel()).toBe("cancelled");
    expect(await backend.presence.workers(10)).toMatchObject([{ role: "client", queues: [], concurrency: 0 }]);
    await omniq.close();
    await backend.open();
    expect(await backend.presence.workers(10)).toEqual([]);
  });

  test("a close in the same turn is told, also where result() is the first use", async () => {
    const { id } = await omniq.enqueue(add, { x: 1 });
    const other = new OmniQ({ backend, clock });
    for (const each of [omniq, other]) {
      const told = vi.fn();
      const waiting = each.handle(id).result().catch(told);
      await each.close();
      await clock.advance(2_000);
      expect(told).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: "CLOSED" }));
      await waiting;
    }
  });

  test("a timeout of no time still looks once, and a long one is kept", async () => {
    const handle = await omniq.enqueue(add, { x: 1 });
    const none = expect(handle.result({ timeout: 0 })).rejects.toMatchObject({ code: "RESULT_TIMEOUT" });
    const long = vi.fn();
    const waiting = handle.result({ timeout: "2h" }).catch(long);
    await clock.advance(0);
    await none;
    await clock.advance(7_199_000);
    expect(long).not.toHaveBeenCalled();
    await clock.advance(1_000);
    await waiting;
    expect(long).toHaveBeenCalledOnce();
  });
});
