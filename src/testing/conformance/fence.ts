import type { Chapter } from "./bench.ts";
import { newTask } from "./bench.ts";

const NOTE = { type: "progress", message: "half" } as const;

export const fencing: Chapter = {
  title: "fence",
  tests: {
    "a fence grows with each claim of a task": async (b) => {
      await b.add("a");
      const fences: number[] = [];
      for (let i = 0; i < 4; i++) {
        const claim = await b.one();
        fences.push(claim.fence);
        b.expect(claim.task.fence).toBe(claim.fence);
        await b.end(claim, { kind: "interrupted" });
      }
      b.expect(fences.map((fence) => fence - (fences[0] ?? 0))).toEqual([0, 1, 2, 3]);
    },
    "a zombie settles nothing while another holds the task": async (b) => {
      await b.add(newTask("a", { callback: { func: "done" } }), newTask("child", { dependsOn: [{ id: "a", ifFailed: "run" }] }));
      const zombie = await b.one();
      const heir = b.only(await b.takeOver("w1"));
      const before = await b.everything();
      b.expect(await b.end(zombie, { kind: "returned", value: '"zombie"' })).toEqual(["lost"]);
      b.expect(await b.end(zombie, { kind: "interrupted" })).toEqual(["lost"]);
      b.expect(await b.end(zombie, { kind: "threw", failure: { name: "E", message: "" } })).toEqual(["lost"]);
      b.expect(await b.everything()).toEqual(before);
      b.expect(await b.end(heir, { kind: "ended" })).toEqual(["settled"]);
    },
    "a zombie settles nothing after another has settled": async (b) => {
      await b.add("a");
      const zombie = await b.one();
      await b.end(b.only(await b.takeOver("w1")), { kind: "ended" });
      b.expect(await b.end(zombie)).toEqual(["lost"]);
      await b.end(await b.one({ worker: "w2" }), { kind: "returned", value: '"heir"' });
      const before = await b.everything();
      b.expect(await b.end(zombie, { kind: "returned", value: '"zombie"' })).toEqual(["lost"]);
      b.expect(await b.everything()).toEqual(before);
      b.expect(await b.backend.results.get(["a"])).toMatchObject([{ value: '"heir"' }]);
    },
    "a claim settles once; the repetition says so and changes nothing": async (b) => {
      await b.add(newTask("a", { callback: { func: "done", queue: "other" } }));
      const claim = await b.one();
      b.expect(await b.end(claim, { kind: "returned", value: "1" })).toEqual(["settled"]);
      const before = await b.everything();
      await b.clock.advance(5);
      b.expect(await b.end(claim, { kind: "returned", value: "2" })).toEqual(["repeated"]);
      b.expect(await b.everything()).toMatchObject(before);
    },
    "a repetition says so also where the claim behind it takes the task anew": async (b) => {
      await b.add(newTask("a", { maxRetries: 1, retryDelay: 0 }));
      const settlement = b.settlement(await b.one(), { kind: "threw", failure: { name: "Error", message: "no" } });
      const of = { due: true, queues: ["q"], names: ["f"], announce: false } as const;
      b.expect(await b.settle(settlement)).toEqual(["settled"]);
      const { settled, next } = await b.backend.work.settle([settlement], { worker: "w1", limit: 5, of });
      b.expect([settled, next?.claims.map(({ task }) => [task.id, task.attempt])]).toEqual([["repeated"], [["a", 2]]]);
    },
    "a settlement that was given back is not repeated either": async (b) => {
      await b.add("a");
      const claim = await b.one();
      await b.end(claim, { kind: "interrupted" });
      const before = await b.everything();
      b.expect(await b.end(claim, { kind: "returned" })).toEqual(["repeated"]);
      b.expect(await b.everything()).toEqual(before);
    },
    "a fence that was never given out settles nothing": async (b) => {
      await b.add("a");
      const claim = await b.one();
      b.expect(await b.end({ ...claim, fence: claim.fence + 1 })).toEqual(["lost"]);
      b.expect(await b.end({ ...claim, task: { ...claim.task, id: "nobody" } })).toEqual(["missing"]);
      b.expect(await b.phase("a")).toBe("running");
    },
    "progress is written by the current claim alone": async (b) => {
      await b.add("a");
      const zombie = await b.one();
      const progress = async (id: string, fence: number) =>
        (await b.backend.work.progress([{ id, fence, event: { ...NOTE, taskId: id } }]))[0];
      b.expect(await progress("a", zombie.fence)).toBe("written");
      const heir = b.only(await b.takeOver("w1"));
      b.expect(await progress("a", zombie.fence)).toBe("lost");
      b.expect(await progress("a", heir.fence)).toBe("written");
      b.expect(await progress("nobody", 1)).toBe("lost");
      await b.end(heir, { kind: "ended" });
      b.expect(await progress("a", heir.fence)).toBe("lost");
      b.expect(await b.eventsOf("a")).toEqual(["progress", "progress", "crashed"]);
    },
    "progress answers stand in the order asked": async (b) => {
      await b.add("a", "b");
      const claims = await b.due();
      const set = claims.map((claim, i) => ({ id: claim.task.id, fence: claim.fence + i, event: { ...NOTE, taskId: claim.task.id } }));
      b.expect(await b.backend.work.progress(set)).toEqual(["written", "lost"]);
      b.expect(await b.events()).toEqual(["a progress"]);
    },
    "no progress for a task that is held to be ended": async (b) => {
      await b.add(newTask("a", { ttl: 0 }));
      const claim = await b.one();
      b.expect(await b.backend.work.progress([{ id: "a", fence: claim.fence, event: { ...NOTE, taskId: "a" } }])).toEqual(["lost"]);
      b.expect(await b.events()).toEqual([]);
    },
    "a deleted task's fence never comes back with its id": async (b) => {
      await b.add("a");
      const zombie = await b.one();
      const heir = b.only(await b.takeOver("w1"));
      await b.end(heir, { kind: "cancelled" });
      b.expect(await b.backend.desk.remove(["a"])).toEqual(["removed"]);
      b.expect(await b.end(zombie)).toEqual(["missing"]);
      await b.add("a");
      const reborn = await b.one();
      b.expect(reborn.fence > heir.fence, "the fence goes on").toBe(true);
      const before = await b.everything();
      b.expect(await b.end(zombie, { kind: "returned", value: "1" })).toEqual(["lost"]);
      b.expect(await b.end(heir, { kind: "returned", value: "1" })).toEqual(["lost"]);
      b.expect(await b.everything()).toEqual(before);
    },
    "a swept task's fence never comes back with its id": async (b) => {
      await b.add("a");
      const zombie = await b.one();
      await b.end(zombie, { kind: "cancelled" });
      await b.backend.sweep({ what: "tasks", status: "cancelled", olderThan: 0, limit: 10 });
      await b.add("a");
      const reborn = await b.one();
      b.expect(reborn.fence > zombie.fence, "the fence goes on").toBe(true);
      b.expect(await b.end(zombie, { kind: "returned", value: "1" })).toEqual(["lost"]);
    },
    "requeueing goes on with the fence": async (b) => {
      await b.run("a", { kind: "discard", reason: "no" });
      const { fence } = await b.get("a");
      await b.backend.desk.requeue(["a"]);
      b.expect((await b.one()).fence).toBe(fence + 1);
    },
  },
};
