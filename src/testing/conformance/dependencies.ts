import { INLINE_RELEASES } from "../../core/backend.ts";
import type { Outcome } from "../../core/lifecycle.ts";
import type { NewTask } from "../../core/task.ts";
import type { Chapter } from "./bench.ts";
import { findAll, ids, newTask } from "./bench.ts";
import type { Bench } from "./bench.ts";

const FATAL: Outcome = { kind: "threw", final: true, failure: { name: "E", message: "no" } };

function child(id: string, parents: readonly string[], ifFailed: "cancel" | "run" = "cancel", given: Partial<NewTask> = {}): NewTask {
  return newTask(id, { ...given, dependsOn: parents.map((parent) => ({ id: parent, ifFailed })) });
}

/** How many of the many children wait, and how many do not. */
async function openAndFree(b: Bench): Promise<readonly [number, number]> {
  const tasks = (await findAll(b.backend, { limit: 1_000 })).filter((task) => task.id.startsWith("c"));
  return [tasks.filter((task) => task.phase === "blocked").length, tasks.filter((task) => task.phase !== "blocked").length];
}

export const dependencies: Chapter = {
  title: "dependencies",
  tests: {
    "a child waits for all its parents": async (b) => {
      await b.add("a", "b", child("c", ["a", "b"]));
      b.expect(await b.get("c")).toMatchObject({ status: "pending", phase: "blocked", openParents: 2 });
      const [a, second] = await b.due();
      if (a === undefined || second === undefined) throw new Error("Expected two claims");
      await b.end(a);
      b.expect(await b.get("c")).toMatchObject({ phase: "blocked", openParents: 1 });
      b.expect(await b.due()).toEqual([]);
      await b.end(second);
      b.expect(await b.get("c")).toMatchObject({ phase: "ready", openParents: 0 });
      b.expect((await b.one()).task.dependsOn).toEqual([
        { id: "a", ifFailed: "cancel" },
        { id: "b", ifFailed: "cancel" },
      ]);
    },
    "the end of two parents in one set frees the child": async (b) => {
      await b.add("a", "b", child("c", ["a", "b"]));
      await b.end(await b.due());
      b.expect(await b.phase("c")).toBe("ready");
    },
    "a child that is due later is delayed when it is free": async (b) => {
      await b.add("a", child("c", ["a"], "cancel", { due: { in: 10 } }), child("d", ["a"], "cancel", { due: { in: 9 } }));
      const claim = await b.one();
      await b.clock.advance(9);
      await b.end(claim);
      b.expect([await b.phase("c"), await b.phase("d")]).toEqual(["delayed", "ready"]);
      await b.clock.advance(1);
      b.expect((await b.due()).map((each) => each.task.id)).toEqual(["d", "c"]);
    },
    "a parent that failed takes its children along, and they theirs": async (b) => {
      await b.add("a", child("c", ["a"]), child("grandchild", ["c"]));
      await b.end(await b.one(), FATAL);
      b.expect(await b.get("c")).toMatchObject({ status: "pending", phase: "cancelled", mark: "parent-failed", reason: "parent a failed" });
      b.expect(await b.phase("grandchild"), "its parent has not ended yet").toBe("blocked");
      const claim = b.only(await b.ended());
      b.expect(claim.for).toBe("parent-failed");
      await b.end(claim, { kind: "ended" });
      b.expect(await b.get("c")).toMatchObject({ status: "cancelled", reason: "parent a failed" });
      b.expect((await b.get("grandchild")).reason).toBe("parent c cancelled");
      await b.end(b.only(await b.ended()), { kind: "ended" });
      b.expect(await b.events()).toEqual(["a failed w1", "c cancelled w1", "grandchild cancelled w1"]);
    },
    "a child that is to run anyway is freed by any end": async (b) => {
      for (const [id, outcome] of Object.entries({ failed: FATAL, cancelled: { kind: "discard", reason: "no" } } as const)) {
        await b.add(id, child(`of ${id}`, [id], "run"));
        await b.end(await b.one(), outcome);
        b.expect((await b.one()).task.id).toBe(`of ${id}`);
      }
    },
    "one failed parent is enough, though others are open": async (b) => {
      await b.add("a", newTask("open", { queue: "other" }), child("c", ["a", "open"]));
      await b.end(await b.one(), FATAL);
      b.expect(await b.get("c")).toMatchObject({ phase: "cancelled", reason: "parent a failed" });
      // The other parent's end neither frees it nor changes why.
      await b.end(await b.one({ queues: ["other"] }), FATAL);
      b.expect(await b.get("c")).toMatchObject({ phase: "cancelled", mark: "parent-failed", reason: "parent a failed" });
      b.expect(await b.due()).toEqual([]);
    },
    "a parent that waits for a retry has not ended": async (b) => {
      await b.add(newTask("a", { retryDelay: 5 }), child("c", ["a"]));
      await b.end(await b.one(), { kind: "threw", failure: { name: "E", message: "" } });
      b.expect(await b.phase("c")).toBe("blocked");
      await b.add(child("late", ["a"]));
      b.expect(await b.phase("late")).toBe("blocked");
      await b.clock.advance(5);
      await b.end(await b.one());
      b.expect([await b.phase("c"), await b.phase("late")]).toEqual(["ready", "ready"]);
    },
    "parents that have ended already count as they ended": async (b) => {
      await b.run("completed");
      await b.run("failed", FATAL);
      await b.run("cancelled", { kind: "discard", reason: "no" });
      await b.add(newTask("expired", { ttl: 0 }));
      await b.end(await b.one(), { kind: "ended" });
      await b.add(child("c", ["completed"]), child("f", ["completed", "failed"]), child("x", ["expired"]), child("k", ["cancelled"]));
      await b.add(child("r", ["failed", "cancelled", "expired"], "run"));
      b.expect(await b.get("c")).toMatchObject({ phase: "ready", openParents: 0 });
      b.expect(await b.get("f")).toMatchObject({ phase: "cancelled", mark: "parent-failed", reason: "parent failed failed" });
      b.expect([(await b.get("x")).reason, (await b.get("k")).reason]).toEqual(["parent expired expired", "parent cancelled cancelled"]);
      b.expect(await b.phase("r")).toBe("ready");
      b.expect((await b.ended()).map((claim) => [claim.task.id, claim.for])).toEqual([
        ["f", "parent-failed"],
        ["x", "parent-failed"],
        ["k", "parent-failed"],
      ]);
    },
    "a parent that is marked, but not ended, still blocks": async (b) => {
      await b.add("a");
      await b.backend.desk.cancel(["a"]);
      await b.add(child("c", ["a"]));
      b.expect(await b.phase("c")).toBe("blocked");
    },
    "an unknown parent is refused, also one that would come later in the call": async (b) => {
      b.expect(await b.add(child("c", ["later"]), "later")).toMatchObject([{ why: "unknown-parent" }, { why: "unknown-parent" }]);
      b.expect(await b.add(child("c", ["c"]))).toMatchObject([{ why: "unknown-parent" }]);
      b.expect([await b.peek("c"), await b.peek("later")]).toEqual([undefined, undefined]);
    },
    "a parent that was merged into the holder of its key is that holder": async (b) => {
      const unique = { key: "k", until: "finished", onConflict: "keep" } as const;
      await b.add(newTask("holder", { unique }));
      b.expect(await b.add(newTask("a", { unique }), child("c", ["a"]))).toEqual([
        { is: "known", id: "holder" },
        { is: "added", id: "c" },
      ]);
      b.expect(await b.get("c")).toMatchObject({ phase: "blocked", dependsOn: [{ id: "holder", ifFailed: "cancel" }] });
      await b.end(await b.one());
      b.expect(await b.phase("c")).toBe("ready");
    },
    "a settlement frees a bounded number of children, release the rest": async (b) => {
      await b.add("a", ...ids(INLINE_RELEASES + 3, "c").map((id) => child(id, ["a"])));
      await b.end(await b.one());
      b.expect(await openAndFree(b)).toEqual([3, INLINE_RELEASES]);
      // The oldest are free.
      b.expect([await b.phase("c0"), await b.phase(`c${INLINE_RELEASES - 1}`), await b.phase(`c${INLINE_RELEASES}`)]).toEqual([
        "ready",
        "ready",
        "blocked",
      ]);
      b.expect(await b.backend.work.release(2)).toBe(true);
      b.expect(await openAndFree(b)).toEqual([1, INLINE_RELEASES + 2]);
      await b.backend.work.release(2);
      b.expect(await b.backend.work.release(2)).toBe(false);
      b.expect(await openAndFree(b)).toEqual([0, INLINE_RELEASES + 3]);
      b.expect((await b.due({ limit: 1_000 })).length).toBe(INLINE_RELEASES + 3);
    },
    "a settlement frees exactly as many children as its bound": async (b) => {
      await b.add("a", ...ids(INLINE_RELEASES, "c").map((id) => child(id, ["a"])));
      await b.end(await b.one());
      b.expect(await openAndFree(b)).toEqual([0, INLINE_RELEASES]);
      await b.backend.work.release(10);
      b.expect(await b.backend.work.release(10)).toBe(false);
    },
    "what release is left with ends as its parent did": async (b) => {
      await b.add("a", ...ids(INLINE_RELEASES + 2, "c").map((id, i) => child(id, ["a"], i % 2 === 0 ? "cancel" : "run")));
      await b.end(await b.one(), FATAL);
      b.expect(await openAndFree(b)).toEqual([2, INLINE_RELEASES]);
      b.expect(await b.backend.work.release(1)).toBe(true);
      await b.backend.work.release(1);
      b.expect(await b.backend.work.release(1)).toBe(false);
      b.expect(await b.get(`c${INLINE_RELEASES}`)).toMatchObject({ mark: "parent-failed", reason: "parent a failed" });
      b.expect(await b.phase(`c${INLINE_RELEASES + 1}`)).toBe("ready");
    },
    "a parent that was requeued releases nobody until it ends again": async (b) => {
      for (const [parent, more] of Object.entries({ a: 0, b: 1 })) {
        const many = { queue: "many" };
        await b.add(parent, ...ids(INLINE_RELEASES + more, parent).map((id) => child(id, [parent], "cancel", many)));
        await b.end(await b.one(), FATAL);
        await b.backend.desk.requeue([parent]);
        await b.add(child(`new of ${parent}`, [parent], "cancel", many));
        b.expect(await b.backend.work.release(10)).toBe(false);
        b.expect(await b.get(`new of ${parent}`)).toMatchObject({ phase: "blocked", openParents: 1 });
        await b.end(await b.one());
        b.expect(await b.phase(`new of ${parent}`)).toBe("ready");
      }
    },
    "a task under the id of a parent that was deleted releases nobody": async (b) => {
      await b.add("a", ...ids(INLINE_RELEASES, "c").map((id) => child(id, ["a"])));
      await b.end(await b.one(), FATAL);
      b.expect(await b.backend.desk.remove(["a"])).toEqual(["removed"]);
      await b.add("a", child("new", ["a"]));
      await b.backend.work.release(10);
      b.expect(await b.get("new")).toMatchObject({ phase: "blocked", openParents: 1 });
    },
    "nothing to release is nothing": async (b) => {
      await b.add("a", child("c", ["a"]));
      b.expect(await b.backend.work.release(10)).toBe(false);
      b.expect(await b.phase("c")).toBe("blocked");
    },
    "a parent with an open child is neither deleted nor swept": async (b) => {
      await b.add("a", ...ids(INLINE_RELEASES + 1, "c").map((id) => child(id, ["a"])));
      b.expect(await b.backend.desk.remove(["a"])).toEqual(["has-dependents"]);
      await b.end(await b.one());
      const sweep = { what: "tasks", status: "completed", olderThan: 0, limit: 10 } as const;
      b.expect(await b.backend.desk.remove(["a"])).toEqual(["has-dependents"]);
      b.expect(await b.backend.sweep(sweep)).toEqual({ removed: 0, more: false, ids: [] });
      await b.backend.work.release(10);
      b.expect(await b.backend.sweep(sweep)).toEqual({ removed: 0, more: false, ids: [] });
      const claims = await b.due({ limit: 1_000 });
      for (const claim of claims.slice(1)) await b.end(claim);
      b.expect(await b.backend.sweep({ ...sweep, limit: 1_000 })).toMatchObject({ removed: INLINE_RELEASES });
      b.expect(await b.backend.desk.remove(["a"])).toEqual(["has-dependents"]);
      if (claims[0] !== undefined) await b.end(claims[0]);
      b.expect(await b.backend.sweep(sweep)).toEqual({ removed: 2, more: false, ids: ["a", "c0"] });
    },
    "a parent that ended before its child was enqueued is kept for it, too": async (b) => {
      await b.add("a");
      await b.end(await b.one());
      await b.add(child("c", ["a"]), child("d", ["a"], "run"));
      const sweep = { what: "tasks", status: "completed", olderThan: 0, limit: 10 } as const;
      b.expect(await b.backend.sweep(sweep)).toMatchObject({ removed: 0 });
      b.expect(await b.backend.desk.remove(["a"])).toEqual(["has-dependents"]);
      for (const claim of await b.due()) await b.end(claim);
      b.expect(await b.backend.desk.remove(["c", "d", "a"])).toEqual(["removed", "removed", "removed"]);
    },
    "a child that has ended keeps nobody, until it is requeued": async (b) => {
      await b.add("a", "b", child("c", ["a", "b"]));
      const [first, second] = await b.due();
      if (first === undefined || second === undefined) throw new Error("Expected two claims");
      await b.cancel("c");
      await b.end(first);
      await b.end(second);
      await b.backend.desk.requeue(["c"]);
      b.expect(await b.backend.desk.remove(["a"])).toEqual(["has-dependents"]);
      await b.end(await b.one());
      b.expect(await b.backend.desk.remove(["a", "b"])).toEqual(["removed", "removed"]);
    },
    "a child that is to be ended with its parent does not keep it": async (b) => {
      await b.add("a", child("c", ["a"]));
      await b.end(await b.one(), FATAL);
      b.expect(await b.get("c")).toMatchObject({ mark: "parent-failed" });
      b.expect(await b.backend.desk.remove(["a"])).toEqual(["removed"]);
    },
    "a child that has ended waits for nobody": async (b) => {
      await b.add("a", child("c", ["a"]));
      await b.cancel("c");
      b.expect(await b.get("c")).toMatchObject({ status: "cancelled", openParents: 0 });
      b.expect(await b.backend.desk.remove(["a"])).toEqual(["removed"]);
    },
    "a child that was requeued waits again for the parents that are open": async (b) => {
      await b.add("done", "a", "b", child("c", ["done", "a", "b"], "cancel", { queue: "other" }));
      const [done, a, second] = await b.due();
      if (done === undefined || a === undefined || second === undefined) throw new Error("Expected three claims");
      await b.end(done);
      await b.cancel("c");
      await b.backend.desk.requeue(["c"]);
      b.expect(await b.get("c")).toMatchObject({ status: "pending", phase: "blocked", openParents: 2 });
      await b.end(a);
      b.expect(await b.get("c")).toMatchObject({ phase: "blocked", openParents: 1 });
      await b.end(second);
      b.expect(await b.get("c")).toMatchObject({ phase: "ready", openParents: 0 });
    },
    "a child that was requeued is taken along by a parent that fails now, not by one that has failed": async (b) => {
      await b.add("a", "b", child("c", ["a", "b"], "cancel", { queue: "other" }));
      const [a, second] = await b.due();
      if (a === undefined || second === undefined) throw new Error("Expected two claims");
      await b.end(a, FATAL);
      await b.end(b.only(await b.ended()), { kind: "ended" });
      await b.backend.desk.requeue(["c"]);
      b.expect(await b.get("c")).toMatchObject({ phase: "blocked", openParents: 1 });
      await b.end(second, FATAL);
      b.expect(await b.get("c")).toMatchObject({ phase: "cancelled", reason: "parent b failed" });
      await b.end(b.only(await b.ended()), { kind: "ended" });
      await b.backend.desk.requeue(["c"]);
      b.expect(await b.get("c")).toMatchObject({ phase: "ready", openParents: 0 });
    },
    "one call requeues in the order of its ids: a child waits for the parents before it, not for those behind": async (b) => {
      await b.add("p", child("c", ["p"]), child("g", ["c", "p"]));
      for (const [ids, phases] of [
        [["p", "c", "g"], "ready blocked blocked"],
        [["g", "c", "p"], "ready ready ready"],
        [["c", "p", "g"], "ready ready blocked"],
      ] as const) {
        for (const id of ["g", "c", "p"]) await b.cancel(id);
        b.expect(await b.backend.desk.requeue(ids)).toEqual(["requeued", "requeued", "requeued"]);
        b.expect(await Promise.all(["p", "c", "g"].map((id) => b.phase(id)))).toEqual(phases.split(" "));
      }
    },
    "a child that was requeued does not wait for a parent that is gone, nor for another under its id": async (b) => {
      await b.add("a", "gone", child("c", ["a", "gone"]));
      await b.cancel("c");
      await b.cancel("gone");
      await b.cancel("a");
      await b.backend.desk.remove(["a", "gone"]);
      await b.add(child("a", ["c"], "run"));
      await b.cancel("a");
      await b.backend.desk.requeue(["a", "c"]);
      b.expect([await b.phase("a"), await b.phase("c")], "no cycle").toEqual(["ready", "ready"]);
    },
    "a marked child that is given back still waits for its parents": async (b) => {
      await b.add("p", newTask("c", { dependsOn: [{ id: "p", ifFailed: "run" }] }));
      await b.backend.desk.cancel(["c"]);
      const [held] = await b.marked("c");
      if (held === undefined) throw new Error("Expected a claim");
      b.expect(await b.settle({ id: "c", fence: held.fence, to: "again", after: 0, counts: "give-back", events: [] })).toEqual(["settled"]);
      b.expect(await b.get("c")).toMatchObject({ openParents: 1, mark: "cancelled" });
      await b.end(await b.one());
      b.expect(await b.get("c")).toMatchObject({ openParents: 0, mark: "cancelled" });
    },
    "a deleted child is no dependent": async (b) => {
      await b.add("a", child("c", ["a"]));
      b.expect(await b.backend.desk.remove(["c"])).toEqual(["removed"]);
      b.expect(await b.backend.desk.remove(["a"])).toEqual(["removed"]);
    },
    "a child deleted and enqueued anew waits anew": async (b) => {
      await b.add("a", "b", child("c", ["a"]));
      await b.backend.desk.remove(["c"]);
      await b.add(child("c", ["b"]));
      const [a] = await b.due();
      if (a === undefined) throw new Error("Expected a claim");
      await b.end(a);
      b.expect(await b.get("c")).toMatchObject({ phase: "blocked", openParents: 1 });
    },
  },
};
