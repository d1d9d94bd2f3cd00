/** A database file by other names: through symbolic links it is the same one, and under a second name of its own it is refused. */
import fs, {
  existsSync,
  linkSync,
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
import { secondNameOf } from "../../../../src/backends/sqlite/second-name.ts";
import { sqliteMover } from "../../../../src/backends/sqlite/transfer.ts";
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

describe("a second name", () => {
  const twoNames = withCode("STORAGE_TWO_NAMES");

  test("by a hard link is refused, by either one, until it has one again", async () => {
    await made(at("real/b.db"));
    linkSync(at("real/b.db"), at("a.db"));
    symlinkSync(at("a.db"), at("link.db"));
    for (const name of ["real/b.db", "a.db", "link.db"]) {
      await expect(new SQLiteBackend({ path: at(name) }).initialize()).rejects.toEqual(twoNames);
      expect(() => sqliteMover(at(name), "")).toThrow(twoNames);
      expect(fileFacts(at(name)).secondName).toBe("link");
    }
    expect(existsSync(at("a.db-wal"))).toBe(false);
    rmSync(at("a.db"));
    await made(at("real/b.db"));
  });

  test("by a mount of the file alone is refused, one of its folder is not", async () => {
    await made(at("real/b c.db"));
    symlinkSync(at("real/b c.db"), at("link.db"));
    const isMountedAt = (name: string): void => {
      const line = `36 35 98:0 /srv/b.db ${at(name).replaceAll(" ", "\\040")} rw,noatime master:1 - ext4 /dev/sda rw`;
      const read = fs.readFileSync.bind(fs);
      vi.spyOn(fs, "readFileSync").mockImplementation((file, ...more) =>
        file === "/proc/self/mountinfo" ? `22 27 0:21 / /proc rw - proc proc rw\n${line}\n` : read(file, ...more),
      );
    };
    vi.spyOn(process, "platform", "get").mockReturnValue("linux");
    isMountedAt("real/b c.db");
    for (const name of ["real/b c.db", "link.db"]) {
      await expect(new SQLiteBackend({ path: at(name) }).initialize()).rejects.toEqual(twoNames);
      expect(fileFacts(at(name)).secondName).toBe("mount");
    }
    vi.restoreAllMocks();
    vi.spyOn(process, "platform", "get").mockReturnValue("linux");
    isMountedAt("real");
    await made(at("link.db"));
  });

  test("is not looked for where the system does not tell its mounts", () => {
    writeFileSync(at("a.db"), "");
    vi.spyOn(fs, "readFileSync").mockImplementation(() => {
      throw new Error("EACCES");
    });
    expect(secondNameOf(at("a.db"))).toBeUndefined();
    vi.spyOn(process, "platform", "get").mockReturnValue("darwin");
    expect(secondNameOf(at("a.db"))).toBeUndefined();
  });
});
