/** Every reason why a task does not run, in its sentence and its typed object. */
import { spawnSync } from "node:child_process";
import { existsSync, readlinkSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hostIdentity, isGone } from "../../../src/host.ts";
import { defineTask, OmniQ } from "../../../src/index.ts";
import type { Backend, Worker } from "../../../src/index.ts";
import { SQLiteBackend } from "../../../src/sqlite.ts";
import { ModelBackend, TestClock } from "../../../src/testing/index.ts";

const noop = defineTask({ name: "noop", handler: () => 1 });
const other = defineTask({ name: "other", handler: () => 1 });
const fails = defineTask({
  name: "fails",
  retryDelay: "10s",
  maxRetries: 1,
  handler: () => {
    throw new Error("no");
  },
});

const PLACES: readonly (readonly [string, (clock: TestClock) => Backend])[] = [
  ["the model", (clock) => new ModelBackend({ clock })],
  ["SQLite", (clock) => new SQLiteBackend({ path: ":memory:", clock })],
];

describe.each(PLACES)("why on %s", (_, open) => {
  let clock: TestClock;
  let omniq: OmniQ<unknown>;
  beforeEach(() => {
    clock = new TestClock();
    omniq = new OmniQ<unknown>({ backend: open(clock), clock });
  });
  afterEach(() => omniq.close());

  /** A live worker that never takes anything, since it runs a task that does not end. */
  async function busy(queues: readonly string[] = ["default"]): Promise<{ readonly worker: Worker; readonly free: () => void }> {
    let free = (): void => {};
    const until = new Promise<void>((resolve) => {
      free = resolve;
    });
    const blocks = defineTask({ name: "blocks", handler: () => until });
    const worker = omniq.worker({ tasks: [blocks, noop], queues, concurrency: 1 });
    await omniq.enqueue(blocks, undefined, { id: "blocks", queueName: queues[0] });
    await worker.start();
    await clock.advance(0);
    await expect.poll(async () => (await omniq.tasks.get("blocks"))?.status).toBe("running");
    return { worker, free };
  }

  test("missing", async () => {
    expect(await omniq.tasks.why("gone")).toEqual({
      taskId: "gone",
      phase: undefined,
      reason: "missing",
      details: {},
      text: "There is no task with the id gone (any more).",
    });
    await expect(omniq.tasks.why(3 as never)).rejects.toThrow("Expected `id` to be the id of a task");
  });

  test("no-worker-for-queue, no-worker-for-task", async () => {
    const { id } = await omniq.enqueue(other, undefined, { queueName: "high" });
    expect(await omniq.tasks.why(id)).toMatchObject({
      phase: "ready",
      reason: "no-worker-for-queue",
      details: { queueName: "high", workers: 0 },
      text: 'No live worker serves its queue "high" (0 serve others).',
    });
    const { free, worker } = await busy(["high"]);
    expect(await omniq.tasks.why(id)).toMatchObject({
      reason: "no-worker-for-task",
      details: { func: "other", queueName: "high", workers: 1 },
      text: 'No live worker of its queue "high" knows the task "other".',
    });
    const elsewhere = await omniq.enqueue(noop, undefined, { queueName: "low" });
    expect((await omniq.tasks.why(elsewhere.id)).text).toBe('No live worker serves its queue "low" (1 serves others).');
    free();
    await worker.stop();
  });

  test("waiting, the next or behind others", async () => {
    const { free, worker } = await busy();
    const low = await omniq.enqueue(noop);
    expect(await omniq.tasks.why(low.id)).toMatchObject({
      reason: "waiting",
      details: { queueName: "default", ahead: 0, workers: 1 },
      text: 'It is the next in queue "default"; 1 worker serves it.',
    });
    await omniq.enqueue(noop, undefined, { priority: 5 });
    expect((await omniq.tasks.why(low.id)).text).toBe('It waits in queue "default" behind 1 other task; 1 worker serves it.');
    await omniq.enqueue(noop, undefined, { priority: 5 });
    expect(await omniq.tasks.why(low.id)).toMatchObject({ details: { ahead: 2 }, text: expect.stringContaining("behind 2 other tasks") });
    const soon = await omniq.enqueue(noop, undefined, { runIn: "1s" });
    clock.jump(1_000);
    expect(await omniq.tasks.why(soon.id)).toMatchObject({
      phase: "ready",
      reason: "waiting",
      text: 'It is due in queue "default" and becomes ready with the next claim; 1 worker serves it.',
    });
    free();
    await worker.stop();
  });

  test("queue-paused", async () => {
    const { id } = await omniq.enqueue(noop);
    await omniq.queues.pause("default");
    const pausedAt = new Date(clock.now());
    expect(await omniq.tasks.why(id)).toMatchObject({
      reason: "queue-paused",
      details: { queueName: "default", pausedAt },
      text: 'Its queue "default" is paused since 2026-01-01T00:00:00.000Z.',
    });
  });

  test("not-due, retry", async () => {
    const { id } = await omniq.enqueue(noop, undefined, { runIn: "90m" });
    expect(await omniq.tasks.why(id)).toMatchObject({
      phase: "delayed",
      reason: "not-due",
      details: { at: new Date(clock.now() + 5_400_000) },
      text: "It is not due before 2026-01-01T01:30:00.000Z (in 1h 30m).",
    });
    const failing = await omniq.enqueue(fails);
    await omniq.worker({ tasks: [fails] }).drain();
    expect(await omniq.tasks.why(failing.id)).toMatchObject({
      phase: "retrying",
      reason: "retry",
      details: { retryCount: 1, maxRetries: 1 },
      text: "It failed and is tried again at 2026-01-01T00:00:10.000Z (in 10s), retry 1 of 1.",
    });
    await clock.advance(10_000);
    await omniq.worker({ tasks: [fails] }).drain();
    expect(await omniq.tasks.why(failing.id)).toMatchObject({
      phase: "failed",
      reason: "final",
      details: { status: "failed", because: "Error: no" },
      text: "It has ended: failed at 2026-01-01T00:00:10.000Z: Error: no.",
    });
  });

  test("blocked, by which parents", async () => {
    const parents = await omniq.enqueueMany([1, 2, 3, 4].map((n) => noop.with(undefined, { id: `p${n}` })));
    const { id } = await omniq.enqueue(noop, undefined, { dependsOn: parents });
    expect(await omniq.tasks.why(id)).toMatchObject({
      phase: "blocked",
      reason: "blocked",
      details: { openParents: 4, parents: [{ taskId: "p1", phase: "ready" }, {}, {}, { taskId: "p4", phase: "ready" }] },
      text: "It waits for 4 tasks that it depends on: p1 (ready), p2 (ready), p3 (ready) and 1 more.",
    });
    const one = await omniq.enqueue(noop, undefined, { dependsOn: ["p1"] });
    expect((await omniq.tasks.why(one.id)).text).toBe("It waits for 1 task that it depends on: p1 (ready).");
  });

  test("running, cancelling, and a worker that fell silent", async () => {
    const { free, worker } = await busy();
    expect(await omniq.tasks.why("blocks")).toMatchObject({ phase: "running", reason: "running", details: { workerIsSilent: false } });
    clock.jump(60_000);
    const silent = await omniq.tasks.why("blocks");
    expect(silent).toMatchObject({ reason: "running", details: { workerIsSilent: true, since: new Date(Date.UTC(2026, 0, 1)) } });
    expect(silent.text).toMatch(/^It runs since .* on worker .*, which has not been heard of for longer than its lease\.$/);
    expect(await omniq.tasks.cancel("blocks")).toBe("asked");
    expect(await omniq.tasks.why("blocks")).toMatchObject({ reason: "cancelling", text: expect.stringContaining("was asked to stop") });
    expect((await omniq.tasks.why("blocks")).text).toMatch(
      /^It runs on worker .*, which has not been heard of for longer than its lease, and was/,
    );
    free();
    await worker.stop();
  });

  test("ending: expired or marked, and nobody has written it down yet", async () => {
    const expired = await omniq.enqueue(noop, undefined, { ttl: "1s" });
    const parent = await omniq.enqueue(noop);
    const { id } = await omniq.enqueue(noop, undefined, { dependsOn: [parent] });
    await parent.cancel("no need");
    clock.jump(1_000);
    expect(await omniq.tasks.why(expired.id)).toMatchObject({ reason: "ending", details: { as: "expired" } });
    expect(await omniq.tasks.why(id)).toMatchObject({ reason: "final", details: { status: "cancelled" } });
  });
});

