import type { TaskQuery } from "../../core/backend.ts";
import type { Chapter } from "./bench.ts";
import { findAll, ids, newTask } from "./bench.ts";
import type { Bench } from "./bench.ts";

const FAILED = { kind: "threw", failure: { name: "E", message: "no" } } as const;

async function found(b: Bench, query: Omit<TaskQuery, "limit">): Promise<readonly string[]> {
  return (await findAll(b.backend, { ...query, limit: 100 })).map((task) => task.id);
}

async function counts(b: Bench): Promise<readonly string[]> {
  const rows = (await b.backend.desk.count(1_000)).filter((row) => row.tasks > 0);
  return rows.map((row) => `${row.queue ?? "-"} ${row.phase} ${row.tasks}`).toSorted();
}

export const finding: Chapter = {
  title: "get, find, count",
  tests: {
    "get answers in the order asked": async (b) => {
      await b.add("a", "b");
      const tasks = await b.backend.desk.get(["b", "nobody", "a", "b"]);
      b.expect(tasks.map((task) => task?.id)).toEqual(["b", undefined, "a", "b"]);
    },
    "find is newest first, page by page": async (b) => {
      await b.add(...ids(7));
      const all = ids(7).toReversed();
      b.expect(await found(b, {})).toEqual(all);
      for (const limit of [1, 3, 7, 8]) b.expect((await findAll(b.backend, { limit })).map((task) => task.id)).toEqual(all);
      const page = await b.backend.desk.find({ limit: 3 });
      b.expect(page.items.map((task) => task.id)).toEqual(["t6", "t5", "t4"]);
      await b.add("new");
      const next = await b.backend.desk.find({ limit: 3, ...(page.next === undefined ? {} : { after: page.next }) });
      b.expect(next.items.map((task) => task.id)).toEqual(["t3", "t2", "t1"]);
    },
    "find filters, and filters together": async (b) => {
      const from = b.now;
      await b.add(newTask("a", { func: "g", tags: ["x", "y"], scheduleId: "s" }), newTask("b", { queue: "other", tags: ["y"] }));
      await b.clock.advance(10);
      await b.add(newTask("c", { tags: ["xy"], priority: 9 }), newTask("d", { due: { in: 5 } }));
      await b.one({ limit: 1 });
      b.expect(await found(b, { queue: "other" })).toEqual(["b"]);
      b.expect(await found(b, { func: "g" })).toEqual(["a"]);
      b.expect([await found(b, { tags: ["y"] }), await found(b, { tags: ["y", "x"] }), await found(b, { tags: ["z"] })]).toEqual([
        ["b", "a"],
        ["a"],
        [],
      ]);
      b.expect(await found(b, { scheduleId: "s" })).toEqual(["a"]);
      b.expect([await found(b, { status: "running" }), await found(b, { phase: "running" })]).toEqual([["c"], ["c"]]);
      b.expect([await found(b, { createdFrom: from + 1 }), await found(b, { createdTo: from + 9 })]).toEqual([
        ["d", "c"],
        ["b", "a"],
      ]);
      b.expect([await found(b, { createdFrom: from + 10 }), await found(b, { createdTo: from })]).toEqual([
        ["d", "c"],
        ["b", "a"],
      ]);
      b.expect(await found(b, { phase: "ready", tags: ["y"], queue: "q", func: "g", status: "pending" })).toEqual(["a"]);
      b.expect(await found(b, { phase: "delayed", queue: "other" })).toEqual([]);
    },
    "along an index it goes by creation, else by arrival": async (b) => {
      const made = (id: string, ago: number) => newTask(id, { queue: "other", func: "g", scheduleId: "s", createdAt: b.now - ago });
      await b.add(made("first", 0), made("second", 100), made("third", 50), made("fourth", 50), "unlike");
      for (const query of [
        { queue: "other" },
        { func: "g" },
        { scheduleId: "s" },
        { queue: "other", func: "g", phase: "ready" },
      ] as const) {
        b.expect(await found(b, query)).toEqual(["first", "fourth", "third", "second"]);
        for (const limit of [1, 2, 4])
          b.expect((await findAll(b.backend, { ...query, limit })).map((task) => task.id)).toEqual(["first", "fourth", "third", "second"]);
        b.expect(await found(b, { ...query, createdFrom: b.now - 50, createdTo: b.now - 1 })).toEqual(["fourth", "third"]);
        b.expect(await found(b, { ...query, createdFrom: b.now - 49, createdTo: b.now - 1 })).toEqual([]);
      }
      b.expect(await found(b, { createdTo: b.now - 1 })).toEqual(["fourth", "third", "second"]);
      b.expect(await found(b, { tags: [] })).toEqual(["unlike", "fourth", "third", "second", "first"]);
      const { next } = await b.backend.desk.find({ queue: "other", limit: 1 });
      const refused = await b.backend.desk.find({ limit: 1, after: next ?? "" }).catch((error: unknown) => error);
      b.expect(refused).toMatchObject({ code: "INVALID_OPTION" });
    },
    "what is marked lies among what has ended so": async (b) => {
      await b.run(newTask("ended", { createdAt: b.now - 50 }), { kind: "discard", reason: "" });
      await b.add(newTask("young", { createdAt: b.now - 10 }), newTask("old", { createdAt: b.now - 90 }), "waits");
      await b.backend.desk.cancel(["young", "old"]);
      for (const limit of [1, 2, 3])
        b.expect((await findAll(b.backend, { phase: "cancelled", limit })).map((task) => task.id)).toEqual(["young", "ended", "old"]);
      b.expect(await found(b, { phase: "cancelled", createdTo: b.now - 50 })).toEqual(["ended", "old"]);
      b.expect(await found(b, { phase: "expired" })).toEqual([]);
    },
    "find and count know every phase": async (b) => {
      await b.run("completed");
      await b.run(newTask("failed", { maxRetries: 0 }), FAILED);
      await b.run("cancelled", { kind: "discard", reason: "" });
      await b.add(newTask("expired", { ttl: 0 }));
      await b.end(await b.one(), { kind: "ended" });
      await b.run(newTask("retrying", { retryDelay: 100 }), FAILED);
      await b.run(newTask("due", { retryDelay: 0 }), FAILED);
      await b.one();
      await b.add(newTask("delayed", { due: { in: 100 }, queue: "other" }), newTask("timed", { due: { in: 9 } }), "ready", "marked");
      await b.add(newTask("blocked", { dependsOn: [{ id: "ready", ifFailed: "run" }] }));
      await b.backend.desk.cancel(["marked"]);
      await b.clock.advance(9);
      const phases = ["ready", "delayed", "retrying", "blocked", "running", "completed", "failed", "cancelled", "expired"] as const;
      const each = await Promise.all(phases.map(async (phase) => `${phase}: ${(await found(b, { phase })).join(" ")}`));
      b.expect(each).toEqual([
        "ready: ready timed",
        "delayed: delayed",
        "retrying: retrying",
        "blocked: blocked",
        "running: due",
        "completed: completed",
        "failed: failed",
        "cancelled: marked cancelled",
        "expired: expired",
      ]);
      b.expect(await counts(b)).toEqual([
        "- cancelled 2",
        "- completed 1",
        "- expired 1",
        "- failed 1",
        "other delayed 1",
        "q blocked 1",
        "q ready 2",
        "q retrying 1",
        "q running 1",
      ]);
    },
    "counting says since when the first of a queue is ready": async (b) => {
      await b.add("young", newTask("timed", { due: { in: 10 } }), newTask("other", { queue: "other" }));
      await b.clock.advance(50);
      await b.add("younger", newTask("delayed", { due: { in: 10 } }), newTask("early", { queue: "other", due: { at: b.now - 99 } }));
      const rows = await b.backend.desk.count(1_000);
      const since = rows.flatMap((row) => (row.since === undefined ? [] : [`${row.phase} ${row.queue} ${b.now - row.since}`]));
      b.expect(since.toSorted()).toEqual(["ready other 99", "ready q 50"]);
    },
    "counting stops at its bound and says so": async (b) => {
      await b.add(...ids(5));
      const row = async (upTo: number) => (await b.backend.desk.count(upTo)).find((each) => each.phase === "ready");
      b.expect(await row(3)).toMatchObject({ tasks: 3, more: true });
      b.expect(await row(6)).toMatchObject({ tasks: 5, more: false, queue: "q" });
    },
  },
};
