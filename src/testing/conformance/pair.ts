import type { Backend, Settled } from "../../core/backend.ts";
import type { Claim, Settlement } from "../../core/backend.ts";
import type { Outcome } from "../../core/lifecycle.ts";
import type { Chapter } from "./bench.ts";
import { newTask } from "./bench.ts";
import type { Bench } from "./bench.ts";

/** Settles as it is done with results and events in another place: result, settlement, event; each may be repeated. */
async function settleApart(b: Bench, elsewhere: Backend, claim: Claim, outcome: Outcome): Promise<Settled | undefined> {
  const { result, events, ...rest } = b.settlement(claim, outcome);
  const settlement: Settlement = { ...rest, events: [] };
  if (result !== undefined) await elsewhere.results.put([result]);
  const [settled] = await b.settle(settlement);
  if (settled !== "settled" && settled !== "repeated") return settled;
  await elsewhere.events.append(events.map((event, i) => Object.assign({ id: `${claim.task.id}.${claim.fence}.${i}` }, event)));
  return settled;
}

export const pair: Chapter = {
  title: "two places",
  tests: {
    "two places know nothing of each other": async (b) => {
      const other = await b.another();
      await b.add("a");
      b.expect([(await other.desk.get(["a"]))[0], (await other.presence.workers(10)).length]).toEqual([undefined, 0]);
    },
    "a task here, its result and event there": async (b) => {
      const other = await b.another();
      await b.add("a");
      const claim = await b.one();
      b.expect(await settleApart(b, other, claim, { kind: "returned", value: "1" })).toBe("settled");
      b.expect(await other.results.get(["a"])).toMatchObject([{ value: "1", fence: claim.fence }]);
      b.expect((await other.events.newest({ limit: 9 })).map((event) => event.type)).toEqual(["completed"]);
      b.expect([await b.phase("a"), await b.events(), await b.backend.results.get(["a"])]).toEqual(["completed", [], [undefined]]);
    },
    "the whole settlement may be repeated after a crash at any point": async (b) => {
      const other = await b.another();
      await b.add(newTask("a", { callback: { func: "done", queue: "other" } }));
      const claim = await b.one();
      const outcome = { kind: "returned", value: "1" } as const;
      const { result } = b.settlement(claim, outcome);
      // It died behind the result; then behind the settlement; then behind the event.
      if (result !== undefined) await other.results.put([result]);
      b.expect(await settleApart(b, other, claim, outcome)).toBe("settled");
      b.expect(await settleApart(b, other, claim, outcome)).toBe("repeated");
      b.expect(await other.results.get(["a"])).toMatchObject([{ value: "1" }]);
      b.expect(await other.results.stats(10_000)).toMatchObject({ total: 1 });
      b.expect((await other.events.newest({ limit: 9 })).length).toBe(1);
      b.expect((await b.due({ queues: ["other"] })).length).toBe(1);
    },
    "a zombie's result is refused there too": async (b) => {
      const other = await b.another();
      await b.add("a");
      const zombie = await b.one();
      await b.end(b.only(await b.takeOver("w1")), { kind: "ended" });
      const heir = await b.one({ worker: "w2" });
      await settleApart(b, other, heir, { kind: "returned", value: '"heir"' });
      b.expect(await settleApart(b, other, zombie, { kind: "returned", value: '"zombie"' })).toBe("lost");
      b.expect(await other.results.get(["a"])).toMatchObject([{ value: '"heir"', fence: heir.fence }]);
      b.expect((await other.events.newest({ limit: 9 })).length).toBe(1);
    },
    "a zombie that writes first is overwritten": async (b) => {
      const other = await b.another();
      await b.add("a");
      const zombie = await b.one();
      await b.end(b.only(await b.takeOver("w1")), { kind: "ended" });
      const heir = await b.one({ worker: "w2" });
      b.expect(await settleApart(b, other, zombie, { kind: "returned", value: '"zombie"' })).toBe("lost");
      b.expect(await settleApart(b, other, heir, { kind: "returned", value: '"heir"' })).toBe("settled");
      b.expect(await other.results.get(["a"])).toMatchObject([{ value: '"heir"' }]);
    },
    "a sweep here names the tasks whose results lie there": async (b) => {
      const other = await b.another();
      await b.add("a");
      await settleApart(b, other, await b.one(), { kind: "returned", value: "1" });
      const { ids = [] } = await b.backend.sweep({ what: "tasks", status: "completed", olderThan: 0, limit: 10 });
      b.expect(await other.results.remove(ids)).toEqual([true]);
    },
    "the result of a task that was deleted and came again is the new one's": async (b) => {
      const other = await b.another();
      await b.add("a");
      const first = await b.one();
      await settleApart(b, other, first, { kind: "returned", value: '"old"' });
      await b.backend.desk.remove(["a"]);
      await b.add("a");
      await settleApart(b, other, await b.one(), { kind: "returned", value: '"new"' });
      b.expect(await other.results.get(["a"])).toMatchObject([{ value: '"new"' }]);
    },
  },
};