test("a mark that waits to be written down is told as such", async () => {
  const backend = new ModelBackend({ clock: new TestClock() });
  const omniq = new OmniQ({ backend });
  const { id } = await omniq.enqueue(noop);
  await backend.desk.cancel([id], "by hand");
  expect(await omniq.tasks.why(id)).toMatchObject({
    phase: "cancelled",
    reason: "ending",
    details: { as: "cancelled", because: "by hand" },
    text: "It will not run: it is cancelled: by hand, and the next worker or client writes that down.",
  });
  await omniq.close();
});

/** A worker whose process has ended a moment ago, without a word, and that holds one of two tasks. */
async function orphaned(omniq: OmniQ<unknown>, backend: Backend): Promise<void> {
  const { pid } = spawnSync(process.execPath, ["--version"]);
  const worker = { worker: "w", role: "worker", queues: ["default"], names: ["noop"], leaseMs: 12_000, concurrency: 1 } as const;
  await backend.presence.arrive({ ...worker, ...hostIdentity(), pid });
  await omniq.enqueueMany([noop.with(undefined, { id: "held" }), noop.with(undefined, { id: "waits" })]);
  await backend.work.claim({ worker: "w", limit: 1, of: { due: true, queues: ["default"], names: ["noop"], announce: false } });
}

