/** What is got out of damaged files, and that they are left as they are. */
import fs, {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { salvage } from "../../../../src/backends/sqlite/salvage.ts";
import { defineTask, OmniQ } from "../../../../src/index.ts";
import { withCode } from "../../../fixtures/helpers.ts";

const PAGE = 4_096;
const echo = defineTask({ name: "echo", handler: ({ n }: { n: number }) => n });

let folder = "";
let path = "";
let target = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "omniq-salvage-"));
  path = join(folder, "broken.db");
  target = join(folder, "saved.db");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const open = (file: string): OmniQ => new OmniQ({ url: `sqlite:${file}` });

/** 300 tasks that have ended with results and events, 300 that wait, 20 that wait for the first of these. */
async function fill(): Promise<void> {
  const omniq = open(path);
  const many = (name: string, from: number) =>
    Array.from({ length: 300 }, (_, i) => echo.with({ n: from + i }, { id: `${name}-${i}`, description: "x".repeat(200), priority: 1 }));
  await omniq.enqueueMany(many("done", 0));
  await omniq.worker({ tasks: [echo] }).drain();
  await omniq.enqueueMany(many("open", 1_000));
  await omniq.enqueueMany(Array.from({ length: 20 }, (_, i) => echo.with({ n: i }, { id: `child-${i}`, dependsOn: [`open-${i}`] })));
  await omniq.schedule(echo, { n: 1 }, { id: "s", every: "1h" });
  await omniq.queues.pause("idle");
  await omniq.close();
}

interface Leaf {
  readonly page: number;
  readonly cells: number;
}
/** The leaves of a table or index in their order, the first and the last left out. */
function leavesOf(name: string): readonly Leaf[] {
  const db = new DatabaseSync(path);
  const rows = db.prepare("SELECT pageno AS page, ncell AS cells FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path").all(name);
  db.close();
  return rows.slice(1, -1).map(({ page, cells }) => ({ page: Number(page), cells: Number(cells) }));
}

/** Writes over whole pages, as a disk does that loses a sector. */
function destroy(...leaves: readonly (Leaf | undefined)[]): number {
  const bytes = readFileSync(path);
  for (const leaf of leaves) bytes.fill(0xff, ((leaf?.page ?? 0) - 1) * PAGE, (leaf?.page ?? 0) * PAGE);
  writeFileSync(path, bytes);
  return leaves.reduce((sum, leaf) => sum + (leaf?.cells ?? 0), 0);
}

function rowsOf(file: string, table: string): readonly unknown[] {
  const db = new DatabaseSync(file);
  try {
    return db.prepare(`SELECT * FROM ${table}`).all();
  } finally {
    db.close();
  }
}
const integrity = (file: string): unknown => {
  const db = new DatabaseSync(file);
  const found = db.prepare("PRAGMA integrity_check").all();
  db.close();
  return found;
};
const tableOf = ({ tables }: Awaited<ReturnType<typeof salvage>>, name: string) => tables.find(({ table }) => table === name);

