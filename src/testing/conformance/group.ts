import type { EnqueueCall } from "../../core/backend.ts";
import type { NewTask } from "../../core/task.ts";
import type { Chapter } from "./bench.ts";
import { codeOf, findAll, ids, newTask } from "./bench.ts";

const call = (...tasks: readonly NewTask[]): EnqueueCall => ({ tasks, announce: true });
const ORPHAN = newTask("orphan", { dependsOn: [{ id: "nobody", ifFailed: "run" }] });

/** Arguments that are no text: what only a caller without types can ask, and no place can store. */
const BROKEN: NewTask = { ...newTask("broken"), ...JSON.parse('{"args":{"not":"text"}}') };

export const group: Chapter = {
  title: "calls that share a commit",
  tests: {
    "a refused call among good ones of one set": async (b) => {
      await b.add("there");
      const answers = await b.backend.work.enqueue([
        call(newTask("a"), newTask("b")),
        call(newTask("c"), ORPHAN, newTask("d")),
        call(newTask("there", { args: "1" })),
        call(newTask("e", { dependsOn: [{ id: "a", ifFailed: "run" }] })),
      ]);
      b.expect(answers.map((each) => each.map((answer) => (answer.is === "refused" ? answer.why : answer.is)))).toEqual([
        ["added", "added"],
        ["unknown-parent", "unknown-parent", "unknown-parent"],
        ["id-reused"],
        ["added"],
      ]);
      b.expect(await b.events()).toEqual(["a enqueued", "b enqueued", "e enqueued"]);
      b.expect(await b.backend.desk.get(["c", "d", "orphan"])).toEqual([undefined, undefined, undefined]);
      b.expect(await b.phase("e")).toBe("blocked");
    },
    "a refused call gives back what it had taken": async (b) => {
      const unique = { key: "k", until: "finished", onConflict: "replace" } as const;
      await b.add(newTask("holder", { unique, queue: "other" }));
      const before = await b.everything();
      await b.backend.work.enqueue([
        call(newTask("x", { unique, args: "2" }), newTask("y", { unique: { ...unique, key: "free" } }), ORPHAN),
      ]);
      b.expect(await b.everything()).toEqual(before);
      b.expect(await b.add(newTask("z", { unique: { ...unique, key: "free", onConflict: "refuse" } }))).toEqual([{ is: "added", id: "z" }]);
    },
    "many concurrent calls, one refused and one that throws": async (b) => {
      const calls = ids(60).map((id, i) =>
        i === 20 ? call(newTask(id), ORPHAN) : i === 40 ? call(newTask(id), BROKEN) : call(newTask(id)),
      );
      const outcomes = await Promise.allSettled(calls.map(async (each) => (await b.backend.work.enqueue([each]))[0]));
      const good = ids(60).filter((_, i) => i !== 20 && i !== 40);
      b.expect(outcomes.map((outcome) => outcome.status).indexOf("rejected")).toBe(40);
      b.expect(outcomes.filter((outcome) => outcome.status === "rejected").length).toBe(1);
      const answered = outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value?.[0] : undefined));
      b.expect(answered[20]).toMatchObject({ is: "refused", why: "unknown-parent" });
      for (const id of good) b.expect(answered[Number(id.slice(1))]).toEqual({ is: "added", id });
      b.expect((await findAll(b.backend, { limit: 100 })).map((task) => task.id).toSorted()).toEqual(good.toSorted());
      b.expect((await b.events()).toSorted()).toEqual(good.map((id) => `${id} enqueued`).toSorted());
      b.expect((await b.due({ limit: 100 })).map((claim) => claim.task.id)).toEqual(good);
    },
    "concurrent enqueues are in the order in which they were made": async (b) => {
      const unique = { key: "k", until: "finished", onConflict: "keep" } as const;
      const answers = await Promise.all(ids(10).map((id) => b.backend.work.enqueue([call(newTask(id, { unique }))])));
      b.expect(answers.flat(2)).toEqual(ids(10).map((_, i) => ({ is: i === 0 ? "added" : "known", id: "t0" })));
    },
    "concurrent verbs of all kinds are answered each for itself": async (b) => {
      await b.add(...ids(6));
      const claims = await b.due();
      await b.add(newTask("waits", { queue: "other" }));
      const [first, second, ...others] = claims;
      if (first === undefined || second === undefined) throw new Error("Expected claims");
      const lost = b.settlement({ ...second, fence: second.fence + 5 }, { kind: "returned", value: "1" });
      const [settled, refused, enqueued, stranger, cancelled, progress, rest] = await Promise.all([
        b.end(first, { kind: "returned", value: "1" }),
        b.settle(lost),
        b.backend.work.enqueue([call(newTask("n", { queue: "other" }))]),
        codeOf(() => b.claims({ worker: "stranger" })),
        b.backend.desk.cancel(["waits", "t1"]),
        b.backend.work.progress([{ id: "t1", fence: second.fence, event: { type: "progress", taskId: "t1" } }]),
        b.end(others),
      ]);
      b.expect([settled, refused, stranger, cancelled, progress]).toEqual([
        ["settled"],
        ["lost"],
        "WORKER_UNKNOWN",
        ["marked", "asked"],
        ["written"],
      ]);
      b.expect([enqueued, rest]).toEqual([[[{ is: "added", id: "n" }]], others.map(() => "settled")]);
      b.expect(await b.backend.results.get(["t1"])).toEqual([undefined]);
      b.expect(await Promise.all(ids(6).map((id) => b.phase(id)))).toEqual(["completed", "running", ...others.map(() => "completed")]);
    },
    "two that settle one claim at once: one does": async (b) => {
      await b.add(newTask("a", { callback: { func: "done", queue: "other" } }));
      const claim = await b.one();
      const answers = await Promise.all(["1", "2", "3"].map((value) => b.end(claim, { kind: "returned", value })));
      b.expect(answers.flat().toSorted()).toEqual(["repeated", "repeated", "settled"]);
      b.expect(await b.eventsOf("a")).toEqual(["completed"]);
      b.expect(await b.backend.results.get(["a"])).toMatchObject([{ value: String(answers.flat().indexOf("settled") + 1) }]);
    },
    "a transaction of the caller's that is none is refused": async (b) => {
      const code = await codeOf(() => b.backend.work.enqueue([call(newTask("a"))], {}));
      b.expect(code.startsWith("TX_"), `the code of the error, ${code}`).toBe(true);
      b.expect(await b.peek("a")).toBe(undefined);
    },
  },
};
