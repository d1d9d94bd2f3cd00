import type { Chapter } from "./bench.ts";
import { ids, newTask } from "./bench.ts";

const CALLBACK = { func: "done", queue: "other" };

export const cancelExpiry: Chapter = {
  title: "cancel and expiry",
  tests: {
    "a cancelled task is marked, leaves the ready set and keeps its status": async (b) => {
      await b.call(["a"], true);
      b.expect(await b.backend.desk.cancel(["a"], "not needed")).toEqual(["marked"]);
      b.expect(await b.get("a")).toMatchObject({ status: "pending", phase: "cancelled", mark: "cancelled", reason: "not needed" });
      b.expect(await b.due()).toEqual([]);
      b.expect(await b.eventsOf("a"), "marking writes no event").toEqual(["enqueued"]);
    },
    "a marked task ends through claim and settle, with all that hangs on it": async (b) => {
      await b.add(newTask("a", { callback: CALLBACK }));
      await b.add(
        newTask("child", { dependsOn: [{ id: "a", ifFailed: "cancel" }] }),
        newTask("other", { dependsOn: [{ id: "a", ifFailed: "run" }] }),
      );
      await b.backend.desk.cancel(["a"], "not needed");
      b.expect([await b.phase("child"), await b.phase("other")], "a mark is not an end").toEqual(["blocked", "blocked"]);
      const claim = b.only(await b.marked("a"));
      b.expect(claim).toMatchObject({ for: "cancelled", fence: claim.task.fence, task: { worker: "w1", attempt: 0, status: "pending" } });
      b.expect(await b.end(claim, { kind: "ended" })).toEqual(["settled"]);
      const task = await b.get("a");
      b.expect(task).toMatchObject({ status: "cancelled", phase: "cancelled", reason: "not needed", completedAt: b.now });
      b.expect("mark" in task || "worker" in task).toBe(false);
      b.expect(await b.eventsOf("a")).toEqual(["cancelled"]);
      b.expect(await b.get("child")).toMatchObject({
        phase: "cancelled",
        mark: "parent-failed",
        reason: "parent a cancelled",
        openParents: 0,
      });
      b.expect(await b.phase("other")).toBe("ready");
      b.expect(await b.get(`a.callback${claim.fence}`)).toMatchObject({ func: "done", phase: "ready" });
    },
    "whatever waits can be cancelled": async (b) => {
      await b.run(newTask("retrying"), { kind: "threw", failure: { name: "E", message: "" } });
      await b.add(
        "ready",
        newTask("delayed", { due: { in: 50 } }),
        newTask("blocked", { dependsOn: [{ id: "delayed", ifFailed: "run" }] }),
      );
      const all = ["ready", "delayed", "blocked", "retrying"];
      b.expect(await b.backend.desk.cancel(all)).toEqual(all.map(() => "marked"));
      await b.clock.advance(60_000);
      b.expect(await b.due()).toEqual([]);
      const claims = await b.ended();
      b.expect(claims.map((claim) => claim.task.id).toSorted()).toEqual(all.toSorted());
      await b.end(claims, { kind: "ended" });
      for (const id of all) {
        const task = await b.get(id);
        b.expect(task).toMatchObject({ status: "cancelled", phase: "cancelled" });
        b.expect("nextRetryAt" in task || "reason" in task).toBe(false);
      }
    },
    "cancelling answers how each stands": async (b) => {
      await b.run("done");
      await b.add("a", newTask("running", { queue: "other" }));
      await b.one({ queues: ["other"] });
      const answers = await b.backend.desk.cancel(["nobody", "done", "a", "running", "a"], "first");
      b.expect(answers).toEqual(["missing", "final", "marked", "asked", "marked"]);
      b.expect(await b.backend.desk.cancel(["a", "running"], "second")).toEqual(["marked", "asked"]);
      b.expect([(await b.get("a")).reason, (await b.get("running")).reason]).toEqual(["first", "first"]);
    },
    "a running task is asked, and goes on until its claim ends": async (b) => {
      await b.add("a");
      const claim = await b.one();
      await b.backend.desk.cancel(["a"], "stop");
      b.expect(await b.get("a")).toMatchObject({
        status: "running",
        phase: "running",
        mark: "cancelled",
        worker: "w1",
        fence: claim.fence,
      });
      b.expect([await b.ended(), await b.marked("a")]).toEqual([[], []]);
      b.expect(await b.backend.work.progress([{ id: "a", fence: claim.fence, event: { type: "progress", taskId: "a" } }])).toEqual([
        "written",
      ]);
      await b.end({ ...claim, task: await b.get("a") }, { kind: "cancelled" });
      b.expect(await b.get("a")).toMatchObject({ status: "cancelled", reason: "stop" });
    },
    "a task that completes although it was asked to stop has completed": async (b) => {
      await b.add("a");
      const claim = await b.one();
      await b.backend.desk.cancel(["a"], "stop");
      await b.end(claim, { kind: "returned", value: "1" });
      const task = await b.get("a");
      b.expect(task).toMatchObject({ status: "completed", phase: "completed" });
      b.expect("mark" in task || "reason" in task).toBe(false);
    },
    "a cancelled task does not run again, however its run ended": async (b) => {
      const outcomes = {
        snooze: { kind: "snooze", after: 0 },
        retry: { kind: "threw", failure: { name: "E", message: "" }, after: 0 },
        interrupted: { kind: "interrupted" },
      } as const;
      for (const [id, outcome] of Object.entries(outcomes)) {
        await b.add(id);
        const claim = await b.one();
        await b.backend.desk.cancel([id], "stop");
        b.expect(await b.end(claim, outcome)).toEqual(["settled"]);
        b.expect(await b.get(id)).toMatchObject({ phase: "cancelled", mark: "cancelled", reason: "stop" });
        b.expect(await b.due()).toEqual([]);
        const last = b.only(await b.ended());
        b.expect(last.for).toBe("cancelled");
        await b.end(last, { kind: "ended" });
        b.expect(await b.get(id)).toMatchObject({ status: "cancelled", reason: "stop" });
      }
    },
    "what is not marked, or is held, is not handed out to be ended": async (b) => {
      await b.add("ready", newTask("delayed", { due: { in: 5 } }), "marked");
      await b.backend.desk.cancel(["marked"]);
      const ask = { worker: "w1", limit: 10, of: { ids: ["ready", "marked", "delayed", "nobody"] } };
      b.expect((await b.backend.work.claim(ask)).claims.map((claim) => claim.task.id)).toEqual(["marked"]);
      b.expect((await b.backend.work.claim(ask)).claims).toEqual([]);
      b.expect(await b.ended("w2")).toEqual([]);
    },
    "marked tasks are handed out in the order asked, up to the limit": async (b) => {
      await b.add("a", "b", "c");
      await b.backend.desk.cancel(["a", "b", "c"]);
      const { claims } = await b.backend.work.claim({ worker: "w1", limit: 2, of: { ids: ["c", "a", "b"] } });
      b.expect(claims.map((claim) => claim.task.id)).toEqual(["c", "a"]);
    },
    "a claim to end that is given back waits as before": async (b) => {
      await b.add("a");
      await b.backend.desk.cancel(["a"], "why");
      await b.end(b.only(await b.marked("a")), { kind: "interrupted" });
      const task = await b.get("a");
      b.expect(task).toMatchObject({ status: "pending", phase: "cancelled", mark: "cancelled", reason: "why", attempt: 0 });
      b.expect("worker" in task).toBe(false);
      b.expect((await b.ended("w2")).map((claim) => claim.for)).toEqual(["cancelled"]);
    },
    "an expired task ends as expired, with all that hangs on it": async (b) => {
      await b.add(newTask("a", { ttl: 10, callback: CALLBACK, resultTtl: 5 }));
      await b.add(newTask("child", { dependsOn: [{ id: "a", ifFailed: "cancel" }] }));
      await b.clock.advance(10);
      const claim = await b.one();
      await b.end(claim, { kind: "ended" });
      b.expect(await b.get("a")).toMatchObject({ status: "expired", phase: "expired", attempt: 0, completedAt: b.now });
      b.expect(await b.eventsOf("a")).toEqual(["expired"]);
      b.expect(await b.get("child")).toMatchObject({ mark: "parent-failed", reason: "parent a expired" });
      b.expect(await b.phase(`a.callback${claim.fence}`)).toBe("ready");
      b.expect(await b.backend.results.get(["a"])).toEqual([undefined]);
    },
    "what no claim meets is marked by its expiry, to the millisecond": async (b) => {
      await b.run(newTask("retrying", { ttl: 100, retryDelay: 90 }), { kind: "threw", failure: { name: "E", message: "" } });
      await b.add(newTask("ready", { ttl: 100, queue: "nobody's" }), newTask("delayed", { ttl: 100, due: { in: 99 } }));
      await b.add(
        newTask("blocked", { ttl: 100, dependsOn: [{ id: "ready", ifFailed: "run" }] }),
        newTask("later", { ttl: 101, due: { in: 5_000 } }),
      );
      await b.clock.advance(99);
      b.expect(await b.ended()).toEqual([]);
      await b.clock.advance(1);
      const claims = await b.ended();
      b.expect(claims.map((claim) => `${claim.task.id} ${claim.for} ${claim.expiresIn}`).toSorted()).toEqual([
        "blocked expired 0",
        "delayed expired 0",
        "ready expired 0",
        "retrying expired 0",
      ]);
      b.expect(await b.end(claims, { kind: "ended" })).toEqual(claims.map(() => "settled"));
      b.expect(await Promise.all(["ready", "delayed", "blocked", "retrying"].map((id) => b.phase(id)))).toEqual(Array(4).fill("expired"));
      b.expect("nextRetryAt" in (await b.get("retrying"))).toBe(false);
    },
    "a running task does not expire": async (b) => {
      await b.add(newTask("a", { ttl: 10 }));
      const claim = await b.one();
      await b.clock.advance(10_000);
      b.expect(await b.ended("w2")).toEqual([]);
      b.expect(await b.end(claim)).toEqual(["settled"]);
      b.expect(await b.phase("a")).toBe("completed");
    },
    "ending keeps to its limit, the oldest expiry first": async (b) => {
      await b.add(...ids(5).map((id, i) => newTask(id, { queue: "nobody's", ttl: -i })));
      const of = { ended: true } as const;
      const first = await b.backend.work.claim({ worker: "w1", limit: 3, of });
      b.expect([first.claims.map((claim) => claim.task.id).toSorted(), first.more]).toEqual([["t2", "t3", "t4"], true]);
      const second = await b.backend.work.claim({ worker: "w1", limit: 3, of });
      b.expect([second.claims.map((claim) => claim.task.id).toSorted(), second.more]).toEqual([["t0", "t1"], false]);
    },
    "a retry that is waited for ends when the task is cancelled": async (b) => {
      await b.run("a", { kind: "threw", failure: { name: "E", message: "no" } });
      await b.cancel("a", "enough");
      b.expect(await b.get("a")).toMatchObject({ status: "cancelled", retryCount: 1, attempt: 1, reason: "enough" });
      b.expect(await b.backend.results.get(["a"])).toMatchObject([{ status: "failed" }]);
      b.expect(await b.eventsOf("a")).toEqual(["retrying", "cancelled"]);
    },
  },
};
