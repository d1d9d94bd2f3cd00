import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import Better from "better-sqlite3";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { defineTask, OmniQ } from "../../../../src/index.ts";
import { SQLiteBackend } from "../../../../src/sqlite.ts";
import { Engine } from "../../../../src/backends/sqlite/engine.ts";
import { Db } from "../../../../src/backends/sqlite/db.ts";
import { nodeLibrary } from "../../../../src/backends/sqlite/library.ts";
import { TestClock } from "../../../../src/testing/clock.ts";
import { newTask, workerRow } from "../../../../src/testing/conformance/bench.ts";

let backend: SQLiteBackend;
beforeEach(async () => {
  backend = new SQLiteBackend({ path: ":memory:" });
  await backend.initialize();
});
afterEach(() => backend.close());

test("an event that cannot be written rejects the call that made it, not those that share its commit", async () => {
  const outcomes = await Promise.allSettled([
    backend.desk.setPaused("a", true),
    backend.events.append([{ type: "failed", retryCount: 0.5 }]),
    backend.events.append([{ type: "progress", taskId: "t" }]),
    backend.desk.setPaused("b", true),
  ]);
  expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
  expect((await backend.desk.queues()).map((queue) => queue.name)).toEqual(["a", "b"]);
  expect((await backend.events.newest({ limit: 10 })).map((event) => event.taskId)).toEqual(["t"]);
});

test("a change whose event cannot be written is not written either", async () => {
  await backend.presence.arrive(workerRow("w"));
  await backend.work.enqueue([{ tasks: [newTask("t")], announce: false }]);
  const of = { due: true, queues: ["q"], names: "any", announce: false } as const;
  const [claim] = (await backend.work.claim({ worker: "w", limit: 1, of })).claims;
  const events = [{ type: "completed", taskId: "t", retryCount: 0.5 }] as const;
  await expect(backend.work.settle([{ id: "t", fence: claim?.fence ?? 0, to: "completed", events }])).rejects.toThrow();
  expect((await backend.desk.get(["t"]))[0]).toMatchObject({ status: "running", worker: "w" });
});

test("many calls that throw do not make the others run again and again", async () => {
  const db = new Db(nodeLibrary.open(":memory:"), "");
  const clock = new TestClock();
  const engine = new Engine({
    db,
    path: ":memory:",
    clock,
    random: () => 0,
    busyTimeout: 0,
    isStillThere: () => true,
    onHints: () => undefined,
  });
  let runs = 0;
  const calls = Array.from({ length: 200 }, (_, i) =>
    engine.call(true, () => {
      runs++;
      if (i % 2 === 0) throw new Error(`no ${i}`);
      return i;
    }),
  );
  const outcomes = await Promise.allSettled(calls);
  expect(outcomes.flatMap((each) => (each.status === "fulfilled" ? [each.value] : [])).length).toBe(100);
  expect(runs).toBeLessThan(250);
  engine.closeSync();
});

test.each(["deleted", "replaced", "left without its WAL", "left without its shared memory"])(
  "once its file was %s, nothing more is acknowledged",
  async (how) => {
    const folder = mkdtempSync(join(tmpdir(), "omniq-gone-"));
    const path = join(folder, "a.db");
    const onFile = new SQLiteBackend({ path });
    await onFile.initialize();
    // Two seconds later, by the monotonic clock.
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, "now").mockImplementation(() => now() + 2_000);
    await onFile.desk.setPaused("a", true);
    if (how === "deleted") rmSync(path);
    else if (how === "left without its WAL") rmSync(`${path}-wal`);
    else if (how === "left without its shared memory") rmSync(`${path}-shm`);
    else {
      writeFileSync(join(folder, "b.db"), "");
      renameSync(join(folder, "b.db"), path);
    }
    clock.mockImplementation(() => now() + 4_000);
    const refusal = { code: "STORAGE_FAILED", message: expect.stringContaining("was deleted or replaced while open") };
    await expect(onFile.desk.setPaused("b", true)).rejects.toMatchObject(refusal);
    expect(() => onFile.sync.desk.setPaused("c", true)).toThrow(expect.objectContaining(refusal));
    await expect(onFile.desk.queues()).rejects.toMatchObject(refusal);
    clock.mockRestore();
    await onFile.close();
    expect(onFile.isOpen).toBe(false);
    rmSync(folder, { recursive: true, force: true });
  },
);

