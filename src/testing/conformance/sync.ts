import type { Backend } from "../../core/backend.ts";
import { asynchronous } from "../model/asynchronous.ts";
import type { Chapter, Open } from "./bench.ts";
import { Bench, codeOf, newTask } from "./bench.ts";
import { compare } from "./equivalence.ts";

/** The same backend, with a promise around each synchronous verb. */
function throughTwins(backend: Backend): Backend {
  const { sync, traits, projectName } = backend;
  if (sync === undefined) return backend;
  return { ...asynchronous(sync), traits, projectName, isOpen: true, sync, listen: (onHint) => backend.listen(onHint) };
}

export const sync: Chapter = {
  title: "sync",
  tests: {
    "the trait says whether there are twins": async (b) => {
      b.expect(b.backend.sync !== undefined).toBe(b.backend.traits.sync);
    },
    "the twins do what the asynchronous verbs do": async (b) => {
      if (b.backend.sync === undefined) return;
      const twins: Open = async (clock) => {
        const backend = await b.open(clock);
        return throughTwins(backend);
      };
      for (const seed of [101, 102, 103]) await compare({ open: twins, model: b.open, seed, steps: 80, expect: b.expect });
    },
    "what one writes the other reads": async (b) => {
      const { sync } = b.backend;
      if (sync === undefined) return;
      b.expect(sync.work.enqueue([{ tasks: [newTask("a")], announce: true }])).toEqual([[{ is: "added", id: "a" }]]);
      const claim = await b.one();
      b.expect(sync.work.settle([b.settlement(claim, { kind: "returned" })])).toEqual({ settled: ["settled"] });
      b.expect([await b.phase("a"), await b.events()]).toEqual(["completed", ["a enqueued", "a completed w1"]]);
      await b.add("b");
      b.expect(sync.desk.get(["b"])[0]?.phase).toBe("ready");
      b.expect(b.backend.traits.clock === "own" || sync.now() === b.now).toBe(true);
    },
    "the twins throw what the others reject with": async (b) => {
      const { sync } = b.backend;
      if (sync === undefined) return;
      b.expect(await codeOf(() => sync.work.claim({ ...Bench.dueAsk(), worker: "stranger" }))).toBe("WORKER_UNKNOWN");
      b.expect(await codeOf(() => sync.presence.beat("stranger", []))).toBe("WORKER_UNKNOWN");
      sync.close();
      sync.close();
      b.expect(b.backend.isOpen).toBe(false);
      b.expect((await codeOf(() => sync.desk.get(["a"]))) === "no error").toBe(false);
      sync.open();
      sync.open();
      b.expect([b.backend.isOpen, sync.desk.get(["nobody"])]).toEqual([true, [undefined]]);
    },
  },
};
