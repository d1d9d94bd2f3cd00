import type { Chapter } from "./bench.ts";
import { Bench, codeOf, ids, newTask } from "./bench.ts";

const FAILURE = { name: "Error", message: "no" };
const CALLBACK = { func: "done", args: '{"a":1}' };

export const settling: Chapter = {
  title: "settle",
  tests: {
    "an end is written whole: state, result, events, dependents and callback": async (b) => {
      await b.call([newTask("a", { callback: CALLBACK }), newTask("child", { dependsOn: [{ id: "a", ifFailed: "cancel" }] })], true);
      const claim = await b.one();
      await b.clock.advance(10);
      b.expect(await b.end(claim, { kind: "returned", value: "7" })).toEqual(["settled"]);
      const { revision, ...task } = await b.get("a");
      b.expect(revision > claim.task.revision, "the revision grew").toBe(true);
      const { worker: _worker, revision: _revision, ...before } = claim.task;
      b.expect(task).toEqual({ ...before, status: "completed", phase: "completed", completedAt: b.now });
      b.expect("worker" in task || "reason" in task).toBe(false);
      b.expect(await b.backend.results.get(["a"])).toMatchObject([
        { taskId: "a", status: "completed", value: "7", fence: claim.fence, createdAt: b.now },
      ]);
      const callback = `a.callback${claim.fence}`;
      const written = ["a enqueued", "child enqueued", "a completed w1", `${callback} enqueued`];
      b.expect((await b.events()).toSorted()).toEqual(written.toSorted());
      b.expect((await b.due()).map((each) => each.task.id)).toEqual(["child", callback]);
      b.expect(await b.get(callback)).toMatchObject({ func: "done", queue: "q", status: "running" });
    },
    "a failure leaves its error and reason": async (b) => {
      await b.run(newTask("a", { maxRetries: 0 }), { kind: "threw", failure: { ...FAILURE, stack: "at x", code: "E_NO" } });
      b.expect(await b.get("a")).toMatchObject({ status: "failed", phase: "failed", reason: "Error: no", retryCount: 0, attempt: 1 });
      b.expect("nextRetryAt" in (await b.get("a"))).toBe(false);
      const [result] = await b.backend.results.get(["a"]);
      b.expect(result).toMatchObject({ status: "failed", error: { ...FAILURE, stack: "at x", code: "E_NO" }, retryCount: 0 });
      b.expect(await b.eventsOf("a")).toEqual(["failed"]);
    },
    "what an error says never keeps a claim from being ended, whatever stands in it": async (b) => {
      const odd = "a\0b\ud800c";
      const failure = { name: odd, message: odd, stack: odd, code: odd };
      await b.run(newTask("a", { maxRetries: 0 }), { kind: "threw", failure });
      b.expect(await b.phase("a")).toBe("failed");
      const [result] = await b.backend.results.get(["a"]);
      b.expect(result?.error?.message.startsWith("a")).toBe(true);
      await b.add(newTask("z", { args: '"\\u0000\\ud800"' }));
      const claim = await b.one();
      b.expect(claim.task.args).toBe('"\\u0000\\ud800"');
      b.expect(await b.end(claim, { kind: "returned", value: '"\\u0000\\ud800"' })).toEqual(["settled"]);
      b.expect((await b.backend.results.get(["z"]))[0]?.value).toBe('"\\u0000\\ud800"');
      b.expect(await b.backend.desk.get([odd])).toEqual([undefined]);
    },
    "answers stand in the order asked, and a refused one disturbs nobody": async (b) => {
      await b.add(
        newTask("a"),
        newTask("lost", { callback: CALLBACK }),
        newTask("z"),
        newTask("child", { dependsOn: [{ id: "lost", ifFailed: "run" }] }),
      );
      const [a, lost, z] = await b.due();
      if (a === undefined || lost === undefined || z === undefined) throw new Error("Expected three claims");
      const refused = b.settlement({ ...lost, fence: lost.fence + 1 }, { kind: "returned", value: "1" });
      const missing = { ...refused, id: "nobody" };
      const before = await b.get("lost");
      const set = [b.settlement(a, { kind: "returned" }), refused, missing, b.settlement(z, { kind: "returned" })];
      b.expect(await b.settle(...set)).toEqual(["settled", "lost", "missing", "settled"]);
      b.expect(await b.get("lost")).toEqual(before);
      b.expect(await b.backend.results.get(["lost"])).toEqual([undefined]);
      b.expect(await b.events()).toEqual(["a completed w1", "z completed w1"]);
      b.expect(await b.phase("child")).toBe("blocked");
      b.expect((await b.due()).length).toBe(0);
    },
    "a claim settled twice in one set settles once": async (b) => {
      await b.add(newTask("a", { callback: CALLBACK }));
      const claim = await b.one();
      const settlement = b.settlement(claim, { kind: "returned", value: "1" });
      const other = b.settlement(claim, { kind: "threw", final: true, failure: FAILURE });
      b.expect(await b.settle(settlement, settlement, other)).toEqual(["settled", "repeated", "repeated"]);
      b.expect(await b.eventsOf("a")).toEqual(["completed"]);
      b.expect(await b.backend.results.get(["a"])).toMatchObject([{ status: "completed", value: "1" }]);
    },
    "a retry waits exactly its delay and runs again": async (b) => {
      await b.add(newTask("a", { retryDelay: 50, maxRetries: 1 }));
      const first = await b.one();
      await b.end(first, { kind: "threw", failure: FAILURE });
      const at = b.now + 50;
      const waiting = { status: "failed", phase: "retrying", retryCount: 1, attempt: 1, nextRetryAt: at, dueAt: at, startedAt: b.now };
      b.expect(await b.get("a")).toMatchObject(waiting);
      b.expect("worker" in (await b.get("a")) || "completedAt" in (await b.get("a"))).toBe(false);
      b.expect(await b.backend.results.get(["a"])).toMatchObject([{ status: "failed", retryCount: 1, fence: first.fence }]);
      await b.clock.advance(49);
      b.expect((await b.due()).length).toBe(0);
      await b.clock.advance(1);
      b.expect(await b.phase("a")).toBe("ready");
      const second = await b.one();
      b.expect(second.task).toMatchObject({ status: "running", attempt: 2, retryCount: 1 });
      b.expect("nextRetryAt" in second.task).toBe(false);
      await b.end(second, { kind: "threw", failure: FAILURE });
      b.expect(await b.get("a")).toMatchObject({ status: "failed", phase: "failed", retryCount: 1, attempt: 2 });
      b.expect(await b.eventsOf("a")).toEqual(["retrying", "failed"]);
    },
    "a retry without delay is ready at once": async (b) => {
      await b.run(newTask("a", { retryDelay: 0 }), { kind: "threw", failure: FAILURE });
      b.expect(await b.get("a")).toMatchObject({ status: "failed", phase: "ready", nextRetryAt: b.now });
      b.expect((await b.one()).task.attempt).toBe(2);
    },
    "a snooze waits and returns the attempt": async (b) => {
      await b.run("a", { kind: "snooze", after: 30 });
      const task = await b.get("a");
      b.expect(task).toMatchObject({ status: "pending", phase: "delayed", dueAt: b.now + 30, attempt: 0, retryCount: 0 });
      b.expect(["nextRetryAt", "startedAt", "runAt", "worker"].filter((key) => key in task)).toEqual([]);
      await b.clock.advance(30);
      b.expect((await b.one()).task.attempt).toBe(1);
      b.expect(await b.eventsOf("a")).toEqual(["snoozed"]);
    },
    "a claim given back is ready at once and returns the attempt": async (b) => {
      await b.run(newTask("a", { due: { at: b.now - 500 } }), { kind: "interrupted" });
      const task = await b.get("a");
      b.expect(task).toMatchObject({ status: "pending", phase: "ready", dueAt: b.now, attempt: 0, retryCount: 0, crashCount: 0 });
      b.expect("startedAt" in task || "worker" in task).toBe(false);
      const again = await b.one();
      b.expect([again.task.attempt, again.fence]).toEqual([1, task.fence + 1]);
    },
    "a crash is counted, is no retry, and the task is ready at once": async (b) => {
      await b.add("a");
      const first = await b.one();
      await b.end(b.only(await b.takeOver("w1")), { kind: "ended" });
      const task = await b.get("a");
      b.expect(task).toMatchObject({ status: "pending", phase: "ready", crashCount: 1, retryCount: 0, attempt: 1, dueAt: b.now });
      b.expect("startedAt" in task || "worker" in task).toBe(false);
      b.expect((await b.one()).fence).toBe(first.fence + 2);
      b.expect(await b.eventsOf("a")).toEqual(["crashed"]);
    },
    "the crash that is one too many ends the task": async (b) => {
      await b.add(newTask("a", { maxCrashes: 1 }));
      await b.one();
      await b.end(b.only(await b.takeOver("w1")), { kind: "ended" });
      b.expect(await b.get("a")).toMatchObject({ status: "failed", phase: "failed", reason: "poison", crashCount: 1 });
      b.expect(await b.eventsOf("a")).toEqual(["failed"]);
    },
    "settling and claiming is one step": async (b) => {
      await b.add("a", newTask("child", { dependsOn: [{ id: "a", ifFailed: "cancel" }] }));
      const done = b.settlement(await b.one(), { kind: "returned" });
      const { settled, next } = await b.backend.work.settle([done], Bench.dueAsk({ limit: 1, announce: true }));
      b.expect(settled).toEqual(["settled"]);
      b.expect(next).toMatchObject({ claims: [{ task: { id: "child", status: "running" } }], more: true });
      b.expect(await b.events()).toEqual(["a completed w1", "child executing w1"]);
      b.expect("next" in (await b.backend.work.settle([]))).toBe(false);
    },
    "settling for a worker that is unknown writes nothing": async (b) => {
      await b.add(newTask("a", { callback: CALLBACK }));
      const done = b.settlement(await b.one(), { kind: "returned", value: "1" });
      const before = await b.everything();
      const ask = Bench.dueAsk({ worker: "stranger" });
      b.expect(await codeOf(() => b.backend.work.settle([done], ask))).toBe("WORKER_UNKNOWN");
      b.expect(await b.everything()).toEqual(before);
      b.expect(await b.settle(done)).toEqual(["settled"]);
    },
    "a callback whose id another task has is run under the next free one": async (b) => {
      await b.add(newTask("a", { callback: CALLBACK }));
      const claim = await b.one();
      const id = `a.callback${claim.fence}`;
      await b.add(newTask(id, { args: '"other"' }), newTask(`${id}.2`, { args: '"other"' }));
      b.expect(await b.end(claim)).toEqual(["settled"]);
      b.expect(await b.get(id)).toMatchObject({ func: "f", args: '"other"' });
      b.expect(await b.get(`${id}.3`)).toMatchObject({ func: "done", phase: "ready" });
      b.expect(await b.events()).toEqual(["a completed w1", `${id}.3 enqueued`]);
    },
    "a large set is settled in its order": async (b) => {
      await b.add(...ids(300));
      const claims = await b.due({ limit: 300 });
      b.expect(await b.end(claims, { kind: "returned", value: "1" })).toEqual(claims.map(() => "settled"));
      b.expect(await b.events()).toEqual(ids(300).map((id) => `${id} completed w1`));
      b.expect(await b.backend.results.stats(10_000)).toMatchObject({ total: 300, completed: 300 });
    },
  },
};
