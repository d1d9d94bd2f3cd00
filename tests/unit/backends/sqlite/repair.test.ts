/** What a repair sets right, and what it leaves alone. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isNothing, repair, repairsOf } from "../../../../src/backends/sqlite/repair.ts";
import { defineTask, OmniQ } from "../../../../src/index.ts";
import { SQLiteBackend } from "../../../../src/sqlite.ts";
import { TestClock } from "../../../../src/testing/clock.ts";
import { until, withCode } from "../../../fixtures/helpers.ts";

const PAGE = 4_096;
const ran: number[] = [];
const echo = defineTask({ name: "echo", handler: ({ n }: { n: number }) => ran.push(n) });

let folder = "";
let path = "";
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "omniq-repair-"));
  path = join(folder, "p.db");
  ran.length = 0;
  const omniq = new OmniQ({ url: `sqlite:${path}` });
  await omniq.enqueueMany(Array.from({ length: 300 }, (_, n) => echo.with({ n }, { id: `t-${n}`, queueName: "idle" })));
  await omniq.enqueue(echo, { n: 1_000 }, { id: "parent" });
  await omniq.enqueue(echo, { n: 1_001 }, { id: "child", dependsOn: ["parent"] });
  await omniq.close();
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function sql(text: string): readonly Record<string, unknown>[] {
  const db = new DatabaseSync(path);
  try {
    return text.startsWith("SELECT") || text.startsWith("PRAGMA integrity") ? db.prepare(text).all() : (db.exec(text), []);
  } finally {
    db.close();
  }
}
const place = {
  get path() {
    return path;
  },
  tablePrefix: "",
};
const checks = (): readonly string[] => repairsOf(place).rows.map(({ check, rows }) => `${rows} ${check}`);

test("of a sound file there is nothing to repair", () => {
  const found = repairsOf(place);
  expect(found).toEqual({ indexes: [], schema: [], rows: [], beyond: [] });
  expect(isNothing(found)).toBe(true);
  repair(place);
  expect(isNothing(repairsOf(place))).toBe(true);
});

describe("indexes", () => {
  /** Makes an index without its rows, and lets SQLite believe that it has them. */
  function unindex(name: string): void {
    const db = new DatabaseSync(path, { defensive: false });
    const text = String(db.prepare("SELECT sql FROM sqlite_schema WHERE name = ?").get(name)?.["sql"]);
    db.exec(`DROP INDEX ${name}; ${text} AND rid > 1000000; PRAGMA writable_schema = ON`);
    db.prepare("UPDATE sqlite_schema SET sql = ? WHERE name = ?").run(text, name);
    db.close();
  }

  test("that lack rows are built anew: what nobody could claim is claimed", async () => {
    unindex("idx_tasks_queue_status");
    const { indexes, beyond } = repairsOf(place);
    expect(indexes.length).toBeGreaterThan(100);
    expect(beyond).toEqual([]);
    repair(place);
    expect(isNothing(repairsOf(place))).toBe(true);
    const omniq = new OmniQ({ url: `sqlite:${path}` });
    await omniq.worker({ tasks: [echo], queues: ["idle", "default"] }).drain();
    expect(ran.length).toBe(302);
    await omniq.close();
  });

  test("that are gone or changed, and triggers, are made again; what is not ours stays", () => {
    sql(
      "DROP INDEX idx_events_timestamp; DROP TRIGGER tasks_checksum; DROP INDEX idx_tasks_run_at; CREATE INDEX idx_tasks_run_at ON tasks(name); CREATE INDEX mine ON tasks(name)",
    );
    expect(
      repairsOf(place)
        .schema.map(({ is, name }) => `${is} ${name}`)
        .toSorted((a, b) => a.localeCompare(b)),
    ).toEqual(["changed idx_tasks_run_at", "missing idx_events_timestamp", "missing tasks_checksum"]);
    repair(place);
    expect(isNothing(repairsOf(place))).toBe(true);
    expect(sql("SELECT name FROM sqlite_schema WHERE name = 'mine'")).toHaveLength(1);
  });

  test("of a table that is damaged itself are not the matter: nothing is changed", () => {
    const db = new DatabaseSync(path);
    const page = db.prepare("SELECT pageno FROM dbstat WHERE name = 'tasks' AND pagetype = 'leaf' ORDER BY path").all()[2]?.["pageno"];
    db.close();
    const bytes = readFileSync(path);
    bytes.fill(0xff, (Number(page) - 1) * PAGE, Number(page) * PAGE);
    writeFileSync(path, bytes);
    sql("DROP INDEX idx_events_timestamp");
    expect(repairsOf(place).beyond.length).toBeGreaterThan(0);
    expect(() => {
      repair(place);
    }).toThrow(withCode("STORAGE_CORRUPT"));
    expect(sql("SELECT name FROM sqlite_schema WHERE name = 'idx_events_timestamp'")).toEqual([]);
  });
});