test.runIf(existsSync("/proc/self/ns/time"))("processes in different namespaces of ids or time are not compared", () => {
  const own = hostIdentity();
  for (const kind of ["pid", "time"]) {
    const namespace = readlinkSync(`/proc/self/ns/${kind}`);
    expect(own.boot).toContain(namespace);
    // Its start time is told by another clock, or its pid is another process here.
    const other = { ...own, boot: own.boot.replace(namespace, `${kind}:[1]`), started: "1" };
    expect([isGone(other), isGone({ ...other, boot: own.boot })]).toEqual([false, true]);
  }
});

test.runIf(hostIdentity().boot !== "")("a worker whose process has ended is gone at once, long before its lease is over", async () => {
  const backend = new ModelBackend({ clock: new TestClock() });
  const omniq = new OmniQ<unknown>({ backend });
  await omniq.open();
  await orphaned(omniq, backend);
  expect(await omniq.workers.list()).toMatchObject([{ id: "w", alive: false, gone: true }]);
  expect(await omniq.tasks.why("held")).toMatchObject({
    reason: "running",
    details: { workerIsSilent: true, workerIsGone: true },
    text: expect.stringMatching(/^It ran since .* on worker w, whose process has ended: the next worker takes it over\.$/) as string,
  });
  expect(await omniq.tasks.why("waits")).toMatchObject({ reason: "no-worker-for-queue", details: { workers: 0 } });
  expect(await omniq.tasks.cancel("held")).toBe("asked");
  expect(await omniq.tasks.why("held")).toMatchObject({
    reason: "cancelling",
    details: { worker: "w", workerIsSilent: true, workerIsGone: true },
    text: "It ran on worker w, whose process has ended, and was asked to stop: the next worker, or whoever waits for its result, ends it.",
  });
  await omniq.close();
});