test.each(["node:sqlite", "better-sqlite3"])("whatever SQLite refuses has a code, with what it said (%s)", async (library) => {
  const folder = mkdtempSync(join(tmpdir(), "omniq-refused-"));
  const path = join(folder, "a.db");
  const handle = library === "node:sqlite" ? new DatabaseSync(path) : new Better(path);
  const onFile = new SQLiteBackend({ connection: handle });
  await onFile.initialize();
  handle.exec("CREATE TRIGGER closed BEFORE INSERT ON queues BEGIN SELECT RAISE(ABORT, 'not today'); END");
  await expect(onFile.desk.setPaused("a", true)).rejects.toMatchObject({
    code: "STORAGE_FAILED",
    message: expect.stringMatching(/^SQLite refused a statement on .*a\.db: .* \(not today\)$/),
  });
  await onFile.close();
  handle.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Calls of every kind on a file, each with its name. */
function callsOn(omniq: OmniQ): readonly (readonly [string, () => Promise<unknown>])[] {
  const note = defineTask({ name: "note", handler: () => 1 });
  const id = "t";
  return [
    ["enqueue", () => omniq.enqueueMany([note.with(undefined, { id }), note.with(undefined, { id: "child", dependsOn: [id] })])],
    ["find", () => Promise.all([omniq.tasks.find(), omniq.tasks.get(id), omniq.tasks.why(id), omniq.events.find(), omniq.stats()])],
    ["schedule", () => omniq.schedule(note, undefined, { id: "s", every: "1h" })],
    ["run", () => omniq.worker({ tasks: [note] }).drain()],
    ["results", () => omniq.results.get(id)],
    ["retry", () => omniq.tasks.cancel(id).then(() => omniq.tasks.retry(id).catch(() => undefined))],
    ["pause", () => omniq.queues.pause("q")],
    ["cleanup", () => omniq.cleanup()],
    ["delete", () => omniq.tasks.delete("child")],
  ];
}

test.runIf(existsSync("/proc/locks"))(
  "no call lets go of the locks that SQLite holds: none opens and closes the file by itself",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "omniq-locks-"));
    const backend = new SQLiteBackend({ path: join(folder, "a.db") });
    const omniq = new OmniQ({ backend });
    await omniq.open();
    const files = ["", "-shm"].map((ending) => statSync(`${backend.path}${ending}`).ino);
    const locks = (): number => {
      const lines = readFileSync("/proc/locks", "utf8").split("\n");
      return lines.filter((line) => files.some((file) => line.includes(`:${file} `))).length;
    };
    const held = locks();
    expect(held).toBeGreaterThan(1);
    for (const [name, call] of [...callsOn(omniq), ["backup", () => backend.backup(join(folder, "b.db"))] as const]) {
      await call();
      expect({ name, locks: locks() }).toEqual({ name, locks: held });
    }
    await omniq.close();
    rmSync(folder, { recursive: true });
  },
);

test("whatever writes has taken the lock at the start of its transaction: one that reads first would be refused for good", async () => {
  const folder = mkdtempSync(join(tmpdir(), "omniq-begins-"));
  const ran: string[] = [];
  class Logged extends Better {
    constructor(path: string, options?: Better.Options) {
      super(path, { ...options, verbose: (sql) => ran.push(String(sql).trim()) });
    }
  }
  const handle = new Logged(join(folder, "a.db"));
  const omniq = new OmniQ({ backend: new SQLiteBackend({ connection: handle }) });
  for (const [, call] of callsOn(omniq)) await call();
  await omniq.close();
  handle.close();
  let begun = "";
  const early = ran.filter((sql) => {
    if (/^(?:BEGIN|COMMIT|ROLLBACK)/.test(sql)) begun = sql;
    return /^(?:INSERT|UPDATE|DELETE|REPLACE|CREATE|WITH .*\b(?:INSERT|UPDATE|DELETE)\b)/s.test(sql) && begun !== "BEGIN IMMEDIATE";
  });
  expect(ran.filter((sql) => sql === "BEGIN IMMEDIATE").length).toBeGreaterThan(5);
  expect(early).toEqual([]);
  rmSync(folder, { recursive: true });
});
