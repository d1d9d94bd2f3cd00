import { ClosedError } from "../../core/errors.ts";
import type { Hint } from "../../core/backend.ts";
import type { Chapter } from "./bench.ts";
import { Bench, codeOf, newSchedule, newTask } from "./bench.ts";

async function isClosed(call: () => unknown): Promise<boolean> {
  try {
    await call();
    return false;
  } catch (error) {
    return error instanceof ClosedError;
  }
}

/** What was heard since the last time; a hint may come a turn late. */
async function heard(b: Bench, hints: Hint[]): Promise<(hint: Hint) => boolean> {
  await b.clock.advance(0);
  const all = new Set(hints.splice(0));
  return (hint) => all.has(hint) || all.has("any");
}

export const reopening: Chapter = {
  title: "open, close, hints",
  tests: {
    "opening and closing again is a no-op": async (b) => {
      await b.add("a");
      await b.backend.open();
      b.expect([b.backend.isOpen, await b.phase("a")]).toEqual([true, "ready"]);
      await b.backend.close();
      await b.backend.close();
      b.expect(b.backend.isOpen).toBe(false);
    },
    "calls after the close are refused": async (b) => {
      const { backend } = b;
      await backend.close();
      const calls = [
        () => b.add("a"),
        () => b.claims(),
        () => backend.work.settle([]),
        () => backend.presence.workers(1),
        () => backend.desk.get(["a"]),
        () => backend.schedules.list({ limit: 1 }),
        () => backend.results.get(["a"]),
        () => backend.events.tail(),
        () => backend.sweep({ what: "results", limit: 1 }),
      ];
      b.expect(await Promise.all(calls.map((call) => isClosed(call)))).toEqual(calls.map(() => true));
    },
    "calls under way at the close are answered": async (b) => {
      const enqueued = b.add("a");
      const closing = b.backend.close();
      b.expect(await enqueued).toEqual([{ is: "added", id: "a" }]);
      await closing;
    },
    "a closed place opens again and works": async (b) => {
      await b.backend.close();
      await b.backend.open();
      b.expect(b.backend.isOpen).toBe(true);
      b.expect(await b.add("a")).toMatchObject([{ is: "added" }]);
    },
    "what was written is there after the place was opened again": async (b) => {
      await b.run("done", { kind: "returned", value: "1" });
      await b.run("deleted");
      await b.add("waiting", newTask("child", { dependsOn: [{ id: "waiting", ifFailed: "cancel" }] }), newTask("held", { queue: "other" }));
      const claim = await b.one({ queues: ["other"], announce: true });
      await b.backend.desk.remove(["deleted"]);
      await b.backend.desk.setPaused("paused", true);
      const before = await b.everything();
      const cursor = await b.backend.events.tail();
      await b.backend.close();
      await b.backend.open();
      b.expect(await b.everything()).toEqual(before);
      b.expect(await b.backend.events.tail()).toBe(cursor);
      b.expect(await b.end(claim)).toEqual(["settled"]);
      await b.end(await b.one());
      b.expect(await b.phase("child")).toBe("ready");
      await b.add("deleted");
      const again = (await b.due()).find(({ task }) => task.id === "deleted");
      b.expect((again?.fence ?? 0) > 1, "fences go on").toBe(true);
    },
    "the place tells the time of its clock": async (b) => {
      if (b.backend.traits.clock === "own") return;
      await b.clock.advance(7);
      b.expect(await b.backend.now()).toBe(b.now);
    },
    "listeners are told of what they may wait for": async (b) => {
      const hints: Hint[] = [];
      b.backend.listen((hint) => hints.push(hint));
      await b.add("a");
      b.expect((await heard(b, hints))("task"), "a task was enqueued").toBe(true);
      const claim = await b.one();
      hints.length = 0;
      await b.backend.desk.cancel(["a"]);
      b.expect((await heard(b, hints))("cancel"), "a running task is to be cancelled").toBe(true);
      await b.end(claim);
      b.expect((await heard(b, hints))("end"), "a task has ended").toBe(true);
      await b.add("b");
      await heard(b, hints);
      await b.end(await b.one(), { kind: "interrupted" });
      b.expect((await heard(b, hints))("task"), "a task was given back").toBe(true);
      await b.end(await b.one(), { kind: "discard", reason: "" });
      await heard(b, hints);
      await b.backend.desk.requeue(["b"]);
      b.expect((await heard(b, hints))("task"), "a task was requeued").toBe(true);
      await b.backend.desk.setPaused("q", false);
      b.expect((await heard(b, hints))("task"), "a queue goes on").toBe(true);
    },
    "a listener is told of a new schedule": async (b) => {
      const hints: Hint[] = [];
      b.backend.listen((hint) => hints.push(hint));
      await b.backend.schedules.put(newSchedule("s", b.now));
      b.expect((await heard(b, hints))("schedule")).toBe(true);
    },
    "a listener that has ended hears nothing more": async (b) => {
      const hints: Hint[] = [];
      const end = b.backend.listen((hint) => hints.push(hint));
      const others: Hint[] = [];
      b.backend.listen((hint) => others.push(hint));
      end();
      end();
      await b.add("a");
      b.expect((await heard(b, others))("task")).toBe(true);
      b.expect(hints).toEqual([]);
    },
    "a refused call hints at nothing": async (b) => {
      await b.add("a");
      await heard(b, []);
      const hints: Hint[] = [];
      b.backend.listen((hint) => hints.push(hint));
      await b.add(newTask("a", { args: "1" }));
      await codeOf(() => b.backend.work.claim({ ...Bench.dueAsk(), worker: "stranger" }));
      b.expect((await heard(b, hints))("task")).toBe(false);
    },
  },
};