describe("rows", () => {
  test.each<[change: string, found: string, after: string]>([
    ["UPDATE tasks SET stage = 6 WHERE id = 'parent'", "1 stage.ended", "it runs"],
    ["UPDATE tasks SET stage = 77 WHERE id = 'parent'", "1 stage.unknown", "it runs"],
    ["UPDATE tasks SET open_parents = 5 WHERE id = 'child'", "1 dependencies.count", "its parent frees it"],
    ["UPDATE tasks SET open_parents = 0 WHERE id = 'child'", "1 dependencies.count", "its parent frees it"],
    ["DELETE FROM dependencies", "1 dependencies.lost", "its parent frees it"],
  ])("%s: %s, and then %s", async (change, found) => {
    sql(change);
    expect(checks()).toContain(found);
    repair(place);
    expect(checks()).toEqual([]);
    const omniq = new OmniQ({ url: `sqlite:${path}` });
    await omniq.worker({ tasks: [echo] }).drain();
    expect(ran).toEqual([1_000, 1_001]);
    await omniq.close();
  });

  test("one that has ended and lies among the ready is not run again", async () => {
    sql("UPDATE tasks SET status = 'completed' WHERE id = 'parent'");
    expect(checks()).toContain("1 stage.waiting");
    repair(place);
    const omniq = new OmniQ({ url: `sqlite:${path}` });
    await omniq.worker({ tasks: [echo] }).drain();
    // Its child was waiting for an end that nobody had told of.
    expect(ran).toEqual([1_001]);
    await omniq.close();
  });

  test("a task that is gone leaves no child waiting for it: it is cancelled like those of a cancelled one", async () => {
    sql("DELETE FROM tasks WHERE id = 'parent'");
    expect(checks()).toEqual(["1 dependencies.unreleased"]);
    repair(place);
    const omniq = new OmniQ({ url: `sqlite:${path}` });
    await omniq.worker({ tasks: [echo] }).drain();
    expect((await omniq.tasks.get("child"))?.phase).toBe("cancelled");
    await omniq.close();
  });

  test("an ended parent that knows nothing of its children is told, and kept for those that may still run", async () => {
    const omniq = new OmniQ({ url: `sqlite:${path}` });
    await omniq.worker({ tasks: [echo] }).drain();
    const later = { queueName: "idle", dependsOn: ["parent"] };
    await omniq.enqueueMany([
      echo.with({ n: 1 }, { ...later, id: "waits" }),
      echo.with({ n: 2 }, { ...later, id: "delayed", runIn: "1h" }),
    ]);
    expect(checks()).toEqual([]);
    sql("DELETE FROM dependents");
    expect(checks()).toEqual(["2 dependents.lost"]);
    repair(place);
    expect(checks()).toEqual([]);
    expect(await omniq.tasks.delete("parent")).toBe("has-dependents");
    await omniq.close();
  });

  test("an edge of nobody is taken away", () => {
    sql("INSERT INTO dependencies VALUES ('parent', 999999, 0)");
    expect(checks()).toEqual(["1 dependencies.left"]);
    repair(place);
    expect(sql("SELECT child FROM dependencies")).toHaveLength(1);
  });

  test("what an unknown worker holds is found as a crash", async () => {
    sql("UPDATE tasks SET stage = 4, status = 'running', worker = 4711, fence = 1, attempt = 1 WHERE id = 'parent'");
    expect(checks()).toEqual(["1 claims.holderless"]);
    repair(place);
    const clock = new TestClock();
    const omniq = new OmniQ({ backend: new SQLiteBackend({ path, clock }), clock });
    await omniq.worker({ tasks: [echo] }).start();
    await clock.advance(10_000);
    expect(await until(async () => (await omniq.tasks.get("parent"))?.phase === "completed")).toBe(true);
    expect(await omniq.tasks.get("parent")).toMatchObject({ crashCount: 1, attempt: 2 });
    await omniq.close();
  });
});
