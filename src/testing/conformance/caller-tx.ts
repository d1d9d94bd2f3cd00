import type { EnqueueCall, Enqueued } from "../../core/backend.ts";
import type { NewTask } from "../../core/task.ts";
import type { Bench, Chapter } from "./bench.ts";
import { codeOf, newTask } from "./bench.ts";

const call = (...tasks: readonly NewTask[]): EnqueueCall => ({ tasks, announce: true });

/** What the calls answer, in a transaction that is committed unless `keep` is false. */
async function within(b: Bench, calls: readonly EnqueueCall[], keep = true): Promise<readonly (readonly Enqueued[])[]> {
  const { tx, commit, rollback } = await b.begin();
  try {
    const answers = await b.backend.work.enqueue(calls, tx);
    await (keep ? commit() : rollback());
    return answers;
  } catch (error) {
    await rollback();
    throw error;
  }
}

const added = (id: string): Enqueued => ({ is: "added", id });

export const callerTx: Chapter = {
  title: "enqueue in the caller's transaction",
  tests: {
    "a commit brings tasks and events, which nobody sees before": async (b) => {
      const { tx, commit } = await b.begin();
      b.expect(await b.backend.work.enqueue([call(newTask("a"), newTask("b"))], tx)).toEqual([[added("a"), added("b")]]);
      b.expect([await b.peek("a"), await b.events()]).toEqual([undefined, []]);
      await commit();
      b.expect((await b.due()).map(({ task }) => task.id)).toEqual(["a", "b"]);
      b.expect((await b.events()).filter((each) => each.endsWith("enqueued"))).toEqual(["a enqueued", "b enqueued"]);
    },
    "a rollback leaves nothing: no task, no event, and the id is free": async (b) => {
      b.expect(await within(b, [call(newTask("a"))], false)).toEqual([[added("a")]]);
      b.expect([await b.peek("a"), await b.events()]).toEqual([undefined, []]);
      b.expect(await within(b, [call(newTask("a", { func: "g" }))])).toEqual([[added("a")]]);
    },
    "what is refused writes nothing, and the transaction goes on": async (b) => {
      await b.add("there");
      const orphan = newTask("c", { dependsOn: [{ id: "nobody", ifFailed: "cancel" }] });
      const { tx, commit } = await b.begin();
      const enqueue = (each: EnqueueCall): Promise<readonly (readonly Enqueued[])[]> => b.backend.work.enqueue([each], tx);
      b.expect((await enqueue(call(newTask("x"), orphan))).flat().map(({ is }) => is)).toEqual(["refused", "refused"]);
      b.expect((await enqueue(call(newTask("y"), newTask("there", { func: "g" })))).flat().map(({ is }) => is)).toEqual([
        "refused",
        "refused",
      ]);
      b.expect(await enqueue(call(newTask("z")))).toEqual([[added("z")]]);
      await commit();
      b.expect([await b.peek("x"), await b.peek("y"), await b.phase("z")]).toEqual([undefined, undefined, "ready"]);
      b.expect(await b.events()).toEqual(["z enqueued"]);
    },
    "an id that is there already is known, in front of the transaction and within it, and tells no second event": async (b) => {
      await b.add("there");
      const { tx, commit } = await b.begin();
      const answers = await b.backend.work.enqueue([call(newTask("a"), newTask("there"), newTask("b"))], tx);
      b.expect(answers).toEqual([[added("a"), { is: "known", id: "there" }, added("b")]]);
      b.expect(await b.backend.work.enqueue([call(newTask("b"), newTask("b"))], tx)).toEqual([
        [
          { is: "known", id: "b" },
          { is: "known", id: "b" },
        ],
      ]);
      b.expect(await b.backend.work.enqueue([call(newTask("c"), newTask("c"))], tx)).toEqual([[added("c"), { is: "known", id: "c" }]]);
      await commit();
      b.expect(await b.events()).toEqual(["a enqueued", "b enqueued", "c enqueued"]);
      b.expect((await b.due()).map(({ task }) => task.id).toSorted()).toEqual(["a", "b", "c", "there"]);
    },
    "parents, unique keys and delays are those of any enqueue": async (b) => {
      const unique = { key: "k", until: "finished", onConflict: "keep" } as const;
      const child = newTask("child", { dependsOn: [{ id: "a", ifFailed: "cancel" }] });
      const answers = await within(b, [
        call(newTask("a", { unique }), child),
        call(newTask("b", { unique })),
        call(newTask("d", { due: { in: 500 } })),
      ]);
      b.expect(answers).toEqual([[added("a"), added("child")], [{ is: "known", id: "a" }], [added("d")]]);
      b.expect([await b.phase("a"), await b.phase("child"), await b.phase("d")]).toEqual(["ready", "blocked", "delayed"]);
      await b.end(await b.due());
      await b.backend.work.release(10);
      b.expect(await b.phase("child")).toBe("ready");
    },
    "calls that are not announced tell nothing": async (b) => {
      await within(b, [
        { tasks: [newTask("a")], announce: false },
        { tasks: [newTask("b")], announce: true },
      ]);
      await within(b, [{ tasks: [newTask("c")], announce: false }]);
      b.expect([await b.events(), await b.phase("a"), await b.phase("c")]).toEqual([["b enqueued"], "ready", "ready"]);
    },
    "a handle without an open transaction is refused, and nothing written": async (b) => {
      const { tx, commit } = await b.begin();
      await commit();
      const parent = newTask("b", { dependsOn: [{ id: "a", ifFailed: "run" }] });
      for (const tasks of [[newTask("a")], [newTask("a"), parent]]) {
        b.expect(await codeOf(() => b.backend.work.enqueue([call(...tasks)], tx))).toBe("TX_NOT_OPEN");
      }
      b.expect([await b.peek("a"), await b.events()]).toEqual([undefined, []]);
    },
    "what is no handle is refused": async (b) => {
      for (const tx of [{}, 1, "BEGIN", null]) {
        b.expect(await codeOf(() => b.backend.work.enqueue([call(newTask("a"))], tx))).toBe("TX_FOREIGN_LIBRARY");
      }
      b.expect(await b.peek("a")).toBe(undefined);
    },
  },
};
