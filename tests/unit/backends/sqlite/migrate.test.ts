/** Databases that earlier versions wrote: brought up to date they have the schema of a new one, and everything that was in them. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MIGRATIONS } from "../../../../src/backends/sqlite/schema.ts";
import { DEFAULT_SCHEDULE_POLICY } from "../../../../src/core/schedule.ts";
import { defineTask, OmniQ } from "../../../../src/index.ts";
import { SQLiteBackend } from "../../../../src/sqlite.ts";
import { TestClock } from "../../../../src/testing/clock.ts";
import { newTask } from "../../../../src/testing/conformance/bench.ts";
import { until } from "../../../fixtures/helpers.ts";

const FIXTURES = new URL("../../../fixtures/schema/", import.meta.url);
const versions = readdirSync(FIXTURES).map((name) => Number(/^v(\d+)\.sql$/.exec(name)?.[1]));
const later = Array.from({ length: MIGRATIONS.length - 1 }, (_, i) => i + 1);

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "omniq-migrate-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function restored(version: number): string {
  const path = join(folder, `v${version}.db`);
  const db = new DatabaseSync(path);
  db.exec(readFileSync(new URL(`v${version}.sql`, FIXTURES), "utf8"));
  db.close();
  return path;
}

/** When its last event was written: no schedule of it is due right after. */
function writtenAt(path: string): number {
  const db = new DatabaseSync(path);
  const at = Number(db.prepare("SELECT max(timestamp) AS at FROM events").get()?.["at"]);
  db.close();
  return at;
}

/** Every table and index with its columns; the text of a column that was added later stands elsewhere in the statement. */
function schemaOf(path: string): unknown {
  const db = new DatabaseSync(path);
  const objects = db.prepare("SELECT type, name, tbl_name FROM sqlite_schema ORDER BY type, name").all();
  const columns = objects
    .filter(({ type }) => type === "table")
    .map(({ name }) => [
      name,
      db.prepare('SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?) ORDER BY name').all(String(name)),
    ]);
  db.close();
  return { objects, columns };
}

test("there is a database of every version before this one", () => {
  expect(versions.filter((version) => version < MIGRATIONS.length).toSorted((a, b) => a - b)).toEqual(later);
});

describe.each(later)("a database of version %d", (version) => {
  test("gets the schema of a new one, once", async () => {
    const path = restored(version);
    const fresh = new SQLiteBackend({ path: join(folder, "fresh.db") });
    await fresh.initialize();
    await fresh.close();
    for (let i = 0; i < 2; i++) {
      const backend = new SQLiteBackend({ path });
      await backend.initialize();
      await backend.close();
      expect(schemaOf(path)).toEqual(schemaOf(fresh.path));
    }
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  test("is brought up to date once where several processes open it at once", { tags: ["slow"] }, async () => {
    const path = restored(version);
    const gate = join(folder, "gate");
    const script = `
      import { existsSync, writeFileSync } from "node:fs";
      import { SQLiteBackend } from ${JSON.stringify(new URL("../../../../src/sqlite.ts", import.meta.url).href)};
      const backend = new SQLiteBackend({ path: ${JSON.stringify(path)} });
      writeFileSync(${JSON.stringify(join(folder, "ready-"))} + process.pid, "");
      while (!existsSync(${JSON.stringify(gate)}));
      await backend.initialize();
      await backend.desk.setPaused("q" + process.pid, true);
      await backend.close();`;
    const started = Array.from({ length: 5 }, () => promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]));
    await until(() => readdirSync(folder).filter((name) => name.startsWith("ready-")).length === 5, 30_000);
    writeFileSync(gate, "");
    expect((await Promise.all(started)).map(({ stderr }) => stderr)).toEqual(["", "", "", "", ""]);
    const backend = new SQLiteBackend({ path: join(folder, "fresh.db") });
    await backend.initialize();
    await backend.close();
    expect(schemaOf(path)).toEqual(schemaOf(backend.path));
    const db = new DatabaseSync(path);
    expect(db.prepare("SELECT count(*) AS n FROM queues WHERE name GLOB 'q[0-9]*'").get()).toEqual({ n: 5 });
    expect(db.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    db.close();
  });

  test("knows the keys of its tasks also after their ends", async () => {
    const path = restored(version);
    const db = new DatabaseSync(path);
    db.exec("UPDATE tasks SET unique_key = 'k', unique_until = -1 WHERE id = 'ready'");
    db.close();
    const backend = new SQLiteBackend({ path });
    await backend.initialize();
    const omniq = new OmniQ({ backend });
    expect(await omniq.tasks.cancel("ready")).toBe("cancelled");
    const unique = { key: "k", until: "finished", onConflict: "keep" } as const;
    expect(await backend.work.enqueue([{ tasks: [newTask("other", { unique })], announce: false }])).toEqual([
      [{ is: "added", id: "other" }],
    ]);
    expect(await omniq.tasks.retry("ready")).toEqual({ is: "conflict", over: "unique", taskId: "other" });
    await omniq.close();
    await backend.close();
  });

  test("keeps its tasks, results, events and schedules, and goes on with them", async () => {
    const done: string[] = [];
    const work = defineTask({ name: "work", handler: (_: { fails: boolean }, { id }) => done.push(id) });
    const path = restored(version);
    const clock = new TestClock(writtenAt(path) + 1_000);
    const backend = new SQLiteBackend({ path, clock });
    const omniq = new OmniQ({ backend, clock });
    const { items } = await omniq.tasks.find();
    expect(Object.fromEntries(items.map(({ id, phase }) => [id, phase]))).toEqual({
      completed: "completed",
      failed: "failed",
      retrying: "retrying",
      ready: "ready",
      delayed: "delayed",
      blocked: "blocked",
      cancelled: "cancelled",
      ...(version === 1 ? {} : { expired: "expired", running: "running" }),
    });
    expect((await omniq.results.get("completed"))?.result).toEqual({ done: true });
    expect((await omniq.events.find()).length).toBe(version === 1 ? 15 : 19);
    const rows = await backend.schedules.list({ limit: 9 });
    expect(rows.map(({ id }) => id).toSorted()).toEqual(["by-task", "cron", "interval", "paused", "timestamp"]);
    for (const row of rows) expect(row.policy).toEqual(DEFAULT_SCHEDULE_POLICY);
    const interval = await omniq.schedules.get("interval");
    expect(interval).toMatchObject({ scheduleType: "interval", lastTaskId: undefined, catchUp: "latest", overlap: "allow" });
    // The same code as before still changes nothing.
    const again = await omniq.scheduleNamed("work", { fails: false }, { id: "interval", every: "1h", tags: ["s"], retryDelay: "1d" });
    expect(again).toMatchObject({ created: false, changed: false });
    const run = await omniq.schedules.runNow("interval");
    await omniq.worker({ tasks: [work] }).drain();
    expect(done.toSorted()).toEqual(["blocked", "ready", run.id].toSorted());
    expect((await omniq.schedules.get("interval"))?.lastPhase).toBe("completed");
    // What a worker held that will never come back is found like any other.
    await omniq.worker({ tasks: [work], queues: ["held"] }).start();
    if (version > 1) {
      // Its store answers from another thread, meanwhile no timer is set: time goes on until it is found.
      await until(async () => {
        await clock.advance(1_000);
        return (await omniq.tasks.get("running"))?.phase === "completed";
      });
      expect((await omniq.tasks.get("running"))?.crashCount).toBe(1);
    }
    await omniq.close();
  });
});
