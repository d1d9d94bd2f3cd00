import type { TaskPatch } from "../../core/backend.ts";
import type { NewTask } from "../../core/task.ts";
import type { Chapter } from "./bench.ts";
import { newTask } from "./bench.ts";
import type { Bench } from "./bench.ts";

const FAILED = { kind: "threw", failure: { name: "E", message: "no" } } as const;

/** Edits a task as it stands now. */
async function edit(b: Bench, id: string, patch: TaskPatch): Promise<string | undefined> {
  return (await b.backend.desk.edit([{ id, revision: (await b.get(id)).revision, patch }]))[0];
}

export const desk: Chapter = {
  title: "desk",
  tests: {
    "ahead counts what would be claimed before": async (b) => {
      await b.add(
        newTask("late", { due: { at: b.now - 1 } }),
        "a",
        "b",
        newTask("high", { priority: 1 }),
        newTask("x", { queue: "other", priority: 9 }),
      );
      await b.add(
        newTask("delayed", { due: { in: 9 }, priority: 9 }),
        newTask("blocked", { priority: 9, dependsOn: [{ id: "a", ifFailed: "run" }] }),
      );
      const ahead = (id: string, upTo = 100) => b.backend.desk.ahead(id, upTo);
      b.expect(await Promise.all(["high", "late", "a", "b"].map((id) => ahead(id)))).toEqual([0, 1, 2, 3]);
      b.expect([await ahead("b", 2), await ahead("delayed"), await ahead("blocked"), await ahead("nobody")]).toEqual([
        2,
        undefined,
        undefined,
        undefined,
      ]);
      await b.due({ limit: 2 });
      b.expect([await ahead("high"), await ahead("b")]).toEqual([undefined, 1]);
    },
    "requeue begins anew, with the fence and the history": async (b) => {
      await b.add(newTask("a", { maxRetries: 1, retryDelay: 0, ttl: 1_000, scheduleId: "s", resultTtl: 50_000 }));
      await b.end(await b.one(), FAILED);
      await b.end(await b.one(), FAILED);
      const { fence, createdAt, revision } = await b.get("a");
      await b.clock.advance(5_000);
      b.expect(await b.backend.desk.requeue(["a"])).toEqual(["requeued"]);
      const task = await b.get("a");
      b.expect(task).toMatchObject({ status: "pending", phase: "ready", attempt: 0, retryCount: 0, crashCount: 0, fence, createdAt });
      b.expect(task).toMatchObject({ dueAt: b.now, expiresAt: b.now + 1_000 });
      b.expect(["reason", "completedAt", "startedAt", "nextRetryAt", "mark"].filter((key) => key in task)).toEqual([]);
      b.expect(task.revision > revision, "the revision grew").toBe(true);
      b.expect(await b.eventsOf("a")).toEqual(["retrying", "failed", "requeued"]);
      b.expect((await b.backend.events.newest({ limit: 1 }))[0]).toMatchObject({
        type: "requeued",
        taskId: "a",
        queue: "q",
        scheduleId: "s",
        at: b.now,
      });
      b.expect(await b.backend.results.get(["a"])).toMatchObject([{ status: "failed" }]);
      b.expect((await b.one()).task.attempt).toBe(1);
    },
    "requeue answers how each stands": async (b) => {
      await b.run("done");
      await b.run("retrying", FAILED);
      await b.add(newTask("expired", { ttl: 0 }));
      await b.end(await b.one(), { kind: "ended" });
      await b.add("ready", "marked");
      await b.backend.desk.cancel(["marked"]);
      const all = ["nobody", "done", "retrying", "ready", "marked", "expired", "expired"];
      const answers = ["missing", "not-final", "not-final", "not-final", "not-final", "requeued", "not-final"];
      b.expect(await b.backend.desk.requeue(all)).toEqual(answers);
      b.expect(await b.eventsOf("expired")).toEqual(["expired", "requeued"]);
      // Its TTL of 0 has passed again already.
      b.expect((await b.due()).map((claim) => [claim.task.id, claim.for])).toEqual([
        ["expired", "expired"],
        ["ready", "run"],
      ]);
    },
    "requeue waits for a due time still to come": async (b) => {
      const at = b.now + 100;
      await b.add(newTask("a", { due: { at } }), newTask("past", { due: { at: b.now - 100 } }));
      await b.cancel("a");
      await b.cancel("past");
      await b.backend.desk.requeue(["a", "past"]);
      b.expect(await b.get("a")).toMatchObject({ phase: "delayed", dueAt: at, runAt: at });
      b.expect(await b.get("past")).toMatchObject({ phase: "ready", dueAt: b.now });
    },
    "edit changes what may be changed, and takes away": async (b) => {
      await b.add(newTask("a", { ttl: 50 }));
      const before = await b.get("a");
      const patch = {
        priority: 4,
        label: "l",
        description: "d",
        tags: ["t"],
        maxRetries: 0,
        retryDelay: 1,
        resultTtl: 2,
        storeResult: false,
      } as const;
      b.expect(await edit(b, "a", { ...patch, queue: "other", callback: { func: "done" } })).toBe("edited");
      const { revision, ...after } = await b.get("a");
      b.expect(revision).toBe(before.revision + 1);
      b.expect({ ...after, revision: before.revision }).toEqual({ ...before, ...patch, queue: "other", callback: { func: "done" } });
      b.expect(await edit(b, "a", { label: null, description: null, resultTtl: null, callback: null, ttl: null, tags: [] })).toBe("edited");
      const bare = await b.get("a");
      b.expect(["label", "description", "resultTtl", "callback", "ttl", "expiresAt"].filter((key) => key in bare)).toEqual([]);
      b.expect([await b.due(), (await b.one({ queues: ["other"] })).task.priority]).toEqual([[], 4]);
    },
    "edit moves the due time": async (b) => {
      await b.add("a", newTask("blocked", { dependsOn: [{ id: "a", ifFailed: "run" }] }));
      const at = b.now + 10;
      await edit(b, "a", { runAt: at });
      b.expect(await b.get("a")).toMatchObject({ phase: "delayed", runAt: at, dueAt: at });
      await edit(b, "a", { priority: 1 });
      b.expect(await b.get("a")).toMatchObject({ phase: "delayed", runAt: at });
      await edit(b, "a", { runAt: b.now });
      b.expect(await b.phase("a")).toBe("ready");
      await edit(b, "a", { runAt: at });
      await edit(b, "a", { runAt: null });
      b.expect(await b.get("a")).toMatchObject({ phase: "ready", dueAt: b.now });
      b.expect("runAt" in (await b.get("a"))).toBe(false);
      await edit(b, "blocked", { runAt: at });
      b.expect(await b.get("blocked")).toMatchObject({ phase: "blocked", dueAt: at });
      await b.end(await b.one());
      b.expect(await b.phase("blocked")).toBe("delayed");
    },
    "edit moves the expiry, counted from the creation": async (b) => {
      await b.add(newTask("a", { ttl: 1_000 }));
      const { createdAt } = await b.get("a");
      await b.clock.advance(100);
      await edit(b, "a", { ttl: 100 });
      b.expect(await b.get("a")).toMatchObject({ ttl: 100, expiresAt: createdAt + 100 });
      b.expect((await b.one()).for).toBe("expired");
    },
    "edit moves the expiry of a task that was replaced or retried, counted from then": async (b) => {
      const put = (id: string): NewTask =>
        newTask(id, { ttl: 100, due: { in: 50 }, unique: { key: "k", until: "finished", onConflict: "replace" } });
      await b.add(put("a"));
      await b.clock.advance(80);
      const replacedAt = b.now;
      b.expect(await b.add(put("b"))).toEqual([{ is: "replaced", id: "a" }]);
      await b.clock.advance(40);
      for (const ttl of [110, 90, 70]) {
        b.expect(await edit(b, "a", { ttl })).toBe("edited");
        b.expect(await b.get("a")).toMatchObject({ ttl, expiresAt: replacedAt + ttl });
      }
      await b.clock.advance(10);
      b.expect((await b.one()).for).toBe("run");
      await b.run(newTask("r", { ttl: 100, queue: "other", maxRetries: 0 }), FAILED);
      await b.clock.advance(150);
      const retriedAt = b.now;
      b.expect(await b.backend.desk.requeue(["r"])).toEqual(["requeued"]);
      await edit(b, "r", { ttl: 101 });
      b.expect(await b.get("r")).toMatchObject({ ttl: 101, expiresAt: retriedAt + 101, phase: "ready" });
    },
    "edit of a TTL never counts it from before the creation; one that had none gets it from there": async (b) => {
      const expiresAt = b.now + 9;
      await b.add(newTask("a", { ttl: 60_000, expiresAt }), newTask("bare"));
      const { createdAt } = await b.get("a");
      await b.clock.advance(5);
      for (const id of ["a", "bare"]) {
        await edit(b, id, { ttl: 50 });
        b.expect(await b.get(id)).toMatchObject({ ttl: 50, expiresAt: createdAt + 50 });
      }
    },
    "a wait for a retry stays one when it is edited": async (b) => {
      await b.run(newTask("a", { retryDelay: 100 }), FAILED);
      const { nextRetryAt } = await b.get("a");
      await edit(b, "a", { priority: 3 });
      b.expect(await b.get("a")).toMatchObject({ status: "failed", phase: "retrying", nextRetryAt });
      await edit(b, "a", { runAt: b.now + 7 });
      b.expect(await b.get("a")).toMatchObject({
        status: "failed",
        phase: "retrying",
        nextRetryAt: b.now + 7,
        dueAt: b.now + 7,
        retryCount: 1,
      });
      await edit(b, "a", { runAt: null });
      b.expect(await b.get("a")).toMatchObject({ status: "failed", phase: "ready", nextRetryAt: b.now });
      b.expect((await b.one()).task.attempt).toBe(2);
    },
    "edit is refused when the task has moved on": async (b) => {
      await b.run("done");
      await b.add("a", newTask("running", { queue: "other" }), "marked", newTask("held", { queue: "third", ttl: 0 }));
      await b.one({ queues: ["other"] });
      await b.one({ queues: ["third"] });
      await b.backend.desk.cancel(["marked"]);
      const stale = { id: "a", revision: (await b.get("a")).revision, patch: { priority: 1 } };
      await edit(b, "a", { priority: 2 });
      const before = await b.everything();
      const others = ["running", "held", "marked", "done", "nobody"].map((id) => ({ id, revision: 0, patch: { priority: 1 } }));
      b.expect(await b.backend.desk.edit([stale, ...others])).toEqual(["stale", "running", "running", "final", "final", "missing"]);
      b.expect(await b.everything()).toEqual(before);
      await b.end(await b.one(), { kind: "interrupted" });
      b.expect(await b.backend.desk.edit([{ ...stale, revision: stale.revision + 1 }])).toEqual(["stale"]);
    },
    "remove takes the row, its result and its claim to be known": async (b) => {
      await b.run("a", { kind: "returned", value: "1" });
      await b.add("running");
      await b.one();
      await b.add("marked", newTask("held", { ttl: 0, queue: "other" }));
      await b.one({ queues: ["other"] });
      await b.backend.desk.cancel(["marked"]);
      const all = ["nobody", "a", "running", "marked", "held", "a"];
      b.expect(await b.backend.desk.remove(all)).toEqual(["missing", "removed", "running", "removed", "running", "missing"]);
      b.expect(await b.backend.results.get(["a"])).toEqual([undefined]);
      b.expect(await b.backend.results.stats(10_000)).toMatchObject({ total: 0 });
      b.expect(await b.eventsOf("a"), "its history stays").toEqual(["completed"]);
      b.expect(await b.add("a")).toEqual([{ is: "added", id: "a" }]);
    },
    "waiting lists what neither runs nor has ended": async (b) => {
      await b.run("done");
      await b.add("running");
      await b.one();
      await b.add("ready", newTask("delayed", { due: { in: 5 } }), "marked", newTask("x", { queue: "x" }), newTask("y", { queue: "y" }));
      await b.add(newTask("blocked", { dependsOn: [{ id: "ready", ifFailed: "run" }] }));
      await b.backend.desk.cancel(["marked"]);
      b.expect((await b.backend.desk.waiting(["q", "x"], 100)).toSorted()).toEqual(["blocked", "delayed", "marked", "ready", "x"]);
      b.expect((await b.backend.desk.waiting(["q", "x"], 2)).length).toBe(2);
      b.expect(await b.backend.desk.waiting([], 10)).toEqual([]);
    },
    "queues are listed by name, with what is paused": async (b) => {
      const row = async (name: string) => (await b.backend.desk.queues()).find((queue) => queue.name === name);
      const at = b.now;
      await b.backend.desk.setPaused("paused", true);
      await b.add(newTask("z", { queue: "z" }), newTask("b", { queue: "b", due: { in: 5 } }), newTask("done", { queue: "aa" }));
      b.expect((await b.backend.desk.queues()).map((queue) => queue.name)).toEqual(["aa", "b", "paused", "z"]);
      b.expect([await row("paused"), await row("z")]).toEqual([{ name: "paused", pausedAt: at }, { name: "z" }]);
      await b.clock.advance(5);
      await b.backend.desk.setPaused("paused", true);
      b.expect(await row("paused"), "since when it is paused").toEqual({ name: "paused", pausedAt: at });
      await b.backend.desk.setPaused("paused", false);
      b.expect((await row("paused"))?.pausedAt).toBe(undefined);
      await b.backend.desk.setPaused("z", true);
      b.expect(await row("z")).toEqual({ name: "z", pausedAt: b.now });
    },
  },
};
