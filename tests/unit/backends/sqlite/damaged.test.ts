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

test("what cannot be read of a schedule is named, and stays as it lies there", async () => {
  const { id: _, dependsOn: __, ...template } = task("x");
  const row: ScheduleRow = {
    id: "s",
    revision: 0,
    rule: { type: "interval", every: 10 },
    policy: DEFAULT_SCHEDULE_POLICY,
    template,
    status: "active",
    runCount: 3,
    createdAt: 1,
    nextRunAt: 1,
    tags: ["t"],
  };
  const json = JSON.stringify;
  const broken: readonly (readonly [column: string, field: string, ...values: readonly (string | number)[]])[] = [
    [
      "rule",
      "rule",
      "{",
      "[]",
      "{}",
      '{"type":"interval","every":0}',
      '{"type":"interval","every":1.5}',
      '{"type":"interval","every":1e15}',
    ],
    ["rule", "rule", '{"type":"cron"}', '{"type":"timestamp","at":1e99}', '{"type":"timestamp","at":0.5}', '{"type":"never"}', "null"],
    ["policy", "policy", "{", "[]", "{}", "null", '{"catchUp":"all","overlap":"allow"}', '{"catchUp":{"all":0},"overlap":"allow"}'],
    ["policy", "policy", '{"catchUp":{"all":1001},"overlap":"allow"}', '{"catchUp":"skip","overlap":"queue"}'],
    [
      "policy",
      "policy",
      ...[{ startAt: "now" }, { endAt: 1e99 }, { jitter: -1 }].map((more) => json({ ...DEFAULT_SCHEDULE_POLICY, ...more })),
    ],
    ["template", "template", "{", "null", "{}", json({ ...template, func: "" }), json({ ...template, args: 1 })],
    [
      "template",
      "template",
      ...[{ tags: "t" }, { tags: [1] }, { priority: "x" }, { maxRetries: "x" }].map((more) => json({ ...template, ...more })),
    ],
    ["status", "status", "", "gone"],
    ["run_count", "runCount", -1],
    ["max_runs", "maxRuns", 0, -1],
    ...(["created_at", "next_run_at", "last_run_at", "paused_at", "resumed_at"] as const).map(
      (column) => [column, column.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase()), 9e15, -9e15] as const,
    ),
  ];
  const lying = (column: string): unknown => byHand.prepare(`SELECT ${column} AS v FROM schedules`).get()?.["v"];
  for (const [column, field, ...values] of broken) {
    for (const value of values) {
      await backend.schedules.put(row);
      byHand.prepare(`UPDATE schedules SET ${column} = ?`).run(value);
      const [read] = await backend.schedules.list({ ids: ["s"], limit: 1 });
      expect(read?.unreadable, `${column} ${value}`).toEqual([field]);
      expect(read).toMatchObject({ id: "s", tags: ["t"] });
      if (read === undefined) throw new TypeError("it is listed");
      const { is, row: after } = await backend.schedules.put({ ...read, status: "paused", pausedAt: 5 }, read.revision);
      expect([is, after.status, after.pausedAt], `${column} ${value}`).toEqual(["put", "paused", 5]);
      // Only what says whether it goes on may be written over.
      if (!["status", "next_run_at", "paused_at", "resumed_at"].includes(column)) expect(lying(column)).toBe(value);
      await backend.schedules.drop(["s"]);
    }
  }
});

test("the tags of a schedule do not break it, and others are listed beside those that are broken", async () => {
  const { id: _, dependsOn: __, ...template } = task("x");
  const rule = { type: "interval", every: 10 } as const;
  const row = {
    revision: 0,
    rule,
    policy: DEFAULT_SCHEDULE_POLICY,
    template,
    status: "active",
    runCount: 0,
    createdAt: 1,
    tags: ["t"],
  } as const;
  for (const id of ["a", "b", "c"]) await backend.schedules.put({ ...row, id, nextRunAt: 1 });
  byHand.exec("UPDATE schedules SET tags = '[' WHERE id = 'a'; UPDATE schedules SET rule = '{' WHERE id = 'b'");
  for (const query of [{}, { status: "active" }, { dueBy: 9 }] as const) {
    const rows = await backend.schedules.list({ limit: 9, ...query });
    expect(rows.map(({ id, unreadable }) => [id, unreadable])).toEqual([
      ["a", undefined],
      ["b", ["rule"]],
      ["c", undefined],
    ]);
  }
});
