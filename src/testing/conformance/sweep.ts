import type { NewResult } from "../../core/result.ts";
import type { Chapter } from "./bench.ts";
import { codeOf, ids, newSchedule, newTask, workerRow } from "./bench.ts";

function put(taskId: string, ttl?: number): NewResult {
  return { taskId, status: "completed", retryCount: 0, ...(ttl === undefined ? {} : { ttl }) };
}

export const sweeping: Chapter = {
  title: "sweep",
  tests: {
    "ended tasks go when they are old enough, to the millisecond, with their results": async (b) => {
      await b.run("a", { kind: "returned", value: "1" });
      const sweep = { what: "tasks", status: "completed", olderThan: 100, limit: 10 } as const;
      await b.clock.advance(99);
      b.expect(await b.backend.sweep(sweep)).toEqual({ removed: 0, more: false, ids: [] });
      await b.clock.advance(1);
      b.expect(await b.backend.sweep(sweep)).toEqual({ removed: 1, more: false, ids: ["a"] });
      b.expect(await b.peek("a")).toBe(undefined);
      b.expect(await b.backend.results.stats(10_000)).toMatchObject({ total: 0 });
      b.expect(await b.eventsOf("a"), "its history stays").toEqual(["completed"]);
    },
    "only the status that was asked for, and never what has not ended": async (b) => {
      await b.run("completed");
      await b.run("cancelled", { kind: "discard", reason: "" });
      await b.run(newTask("failed", { maxRetries: 0 }), { kind: "threw", failure: { name: "E", message: "" } });
      await b.run("retrying", { kind: "threw", failure: { name: "E", message: "" } });
      await b.add(newTask("expired", { ttl: 0 }));
      await b.end(await b.one(), { kind: "ended" });
      await b.add("marked", "running");
      await b.backend.desk.cancel(["marked"]);
      await b.one();
      for (const status of ["failed", "cancelled", "expired", "completed"] as const) {
        b.expect(await b.backend.sweep({ what: "tasks", status, olderThan: 0, limit: 10 })).toEqual({
          removed: 1,
          more: false,
          ids: [status],
        });
      }
      b.expect([await b.phase("retrying"), await b.phase("marked"), await b.phase("running")]).toEqual([
        "retrying",
        "cancelled",
        "running",
      ]);
    },
    "the oldest go first, a set at a time": async (b) => {
      await b.add(...ids(5));
      for (const claim of (await b.due()).toReversed()) {
        await b.end(claim);
        await b.clock.advance(1);
      }
      const sweep = { what: "tasks", status: "completed", olderThan: 0, limit: 3 } as const;
      b.expect(await b.backend.sweep(sweep)).toEqual({ removed: 3, more: true, ids: ["t4", "t3", "t2"] });
      b.expect(await b.backend.sweep(sweep)).toEqual({ removed: 2, more: false, ids: ["t1", "t0"] });
    },
    "results past their TTL go": async (b) => {
      await b.backend.results.put([put("a", 5), put("b", 6), put("c"), put("d", 5), put("e", 5)]);
      await b.clock.advance(5);
      b.expect(await b.backend.sweep({ what: "results", limit: 2 })).toMatchObject({ removed: 2, more: true });
      b.expect(await b.backend.sweep({ what: "results", limit: 2 })).toMatchObject({ removed: 1, more: false });
      b.expect((await b.backend.results.get(["a", "b", "c", "d", "e"])).map((row) => row?.taskId)).toEqual([
        undefined,
        "b",
        "c",
        undefined,
        undefined,
      ]);
      b.expect((await b.backend.results.stats(10_000)).total).toBe(2);
    },
    "old events go, the oldest first": async (b) => {
      await b.backend.events.append([3, 1, 2, 4].map((ago) => ({ type: "progress", taskId: `${ago}`, at: b.now - ago }) as const));
      const left = async () => (await b.backend.events.newest({ limit: 10 })).map((event) => event.taskId);
      b.expect(await b.backend.sweep({ what: "events", olderThan: 2, limit: 2 })).toMatchObject({ removed: 2, more: true });
      b.expect(await left()).toEqual(["1", "2"]);
      b.expect(await b.backend.sweep({ what: "events", olderThan: 2, limit: 2 })).toMatchObject({ removed: 1, more: false });
      b.expect(await left()).toEqual(["1"]);
    },
    "a tail goes on behind events that were swept": async (b) => {
      await b.backend.events.append([{ type: "progress", taskId: "old" }]);
      const { cursor } = await b.backend.events.read(undefined, { limit: 10 });
      await b.backend.sweep({ what: "events", olderThan: 0, limit: 10 });
      await b.backend.events.append([{ type: "progress", taskId: "new" }]);
      b.expect((await b.backend.events.read(cursor, { limit: 10 })).events.map((event) => event.taskId)).toEqual(["new"]);
    },
    "workers that were not seen for long go, unless they hold something": async (b) => {
      await b.add("a");
      await b.one({ worker: "w1" });
      await b.clock.advance(99);
      await b.backend.presence.arrive(workerRow("w3"));
      b.expect(await b.backend.sweep({ what: "workers", olderThan: 100, limit: 10 })).toMatchObject({ removed: 0, more: false });
      await b.clock.advance(1);
      b.expect(await b.backend.sweep({ what: "workers", olderThan: 100, limit: 10 })).toMatchObject({ removed: 1, more: false });
      b.expect((await b.backend.presence.workers(10)).map((row) => row.worker).toSorted()).toEqual(["w1", "w3"]);
      b.expect(await codeOf(() => b.claims({ worker: "w2" }))).toBe("WORKER_UNKNOWN");
    },
    "a beat keeps a worker from being swept": async (b) => {
      await b.clock.advance(100);
      await b.backend.presence.beat("w1", []);
      await b.backend.sweep({ what: "workers", olderThan: 1, limit: 10 });
      b.expect((await b.backend.presence.workers(10)).map((row) => row.worker)).toEqual(["w1"]);
    },
    "old occurrences go": async (b) => {
      const { revision } = (await b.backend.schedules.put(newSchedule("s", b.now))).row;
      await b.backend.schedules.fire([
        { id: "s", revision, occurrences: [b.now, b.now + 1], nextAt: b.now + 2, enqueue: [newTask("x"), newTask("y")], events: [] },
      ]);
      const sweep = { what: "occurrences", olderThan: 50, limit: 10 } as const;
      await b.clock.advance(49);
      b.expect(await b.backend.sweep(sweep)).toMatchObject({ removed: 0, more: false });
      await b.clock.advance(1);
      b.expect(await b.backend.sweep({ ...sweep, limit: 1 })).toMatchObject({ removed: 1, more: true });
      b.expect(await b.backend.sweep(sweep)).toMatchObject({ removed: 1, more: false });
    },
  },
};