describe("salvage", () => {
  test("of a whole file is a copy of it", async () => {
    await fill();
    const before = readFileSync(path);
    const found = await salvage({ path, tablePrefix: "" }, target);
    expect(found).toMatchObject({ file: target });
    for (const { table, rows, lost, isTorn, damaged } of found.tables) {
      expect([table, lost, isTorn, damaged]).toEqual([table, 0, false, 0]);
      expect(rows).toBe(rowsOf(path, table).length);
      expect(rowsOf(target, table)).toEqual(rowsOf(path, table));
    }
    expect(integrity(target)).toEqual([{ integrity_check: "ok" }]);
    // No claim has a fence that was given out before.
    expect(rowsOf(target, "omniq_meta")).toContainEqual({ key: "fence_floor", value: 1 });
    expect(readFileSync(path)).toEqual(before);
  });

  test("gets every row that lies on a sound page, and counts the others", async () => {
    await fill();
    const before = rowsOf(path, "tasks") as readonly { readonly id: string }[];
    const leaves = leavesOf("tasks");
    const lost = destroy(leaves[2], leaves[3], leaves.at(-4));
    const broken = readFileSync(path);
    const found = await salvage({ path, tablePrefix: "" }, target);
    expect(tableOf(found, "tasks")).toMatchObject({ rows: 620 - lost, lost, isTorn: true });
    expect(found.tables.filter(({ table, isTorn }) => isTorn && table !== "tasks")).toEqual([]);
    const saved = new Map((rowsOf(target, "tasks") as readonly { readonly id: string }[]).map((row) => [row.id, row]));
    // Each as it was, but for children whose parents are gone.
    for (const row of before) if (saved.has(row.id)) expect(saved.get(row.id)).toEqual(row);
    expect(readFileSync(path)).toEqual(broken);
    expect(integrity(target)).toEqual([{ integrity_check: "ok" }]);
  });

  /** Rows of a table on leaves up to this page. */
  function rowsUpTo(name: string, last: number): number {
    const db = new DatabaseSync(path);
    const rows = db.prepare("SELECT total(ncell) AS n FROM dbstat WHERE name = ? AND pageno <= ? AND pagetype = 'leaf'").get(name, last);
    db.close();
    return Number(rows?.["n"]);
  }

  test.each([
    ["its last page", () => 1],
    ["a third of its pages", (pages: number) => Math.floor(pages / 3)],
    ["half of its pages", (pages: number) => Math.floor(pages / 2)],
    ["nearly all of its pages", (pages: number) => pages - 50],
  ])("of a file that has lost %s gets every row on the leaves that are left", async (_, lostOf) => {
    await fill();
    const pages = statSync(path).size / PAGE;
    const kept = pages - lostOf(pages);
    const there = new Map(["tasks", "events", "results"].map((table) => [table, rowsUpTo(table, kept)]));
    const whole = rowsOf(path, "tasks").length;
    truncateSync(path, kept * PAGE);
    const broken = readFileSync(path);
    const found = await salvage({ path, tablePrefix: "" }, target);
    expect(tableOf(found, "tasks")?.rows).toBe(there.get("tasks"));
    expect(tableOf(found, "events")?.rows).toBe(there.get("events"));
    // Some rows of it stand between the leaves.
    expect(tableOf(found, "results")?.rows).toBeGreaterThanOrEqual(there.get("results") ?? 0);
    expect(tableOf(found, "tasks")).toMatchObject({ isTorn: there.get("tasks") !== whole });
    expect(readFileSync(path)).toEqual(broken);
    expect(integrity(target)).toEqual([{ integrity_check: "ok" }]);
    const omniq = open(target);
    await omniq.worker({ tasks: [echo] }).drain();
    await omniq.close();
  });

  test("is what is left of a file that was cut off: whoever opens it, or has it open, is told and takes nothing away", async () => {
    await fill();
    const running = open(path);
    await running.tasks.get("open-0");
    truncateSync(path, 50 * PAGE);
    const files = () => ["", "-wal", "-shm"].map((ending) => existsSync(`${path}${ending}`) && statSync(`${path}${ending}`).size);
    const left = [files(), readFileSync(path)];
    await expect(open(path).tasks.get("open-0")).rejects.toEqual(withCode("STORAGE_CORRUPT"));
    await expect(open(path).enqueue(echo, { n: 1 })).rejects.toEqual(withCode("STORAGE_CORRUPT"));
    await expect(running.tasks.find({ limit: 1_000 })).rejects.toEqual(withCode("STORAGE_CORRUPT"));
    expect([files(), readFileSync(path)]).toEqual(left);
    await running.close();
    expect(readFileSync(path)).toEqual(left[1]);
  });

  test("of a table with a readable page between lost ones, where the indexes are lost, too", async () => {
    await fill();
    const [tasks, events, results] = ["tasks", "events", "results"].map((name) => leavesOf(name));
    const all = (name: string) => rowsOf(path, name).length;
    const [allTasks, allEvents] = [all("tasks"), all("events")];
    const odd = (leaves: readonly Leaf[] = []) => leaves.filter((_, i) => i % 2 === 1);
    const indexes = ["sqlite_autoindex_tasks_1", "idx_events_timestamp", "idx_events_task_id"].flatMap((name) => leavesOf(name));
    const [lostTasks, lostEvents] = [destroy(...odd(tasks)), destroy(...odd(events))];
    destroy(...indexes, ...odd(results));
    const found = await salvage({ path, tablePrefix: "" }, target);
    expect(tableOf(found, "tasks")?.rows).toBe(allTasks - lostTasks);
    expect(tableOf(found, "events")?.rows).toBe(allEvents - lostEvents);
    const lostResults = odd(results).reduce((sum, { cells }) => sum + cells, 0);
    expect(tableOf(found, "results")?.rows).toBe(300 - lostResults);
  });

  test("of results and events, whose tables are of another kind", async () => {
    await fill();
    const results = destroy(leavesOf("results")[1]);
    const events = destroy(leavesOf("events")[3], leavesOf("events").at(-3));
    const found = await salvage({ path, tablePrefix: "" }, target);
    expect(tableOf(found, "events")).toMatchObject({ lost: events, isTorn: true });
    expect(rowsOf(target, "events").length).toBe(300 * 3 + 320 - events);
    expect(tableOf(found, "results")).toMatchObject({ rows: 300 - results, isTorn: true });
  });

  test("works on: no fence twice, and children whose parents are lost do not wait for ever", async () => {
    await fill();
    const leaves = leavesOf("tasks");
    destroy(...leaves.slice(Math.floor(leaves.length / 2) - 2, Math.floor(leaves.length / 2) + 3));
    await salvage({ path, tablePrefix: "" }, target);
    const omniq = open(target);
    const parents = new Set((await omniq.tasks.find({ limit: 1_000 })).items.map(({ id }) => id));
    await omniq.worker({ tasks: [echo] }).drain();
    const left = (await omniq.tasks.find({ limit: 1_000 })).items;
    const orphans = left.filter(({ id }) => id.startsWith("child-") && !parents.has(id.replace("child", "open")));
    expect(orphans.length).toBeGreaterThan(0);
    expect(new Set(orphans.map(({ phase }) => phase))).toEqual(new Set(["cancelled"]));
    const others = left.filter((task) => !orphans.includes(task));
    expect(new Set(others.map(({ phase }) => phase))).toEqual(new Set(["completed"]));
    await omniq.close();
  });

  test("keeps what is damaged as damaged", async () => {
    await fill();
    const bytes = readFileSync(path);
    const at = bytes.lastIndexOf('{"n":1200}');
    bytes[at + 6] = 0x37;
    writeFileSync(path, bytes);
    const found = await salvage({ path, tablePrefix: "" }, target);
    expect(tableOf(found, "tasks")).toMatchObject({ rows: 620, lost: 0, damaged: 1 });
    const omniq = open(target);
    expect(await omniq.tasks.get("open-200")).toMatchObject({ broken: expect.any(String) as unknown });
    await omniq.close();
  });

  test("of an older file is of this version, of one with a WAL has what is in it, and a prefix is kept", async () => {
    const db = new DatabaseSync(path);
    db.exec(readFileSync(new URL("../../../fixtures/schema/v1.sql", import.meta.url), "utf8"));
    db.exec("PRAGMA journal_mode = WAL; UPDATE tasks SET description = 'in the WAL' WHERE id = 'ready'");
    expect(existsSync(`${path}-wal`)).toBe(true);
    await salvage({ path, tablePrefix: "" }, target);
    db.close();
    const omniq = open(target);
    expect(await omniq.tasks.get("ready")).toMatchObject({ description: "in the WAL", phase: "ready" });
    await omniq.close();
  });

  test("is refused for what is no database of ours, is not readable at all, or would write over something", async () => {
    await fill();
    writeFileSync(target, "here");
    await expect(salvage({ path, tablePrefix: "" }, target)).rejects.toEqual(withCode("BACKUP_REFUSED"));
    rmSync(target);
    await expect(salvage({ path, tablePrefix: "other_" }, target)).rejects.toEqual(withCode("FOREIGN_SCHEMA"));
    const bytes = readFileSync(path);
    bytes.fill(0xff, 100, PAGE);
    writeFileSync(path, bytes);
    await expect(salvage({ path, tablePrefix: "" }, target)).rejects.toEqual(withCode("STORAGE_CORRUPT"));
    bytes.fill(0xff, 0, PAGE);
    writeFileSync(path, bytes);
    await expect(salvage({ path, tablePrefix: "" }, target)).rejects.toEqual(withCode("NOT_A_DATABASE"));
    expect(readdirSync(folder).filter((name) => name.startsWith("saved"))).toEqual([]);
  });

  test("is refused for what is not there, or is no file, in words of ours; nothing is made", async () => {
    symlinkSync(join(folder, "nowhere"), join(folder, "dangling"));
    const saying = { ".": "STORAGE_IO", dangling: "STORAGE_FAILED", missing: "STORAGE_FAILED", "missing/too": "STORAGE_FAILED" };
    for (const [name, code] of Object.entries(saying)) {
      const given = join(folder, name);
      await expect(salvage({ path: given, tablePrefix: "" }, target)).rejects.toMatchObject({
        name: "StorageError",
        code,
        message: expect.stringContaining(given) as string,
      });
    }
    expect(readdirSync(folder)).toEqual(["dangling"]);
  });

  test("goes on where the disk fails to read the pages for what is more than SQLite reads", async () => {
    await fill();
    const fails = vi.spyOn(fs, "readSync").mockImplementation(() => {
      throw Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" });
    });
    try {
      const { tables } = await salvage({ path, tablePrefix: "" }, target);
      expect(fails).toHaveBeenCalled();
      expect(tables).toContainEqual(expect.objectContaining({ table: "tasks", rows: 620, lost: 0, isTorn: false }));
    } finally {
      fails.mockRestore();
    }
  });
});
