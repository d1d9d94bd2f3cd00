import type { NewTask, Unique } from "../../core/task.ts";
import type { Chapter } from "./bench.ts";
import { newTask } from "./bench.ts";

type Given = Partial<NewTask> & { readonly on?: Unique["onConflict"]; readonly until?: Unique["until"] };

function keyed(id: string, { on = "keep", until = "finished", ...given }: Given = {}): NewTask {
  return newTask(id, { ...given, unique: { key: "k", until, onConflict: on } });
}

const REFUSED = [{ is: "refused", why: "unique" }];
const known = (id: string): object => [{ is: "known", id }];
const added = (id: string): object => [{ is: "added", id }];

export const unique: Chapter = {
  title: "unique",
  tests: {
    "keep: the holder stays as it is": async (b) => {
      await b.add(keyed("a", { args: "1" }));
      const before = await b.everything();
      b.expect(await b.call([keyed("b", { args: "2" })], true)).toEqual(known("a"));
      b.expect(await b.everything()).toEqual(before);
    },
    "refuse: the call is refused whole": async (b) => {
      await b.add(keyed("a"));
      const before = await b.everything();
      b.expect(await b.call([newTask("x"), keyed("b", { on: "refuse" })], true)).toMatchObject([...REFUSED, ...REFUSED]);
      b.expect(await b.everything()).toEqual(before);
    },
    "replace: the holder is the new task, but for its id, creation and parents": async (b) => {
      const old = {
        args: "1",
        kwargs: "{}",
        label: "old",
        description: "old",
        callback: { func: "old" },
        timeout: 9,
        resultTtl: 9,
        tags: ["old"],
      };
      await b.add(newTask("parent", { queue: "other" }));
      await b.add(keyed("a", { ...old, dependsOn: [{ id: "parent", ifFailed: "run" }] }));
      const { revision, createdAt } = await b.get("a");
      await b.clock.advance(5);
      const fresh = {
        args: "2",
        queue: "high",
        priority: 3,
        ttl: 100,
        tags: ["new"],
        maxRetries: 8,
        retryDelay: 1,
        backoff: "exponential",
        storeResult: false,
      } as const;
      b.expect(await b.call([keyed("b", { ...fresh, on: "replace" })], true)).toEqual([{ is: "replaced", id: "a" }]);
      b.expect(await b.peek("b")).toBe(undefined);
      const task = await b.get("a");
      b.expect(task).toMatchObject({
        ...fresh,
        id: "a",
        createdAt,
        expiresAt: b.now + 100,
        dueAt: b.now,
        status: "pending",
        phase: "blocked",
        openParents: 1,
      });
      b.expect(task).toMatchObject({ dependsOn: [{ id: "parent", ifFailed: "run" }], attempt: 0 });
      b.expect(["kwargs", "label", "description", "callback", "timeout", "resultTtl", "runAt"].filter((key) => key in task)).toEqual([]);
      b.expect(task.revision).toBe(revision + 1);
      b.expect(await b.events()).toEqual(["a enqueued"]);
    },
    "replace: other parents than the holder's are refused, since it would run before them": async (b) => {
      await b.add(newTask("p1", { queue: "other" }), newTask("p2", { queue: "other" }), keyed("a"));
      const on = "replace";
      const waits = (id: string, ifFailed: "cancel" | "run" = "cancel") => ({ dependsOn: [{ id, ifFailed }] });
      const detail = "task a holds the unique key k, and a replaced task keeps what it waits for: it takes no other `dependsOn`";
      b.expect(await b.add(keyed("b", { on, ...waits("p1") }))).toEqual([{ ...REFUSED[0], detail }]);
      await b.backend.desk.remove(["a"]);
      b.expect(await b.add(keyed("b", { on, ...waits("p1") }))).toEqual(added("b"));
      const before = await b.get("b");
      for (const other of [waits("p2"), waits("p1", "run")]) b.expect(await b.add(keyed("c", { on, ...other }))).toMatchObject(REFUSED);
      b.expect(await b.get("b")).toEqual(before);
    },
    "replace: the same parents, or none, leave the holder waiting for its own": async (b) => {
      const dependsOn = [{ id: "p", ifFailed: "cancel" }] as const;
      await b.add(newTask("p", { queue: "other" }), keyed("a", { dependsOn }));
      for (const given of [{ dependsOn }, {}]) {
        b.expect(await b.add(keyed("b", { ...given, on: "replace", args: "2" }))).toEqual([{ is: "replaced", id: "a" }]);
        b.expect(await b.get("a")).toMatchObject({ args: "2", dependsOn, openParents: 1, phase: "blocked" });
      }
    },
    "replace: parents of one call are those that they became": async (b) => {
      const parent = (id: string): NewTask => newTask(id, { queue: "other", unique: { key: "p", until: "finished", onConflict: "keep" } });
      const child = (id: string, of: string): NewTask => keyed(id, { on: "replace", dependsOn: [{ id: of, ifFailed: "cancel" }] });
      await b.add(parent("p"), child("a", "p"));
      b.expect(await b.add(parent("p2"), child("b", "p2"))).toEqual([
        { is: "known", id: "p" },
        { is: "replaced", id: "a" },
      ]);
      b.expect(await b.call([keyed("x", { on: "replace" }), child("y", "p")], false)).toMatchObject([
        { is: "replaced", id: "a" },
        { is: "replaced", id: "a" },
      ]);
    },
    "replace: the new due time counts": async (b) => {
      await b.add(keyed("a"));
      await b.add(keyed("b", { on: "replace", due: { in: 10 } }));
      b.expect(await b.get("a")).toMatchObject({ phase: "delayed", runAt: b.now + 10, dueAt: b.now + 10 });
      await b.add(keyed("b", { on: "replace" }));
      b.expect(await b.phase("a")).toBe("ready");
      b.expect("runAt" in (await b.get("a"))).toBe(false);
    },
    "replace: a TTL counts from the replacing, so that a task put off again and again runs": async (b) => {
      const put = (id: string): NewTask => keyed(id, { on: "replace", ttl: 30, due: { in: 10 } });
      await b.add(put("a"));
      for (let i = 0; i < 6; i++) {
        await b.clock.advance(9);
        b.expect(await b.add(put("b"))).toEqual([{ is: "replaced", id: "a" }]);
        b.expect(await b.get("a")).toMatchObject({ runAt: b.now + 10, expiresAt: b.now + 30 });
      }
      await b.clock.advance(10);
      b.expect((await b.one()).for).toBe("run");
    },
    "replace: a creation that is given with a TTL counts": async (b) => {
      await b.add(keyed("a"));
      await b.add(keyed("b", { on: "replace", ttl: 100, createdAt: b.now - 40 }));
      b.expect((await b.get("a")).expiresAt).toBe(b.now + 60);
    },
    "replace: a wait for a retry is over": async (b) => {
      await b.run(keyed("a"), { kind: "threw", failure: { name: "E", message: "" } });
      b.expect(await b.add(keyed("b", { on: "replace" }))).toEqual([{ is: "replaced", id: "a" }]);
      b.expect(await b.get("a")).toMatchObject({ status: "pending", phase: "ready" });
      b.expect("nextRetryAt" in (await b.get("a"))).toBe(false);
    },
    "replace: counts start anew, as at any new request; the fence goes on": async (b) => {
      await b.add(keyed("a", { maxRetries: 1, retryDelay: 50 }));
      await b.one({ worker: "w1" });
      await b.end(b.only(await b.takeOver("w1")), { kind: "ended" });
      const claim = await b.one();
      await b.end(claim, { kind: "threw", failure: { name: "E", message: "" } });
      b.expect(await b.get("a")).toMatchObject({ phase: "retrying", attempt: 2, retryCount: 1, crashCount: 1 });
      await b.add(keyed("b", { on: "replace", maxRetries: 1, retryDelay: 50, args: "2" }));
      const task = await b.get("a");
      b.expect(task).toMatchObject({ phase: "ready", attempt: 0, retryCount: 0, crashCount: 0, fence: claim.fence });
      b.expect("startedAt" in task).toBe(false);
    },
    "a running holder is kept, or refuses": async (b) => {
      await b.add(keyed("a"));
      await b.one();
      b.expect(await b.add(keyed("b"))).toEqual(known("a"));
      b.expect(await b.add(keyed("b", { on: "replace" }))).toMatchObject(REFUSED);
      b.expect(await b.add(keyed("b", { on: "refuse" }))).toMatchObject(REFUSED);
    },
    "a marked holder cannot be replaced": async (b) => {
      await b.add(keyed("a"));
      await b.backend.desk.cancel(["a"]);
      b.expect(await b.add(keyed("b", { on: "replace" }))).toMatchObject(REFUSED);
      await b.end(b.only(await b.marked("a")), { kind: "ended" });
      b.expect(await b.add(keyed("b", { on: "replace" }))).toEqual(added("b"));
    },
    "until finished: free at the end, not at a retry or a snooze": async (b) => {
      await b.add(keyed("a", { maxRetries: 1, retryDelay: 0 }));
      await b.end(await b.one(), { kind: "snooze", after: 0 });
      b.expect(await b.add(keyed("b"))).toEqual(known("a"));
      await b.end(await b.one(), { kind: "threw", failure: { name: "E", message: "" } });
      b.expect(await b.add(keyed("b"))).toEqual(known("a"));
      await b.end(await b.one(), { kind: "threw", failure: { name: "E", message: "" } });
      b.expect(await b.add(keyed("b"))).toEqual(added("b"));
    },
    "until started: free when it runs": async (b) => {
      await b.add(keyed("a", { until: "started" }));
      b.expect(await b.add(keyed("b", { until: "started" }))).toEqual(known("a"));
      await b.one();
      b.expect(await b.add(keyed("b", { until: "started", on: "refuse" }))).toEqual(added("b"));
    },
    "a task that a claim finds expired lets go of its key, however long that was to be held": async (b) => {
      for (const [i, until] of (["finished", "started", 1_000] as const).entries()) {
        const key = `key ${i}`;
        const one = (id: string): NewTask => newTask(id, { ttl: 5, unique: { key, until, onConflict: "refuse" } });
        await b.add(one(`a${i}`));
        await b.clock.advance(5);
        const claim = await b.one();
        b.expect(claim.for).toBe("expired");
        b.expect(await b.add(one(`b${i}`))).toEqual(added(`b${i}`));
        await b.end(claim, { kind: "ended" });
        b.expect(await b.add(one(`c${i}`))).toMatchObject(REFUSED);
        await b.backend.desk.remove([`b${i}`]);
      }
    },
    "a task that is swept as expired lets go of its key": async (b) => {
      await b.add(keyed("a", { ttl: 5, due: { in: 1 } }));
      await b.clock.advance(5);
      const { claims } = await b.backend.work.claim({ worker: "w1", limit: 10, of: { ended: true } });
      b.expect(claims.map(({ task }) => task.id)).toEqual(["a"]);
      b.expect(await b.add(keyed("b"))).toEqual(added("b"));
    },
    "a holder past its TTL that nobody has met yet is marked, and lets go of its key to the new task": async (b) => {
      for (const on of ["keep", "replace", "refuse"] as const) {
        await b.add(newTask("parent", { queue: "other" }), keyed("a", { ttl: 5, dependsOn: [{ id: "parent", ifFailed: "run" }] }));
        await b.clock.advance(4);
        b.expect(await b.add(keyed("b", { on: "keep" }))).toEqual(known("a"));
        await b.clock.advance(1);
        b.expect(await b.call([keyed("b", { on, args: "2" })], true)).toEqual(added("b"));
        b.expect(await b.phase("a")).toBe("expired");
        const claim = b.only(await b.marked("a"));
        b.expect(claim.for).toBe("expired");
        await b.end(claim, { kind: "ended" });
        b.expect([await b.phase("a"), await b.phase("b")]).toEqual(["expired", "ready"]);
        b.expect(await b.add(keyed("c"))).toEqual(known("b"));
        await b.backend.desk.remove(["parent", "a", "b"]);
      }
    },
    "a holder that waits for its retry past its TTL lets go of its key": async (b) => {
      await b.run(keyed("a", { ttl: 50, retryDelay: 20 }), { kind: "threw", failure: { name: "E", message: "" } });
      b.expect(await b.phase("a")).toBe("retrying");
      await b.clock.advance(50);
      b.expect(await b.add(keyed("b"))).toEqual(added("b"));
      b.expect(await b.phase("a")).toBe("expired");
    },
    "a holder that runs past its TTL holds its key": async (b) => {
      await b.add(keyed("a", { ttl: 5 }));
      await b.one();
      await b.clock.advance(5);
      b.expect(await b.add(keyed("b"))).toEqual(known("a"));
    },
    "a task that has expired when it is made lets go of its key in the same call": async (b) => {
      b.expect(await b.add(keyed("a", { ttl: 0 }), keyed("b"))).toEqual([
        { is: "added", id: "a" },
        { is: "added", id: "b" },
      ]);
      b.expect(await b.phase("a")).toBe("expired");
    },
    "a call that is refused leaves a holder past its TTL as it was": async (b) => {
      await b.add(keyed("a", { ttl: 5 }));
      await b.clock.advance(5);
      const before = await b.everything();
      const orphan = keyed("b", { dependsOn: [{ id: "nobody", ifFailed: "run" }] });
      b.expect(await b.add(orphan)).toMatchObject([{ is: "refused", why: "unknown-parent" }]);
      b.expect(await b.everything()).toEqual(before);
    },
    "until a time: free when it is over, to the millisecond": async (b) => {
      await b.add(keyed("a", { until: 100 }));
      await b.clock.advance(99);
      b.expect(await b.add(keyed("b", { on: "refuse" }))).toMatchObject(REFUSED);
      await b.clock.advance(1);
      b.expect(await b.add(keyed("b", { on: "refuse", until: 50 }))).toEqual(added("b"));
      b.expect(await b.phase("a")).toBe("ready");
      await b.clock.advance(49);
      b.expect(await b.add(keyed("c"))).toEqual(known("b"));
    },
    "until a time: held also after the end": async (b) => {
      await b.run(keyed("a", { until: 100 }));
      b.expect(await b.add(keyed("b"))).toEqual(known("a"));
      b.expect(await b.add(keyed("b", { on: "replace" }))).toMatchObject(REFUSED);
      await b.clock.advance(100);
      b.expect(await b.add(keyed("b"))).toEqual(added("b"));
    },
    "until a time: replacing begins the window anew": async (b) => {
      await b.add(keyed("a", { until: 100, due: { in: 1_000 } }));
      await b.clock.advance(60);
      await b.add(keyed("b", { until: 100, on: "replace", due: { in: 1_000 } }));
      await b.clock.advance(60);
      b.expect(await b.add(keyed("c"))).toEqual(known("a"));
      await b.clock.advance(40);
      b.expect(await b.add(keyed("c"))).toEqual(added("c"));
    },
    "a deleted or swept holder frees its key": async (b) => {
      await b.add(keyed("a"));
      await b.backend.desk.remove(["a"]);
      await b.run(keyed("b", { until: 1_000 }));
      await b.backend.sweep({ what: "tasks", status: "completed", olderThan: 0, limit: 10 });
      b.expect(await b.add(keyed("c"))).toEqual(added("c"));
    },
    "two of one key in one call": async (b) => {
      b.expect(await b.add(keyed("a"), keyed("b", { args: "2" }), keyed("c", { args: "3", on: "replace" }))).toEqual([
        { is: "added", id: "a" },
        { is: "known", id: "a" },
        { is: "replaced", id: "a" },
      ]);
      b.expect((await b.get("a")).args).toBe("3");
    },
    "a repeated call is known under its own id, whoever holds its key now": async (b) => {
      await b.run(keyed("a"));
      await b.add(keyed("b"));
      b.expect(await b.add(keyed("a"))).toEqual(known("a"));
      b.expect(await b.add(keyed("a", { on: "refuse" }))).toEqual(known("a"));
    },
    "a requeued task takes its key again, as it was to be held": async (b) => {
      for (const until of ["finished", "started"] as const) {
        const [one, other] = [`a ${until}`, `b ${until}`].map((id) => newTask(id, { unique: { key: until, until, onConflict: "keep" } }));
        if (one === undefined || other === undefined) throw new Error("Expected two");
        await b.run(one, { kind: "threw", failure: { name: "E", message: "" }, final: true });
        b.expect(await b.backend.desk.requeue([one.id])).toEqual(["requeued"]);
        b.expect(await b.add(other)).toEqual(known(one.id));
        const claim = await b.one();
        b.expect(await b.add(other)).toEqual(until === "started" ? added(other.id) : known(one.id));
        await b.backend.desk.remove([other.id]);
        await b.end(claim);
        b.expect(await b.add(other)).toEqual(added(other.id));
        await b.backend.desk.remove([other.id]);
      }
    },
    "a task is not requeued while another holds its key: which one is told, and it stays as it is": async (b) => {
      for (const until of ["finished", "started"] as const) {
        await b.add(keyed("a", { until }));
        await b.cancel("a");
        await b.add(keyed("b", { until }));
        const before = await b.everything();
        b.expect(await b.backend.desk.requeue(["a"])).toEqual([{ is: "conflict", over: "unique", taskId: "b" }]);
        b.expect(await b.everything()).toEqual(before);
        await b.cancel("b");
        b.expect(await b.backend.desk.requeue(["a", "b"])).toEqual(["requeued", { is: "conflict", over: "unique", taskId: "a" }]);
        b.expect(await b.add(keyed("c"))).toEqual(known("a"));
        await b.backend.desk.remove(["a", "b"]);
      }
    },
    "a task that expired takes its key again, too": async (b) => {
      for (const until of ["finished", "started", 1_000] as const) {
        await b.add(keyed("a", { until, ttl: 5 }));
        await b.clock.advance(5);
        await b.end(await b.ended(), { kind: "ended" });
        await b.add(keyed("b"));
        b.expect(await b.backend.desk.requeue(["a"])).toEqual([{ is: "conflict", over: "unique", taskId: "b" }]);
        await b.backend.desk.remove(["b"]);
        b.expect(await b.backend.desk.requeue(["a"])).toEqual(["requeued"]);
        b.expect(await b.add(keyed("b"))).toEqual(known("a"));
        await b.backend.desk.remove(["a"]);
      }
    },
    "a requeued task whose window is open holds its key for the rest of it, else until its end": async (b) => {
      const fails = { kind: "threw", failure: { name: "E", message: "" }, final: true } as const;
      await b.run(keyed("a", { until: 100 }), fails);
      b.expect(await b.backend.desk.requeue(["a"])).toEqual(["requeued"]);
      await b.clock.advance(99);
      b.expect(await b.add(keyed("b"))).toEqual(known("a"));
      await b.end(await b.one(), fails);
      await b.clock.advance(1);
      b.expect(await b.backend.desk.requeue(["a"])).toEqual(["requeued"]);
      await b.clock.advance(1_000);
      b.expect(await b.add(keyed("b"))).toEqual(known("a"));
      await b.end(await b.one(), fails);
      await b.add(keyed("b", { until: 100 }));
      b.expect(await b.backend.desk.requeue(["a"])).toEqual([{ is: "conflict", over: "unique", taskId: "b" }]);
      await b.clock.advance(100);
      b.expect(await b.backend.desk.requeue(["a"])).toEqual(["requeued"]);
      b.expect(await b.add(keyed("c"))).toEqual(known("a"));
    },
    "a holder past its TTL keeps no task from being requeued": async (b) => {
      await b.add(keyed("a"));
      await b.cancel("a");
      await b.add(keyed("b", { ttl: 5 }));
      await b.clock.advance(5);
      b.expect(await b.backend.desk.requeue(["a"])).toEqual(["requeued"]);
      b.expect([await b.phase("a"), await b.phase("b")]).toEqual(["ready", "expired"]);
    },
    "a task without a key is requeued beside those that have one": async (b) => {
      await b.add(newTask("a"), keyed("b"), newTask("c"));
      for (const id of ["a", "b", "c"]) await b.cancel(id);
      await b.add(keyed("d"));
      const conflict = { is: "conflict", over: "unique", taskId: "d" };
      b.expect(await b.backend.desk.requeue(["a", "b", "c", "b", "x"])).toEqual(["requeued", conflict, "requeued", conflict, "missing"]);
      b.expect(await b.eventsOf("b")).toEqual(["cancelled"]);
    },
    "keys are apart": async (b) => {
      await b.add(keyed("a"));
      const other = newTask("b", { unique: { key: "K", until: "finished", onConflict: "refuse" } });
      b.expect(await b.add(other)).toEqual(added("b"));
    },
  },
};
