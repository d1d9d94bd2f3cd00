/** A database file by other names: through symbolic links it is the same one. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { fileFacts, isHollow } from "../../../../src/backends/sqlite/examine.ts";
import { realFile } from "../../../../src/backends/sqlite/real-file.ts";
import { SQLiteBackend } from "../../../../src/sqlite.ts";
import { TestClock } from "../../../../src/testing/clock.ts";
import { until, withCode } from "../../../fixtures/helpers.ts";

let dir = "";
const at = (name: string): string => join(dir, name);
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), "omniq-names-")));
  mkdirSync(at("real"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});

async function made(path: string): Promise<void> {
  const backend = new SQLiteBackend({ path });
  await backend.initialize();
  await backend.close();
}

describe("a symbolic link", () => {
  test("to an empty file beside a WAL with data is refused, and the WAL is kept", async () => {
    writeFileSync(at("real/b.db"), "");
    writeFileSync(at("real/b.db-wal"), "frames");
    symlinkSync(at("real/b.db"), at("a.db"));
    await expect(new SQLiteBackend({ path: at("a.db") }).initialize()).rejects.toEqual(withCode("STORAGE_CORRUPT"));
    expect(statSync(at("real/b.db-wal")).size).toBe(6);
    expect(isHollow(fileFacts(at("a.db")))).toBe(true);
  });

  test("in the folder's name: so is a missing file beside a WAL with data", async () => {
    writeFileSync(at("real/b.db-wal"), "frames");
    symlinkSync(at("real"), at("link"));
    await expect(new SQLiteBackend({ path: at("link/b.db") }).initialize()).rejects.toEqual(withCode("STORAGE_CORRUPT"));
    expect(readdirSync(at("real"))).toEqual(["b.db-wal"]);
  });

  test("whoever opened it by one is woken by a commit as soon as by its own name: no poll is needed", async () => {
    await made(at("real/b.db"));
    symlinkSync(at("real/b.db"), at("a.db"));
    // It stands still, and so does the poll.
    const linked = new SQLiteBackend({ path: at("a.db"), clock: new TestClock() });
    await linked.initialize();
    expect([linked.path, existsSync(at("real/b.db-wal"))]).toEqual([at("a.db"), true]);
    let hints = 0;
    linked.listen(() => hints++);
    const other = new SQLiteBackend({ path: at("real/b.db") });
    await other.initialize();
    await other.desk.setPaused("q", true);
    await until(() => hints > 0);
    await other.close();
    await linked.close();
  });

  test.each(["leads to another file", "to its folder does"])("that %s meanwhile: nothing more is acknowledged", async (how) => {
    mkdirSync(at("new"));
    for (const folder of ["real", "new"]) await made(at(`${folder}/b.db`));
    const isFile = how === "leads to another file";
    symlinkSync(at(isFile ? "real/b.db" : "real"), at("link"));
    const backend = new SQLiteBackend({ path: at(isFile ? "link" : "link/b.db") });
    await backend.initialize();
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, "now").mockImplementation(() => now() + 2_000);
    await backend.desk.setPaused("a", true);
    symlinkSync(at(isFile ? "new/b.db" : "new"), at("next"));
    renameSync(at("next"), at("link"));
    clock.mockImplementation(() => now() + 4_000);
    await expect(backend.desk.setPaused("b", true)).rejects.toEqual(withCode("STORAGE_FAILED"));
    await backend.close();
  });

  test("that leads nowhere is refused", async () => {
    symlinkSync(at("none/b.db"), at("a.db"));
    symlinkSync(at("none"), at("folder"));
    await expect(new SQLiteBackend({ path: at("a.db") }).initialize()).rejects.toEqual(withCode("NOT_A_DATABASE"));
    await expect(new SQLiteBackend({ baseDir: at("folder") }).initialize()).rejects.toEqual(withCode("STORAGE_FAILED"));
  });

  test("is followed as far as there is something, and what is wrong with the rest is left to whoever opens it", () => {
    symlinkSync(at("real"), at("link"));
    writeFileSync(at("text"), "");
    symlinkSync(at("round"), at("round"));
    expect(["link/x/y.db", "text/y.db", "round", "round/y.db"].map((name) => realFile(at(name)))).toEqual(
      ["real/x/y.db", "text/y.db", "round", "round/y.db"].map((name) => at(name)),
    );
    expect([":memory:", "/", "/none"].map((name) => realFile(name))).toEqual([":memory:", "/", "/none"]);
  });
});
