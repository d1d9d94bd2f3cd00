import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Worker as Thread } from "node:worker_threads";
import Better from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_POLICY } from "../../../../src/core/task.ts";
import type { NewTask } from "../../../../src/core/task.ts";
import { SQLiteBackend } from "../../../../src/sqlite.ts";

let folder = "";
let backend: SQLiteBackend;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "omniq-connection-"));
  backend = new SQLiteBackend({ projectName: "p", baseDir: folder });
  await backend.initialize();
});
afterEach(async () => {
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
const call = (...ids: string[]) => [{ tasks: ids.map((id) => task(id)), announce: true }];
const ids = async (): Promise<(string | undefined)[]> => (await backend.desk.find({ limit: 100 })).items.map((each) => each.id);

describe("withConnection", () => {
  test("concurrent callers see the same connection, one after the other", async () => {
    const order: string[] = [];
    const use = (name: string): Promise<object> =>
      backend.withConnection(async (connection) => {
        order.push(`${name} in`);
        await backend.now();
        await new Promise((resolve) => setImmediate(resolve));
        order.push(`${name} out`);
        return connection;
      });
    const [a, b, c] = await Promise.all([use("a"), use("b"), use("c")]);
    expect(b).toBe(a);
    expect(c).toBe(a);
    expect(order).toEqual(["a in", "a out", "b in", "b out", "c in", "c out"]);
    expect(backend.withConnectionSync((connection) => connection)).toBe(a);
  });

  test("OmniQ's own calls work inside, also while the user reads in a transaction", async () => {
    await backend.withConnection(async (connection) => {
      connection.exec("BEGIN");
      connection.prepare("SELECT count(*) FROM tasks").get();
      await backend.work.enqueue(call("inside"));
      backend.sync.work.enqueue(call("sync"));
      connection.exec("COMMIT");
    });
    expect(await ids()).toEqual(["sync", "inside"]);
  });

  test("a transaction left open is rolled back and is an error", async () => {
    const leave = backend.withConnection((connection) => {
      connection.exec("BEGIN IMMEDIATE; DELETE FROM tasks");
    });
    await expect(leave).rejects.toMatchObject({ code: "TRANSACTION_LEFT_OPEN" });
    await backend.work.enqueue(call("after"));
    expect(await ids()).toEqual(["after"]);
  });

  test("an error inside is the caller's own, and the next one gets the connection", async () => {
    const boom = backend.withConnection(() => {
      throw new Error("mine");
    });
    await expect(boom).rejects.toThrow("mine");
    expect(await backend.withConnection((c) => c.prepare("SELECT 1 AS one").get())).toMatchObject({ one: 1 });
  });

  test("the synchronous form refuses a function that returns a promise", () => {
    expect(() => backend.withConnectionSync(async () => Promise.resolve(1))).toThrow(expect.objectContaining({ code: "CONNECTION_HELD" }));
  });

  test("waiting for itself is refused at once", async () => {
    const nested = backend.withConnection(() => backend.withConnection(() => 1));
    await expect(nested).rejects.toMatchObject({ code: "CONNECTION_HELD" });
  });
});

describe("in memory there is one connection", () => {
  test("a call from inside is refused at once; a call from elsewhere waits", async () => {
    const memory = new SQLiteBackend({ path: ":memory:" });
    await memory.initialize();
    let outside: Promise<unknown> | undefined;
    await memory.withConnection(async () => {
      await expect(memory.work.enqueue(call("inside"))).rejects.toMatchObject({ code: "CONNECTION_HELD" });
      expect(() => memory.sync.work.enqueue(call("inside"))).toThrow(expect.objectContaining({ code: "CONNECTION_HELD" }));
    });
    const holding = memory.withConnection(async () => new Promise((resolve) => setImmediate(resolve)));
    outside = memory.work.enqueue(call("outside"));
    await holding;
    await outside;
    expect((await memory.desk.find({ limit: 9 })).items.map((each) => each.id)).toEqual(["outside"]);
    await memory.close();
  });
});

describe("the group", () => {
  test("calls of one turn share a commit, in the order of the calls", async () => {
    const before = Number(new DatabaseSync(backend.path).prepare("PRAGMA data_version").get()?.["data_version"]);
    const watcher = new DatabaseSync(backend.path);
    const version = (): number => Number(watcher.prepare("PRAGMA data_version").get()?.["data_version"]);
    const start = version();
    await Promise.all(Array.from({ length: 50 }, (_, i) => backend.work.enqueue(call(`t${i}`))));
    expect(version() - start).toBe(1);
    expect((await ids()).length).toBe(50);
    expect(before).toBeGreaterThan(0);
    watcher.close();
  });

  test("a call that throws is rejected alone, and the others of its commit are written", async () => {
    const broken = { ...task("broken"), args: new Date() as unknown as string };
    const answers = await Promise.allSettled([
      backend.work.enqueue(call("a")),
      backend.work.enqueue([{ tasks: [task("half"), broken], announce: true }]),
      backend.work.enqueue(call("b")),
    ]);
    expect(answers.map((each) => each.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(await ids()).toEqual(["b", "a"]);
    expect((await backend.events.newest({ limit: 9 })).map((event) => event.taskId)).toEqual(["b", "a"]);
  });

  test("a synchronous call comes behind what waits already", async () => {
    const waiting = backend.work.enqueue(call("first"));
    backend.sync.work.enqueue(call("second"));
    await waiting;
    expect(await ids()).toEqual(["second", "first"]);
  });
});

describe("tx", () => {
  const handleOn = (path: string): DatabaseSync => new DatabaseSync(path);

  test("rows are written on the caller's handle before the promise is returned, and live or die with its transaction", async () => {
    const handle = handleOn(backend.path);
    handle.exec("CREATE TABLE orders (id TEXT)");
    for (const end of ["ROLLBACK", "COMMIT"]) {
      handle.exec("BEGIN; INSERT INTO orders VALUES ('o')");
      const written = backend.work.enqueue(call(`in-${end}`), handle);
      handle.exec(end);
      expect(await written).toEqual([[{ is: "added", id: `in-${end}` }]]);
    }
    expect(await ids()).toEqual(["in-COMMIT"]);
    expect((await backend.events.newest({ limit: 9 })).map((event) => event.taskId)).toEqual(["in-COMMIT"]);
    expect(backend.sync.desk.get(["in-ROLLBACK"])).toEqual([undefined]);
    handle.close();
  });

  test("a refused call writes nothing and leaves the caller's transaction as it was", async () => {
    const handle = handleOn(backend.path);
    handle.exec("CREATE TABLE orders (id TEXT); BEGIN; INSERT INTO orders VALUES ('o')");
    const [answers] = await backend.work.enqueue(
      [{ tasks: [task("x"), task("y", { dependsOn: [{ id: "none", ifFailed: "cancel" }] })], announce: true }],
      handle,
    );
    expect(answers?.map((each) => each.is)).toEqual(["refused", "refused"]);
    handle.exec("COMMIT");
    expect(handle.prepare("SELECT count(*) AS n FROM orders").get()).toMatchObject({ n: 1 });
    expect(await ids()).toEqual([]);
    handle.close();
  });

  test("an outside transaction wakes whoever listens", async () => {
    const handle = handleOn(backend.path);
    const rung = new Promise((resolve) => backend.listen(resolve));
    handle.exec("BEGIN");
    backend.sync.work.enqueue(call("late"), handle);
    handle.exec("COMMIT");
    expect(await rung).toBe("any");
    handle.close();
  });

  test.each([{ returnArrays: true }, { readBigInts: true }])("a handle that reads in another way is as good: %o", async (options) => {
    const handle = new DatabaseSync(backend.path, options);
    handle.exec("BEGIN IMMEDIATE");
    await backend.work.enqueue(call("a"), handle);
    handle.exec("COMMIT");
    handle.close();
    expect(await ids()).toEqual(["a"]);
  });

  test("without a transaction, on another file, or of another library it is refused", async () => {
    const handle = handleOn(backend.path);
    await expect(backend.work.enqueue(call("a"), handle)).rejects.toMatchObject({ code: "TX_NOT_OPEN" });
    const other = handleOn(join(folder, "other.db"));
    other.exec("BEGIN");
    await expect(backend.work.enqueue(call("a"), other)).rejects.toMatchObject({ code: "TX_OTHER_DATABASE" });
    const memory = handleOn(":memory:");
    memory.exec("BEGIN");
    await expect(backend.work.enqueue(call("a"), memory)).rejects.toMatchObject({ code: "TX_OTHER_DATABASE" });
    await expect(backend.work.enqueue(call("a"), {})).rejects.toMatchObject({ code: "TX_FOREIGN_LIBRARY" });
    const elsewhere = new Better(join(folder, "better.db"));
    elsewhere.exec("BEGIN");
    await expect(backend.work.enqueue(call("a"), elsewhere)).rejects.toMatchObject({
      code: "TX_FOREIGN_LIBRARY",
      message: expect.stringContaining("two SQLite libraries"),
    });
    for (const each of [handle, other, memory, elsewhere]) each.close();
    expect(await ids()).toEqual([]);
  });
});

describe("the caller's own better-sqlite3", () => {
  test("its library opens the file, its transactions are joined, and node:sqlite is refused", async () => {
    const handle = new Better(join(folder, "own.db"));
    const own = new SQLiteBackend({ connection: handle });
    expect(own.path).toBe(join(folder, "own.db"));
    await own.initialize();
    await own.work.enqueue([{ tasks: [task("grouped")], announce: true }]);
    handle.transaction(() => {
      own.sync.work.enqueue([{ tasks: [task("joined", { label: "é" })], announce: true }], handle);
    })();
    expect(() =>
      handle.transaction(() => {
        own.sync.work.enqueue([{ tasks: [task("undone")], announce: true }], handle);
        throw new Error("mine");
      })(),
    ).toThrow("mine");
    expect((await own.desk.find({ limit: 9 })).items.map((each) => [each.id, each.label])).toEqual([
      ["joined", "é"],
      ["grouped", undefined],
    ]);
    await expect(own.work.enqueue(call("a"), new DatabaseSync(":memory:"))).rejects.toMatchObject({ code: "TX_FOREIGN_LIBRARY" });
    await own.close();
    expect(handle.open).toBe(true);
    handle.close();
  });
});

describe("two libraries on one file in one process", () => {
  test("are refused whichever comes first, under any name of the file, until the first has closed it", async () => {
    const handle = new Better(join(folder, "own.db"));
    const theirs = new SQLiteBackend({ connection: handle });
    symlinkSync(join(folder, "own.db"), join(folder, "link.db"));
    const ours = new SQLiteBackend({ path: join(folder, "link.db") });
    await theirs.initialize();
    const refusal = { code: "TWO_LIBRARIES", message: expect.stringContaining("better-sqlite3 and node:sqlite") as unknown };
    await expect(ours.initialize()).rejects.toMatchObject(refusal);
    expect(() => ours.initializeSync()).toThrow(expect.objectContaining({ code: "TWO_LIBRARIES" }));
    // What was refused is no user of the file.
    const second = new SQLiteBackend({ connection: handle });
    await second.initialize();
    await theirs.close();
    await expect(ours.initialize()).rejects.toMatchObject(refusal);
    await second.close();
    await ours.initialize();
    await expect(theirs.initialize()).rejects.toMatchObject({ code: "TWO_LIBRARIES" });
    await ours.close();
    handle.close();
  });

  test.runIf(existsSync("/proc/self/fd"))("are refused in two threads, until the first thread has ended", async () => {
    const code = `
      const { parentPort, workerData } = require("node:worker_threads");
      const Better = require(workerData.library);
      import(workerData.entry).then(async ({ SQLiteBackend }) => {
        await new SQLiteBackend({ connection: new Better(workerData.path) }).initialize();
        parentPort.postMessage("open");
        parentPort.ref();
      });`;
    const path = join(folder, "own.db");
    const library = createRequire(import.meta.url).resolve("better-sqlite3");
    const entry = new URL("../../../../src/sqlite.ts", import.meta.url).href;
    const thread = new Thread(code, { eval: true, workerData: { path, library, entry } });
    await once(thread, "message");
    const ours = new SQLiteBackend({ path });
    const refusal = { code: "TWO_LIBRARIES", message: expect.stringContaining("better-sqlite3 and node:sqlite") as unknown };
    await expect(ours.initialize()).rejects.toMatchObject(refusal);
    // The same library may be there too.
    const handle = new Better(path);
    const same = new SQLiteBackend({ connection: handle });
    await same.initialize();
    await same.close();
    handle.close();
    await thread.terminate();
    await ours.initialize();
    await ours.close();
  });
});

describe("hints", () => {
  test("own changes are told at once, another connection's through the file", async () => {
    const hints: string[] = [];
    const stop = backend.listen((hint) => hints.push(hint));
    await backend.work.enqueue(call("mine"));
    expect(hints).toContain("task");
    const other = new SQLiteBackend({ projectName: "p", baseDir: folder });
    await other.initialize();
    const rung = new Promise((resolve) => backend.listen(resolve));
    await other.work.enqueue(call("theirs"));
    expect(await rung).toBe("any");
    stop();
    await other.close();
  });
});

describe("closed and held", () => {
  test("a database in memory is not closed while its one connection is lent", async () => {
    const memory = new SQLiteBackend({ path: ":memory:" });
    await memory.initialize();
    await memory.withConnection((connection) => {
      connection.exec("BEGIN; CREATE TABLE mine (a)");
      expect(() => memory.closeSync()).toThrow(expect.objectContaining({ code: "CONNECTION_HELD" }));
      connection.exec("COMMIT");
    });
    await expect(memory.withConnection(() => memory.close())).rejects.toMatchObject({ code: "CONNECTION_HELD" });
    expect(memory.withConnectionSync((connection) => connection.prepare("SELECT count(*) AS n FROM mine").get())).toMatchObject({ n: 0 });
    await memory.close();
    expect(memory.isOpen).toBe(false);
  });

  test.each([
    ["never used before", false],
    ["used before", true],
  ])("a closed handle as `tx` is refused with a code: %s", async (_, used) => {
    const handle = new DatabaseSync(backend.path);
    if (used) {
      handle.exec("BEGIN IMMEDIATE");
      await backend.work.enqueue(call("a"), handle);
      handle.exec("COMMIT");
    }
    handle.close();
    await expect(backend.work.enqueue(call("b"), handle)).rejects.toMatchObject({ name: "ConnectionError", code: "TX_NOT_OPEN" });
    expect(() => backend.sync.work.enqueue(call("b"), handle)).toThrow(expect.objectContaining({ code: "TX_NOT_OPEN" }));
  });

  test("so is one of better-sqlite3", async () => {
    const theirs = new Better(join(folder, "theirs.db"));
    const other = new SQLiteBackend({ connection: theirs });
    await other.initialize();
    const handle = new Better(join(folder, "theirs.db"));
    handle.close();
    await expect(other.work.enqueue(call("b"), handle)).rejects.toMatchObject({ code: "TX_NOT_OPEN" });
    await other.close();
    theirs.close();
  });
});

test("a WAL that a reader kept from starting over is cut back to 64 MiB when it has gone", { tags: ["slow"] }, async () => {
  const reader = new DatabaseSync(backend.path);
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM tasks").get();
  let written = 0;
  const write = async (): Promise<number> => {
    const tasks = Array.from({ length: 1_000 }, () => task(`t${written++}`, { args: JSON.stringify("x".repeat(4_000)) }));
    await backend.work.enqueue([{ tasks, announce: true }]);
    return statSync(`${backend.path}-wal`).size;
  };
  while ((await write()) < 70 * 1_048_576);
  reader.exec("COMMIT");
  reader.close();
  // One commit moves what lies in the WAL, the next one starts it over.
  await write();
  expect(await write()).toBeLessThanOrEqual(64 * 1_048_576);
});
