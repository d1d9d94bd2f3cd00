import { execFile } from "node:child_process";
import fs, { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SQLiteBackend } from "../../../src/sqlite.ts";
import { withCode } from "../../fixtures/helpers.ts";

let folder = "";
const opened: SQLiteBackend[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "omniq-sqlite-"));
});
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
  rmSync(folder, { recursive: true, force: true });
});

function make(options: ConstructorParameters<typeof SQLiteBackend>[0] = {}): SQLiteBackend {
  const backend = new SQLiteBackend({ projectName: "test_project", baseDir: join(folder, "data"), ...options });
  opened.push(backend);
  return backend;
}

const file = (): string => join(folder, "data", "test_project.db");

describe("opening and closing", () => {
  test("the constructor does no I/O; initialize makes folder and file; close closes", async () => {
    const backend = make();
    expect(backend.isOpen).toBe(false);
    expect(existsSync(join(folder, "data"))).toBe(false);
    await backend.initialize();
    expect(backend.isOpen).toBe(true);
    expect(existsSync(file())).toBe(true);
    await backend.close();
    expect(backend.isOpen).toBe(false);
  });

  test("the synchronous twins do the same", () => {
    const backend = make();
    backend.initializeSync();
    expect(backend.isOpen).toBe(true);
    expect(existsSync(file())).toBe(true);
    backend.closeSync();
    expect(backend.isOpen).toBe(false);
  });

  test("a second initialize and a second close do nothing, and reopening works", async () => {
    const backend = make();
    await Promise.all([backend.initialize(), backend.initialize()]);
    await backend.initialize();
    backend.initializeSync();
    await backend.desk.setPaused("q", true);
    await backend.close();
    await backend.close();
    backend.closeSync();
    await backend.initialize();
    expect(await backend.desk.queues()).toMatchObject([{ name: "q" }]);
  });

  test("calls before initialize and after close are refused with a sentence", async () => {
    const backend = make();
    await expect(backend.desk.queues()).rejects.toMatchObject({ code: "NOT_OPEN", message: expect.stringContaining("initialize()") });
    expect(() => backend.sync.desk.queues()).toThrow(expect.objectContaining({ code: "NOT_OPEN" }));
    await backend.initialize();
    await backend.close();
    await expect(backend.desk.queues()).rejects.toMatchObject({ code: "NOT_OPEN" });
  });

  test("close writes what waits", async () => {
    const backend = make();
    await backend.initialize();
    const pending = backend.desk.setPaused("late", true);
    backend.closeSync();
    await pending;
    await backend.initialize();
    expect(await backend.desk.queues()).toMatchObject([{ name: "late" }]);
  });

  test("the file is for its owner alone", async () => {
    await make().initialize();
    expect(statSync(file()).mode & 0o777).toBe(0o600);
  });

  test("a network file system is refused before anything is made there, unless somebody vouches for it", async () => {
    const nfs = { type: 0x6969, bsize: 4_096, frsize: 4_096, blocks: 1, bfree: 1, bavail: 1, files: 1, ffree: 1 };
    vi.spyOn(fs, "statfsSync").mockReturnValue(nfs);
    try {
      const path = join(folder, "far.db");
      await expect(new SQLiteBackend({ path }).initialize()).rejects.toMatchObject({
        code: "STORAGE_NETWORK",
        message: expect.stringContaining(`Expected ${path} to lie on a local disk, but it lies on NFS`),
      });
      expect(() => {
        new SQLiteBackend({ path }).initializeSync();
      }).toThrow(withCode("STORAGE_NETWORK"));
      expect(readdirSync(folder)).toEqual([]);
      const vouched = new SQLiteBackend({ path, anyFileSystem: true });
      await vouched.initialize();
      expect(vouched.threadOptions).toMatchObject({ anyFileSystem: true });
      await vouched.close();
    } finally {
      vi.restoreAllMocks();
    }
  });

  test("many processes may start at once on a missing file", { tags: ["slow"], timeout: 60_000 }, async () => {
    const script = `
      import { SQLiteBackend } from ${JSON.stringify(new URL("../../../src/sqlite.ts", import.meta.url).href)};
      const backend = new SQLiteBackend({ projectName: "test_project", baseDir: ${JSON.stringify(join(folder, "data"))} });
      await backend.initialize();
      await backend.desk.setPaused("q" + process.pid, true);
      await backend.close();`;
    const start = (): Promise<string> =>
      new Promise((resolve) => {
        execFile(process.execPath, ["--input-type=module", "-e", script], (_error, _out, stderr) => {
          resolve(stderr);
        });
      });
    expect(await Promise.all(Array.from({ length: 8 }, start))).toEqual(Array.from({ length: 8 }, () => ""));
    const database = new DatabaseSync(file());
    expect(database.prepare("SELECT count(*) AS n FROM queues").get()).toMatchObject({ n: 8 });
    expect(database.prepare("PRAGMA integrity_check").get()).toMatchObject({ integrity_check: "ok" });
    database.close();
  });
});

