import { DatabaseSync, constants } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DEFAULT_SCHEDULE_POLICY } from "../../src/core/schedule.ts";
import { DEFAULT_POLICY } from "../../src/core/task.ts";
import type { NewTask } from "../../src/core/task.ts";
import type { Claim, ClaimAsk, Settlement } from "../../src/core/backend.ts";
import { SQLiteBackend } from "../../src/sqlite.ts";

/** What SQLite is asked, seen from below the backend: each text that is prepared, and each compilation. */
const prepared = new Set<string>();
const databases = new Set<DatabaseSync>();
let compiled: string[] = [];
let backend: SQLiteBackend;

beforeEach(async () => {
  prepared.clear();
  databases.clear();
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its own `this` below
  const original = DatabaseSync.prototype.prepare;
  vi.spyOn(DatabaseSync.prototype, "prepare").mockImplementation(function (this: DatabaseSync, sql, ...rest) {
    prepared.add(sql);
    databases.add(this);
    return original.call(this, sql, ...rest);
  });
  backend = new SQLiteBackend({ path: ":memory:" });
  await backend.initialize();
  await backend.presence.arrive({
    worker: "w",
    role: "worker",
    host: "h",
    boot: "b",
    pid: 1,
    started: "",
    leaseMs: 1,
    queues: ["q"],
    names: ["f"],
    concurrency: 1,
  });
});
afterEach(async () => {
  await backend.close();
  vi.restoreAllMocks();
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
const add = (...tasks: NewTask[]): Promise<unknown> => backend.work.enqueue([{ tasks, announce: true }]);
const NAMES = ["f", "g"];
const due = (limit: number): ClaimAsk => ({ worker: "w", limit, of: { due: true, queues: ["p", "q"], names: NAMES, announce: true } });
const done = ({ task: { id }, fence }: Claim): Settlement => ({
  id,
  fence,
  to: "completed",
  events: [{ type: "completed", taskId: id }],
  result: { taskId: id, fence, status: "completed", value: "1", retryCount: 0 },
});

/** Every verb once, with rows for it to find. */
async function everything(): Promise<void> {
  await add(
    task("a"),
    task("b", { dependsOn: [{ id: "a", ifFailed: "cancel" }] }),
    task("late", { due: { in: 60_000 } }),
    task("u", { unique: { key: "k", until: "finished", onConflict: "keep" } }),
  );
  await add(task("old", { ttl: -1 }));
  const { claims } = await backend.work.claim(due(2));
  await backend.presence.beat(
    "w",
    claims.map(({ task: { id }, fence }) => ({ id, fence })),
  );
  await backend.work.progress(claims.map(({ task: { id }, fence }) => ({ id, fence, event: { type: "progress" as const, taskId: id } })));
  await backend.work.settle(claims.map(done), due(1));
  await backend.work.claim({ worker: "w", limit: 5, of: { ended: true } });
  await backend.work.claim({ worker: "w", limit: 5, of: { lost: [{ worker: "x", beat: 1 }] } });
  await backend.desk.cancel(["late"]);
  await backend.work.claim({ worker: "w", limit: 5, of: { ids: ["late"] } });
  await backend.work.claim({ worker: "w", limit: 5, of: { due: true, queues: ["q"], names: "any", announce: false } });
  await backend.work.release(10);
  await backend.desk.get(["a"]);
  await backend.desk.count(100);
  await backend.desk.requeue(["late"]);
  await backend.desk.queues();
  await backend.results.get(["a"]);
  await backend.results.latest("s");
  await backend.schedules.list({ dueBy: 1, limit: 1 });
  await backend.schedules.list({ status: "active", limit: 1 });
  const schedule = {
    id: "s",
    revision: 0,
    rule: { type: "once" },
    policy: DEFAULT_SCHEDULE_POLICY,
    status: "active",
    runCount: 0,
  } as const;
  const { id: _id, dependsOn: _dependsOn, ...template } = task("-");
  await backend.schedules.put({ ...schedule, template, createdAt: 0, nextRunAt: 0, tags: [] });
  const none = { nextAt: 1, events: [] };
  for (const revision of [1, 2]) {
    await backend.schedules.fire([{ ...none, id: "s", revision, occurrences: [revision], enqueue: [task(`s${revision}`)], ifOpen: none }]);
  }
  await backend.schedules.run({ id: "s", task: task("s3"), events: [], unlessOpen: true });
  await backend.schedules.run({ id: "s", task: task("s4"), events: [], unlessOpen: false });
  for (const filter of [{ taskId: "a" }, { scheduleId: "s" }, { type: "completed" as const }, { from: 1, to: 2 }, {}]) {
    await backend.events.newest({ ...filter, limit: 5 });
    await backend.events.read("0", { ...filter, limit: 5 });
  }
  await backend.presence.workers(10);
  await backend.presence.holding(10);
  for (const status of ["completed", "failed"] as const) await backend.sweep({ what: "tasks", status, olderThan: 0, limit: 5 });
  for (const what of ["results"] as const) await backend.sweep({ what, limit: 5 });
  for (const what of ["events", "workers", "occurrences"] as const) await backend.sweep({ what, olderThan: 1e9, limit: 5 });
  await backend.presence.leave("w");
}

/** Tables that hold a row for every task ever made: a scan of one grows with history. */
const LARGE = /SCAN (tasks|events|results|occurrences)\b(?! USING COVERING INDEX| USING INDEX)/;
/** What may read much, and why. */
const ALLOWED: readonly (readonly [RegExp, string])[] = [
  [/count\(\*\) AS total/, "results.stats counts all, for people"],
  [/GROUP BY event_type/, "events.stats counts all, for people"],
  [/min\(timestamp\)/, "events.stats: two index ends"],
];

describe("plans", () => {
  test("no statement scans a table that grows with history, and no hot one sorts without bound", async () => {
    await everything();
    const [database] = databases;
    expect(prepared.size).toBeGreaterThan(50);
    const scans: string[] = [];
    for (const sql of prepared) {
      if (/^(PRAGMA|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|EXPLAIN|CREATE)/.test(sql) || ALLOWED.some(([allowed]) => allowed.test(sql)))
        continue;
      const plan =
        database
          ?.prepare(`EXPLAIN QUERY PLAN ${sql}`)
          .all()
          .map((row) => String(row["detail"])) ?? [];
      if (plan.some((line) => LARGE.test(line))) scans.push(`${sql}\n  ${plan.join("\n  ")}`);
    }
    expect(scans).toEqual([]);
  });

  test("every INSERT names its columns: a newer version of a table may have more", async () => {
    await everything();
    const inserts = [...prepared].filter((sql) => /\bINSERT\b/.test(sql));
    expect(inserts.length).toBeGreaterThan(5);
    expect(inserts.filter((sql) => !/\bINSERT (?:OR \w+ )?INTO "?\w+"?\s*\(\s*\w+/.test(sql))).toEqual([]);
  });

  test("the claim seeks queue and name in its index, and sorts only what it merges over the names", async () => {
    await backend.work.claim(due(1));
    const [database] = databases;
    const sql = [...prepared].find((text) => text.includes("json_each(?4)")) ?? "";
    const plan = database
      ?.prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map((row) => String(row["detail"]));
    expect(plan).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/SEARCH tasks USING COVERING INDEX idx_tasks_queue_status \(queue_name=\? AND func=\?\)/),
      ]),
    );
    expect(plan?.filter((line) => line.startsWith("SCAN"))).toEqual(["SCAN CONSTANT ROW", expect.stringContaining("json_each")]);
  });
});

