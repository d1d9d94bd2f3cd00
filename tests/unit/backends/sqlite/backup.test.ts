/** Backups in the library: on a thread, whole or not at all. */
import { getEventListeners } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { salvage } from "../../../../src/backends/sqlite/salvage.ts";
import { defineTask, OmniQ } from "../../../../src/index.ts";
import { SQLiteBackend } from "../../../../src/sqlite.ts";
import { until, withCode } from "../../../fixtures/helpers.ts";

const text = defineTask<{ text: string }>({ name: "text" });

let dir = "";
let backend: SQLiteBackend;
const at = (name: string): string => join(dir, name);
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "omniq-backup-"));
  backend = new SQLiteBackend({ path: at("shop.db"), tablePrefix: "q_" });
  const omniq = new OmniQ({ backend });
  await omniq.enqueueMany(Array.from({ length: 2_000 }, () => text.with({ text: "x".repeat(1_000) })));
});
afterEach(async () => {
  await backend.close();
  rmSync(dir, { recursive: true, force: true });
});

describe("backup()", () => {
  test("writes a whole database, tells its size on the way, and never holds the event loop", async () => {
    const told: number[] = [];
    let turns = 0;
    const turning = setInterval(() => turns++, 1);
    const made = await backend.backup(at("copy.db"), { onProgress: (bytes) => told.push(bytes) });
    clearInterval(turning);
    expect(made).toMatchObject({ file: at("copy.db"), tasks: 2_000, bytes: statSync(at("copy.db")).size });
    expect(turns).toBeGreaterThan(0);
    expect(told.every((bytes) => bytes <= made.bytes)).toBe(true);
    const copy = new SQLiteBackend({ path: at("copy.db"), tablePrefix: "q_" });
    await copy.initialize();
    expect((await copy.desk.count(10_000)).map(({ phase, tasks }) => [phase, tasks])).toEqual([["ready", 2_000]]);
    await copy.close();
  });

  test("of a backend that is not open", async () => {
    await backend.close();
    expect(await backend.backup(at("copy.db"))).toMatchObject({ tasks: 2_000 });
    expect(backend.isOpen).toBe(false);
  });

  test("is refused for a file that is there, and replaces it where that is asked for", async () => {
    writeFileSync(at("copy.db"), "precious");
    await expect(backend.backup(at("copy.db"))).rejects.toEqual(withCode("BACKUP_REFUSED"));
    await expect(backend.backup(at("shop.db"), { overwrite: true })).rejects.toEqual(withCode("BACKUP_REFUSED"));
    // Another name for the same file.
    symlinkSync(at("shop.db"), at("link.db"));
    await expect(backend.backup(at("link.db"), { overwrite: true })).rejects.toEqual(withCode("BACKUP_REFUSED"));
    await expect(backend.backup("")).rejects.toEqual(withCode("INVALID_OPTION"));
    await expect(backend.backup(at("x.db"), { overwite: true } as never)).rejects.toEqual(withCode("UNKNOWN_OPTION"));
    expect(statSync(at("copy.db")).size).toBe(8);
    await backend.backup(at("copy.db"), { overwrite: true });
    expect(statSync(at("copy.db")).size).toBeGreaterThan(8);
  });

  test.each(["", "-wal", "-shm", "-journal"])("never replaces the database's own shop.db%s, whatever either is called", async (ending) => {
    symlinkSync(dir, at("here"));
    symlinkSync(at("shop.db"), at("link.db"));
    const linked = new SQLiteBackend({ path: at("link.db"), tablePrefix: "q_" });
    for (const [source, target] of [
      [backend, at(`here/shop.db${ending}`)],
      [linked, at(`shop.db${ending}`)],
      [linked, at(`here/shop.db${ending}`)],
    ] as const)
      await expect(source.backup(target, { overwrite: true })).rejects.toEqual(withCode("BACKUP_REFUSED"));
    // Through a link that is not its own, too.
    if (existsSync(at(`shop.db${ending}`))) symlinkSync(at(`shop.db${ending}`), at("other.db"));
    if (existsSync(at("other.db")))
      await expect(backend.backup(at("other.db"), { overwrite: true })).rejects.toEqual(withCode("BACKUP_REFUSED"));
  });

  test("of an empty file beside a WAL with data is refused, and the WAL is kept", async () => {
    await backend.close();
    writeFileSync(at("shop.db"), "");
    writeFileSync(at("shop.db-wal"), "frames");
    await expect(backend.backup(at("copy.db"))).rejects.toEqual(withCode("STORAGE_CORRUPT"));
    await expect(salvage({ path: at("shop.db"), tablePrefix: "q_" }, at("copy.db"))).rejects.toEqual(withCode("STORAGE_CORRUPT"));
    expect([statSync(at("shop.db-wal")).size, existsSync(at("copy.db"))]).toEqual([6, false]);
  });

  test("has one name, and opens", async () => {
    writeFileSync(at("copy.db"), "old");
    await backend.backup(at("copy.db"), { overwrite: true });
    expect(statSync(at("copy.db")).nlink).toBe(1);
  });

  test("of rows that a check finds wrong is refused, and leaves nothing behind", async () => {
    await backend.close();
    // Rows that break their own table's rules are copied as they are.
    const database = new Database(at("shop.db")).unsafeMode();
    database.exec(
      "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '\n  name TEXT,', '\n  name TEXT NOT NULL,') WHERE name = 'q_tasks'",
    );
    database.close();
    await expect(backend.backup(at("copy.db"))).rejects.toEqual(withCode("STORAGE_CORRUPT"));
    expect(readdirSync(dir).filter((name) => name.startsWith("copy"))).toEqual([]);
  });

  test("given up leaves nothing behind", async () => {
    const controller = new AbortController();
    const backup = backend.backup(at("copy.db"), { signal: controller.signal });
    controller.abort(new Error("changed my mind"));
    await expect(backup).rejects.toThrow("changed my mind");
    await expect(backend.backup(at("copy.db"), { signal: controller.signal })).rejects.toThrow("changed my mind");
    expect(readdirSync(dir).filter((name) => name.startsWith("copy"))).toEqual([]);
  });

  test("given up by what onProgress throws rejects with that, and leaves nothing behind", async () => {
    await backend.close();
    // The copy waits for its lock meanwhile.
    const holder = new DatabaseSync(at("shop.db"));
    holder.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; DELETE FROM q_queues; COMMIT");
    const onProgress = (): never => {
      throw new Error("the bar broke");
    };
    await expect(backend.backup(at("copy.db"), { onProgress })).rejects.toThrow("the bar broke");
    expect(readdirSync(dir).filter((name) => name.startsWith("copy"))).toEqual([]);
    holder.close();
    await expect(backend.backup(at("copy.db"))).resolves.toMatchObject({ tasks: 2_000 });
    await until(() => readdirSync(dir).filter((name) => name.startsWith("copy")).length === 1);
  });

  test("leaves no listener on a signal that lives on", async () => {
    const { signal } = new AbortController();
    await backend.backup(at("copy.db"), { signal });
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  test("takes away what a killed one left long ago, and nothing else", async () => {
    for (const name of ["copy.db.1-a.partial", "copy.db.2-b.partial", "copy.db.mine", "other.db.1-a.partial"]) writeFileSync(at(name), "");
    for (const name of ["copy.db.1-a.partial", "other.db.1-a.partial"]) utimesSync(at(name), 0, 0);
    await backend.backup(at("copy.db"));
    const left = ["copy.db.1-a.partial", "copy.db.2-b.partial", "copy.db.mine", "other.db.1-a.partial"].filter((name) =>
      existsSync(at(name)),
    );
    expect(left).toEqual(["copy.db.2-b.partial", "copy.db.mine", "other.db.1-a.partial"]);
  });

  test("there is none in memory, nor over another library", async () => {
    await expect(new SQLiteBackend({ path: ":memory:" }).backup(at("copy.db"))).rejects.toEqual(withCode("BACKUP_UNSUPPORTED"));
    const connection = new Database(at("better.db"));
    await expect(new SQLiteBackend({ connection }).backup(at("copy.db"))).rejects.toEqual(withCode("BACKUP_UNSUPPORTED"));
    connection.close();
  });
});
