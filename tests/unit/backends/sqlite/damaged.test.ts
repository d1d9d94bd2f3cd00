import { DEFAULT_SCHEDULE_POLICY } from "../../../../src/core/schedule.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { decide } from "../../../../src/core/lifecycle.ts";
import { DEFAULT_POLICY } from "../../../../src/core/task.ts";
import type { NewTask } from "../../../../src/core/task.ts";
import type { ScheduleRow } from "../../../../src/core/schedule.ts";
import { SQLiteBackend } from "../../../../src/sqlite.ts";

let folder = "";
let backend: SQLiteBackend;
let byHand: DatabaseSync;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "omniq-damaged-"));
  backend = new SQLiteBackend({ projectName: "p", baseDir: folder });
  await backend.initialize();
  const identity = { host: "h", boot: "b", pid: 1, started: "", leaseMs: 1_000, concurrency: 1 };
  await backend.presence.arrive({ worker: "w", role: "worker", ...identity, queues: ["q"], names: ["f"] });
  byHand = new DatabaseSync(backend.path);
});
afterEach(async () => {
  byHand.close();
  await backend.close();
  rmSync(folder, { recursive: true, force: true });
});

const task = (id: string, more: Partial<NewTask> = {}): NewTask => ({
  ...DEFAULT_POLICY,
  id,
  func: "f",
  args: "{}",
  queue: "q",
  priority: 0,
  tags: [],
  dependsOn: [],
  ...more,
});
const run = { worker: "w", elapsed: 0, executionMs: 1, random: () => 0.5 };
const due = { worker: "w", limit: 10, of: { due: true, queues: ["q"], names: "any", announce: true } } as const;

test("a task whose JSON is broken is claimed, found and ended, and stops no other", async () => {
  await backend.work.enqueue([{ tasks: [task("parent", { queue: "other" }), task("a", { tags: ["t"] }), task("b")], announce: false }]);
  await backend.work.enqueue([{ tasks: [task("child", { dependsOn: [{ id: "parent", ifFailed: "run" }] })], announce: false }]);
  byHand.exec(`UPDATE tasks SET tags = '[', depends_on = '{', callback = 'x' WHERE id IN ('a', 'child')`);
  const { claims } = await backend.work.claim(due);
  expect(claims.map((claim) => claim.task.id)).toEqual(["a", "b"]);
  expect((await backend.desk.get(["a"]))[0]).toMatchObject({ tags: [], dependsOn: [] });
  expect((await backend.desk.find({ limit: 10, tags: ["t"] })).items).toEqual([]);
  const settlements = claims.map((claim) => decide(claim, { kind: "returned" }, run));
  expect((await backend.work.settle(settlements)).settled).toEqual(["settled", "settled"]);
  await backend.desk.cancel(["child"]);
  const ended = await backend.work.claim({ worker: "w", limit: 10, of: { ended: true } });
  expect((await backend.work.settle(ended.claims.map((claim) => decide(claim, { kind: "ended" }, run)))).settled).toEqual(["settled"]);
});

test("a callback with broken fields is run with the defaults", async () => {
  await backend.work.enqueue([{ tasks: [task("a", { callback: { func: "c" } })], announce: false }]);
  const broken = { func: "c", args: "{", queue: 1, priority: "x", policy: { ...DEFAULT_POLICY, maxRetries: "abc" } };
  byHand.prepare("UPDATE tasks SET callback = ?").run(JSON.stringify(broken));
  const { claims } = await backend.work.claim(due);
  expect(claims[0]?.task.callback).toEqual({ func: "c" });
  const settlements = claims.map((claim) => decide(claim, { kind: "returned" }, run));
  expect((await backend.work.settle(settlements)).settled).toEqual(["settled"]);
  expect((await backend.work.claim(due)).claims[0]?.task).toMatchObject({ func: "c", queue: "q", maxRetries: 3 });
});

test("a number that JavaScript cannot hold is refused by the table itself", async () => {
  await backend.work.enqueue([{ tasks: [task("a")], announce: false }]);
  const columns = byHand.prepare(
    "SELECT m.name AS t, c.name AS c FROM sqlite_schema m, pragma_table_info(m.name) c WHERE c.type = 'INTEGER'",
  );
  const tasks = columns.all().filter((row) => row["t"] === "tasks" && row["c"] !== "rid");
  expect(tasks.length).toBeGreaterThan(20);
  for (const { c } of tasks) {
    expect(() => byHand.exec(`UPDATE tasks SET ${String(c)} = 9007199254740993`), String(c)).toThrow("CHECK");
  }
  expect((await backend.work.claim(due)).claims.length).toBe(1);
});

test("a schedule that is broken reads as completed", async () => {
  const { id: _, dependsOn: __, ...template } = task("x");
  const row: ScheduleRow = {
    id: "s0",
    revision: 0,
    rule: { type: "interval", every: 10 },
    policy: DEFAULT_SCHEDULE_POLICY,
    template,
    status: "active",
    runCount: 0,
    createdAt: 1,
    nextRunAt: 1,
    tags: ["t"],
  };
  const ids = ["s0", "s1", "s2", "s3", "s4", "s5", "s6"];
  for (const id of ids) await backend.schedules.put({ ...row, id });
  const rules = [
    '{"type":"interval","every":0}',
    '{"type":"interval","every":-5}',
    '{"type":"cron"}',
    '{"type":"timestamp","at":1e99}',
    "{",
  ];
  for (const [i, rule] of rules.entries()) byHand.prepare("UPDATE schedules SET rule = ? WHERE id = ?").run(rule, `s${i}`);
  byHand.exec("UPDATE schedules SET next_run_at = 9000000000000000 WHERE id = 's5'; UPDATE schedules SET tags = '[' WHERE id = 's6'");
  const policies = [
    "{",
    "[]",
    "{}",
    '{"catchUp":"all","overlap":"allow"}',
    '{"catchUp":{"all":0},"overlap":"allow"}',
    '{"catchUp":"skip","overlap":"queue"}',
    '{"catchUp":"skip","overlap":"skip","startAt":"now"}',
  ];
  for (const [i, policy] of policies.entries()) {
    await backend.schedules.put({ ...row, id: `p${i}` });
    byHand.prepare("UPDATE schedules SET policy = ? WHERE id = ?").run(policy, `p${i}`);
  }
  const broken = await backend.schedules.list({ ids: policies.map((_, i) => `p${i}`), limit: 10 });
  expect(broken.map((each) => [each.status, each.policy])).toEqual(policies.map(() => ["completed", DEFAULT_SCHEDULE_POLICY]));
  const rows = await backend.schedules.list({ ids, limit: 10 });
  const status = Object.fromEntries(rows.map((each) => [each.id, each.status]));
  expect(status).toEqual({ ...Object.fromEntries(ids.map((id) => [id, "completed"])), s6: "active" });
});
