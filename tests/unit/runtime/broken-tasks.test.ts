/** Tasks whose rows somebody changed by hand, as a program, a worker and a component meet them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineTask, OmniQ } from "../../../src/index.ts";
import { SQLiteBackend } from "../../../src/sqlite.ts";

const tick = defineTask({ name: "tick", handler: ({ n }: { n: number }) => n });

/** What was broken, and the words that name it. */
const BREAKS: readonly (readonly [set: string, named: string])[] = [
  ["func = ''", "`func`"],
  ["args = '{'", "payload"],
  ["kwargs = '{'", "payload"],
  [`callback = '{"func":"c","args":"{\\"$omniq\\":\\"eval\\"}"}'`, "payload"],
  ["queue_name = ''", "`queueName`"],
  ["created_at = 9000000000000000", "`createdAt`"],
  ["run_at = 9000000000000000", "`runAt`"],
  ["max_retries = -1", "`maxRetries`"],
  ["retry_delay = -1", "`retryDelay`"],
  ["max_crashes = 0", "`maxCrashes`"],
  ["timeout = -1", "`timeout`"],
  ["attempt = -5", "`attempt`"],
];

let dir = "";
let omniq: OmniQ;
let byHand: DatabaseSync;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "omniq-broken-"));
  omniq = new OmniQ({ baseDir: dir, logger: { debug() {}, info() {}, warn() {}, error() {} } });
  await omniq.enqueue(tick, { n: 1 }, { id: "bad" });
  await omniq.enqueue(tick, { n: 2 }, { id: "good" });
  byHand = new DatabaseSync(join(dir, "omniq.db"));
});
afterEach(async () => {
  byHand.close();
  await omniq.close();
  rmSync(dir, { recursive: true });
});

test.each(["fence", "revision", "attempt", "retry_count"])(
  "%s at its end keeps no worker from the others, and ends, too",
  async (column) => {
    byHand.exec(`UPDATE tasks SET ${column} = ${Number.MAX_SAFE_INTEGER} WHERE id = 'bad'`);
    await omniq.worker({ tasks: [tick], concurrency: 2 }).drain();
    expect((await omniq.tasks.find()).items.map(({ id, phase }) => [id, phase])).toEqual([
      ["good", "completed"],
      ["bad", "completed"],
    ]);
  },
);

test("one that waits for its parent shows where it stands", async () => {
  await omniq.enqueue(tick, { n: 3 }, { id: "child", dependsOn: ["good"] });
  byHand.exec("UPDATE tasks SET args = '{' WHERE id = 'child'");
  expect(await omniq.tasks.get("child")).toMatchObject({ phase: "blocked", funcArgs: undefined, dependsOn: ["good"] });
});

test.each([
  ["due_at = 9000000000000000, stage = 1", "It is not due before +275760-09-13"],
  ["due_at = 9000000000000000, stage = 1, status = 'failed', next_retry_at = 9000000000000000", "tried again at +275760-09-13"],
  ["started_at = 9000000000000000, stage = 4, status = 'running'", "It runs on worker"],
  ["completed_at = 9000000000000000, stage = 6, status = 'completed'", "It has ended: completed."],
])("why answers of times that are none: %s", async (set, text) => {
  byHand.exec(`UPDATE tasks SET ${set} WHERE id = 'bad'`);
  expect((await omniq.tasks.why("bad")).text).toContain(text);
});

describe.each(BREAKS)("%s", (set, named) => {
  beforeEach(() => {
    byHand.exec(`UPDATE tasks SET ${set} WHERE id = 'bad'`);
  });

  test("is found as broken, with what is wrong, and hides no other", async () => {
    const { items } = await omniq.tasks.find();
    expect(items.map(({ id }) => id)).toEqual(["good", "bad"]);
    expect(items[0]).not.toHaveProperty("broken");
    expect(items[1]?.broken).toContain(named);
    expect(items[1]).toMatchObject({ status: "pending", phase: "ready" });
    expect(() => JSON.stringify(items)).not.toThrow();
    expect(await omniq.tasks.get("bad")).toMatchObject({ id: "bad", broken: items[1]?.broken });
    expect(await omniq.tasks.why("bad")).toMatchObject({ phase: "ready" });
  });

  test("can be cancelled, and deleted", async () => {
    expect(await omniq.tasks.cancel("bad")).toBe("cancelled");
    expect((await omniq.tasks.find({ phase: "cancelled" })).items.map(({ id }) => id)).toEqual(["bad"]);
    expect(await omniq.tasks.delete({ phase: "cancelled" })).toEqual({ deleted: 1 });
  });

  test("keeps no worker from the others", async () => {
    await omniq.worker({ tasks: [tick], concurrency: 1 }).drain();
    expect(await omniq.tasks.get("good")).toMatchObject({ status: "completed" });
    expect((await omniq.tasks.find({ phase: "running" })).items).toEqual([]);
  });

  test("keeps no component from the others: it is ended as failed where it comes first", async () => {
    const backend = new SQLiteBackend({ baseDir: dir });
    await backend.initialize();
    const queue = backend.taskQueue(["default", "high"]);
    const ids: (string | undefined)[] = [];
    for (let task = await queue.dequeue(); task !== undefined; task = await queue.dequeue()) ids.push(task.id);
    // Its end enqueues its callback, as any end does.
    expect(ids).toEqual(set.startsWith("callback") ? ["good", "bad.callback1"] : ["good"]);
    // In a queue of another name nobody meets it.
    const expected = set.startsWith("queue_name")
      ? { status: "pending" }
      : { status: "failed", reason: expect.stringContaining(named) as string };
    expect(await omniq.tasks.get("bad")).toMatchObject(expected);
    await backend.close();
  });
});