describe("compilations", () => {
  /** The authorizer is called when a statement is compiled, also when SQLite silently compiles it again because a value was bound anew. */
  const watch = (): void => {
    compiled = [];
    for (const database of databases) {
      database.setAuthorizer((action, ...names) => {
        compiled.push([action, ...names].join(" "));
        return constants.SQLITE_OK;
      });
    }
  };

  test("the authorizer sees a statement that is compiled again (so the next test can fail)", () => {
    const [database] = databases;
    const plain = database?.prepare("SELECT rid FROM tasks WHERE stage = 0 AND queue_name = ? ORDER BY priority DESC LIMIT ?");
    watch();
    plain?.all("q", 1);
    compiled = [];
    plain?.all("r", 2);
    expect(compiled.length).toBeGreaterThan(0);
  });

  test("no hot statement is compiled again on a later call, whatever values it is given", async () => {
    const round = async (i: number): Promise<void> => {
      await add(task(`a${i}`), task(`b${i}`));
      await add(task(`c${i}`));
      await add(task(`d${i}`, { due: { in: 0 } }));
      const { claims } = await backend.work.claim(due(1 + (i % 3)));
      await backend.presence.beat(
        "w",
        claims.map((claim) => ({ id: claim.task.id, fence: claim.fence })),
      );
      const { next } = await backend.work.settle(claims.map(done), due(10 + i));
      await backend.work.settle((next?.claims ?? []).map(done));
      await backend.work.settle([], due(5));
    };
    watch();
    // The first rounds prepare everything anew: setting an authorizer ends what was compiled before.
    for (let i = 0; i < 3; i++) await round(i);
    compiled = [];
    for (let i = 3; i < 9; i++) await round(i);
    expect(compiled).toEqual([]);
  });
});

describe("work done", () => {
  test("a tick that settles 100 tasks and claims 100 more writes each row once", async () => {
    await add(...Array.from({ length: 200 }, (_, i) => task(`t${i}`)));
    const { claims } = await backend.work.claim(due(100));
    const [database] = databases;
    const changes = (): number => Number(database?.prepare("SELECT total_changes() AS n").get()?.["n"]);
    const before = changes();
    await Promise.all([backend.work.settle(claims.map(done), due(100)), ...Array.from({ length: 50 }, (_, i) => add(task(`more${i}`)))]);
    // 100 ends, 100 results, 100 completed and 100 executing events, 100 claims, 50 tasks with an event each.
    expect(changes() - before).toBe(100 + 100 + 200 + 100 + 100);
  });
});