describe("schema and pragmas", () => {
  const names = (backend: SQLiteBackend, type: string): Promise<unknown[]> =>
    backend.withConnection((c) =>
      c
        .prepare("SELECT name FROM sqlite_schema WHERE type = ?")
        .all(type)
        .map((row) => row["name"]),
    );

  test("the seed's tables are there", async () => {
    const backend = make();
    await backend.initialize();
    expect(await names(backend, "table")).toEqual(expect.arrayContaining(["tasks", "schedules", "results", "events"]));
  });

  test("the seed's indexes are there", async () => {
    const backend = make();
    await backend.initialize();
    expect(await names(backend, "index")).toEqual(
      expect.arrayContaining([
        "idx_tasks_queue_status",
        "idx_tasks_run_at",
        "idx_tasks_expires_at",
        "idx_schedules_next_run",
        "idx_schedules_status",
        "idx_results_expires_at",
        "idx_events_task_id",
        "idx_events_timestamp",
      ]),
    );
  });

  test("the journal mode is WAL on a live connection", async () => {
    const backend = make();
    await backend.initialize();
    expect(await backend.withConnection((c) => c.prepare("PRAGMA journal_mode").get())).toMatchObject({ journal_mode: "wal" });
  });

  test.each([
    ["full", 2],
    ["normal", 1],
  ] as const)("durability %s is what SQLite says it does", async (durability, synchronous) => {
    const backend = make({ durability });
    await backend.initialize();
    expect(await backend.withConnection((c) => c.prepare("PRAGMA synchronous").get())).toMatchObject({ synchronous });
  });

  test("a table prefix keeps our tables apart from the user's own", async () => {
    const own = join(folder, "own.db");
    const database = new DatabaseSync(own);
    database.exec("CREATE TABLE tasks (mine TEXT); PRAGMA user_version = 7");
    const backend = make({ path: own, baseDir: undefined, tablePrefix: "omniq_" } as object);
    await backend.initialize();
    await backend.desk.setPaused("q", true);
    expect(await backend.desk.queues()).toMatchObject([{ name: "q" }]);
    expect(database.prepare("PRAGMA user_version").get()).toMatchObject({ user_version: 7 });
    expect(database.prepare("SELECT count(*) AS n FROM omniq_queues").get()).toMatchObject({ n: 1 });
    database.close();
  });
});

describe("components", () => {
  test("queue, results and events know their backend and project", async () => {
    const backend = make();
    await backend.initialize();
    const queue = backend.taskQueue(["test"]);
    expect([queue.projectName, queue.queues, queue.backend]).toEqual(["test_project", ["test"], backend]);
    expect([backend.resultStorage().projectName, backend.resultStorage().backend]).toEqual(["test_project", backend]);
    expect([backend.eventStorage().projectName, backend.eventStorage().backend]).toEqual(["test_project", backend]);
  });
});

