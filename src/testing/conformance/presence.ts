import type { ClaimAsk } from "../../core/backend.ts";
import type { Chapter } from "./bench.ts";
import type { Bench } from "./bench.ts";
import { codeOf, ids, newTask, workerRow } from "./bench.ts";

const DAY = 86_400_000;

async function beatOf(b: Bench, worker: string): Promise<number> {
  return (await b.backend.presence.workers(100)).find((row) => row.worker === worker)?.beat ?? -1;
}

export const presence: Chapter = {
  title: "presence and beats",
  tests: {
    "a worker's row reads back as it arrived": async (b) => {
      const row = { ...workerRow("w3"), role: "client", queues: ["high", "a,b"], names: [], host: "höst", started: "" } as const;
      await b.backend.presence.arrive(row);
      const found = (await b.backend.presence.workers(100)).find((each) => each.worker === "w3");
      b.expect(found).toMatchObject({ ...row, arrivedAt: b.now, seenAt: b.now });
    },
    "at most so many workers are listed": async (b) => {
      b.expect((await b.backend.presence.workers(1)).length).toBe(1);
      b.expect((await b.backend.presence.workers(100)).map((row) => row.worker).toSorted()).toEqual(["w1", "w2"]);
    },
    "those last seen are listed first": async (b) => {
      await b.clock.advance(1);
      await b.backend.presence.arrive(workerRow("w3"));
      await b.clock.advance(1);
      await b.backend.presence.beat("w1", []);
      b.expect((await b.backend.presence.workers(2)).map((row) => row.worker)).toEqual(["w1", "w3"]);
    },
    "who holds claims is told page by page, whoever else is there": async (b) => {
      b.expect(await b.backend.presence.holding(10)).toEqual({ workers: [] });
      const holders = ["h0", "h1", "h2"];
      for (const worker of ["idle0", ...holders, "idle1"]) await b.backend.presence.arrive(workerRow(worker));
      await b.add(...ids(6), newTask("late", { ttl: 0 }));
      for (const worker of holders) await b.due({ worker, limit: 2 });
      b.expect((await b.ended("w2")).length, "what is to be ended is held, too").toBe(1);
      const pages: string[][] = [];
      let after: string | undefined;
      do {
        const page = await b.backend.presence.holding(3, after);
        pages.push(page.workers.map((row) => row.worker));
        after = page.next;
      } while (after !== undefined);
      b.expect(pages.map((page) => page.length)).toEqual([3, 1]);
      b.expect(pages.flat().toSorted()).toEqual([...holders, "w2"]);
      const all = await b.backend.presence.workers(10);
      b.expect((await b.backend.presence.holding(10)).workers).toEqual(
        pages.flat().map((worker) => all.find((row) => row.worker === worker)),
      );
    },
    "who has ended what it held, or lost it, holds nothing": async (b) => {
      await b.add("a", "b");
      const [a] = await b.due({ limit: 1 });
      if (a === undefined) throw new Error("Expected a claim");
      await b.end(a);
      b.expect(await b.backend.presence.holding(10)).toEqual({ workers: [] });
      await b.one();
      b.expect((await b.backend.presence.holding(10)).workers.map((row) => row.worker)).toEqual(["w1"]);
      await b.takeOver("w1");
      b.expect((await b.backend.presence.holding(10)).workers.map((row) => row.worker)).toEqual(["w2"]);
    },
    "a beat grows and is seen": async (b) => {
      const before = await beatOf(b, "w1");
      await b.clock.advance(5_000);
      b.expect(await b.backend.presence.beat("w1", [])).toEqual([]);
      const row = (await b.backend.presence.workers(100)).find((each) => each.worker === "w1");
      b.expect(row).toMatchObject({ beat: before + 1, seenAt: b.now, arrivedAt: b.now - 5_000 });
      b.expect(await beatOf(b, "w2")).toBe(before);
    },
    "a worker that is unknown cannot beat": async (b) => {
      b.expect(await codeOf(() => b.backend.presence.beat("stranger", []))).toBe("WORKER_UNKNOWN");
    },
    "a beat tells which claims are lost, and which are to be cancelled": async (b) => {
      await b.add("held", "cancelled", "taken", "ended");
      const claims = await b.due();
      const held = claims.map((claim) => ({ id: claim.task.id, fence: claim.fence }));
      b.expect(await b.backend.presence.beat("w1", held)).toEqual([]);
      await b.backend.desk.cancel(["cancelled"]);
      const [, , taken, ended] = claims;
      if (taken === undefined || ended === undefined) throw new Error("Expected four claims");
      await b.end(taken, { kind: "interrupted" });
      await b.one({ worker: "w2" });
      await b.end(ended);
      const nobody = { id: "nobody", fence: 1 };
      b.expect(await b.backend.presence.beat("w1", [...held, nobody])).toEqual([
        { ...held[1], is: "cancel" },
        { ...held[2], is: "lost" },
        { ...held[3], is: "lost" },
        { ...nobody, is: "lost" },
      ]);
    },
    "an old claim is lost also to the worker that claimed the task again itself": async (b) => {
      await b.add("mine");
      const [first] = await b.due();
      if (first === undefined) throw new Error("Expected a claim");
      await b.end(first, { kind: "interrupted" });
      const [second] = await b.due();
      if (second === undefined) throw new Error("Expected a second claim");
      const [old, current] = [first, second].map(({ fence }) => ({ id: "mine", fence }));
      if (old === undefined || current === undefined) throw new Error("Expected two fences");
      b.expect(await b.backend.presence.beat("w1", [old, current])).toEqual([{ ...old, is: "lost" }]);
    },
    "a worker that holds nothing leaves": async (b) => {
      await b.backend.presence.leave("w1");
      b.expect((await b.backend.presence.workers(100)).map((row) => row.worker)).toEqual(["w2"]);
      await b.backend.presence.leave("w1");
      b.expect(await codeOf(() => b.claims())).toBe("WORKER_UNKNOWN");
    },
    "a worker that holds a claim stays until that is settled": async (b) => {
      await b.add("a", newTask("late", { ttl: 0 }));
      const claims = await b.due();
      await b.backend.presence.leave("w1");
      b.expect((await b.backend.presence.workers(100)).length).toBe(2);
      await b.end(claims.filter((claim) => claim.for === "run"));
      await b.backend.presence.leave("w1");
      b.expect((await b.backend.presence.workers(100)).length).toBe(2);
      await b.end(
        claims.filter((claim) => claim.for === "expired"),
        { kind: "ended" },
      );
      await b.backend.presence.leave("w1");
      b.expect((await b.backend.presence.workers(100)).length).toBe(1);
    },
    "a worker that leaves with a claim, and comes back, is not handed it again": async (b) => {
      await b.add("a");
      await b.one();
      await b.backend.presence.leave("w1");
      for (let i = 0; i < 3; i++) await b.backend.presence.beat("w1", []);
      b.expect((await b.due()).length).toBe(0);
    },
    "the claims of a worker whose beat stands still go to another": async (b) => {
      await b.add("a", "b");
      const before = await b.due();
      await b.add(newTask("mine", { queue: "other" }));
      await b.due({ worker: "w2", queues: ["other"] });
      const taken = await b.takeOver("w1");
      b.expect(taken.map((claim) => [claim.task.id, claim.for, claim.task.worker, claim.task.status, claim.task.attempt])).toEqual([
        ["a", "lost", "w2", "running", 1],
        ["b", "lost", "w2", "running", 1],
      ]);
      b.expect(taken.map((claim) => claim.fence)).toEqual(before.map((claim) => claim.fence + 1));
      b.expect(taken[0]?.task.startedAt).toBe(before[0]?.task.startedAt);
      b.expect(await b.takeOver("w1")).toEqual([]);
      b.expect(await b.end(taken, { kind: "ended" })).toEqual(["settled", "settled"]);
    },
    "a beat that was made meanwhile keeps the claims": async (b) => {
      await b.add("a");
      const claim = await b.one();
      const seen = await beatOf(b, "w1");
      await b.backend.presence.beat("w1", []);
      for (const beat of [seen, seen - 1, seen + 2]) {
        const ask = { worker: "w2", limit: 10, of: { lost: [{ worker: "w1", beat }] } };
        b.expect(await b.backend.work.claim(ask)).toMatchObject({ claims: [], more: false });
      }
      b.expect(await b.end(claim)).toEqual(["settled"]);
    },
    "a worker that arrives again keeps its claims from who saw its old beat": async (b) => {
      await b.add("a");
      await b.one();
      const seen = await beatOf(b, "w1");
      await b.backend.presence.arrive(workerRow("w1"));
      const { claims } = await b.backend.work.claim({ worker: "w2", limit: 10, of: { lost: [{ worker: "w1", beat: seen }] } });
      b.expect(claims).toEqual([]);
    },
    "nobody takes over from itself, nor from who is not there": async (b) => {
      await b.add("a");
      await b.one();
      b.expect(await b.takeOver("w1", "w1")).toEqual([]);
      b.expect(await b.takeOver("stranger")).toEqual([]);
    },
    "a take-over keeps to its limit": async (b) => {
      await b.add(...ids(3));
      await b.due();
      const lost = [{ worker: "w1", beat: await beatOf(b, "w1") }];
      const first = await b.backend.work.claim({ worker: "w2", limit: 2, of: { lost } });
      b.expect([first.claims.length, first.more]).toEqual([2, true]);
      const second = await b.backend.work.claim({ worker: "w2", limit: 2, of: { lost } });
      b.expect([second.claims.length, second.more]).toEqual([1, false]);
    },
    "a cancellation asked of a lost task is still known": async (b) => {
      await b.add("a");
      await b.one();
      await b.backend.desk.cancel(["a"], "too late");
      const claim = b.only(await b.takeOver("w1"));
      b.expect(claim).toMatchObject({ for: "lost", task: { mark: "cancelled", reason: "too late", status: "running" } });
      await b.end(claim, { kind: "ended" });
      b.expect(await b.get("a")).toMatchObject({ status: "cancelled", reason: "too late" });
    },
    "of a lost worker, only what is marked can be taken over": async (b) => {
      await b.add(...["plain", "asked", "other", "also"].map((id) => newTask(id)), newTask("late", { ttl: 0 }));
      await b.due();
      await b.backend.desk.cancel(["asked", "also"], "too late");
      const lost = [{ worker: "w1", beat: await beatOf(b, "w1") }];
      const old = { worker: "w1", beat: (await beatOf(b, "w1")) - 1 };
      const take = async (limit: number, of: ClaimAsk["of"]) =>
        (await b.backend.work.claim({ worker: "w2", limit, of })).claims.map((claim) => [claim.task.id, claim.for]);
      b.expect(await take(9, { lost: [old], marked: true })).toEqual([]);
      b.expect(await take(1, { lost, marked: true })).toEqual([["asked", "lost"]]);
      b.expect(await take(9, { lost, marked: true })).toEqual([
        ["also", "lost"],
        ["late", "expired"],
      ]);
      b.expect(await take(9, { lost, marked: true })).toEqual([]);
      b.expect(await b.get("plain")).toMatchObject({ status: "running", worker: "w1" });
      b.expect(await take(9, { lost })).toEqual([
        ["plain", "lost"],
        ["other", "lost"],
      ]);
    },
    "what a lost worker held to be ended is handed on for the same reason": async (b) => {
      await b.add(newTask("late", { ttl: 0 }));
      await b.one();
      await b.add("gone");
      await b.backend.desk.cancel(["gone"]);
      await b.marked("gone");
      const taken = await b.takeOver("w1");
      b.expect(taken.map((claim) => [claim.task.id, claim.for])).toEqual([
        ["late", "expired"],
        ["gone", "cancelled"],
      ]);
      b.expect(await b.end(taken, { kind: "ended" })).toEqual(["settled", "settled"]);
      b.expect([await b.phase("late"), await b.phase("gone")]).toEqual(["expired", "cancelled"]);
    },
    "a jump of the wall clock reaps nobody": async (b) => {
      await b.add("a");
      const claim = await b.one();
      for (const jump of [DAY, -2 * DAY, 400 * DAY]) {
        b.clock.jump(jump);
        b.expect(await b.due({ worker: "w2" })).toEqual([]);
        b.expect(await b.ended("w2")).toEqual([]);
        await b.backend.sweep({ what: "workers", olderThan: 0, limit: 10 });
        b.expect(
          (await b.backend.presence.workers(10)).some((row) => row.worker === "w1"),
          "the holder is still there",
        ).toBe(true);
        b.expect(await b.backend.presence.beat("w1", [{ id: "a", fence: claim.fence }])).toEqual([]);
        await b.backend.presence.arrive(workerRow("w2"));
      }
      b.expect(await b.get("a")).toMatchObject({ status: "running", worker: "w1", fence: claim.fence });
      b.expect(await b.end(claim)).toEqual(["settled"]);
    },
    "a beat made before a jump counts after it": async (b) => {
      await b.add("a");
      await b.one();
      const seen = await beatOf(b, "w1");
      await b.backend.presence.beat("w1", []);
      b.clock.jump(DAY);
      const { claims } = await b.backend.work.claim({ worker: "w2", limit: 10, of: { lost: [{ worker: "w1", beat: seen }] } });
      b.expect(claims).toEqual([]);
    },
    "a lost task that expired meanwhile goes back, and is ended, not started": async (b) => {
      await b.add(newTask("a", { ttl: 10 }));
      await b.one();
      await b.clock.advance(10);
      const claim = b.only(await b.takeOver("w1"));
      b.expect(claim).toMatchObject({ for: "lost", expiresIn: 0 });
      await b.end(claim, { kind: "ended" });
      b.expect((await b.one()).for).toBe("expired");
    },
  },
};
