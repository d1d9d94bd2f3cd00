import { PROMOTIONS } from "../../core/backend.ts";
import type { Chapter } from "./bench.ts";
import { Bench, codeOf, ids, newTask } from "./bench.ts";

const idsOf = (claims: readonly { readonly task: { readonly id: string } }[]): readonly string[] => claims.map((claim) => claim.task.id);

export const claiming: Chapter = {
  title: "claim",
  tests: {
    "higher priority first, then the earlier due time, then age": async (b) => {
      const at = (ms: number) => ({ due: { at: b.now + ms } });
      await b.add(
        newTask("young", at(-1)),
        newTask("low", { priority: -1, ...at(-50) }),
        newTask("early", at(-20)),
        newTask("younger", at(-1)),
        newTask("high", { priority: 2 }),
      );
      b.expect(idsOf(await b.due())).toEqual(["high", "early", "young", "younger", "low"]);
    },
    "names and promoted tasks are merged into one order": async (b) => {
      await b.add(newTask("g1", { func: "g", priority: 1 }), newTask("f2", { priority: 2, due: { in: 10 } }), newTask("f0"));
      await b.clock.advance(10);
      b.expect(idsOf(await b.due({ names: ["f", "g"] }))).toEqual(["f2", "g1", "f0"]);
    },
    "where there is not room for all, the first in that order, one by one": async (b) => {
      const late = b.now + 10;
      await b.add("low", newTask("late", { priority: 1, due: { at: late } }), newTask("high", { priority: 2, due: { at: late } }));
      await b.add(newTask("early", { priority: 1, due: { at: b.now } }), newTask("early2", { priority: 1, due: { at: b.now } }));
      await b.clock.advance(10);
      const taken: (readonly string[])[] = [];
      for (const limit of [1, 2, 1, 1]) taken.push(idsOf(await b.due({ limit })));
      b.expect(taken).toEqual([["high"], ["early", "early2"], ["late"], ["low"]]);
    },
    "queue by queue in the order listed": async (b) => {
      await b.add(
        newTask("l", { queue: "low", priority: 9 }),
        newTask("h1", { queue: "high" }),
        newTask("h2", { queue: "high" }),
        newTask("x", { queue: "x" }),
      );
      b.expect(idsOf(await b.due({ queues: ["high", "low"], limit: 3 }))).toEqual(["h1", "h2", "l"]);
    },
    "no task of a later queue while an earlier one fills the limit": async (b) => {
      await b.add(newTask("l", { queue: "low", priority: 9 }), newTask("h1", { queue: "high" }), newTask("h2", { queue: "high" }));
      b.expect(idsOf(await b.due({ queues: ["high", "low"], limit: 2 }))).toEqual(["h1", "h2"]);
    },
    "only names that the worker knows": async (b) => {
      await b.add(newTask("f"), newTask("g", { func: "g", priority: 5 }), newTask("h", { func: "h" }));
      b.expect(idsOf(await b.due({ names: ["f", "h"] }))).toEqual(["f", "h"]);
      b.expect(await b.get("g")).toMatchObject({ status: "pending", phase: "ready", attempt: 0 });
      b.expect(idsOf(await b.due({ names: [] }))).toEqual([]);
      b.expect(idsOf(await b.due({ names: "any" }))).toEqual(["g"]);
    },
    "a paused queue is passed over until it goes on": async (b) => {
      await b.add("a", newTask("b", { queue: "other" }));
      await b.backend.desk.setPaused("q", true);
      b.expect(idsOf(await b.due({ queues: ["q", "other"] }))).toEqual(["b"]);
      await b.backend.desk.setPaused("q", false);
      b.expect(idsOf(await b.due({ queues: ["q", "other"] }))).toEqual(["a"]);
    },
    "a claim says what it changed": async (b) => {
      await b.add("a");
      const before = await b.get("a");
      const claim = await b.one();
      b.expect(claim).toMatchObject({ for: "run", fence: before.fence + 1 });
      const { revision } = claim.task;
      b.expect(revision > before.revision, "the revision grew").toBe(true);
      const changed = {
        fence: before.fence + 1,
        attempt: 1,
        status: "running",
        phase: "running",
        worker: "w1",
        startedAt: b.now,
        revision,
      };
      b.expect(claim.task).toEqual({ ...before, ...changed });
      b.expect(await b.get("a")).toEqual(claim.task);
    },
    "a claimed task is not handed out again": async (b) => {
      await b.add(...ids(20));
      const sets = await Promise.all([1, 2, 3, 4, 5].map((each) => b.due({ worker: each % 2 === 0 ? "w1" : "w2", limit: 6 })));
      const claimed = sets.flatMap((claims) => idsOf(claims));
      b.expect(claimed.length).toBe(20);
      b.expect(new Set(claimed).size).toBe(20);
    },
    "an announced claim tells of each run": async (b) => {
      await b.add("a", newTask("late", { ttl: 0 }), newTask("b", { queue: "q2", scheduleId: "s" }));
      await b.due({ queues: ["q", "q2"], announce: true });
      b.expect(await b.events()).toEqual(["a executing w1", "b executing w1"]);
      const [event] = await b.backend.events.newest({ taskId: "b", limit: 1 });
      b.expect(event).toMatchObject({ queue: "q2", worker: "w1", scheduleId: "s", at: b.now });
    },
    "a claim that is not announced writes no event": async (b) => {
      await b.add("a");
      await b.one();
      b.expect(await b.events()).toEqual([]);
    },
    "at most the limit, and more when it was reached": async (b) => {
      await b.add(...ids(3));
      b.expect(await b.claims({ limit: 2 })).toMatchObject({ more: true });
      const rest = await b.claims({ limit: 2 });
      b.expect([rest.claims.length, rest.more]).toEqual([1, false]);
      await b.add(...ids(2, "u"));
      const exact = await b.claims({ limit: 2 });
      b.expect([exact.claims.length, exact.more]).toEqual([2, true]);
    },
    "a claim that is to look at all takes all there is, and says of nothing that it was left out": async (b) => {
      await b.add(...ids(3), newTask("later", { due: { in: 5 } }));
      b.expect((await b.claims({ limit: 2, whole: true })).partial).toBe(undefined);
      await b.add(newTask("urgent", { priority: 5 }));
      await b.clock.advance(5);
      const rest = await b.claims({ whole: true, names: ["f"] });
      b.expect([idsOf(rest.claims).toSorted(), rest.more, rest.partial]).toEqual([["later", "t2", "urgent"], false, undefined]);
      b.expect(await b.claims({ whole: true })).toEqual({ claims: [], more: false });
    },
    "a task is due at its time, not a millisecond before": async (b) => {
      await b.add(newTask("a", { due: { in: 1_000 } }));
      await b.clock.advance(999);
      const early = await b.claims();
      b.expect([early.claims.length, early.nextDueIn]).toEqual([0, 1]);
      await b.clock.advance(1);
      b.expect(await b.phase("a")).toBe("ready");
      const claims = await b.claims();
      b.expect([idsOf(claims.claims), claims.nextDueIn]).toEqual([["a"], undefined]);
    },
    "the next due time is the earliest of all": async (b) => {
      b.expect((await b.claims()).nextDueIn).toBe(undefined);
      await b.add("ready", newTask("a", { due: { in: 900 } }), newTask("b", { due: { in: 300 }, queue: "elsewhere" }));
      b.expect((await b.claims()).nextDueIn).toBe(300);
      await b.clock.advance(200);
      b.expect((await b.claims()).nextDueIn).toBe(100);
    },
    "due tasks are moved in batches, the oldest first": async (b) => {
      await b.add(...ids(PROMOTIONS + 1).map((id, i) => newTask(id, { due: { in: 1_000 - i }, priority: i % 3 })));
      await b.clock.advance(1_005);
      const first = await b.claims({ limit: 2 * PROMOTIONS });
      b.expect([first.claims.length, first.more, first.nextDueIn]).toEqual([PROMOTIONS, true, 0]);
      // The last one due was the first one added.
      const second = await b.claims({ limit: 2 * PROMOTIONS });
      b.expect([idsOf(second.claims), second.more]).toEqual([["t0"], false]);
    },
    "a batch that is just full says that there may be more": async (b) => {
      await b.add(...ids(PROMOTIONS).map((id) => newTask(id, { due: { in: 1 } })));
      await b.clock.advance(1);
      const full = await b.claims({ limit: PROMOTIONS + 1 });
      b.expect([full.claims.length, full.more]).toEqual([PROMOTIONS, true]);
      await b.add(...ids(PROMOTIONS - 1, "u").map((id) => newTask(id, { due: { in: 1 } })));
      await b.clock.advance(1);
      const almost = await b.claims({ limit: PROMOTIONS + 1 });
      b.expect([almost.claims.length, almost.more]).toEqual([PROMOTIONS - 1, false]);
    },
    "a claim says how long until the task expires": async (b) => {
      await b.add(newTask("a", { ttl: 100 }), "b");
      await b.clock.advance(99);
      const claims = (await b.due()).toSorted((x, y) => (x.task.id < y.task.id ? -1 : 1));
      b.expect(claims.map((claim) => [claim.task.id, claim.for, claim.expiresIn])).toEqual([
        ["a", "run", 1],
        ["b", "run", undefined],
      ]);
    },
    "an expired task is handed out to be ended, never started": async (b) => {
      await b.add(newTask("a", { ttl: 100, unique: { key: "k", until: "started", onConflict: "refuse" } }));
      await b.clock.advance(100);
      b.expect(await b.phase("a")).toBe("ready");
      const claim = await b.one({ announce: true });
      b.expect(claim).toMatchObject({ for: "expired", expiresIn: 0 });
      b.expect(claim.task).toMatchObject({
        status: "pending",
        phase: "expired",
        mark: "expired",
        attempt: 0,
        worker: "w1",
        fence: claim.fence,
      });
      b.expect("startedAt" in claim.task).toBe(false);
      b.expect(await b.events()).toEqual([]);
    },
    "a task that is expired when it is enqueued is ended by the claim": async (b) => {
      b.expect(await b.add(newTask("a", { ttl: -1 }), newTask("b", { ttl: 0 }))).toMatchObject([{ is: "added" }, { is: "added" }]);
      b.expect(await Promise.all([b.phase("a"), b.phase("b")])).toEqual(["ready", "ready"]);
      b.expect((await b.due()).map((claim) => claim.for)).toEqual(["expired", "expired"]);
    },
    "an expired task takes a place in the limit": async (b) => {
      await b.add(newTask("a", { ttl: 0 }), "b");
      const claims = await b.claims({ limit: 1 });
      b.expect([idsOf(claims.claims), claims.more]).toEqual([["a"], true]);
      b.expect(await b.phase("b")).toBe("ready");
    },
    "a worker that has not arrived gets nothing": async (b) => {
      await b.add("a");
      await b.backend.desk.cancel(["a"]);
      await b.add("b");
      const asks = [Bench.dueAsk().of, { ended: true }, { ids: ["a"] }, { lost: [] }] as const;
      for (const of of asks) {
        b.expect(await codeOf(() => b.backend.work.claim({ worker: "stranger", limit: 5, of }))).toBe("WORKER_UNKNOWN");
      }
      b.expect(await b.phase("b")).toBe("ready");
    },
  },
};