describe("bad places and bad options", () => {
  const refusal = async (options: object): Promise<unknown> => {
    const backend = make(options);
    const failure: unknown = await backend.initialize().catch((error: unknown) => error);
    expect(backend.isOpen).toBe(false);
    // The synchronous twin says the same.
    expect(() => {
      backend.initializeSync();
    }).toThrow(failure instanceof Error ? failure.message : "no error");
    return failure;
  };

  test("a file that is not a database", async () => {
    mkdirSync(join(folder, "data"));
    writeFileSync(file(), "this is a text file, and long enough to be taken for a page of a database".repeat(20));
    expect(await refusal({})).toMatchObject({ code: "NOT_A_DATABASE", message: expect.stringContaining(file()) });
    expect(statSync(file()).size).toBeGreaterThan(0);
  });

  test("a folder in the file's place", async () => {
    mkdirSync(file(), { recursive: true });
    expect(await refusal({})).toMatchObject({ code: "NOT_A_DATABASE" });
  });

  test("a missing folder, when the file itself was named", async () => {
    const path = join(folder, "missing", "x.db");
    expect(await refusal({ path, baseDir: undefined })).toMatchObject({
      code: "STORAGE_FAILED",
      message: expect.stringContaining("missing"),
    });
  });

  test("a place where no folder can be made", async () => {
    expect(await refusal({ baseDir: "/proc/omniq/data" })).toMatchObject({ code: "STORAGE_FAILED" });
  });

  test("a file where a folder should be", async () => {
    writeFileSync(join(folder, "data"), "");
    expect(await refusal({})).toMatchObject({ code: "STORAGE_FAILED" });
  });

  /** As somebody who is not root, for whom mode bits count. */
  const asNobody = (step: () => void): void => {
    const root = process.getuid?.() === 0;
    if (root) process.seteuid?.(65_534);
    try {
      step();
    } finally {
      if (root) process.seteuid?.(0);
    }
  };

  test("a read-only place, before there is a file and after", async () => {
    chmodSync(folder, 0o755);
    mkdirSync(join(folder, "data"), { mode: 0o555 });
    asNobody(() => {
      expect(() => {
        make().initializeSync();
      }).toThrow(expect.objectContaining({ code: "STORAGE_READONLY", message: expect.stringContaining("read-only") }));
    });
    chmodSync(join(folder, "data"), 0o755);
    const backend = make();
    await backend.initialize();
    await backend.close();
    chmodSync(file(), 0o444);
    chmodSync(join(folder, "data"), 0o555);
    asNobody(() => {
      expect(() => {
        const reader = make();
        reader.initializeSync();
        reader.sync.desk.setPaused("q", true);
      }).toThrow(expect.objectContaining({ code: "STORAGE_READONLY" }));
    });
    chmodSync(join(folder, "data"), 0o755);
  });

  test("a database of a newer version is left as it is", async () => {
    const backend = make();
    await backend.initialize();
    await backend.close();
    const database = new DatabaseSync(file());
    database.exec("UPDATE omniq_meta SET value = 99 WHERE key = 'schema_version'");
    database.close();
    expect(await refusal({})).toMatchObject({ code: "SCHEMA_TOO_NEW", message: expect.stringMatching(/or older, got 99/) });
  });

  test("somebody else's table of our name is left as it is", async () => {
    mkdirSync(join(folder, "data"));
    const database = new DatabaseSync(file());
    database.exec("CREATE TABLE events (theirs TEXT); INSERT INTO events VALUES ('kept')");
    expect(await refusal({})).toMatchObject({ code: "FOREIGN_SCHEMA", message: expect.stringContaining("tablePrefix") });
    expect(database.prepare("SELECT name FROM sqlite_schema").all()).toHaveLength(1);
    database.close();
  });

  test("an empty file beside a WAL with data is refused, and the WAL is kept", async () => {
    mkdirSync(join(folder, "data"));
    writeFileSync(file(), "");
    writeFileSync(`${file()}-wal`, "frames");
    expect(await refusal({})).toMatchObject({ code: "STORAGE_CORRUPT", message: expect.stringContaining("it is empty while") });
    expect(statSync(`${file()}-wal`).size).toBe(6);
  });

  test("so is a missing file beside a WAL with data: no new one is made", async () => {
    mkdirSync(join(folder, "data"));
    writeFileSync(`${file()}-wal`, "frames");
    expect(await refusal({})).toMatchObject({ code: "STORAGE_CORRUPT", message: expect.stringContaining("it is missing while") });
    expect([existsSync(file()), statSync(`${file()}-wal`).size]).toEqual([false, 6]);
  });

  test("a lock that is never given free is STORAGE_BUSY, not a hang", async () => {
    const backend = make({ busyTimeout: 30 });
    await backend.initialize();
    const other = new DatabaseSync(file());
    other.exec("BEGIN IMMEDIATE");
    await expect(backend.desk.setPaused("q", true)).rejects.toMatchObject({ code: "STORAGE_BUSY" });
    expect(() => {
      backend.sync.desk.setPaused("q", true);
    }).toThrow(expect.objectContaining({ code: "STORAGE_BUSY" }));
    // Reading goes on, and writing once it is free.
    expect(await backend.desk.queues()).toEqual([]);
    other.exec("COMMIT");
    await backend.desk.setPaused("q", true);
    other.close();
    expect(await backend.desk.queues()).toHaveLength(1);
  });

  test.each([
    [{ projectNam: "x" }, /unknown|known options.*projectName/i],
    [{ projectName: "../x" }, /projectName.*file name/],
    [{ projectName: "" }, /projectName/],
    [{ durability: "fast" }, /durability.*"full" or "normal", got "fast"/],
    [{ tablePrefix: 'a"; DROP TABLE x' }, /tablePrefix/],
    [{ tablePrefix: ["q_"] }, /tablePrefix.*got an array of 1/],
    [{ busyTimeout: "soon" }, /busyTimeout.*duration/],
    [{ path: "a.db", baseDir: "b" }, /path/],
    [{ connection: {} }, /handle of node:sqlite/],
  ])("%j is refused", (options, message) => {
    expect(() => new SQLiteBackend(options as object)).toThrow(message);
  });
});
