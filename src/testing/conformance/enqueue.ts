import type { NewTask } from "../../core/task.ts";
import type { Chapter } from "./bench.ts";
import { findAll, ids, newTask } from "./bench.ts";

const FULL: NewTask = newTask("full", {
  func: "shop.resize",
  args: '{"url":"x","ü":"\\u0000 and \'quotes\'"}',
  kwargs: '{"width":3}',
  queue: "high",
  priority: -7,
  label: "Resize",
  description: "a picture",
  tags: ["img", "a,b", ""],
  ttl: 60_000,
  timeout: 1_000,
  maxRetries: 0,
  retryDelay: 7,
  backoff: "exponential",
  atMostOnce: true,
  maxCrashes: 9,
  resultTtl: 5_000,
  storeResult: false,
  callback: { func: "done", args: '{"a":1}', queue: "low", priority: 2 },
  scheduleId: "nightly",
});

export const enqueueing: Chapter = {
  title: "enqueue",
  tests: {
    "a new task reads back as it was given": async (b) => {
      const { createdAt, expiresAt, dueAt, fence, attempt, retryCount, crashCount, openParents, ...rest } = await addAndGet(b, FULL);
      b.expect({ createdAt, dueAt, expiresAt }).toEqual({ createdAt: b.now, dueAt: b.now, expiresAt: b.now + 60_000 });
      b.expect([attempt, retryCount, crashCount, openParents, typeof fence]).toEqual([0, 0, 0, 0, "number"]);
      b.expect(rest).toEqual({ ...FULL, status: "pending", phase: "ready", revision: rest.revision });
    },
    "what is absent stays absent": async (b) => {
      const keys = Object.keys(await addAndGet(b, newTask("a")));
      const optional = [
        "kwargs",
        "label",
        "description",
        "ttl",
        "timeout",
        "resultTtl",
        "callback",
        "scheduleId",
        "mark",
        "reason",
        "runAt",
      ];
      const times = ["nextRetryAt", "startedAt", "completedAt", "expiresAt", "worker"];
      b.expect(keys.filter((key) => [...optional, ...times].includes(key))).toEqual([]);
    },
    "a creation time given by hand counts for due time and TTL": async (b) => {
      const createdAt = b.now - 5_000;
      b.expect(await addAndGet(b, newTask("a", { createdAt, ttl: 6_000 }))).toMatchObject({
        createdAt,
        dueAt: createdAt,
        expiresAt: b.now + 1_000,
      });
    },
    "an expiry given by hand wins over the TTL": async (b) => {
      const expiresAt = b.now + 9;
      b.expect(await addAndGet(b, newTask("a", { ttl: 60_000, expiresAt }))).toMatchObject({ ttl: 60_000, expiresAt });
    },
    "a due time in the future delays; one that is reached does not": async (b) => {
      await b.add(
        newTask("past", { due: { at: b.now - 1 } }),
        newTask("now", { due: { at: b.now } }),
        newTask("later", { due: { at: b.now + 1 } }),
      );
      b.expect(await Promise.all(["past", "now", "later"].map((id) => b.phase(id)))).toEqual(["ready", "ready", "delayed"]);
    },
    "a delay becomes an absolute due time": async (b) => {
      const at = b.now + 30;
      b.expect(await addAndGet(b, newTask("a", { due: { in: 30 } }))).toMatchObject({ runAt: at, dueAt: at, phase: "delayed" });
    },
    "the same task again is known and changes nothing": async (b) => {
      await b.add(FULL);
      const before = await b.everything();
      b.expect(await b.call([FULL], true)).toEqual([{ is: "known", id: "full" }]);
      b.expect(await b.everything()).toEqual(before);
    },
    "a task that has ended is still known": async (b) => {
      await b.run("a");
      b.expect(await b.add("a")).toEqual([{ is: "known", id: "a" }]);
      b.expect(await b.phase("a")).toBe("completed");
    },
    "another task under the same id is refused": async (b) => {
      await b.add(FULL);
      const before = await b.everything();
      for (const other of [{ func: "g" }, { args: "{}" }, { kwargs: '{"width":4}' }]) {
        b.expect(await b.add({ ...FULL, ...other })).toMatchObject([{ is: "refused", why: "id-reused" }]);
      }
      const { kwargs: _kwargs, ...without } = FULL;
      b.expect(await b.add(without)).toMatchObject([{ is: "refused", why: "id-reused" }]);
      b.expect(await b.everything()).toEqual(before);
    },
    "the same id twice in one call is known when equal": async (b) => {
      b.expect(await b.add("a", "a")).toEqual([
        { is: "added", id: "a" },
        { is: "known", id: "a" },
      ]);
      b.expect((await findAll(b.backend, { limit: 10 })).length).toBe(1);
    },
    "the same id twice in one call with other arguments refuses the call": async (b) => {
      const before = await b.everything();
      const answers = await b.call([newTask("x"), newTask("a"), newTask("a", { args: "[1]" })], true);
      b.expect(answers.map((answer) => (answer.is === "refused" ? answer.why : answer.is))).toEqual([
        "id-reused",
        "id-reused",
        "id-reused",
      ]);
      b.expect(await b.everything()).toEqual(before);
    },
    "a refused call answers its reason for each task and writes nothing": async (b) => {
      const before = await b.everything();
      const [first, second] = await b.call([newTask("a"), newTask("b", { dependsOn: [{ id: "nobody", ifFailed: "run" }] })], true);
      b.expect(first).toMatchObject({ is: "refused", why: "unknown-parent" });
      b.expect(first).toEqual(second);
      b.expect(first?.is === "refused" && first.detail.includes("nobody"), "the reason names the parent").toBe(true);
      b.expect(await b.everything()).toEqual(before);
    },
    "a repeated call is known even when its parent was cleaned up meanwhile": async (b) => {
      await b.run("parent");
      const child = newTask("child", { dependsOn: [{ id: "parent", ifFailed: "cancel" }] });
      await b.add(child);
      await b.end(await b.one());
      b.expect(await b.backend.desk.remove(["parent"])).toEqual(["removed"]);
      b.expect(await b.add(child)).toEqual([{ is: "known", id: "child" }]);
    },
    "an announced call tells of each task it added": async (b) => {
      await b.add("a");
      await b.call([newTask("a"), newTask("b", { queue: "q2", scheduleId: "s" }), newTask("c")], true);
      b.expect(await b.events()).toEqual(["b enqueued", "c enqueued"]);
      const [event] = await b.backend.events.newest({ taskId: "b", limit: 1 });
      b.expect(event).toMatchObject({ type: "enqueued", taskId: "b", queue: "q2", scheduleId: "s", at: b.now, level: "info" });
    },
    "a call of many tasks adds them all in their order": async (b) => {
      const many = ids(600);
      const answers = await b.add(...many);
      b.expect(answers.every((answer) => answer.is === "added")).toBe(true);
      const claimed = await b.due({ limit: 600 });
      b.expect(claimed.map((claim) => claim.task.id)).toEqual(many);
    },
    "an empty set and an empty call are answered": async (b) => {
      b.expect(await b.backend.work.enqueue([])).toEqual([]);
      b.expect(await b.backend.work.enqueue([{ tasks: [], announce: true }])).toEqual([[]]);
    },
  },
};

async function addAndGet(b: Parameters<Chapter["tests"][string]>[0], task: NewTask): ReturnType<typeof b.get> {
  b.expect(await b.add(task)).toEqual([{ is: "added", id: task.id }]);
  return await b.get(task.id);
}
