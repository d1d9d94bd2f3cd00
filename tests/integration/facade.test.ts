/** The façade on SQLite files: transactions of the caller's, other processes, configuration files, the end of the process. */
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import BetterSqlite3 from "better-sqlite3";
import { z } from "zod";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineTask, OmniQ } from "../../src/index.ts";
import { SQLiteBackend } from "../../src/sqlite.ts";

const run = promisify(execFile);
const INDEX = pathToFileURL(join(import.meta.dirname, "../../src/index.ts")).href;
const add = defineTask({ name: "add", handler: ({ x, y }: { x: number; y: number }) => x + y });
const late = defineTask({ name: "late", input: z.string().refine((text) => Promise.resolve(text !== "")), handler: (text) => text });

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "omniq-facade-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

test("the first example: one file, made when first used", async () => {
  const omniq = new OmniQ({ projectName: "shop", baseDir: join(dir, "data") });
  const worker = omniq.worker({ tasks: [add] });
  expect(existsSync(join(dir, "data"))).toBe(false);
  await worker.start();
  const handle = await omniq.enqueue(add, { x: 1, y: 2 });
  expect(await handle.result({ timeout: "30s" })).toBe(3);
  expect((await handle.events()).map((event) => event.eventType)).toEqual(["enqueued", "executing", "completed"]);
  await omniq.close();
  expect(existsSync(join(dir, "data", "shop.db"))).toBe(true);
});

describe("tx", () => {
  test("is committed or rolled back with the caller's own rows", async () => {
    const path = join(dir, "own.db");
    const omniq = new OmniQ({ url: `sqlite:${path}`, tablePrefix: "omniq_" });
    await omniq.open();
    const database = new DatabaseSync(path);
    database.exec("CREATE TABLE orders (id TEXT)");

    database.exec("BEGIN IMMEDIATE");
    database.exec("INSERT INTO orders VALUES ('one')");
    const enqueued = omniq.enqueue(add, { x: 1, y: 2 }, { tx: database });
    // Written before the promise was returned: nothing was awaited yet.
    database.exec("COMMIT");
    const handle = await enqueued;
    expect(handle.created).toBe(true);
    await omniq.worker({ tasks: [add] }).drain();
    expect(await handle.result({ timeout: "10s" })).toBe(3);

    database.exec("BEGIN IMMEDIATE");
    const gone = omniq.enqueueMany([add.with({ x: 1, y: 2 }), add.with({ x: 3, y: 4 })], { tx: database });
    database.exec("ROLLBACK");
    const [first] = await gone;
    await expect(first.result({ timeout: "10s" })).rejects.toMatchObject({
      code: "TASK_NOT_FOUND",
      message: expect.stringContaining("is not committed"),
    });
    expect((await omniq.stats()).tasks).toMatchObject({ ready: 0, completed: 1 });
    database.close();
    await omniq.close();
  });

  test("is refused where it cannot be kept, and nothing is written", async () => {
    const path = join(dir, "own.db");
    const omniq = new OmniQ({ url: `sqlite:${path}` });
    const database = new DatabaseSync(path);
    await expect(omniq.enqueue(add, { x: 1, y: 2 }, { tx: database })).rejects.toMatchObject({
      code: "NOT_OPEN",
      message: expect.stringContaining("await omniq.open()"),
    });
    await omniq.open();
    await expect(omniq.enqueue(add, { x: 1, y: 2 }, { tx: database })).rejects.toMatchObject({ code: "TX_NOT_OPEN" });
    database.exec("BEGIN IMMEDIATE");
    await expect(omniq.enqueue(late, "x", { tx: database })).rejects.toMatchObject({ code: "SYNC_UNSUPPORTED" });
    await expect(omniq.enqueue(add, { x: 1, y: 2 }, { tx: database, dependsOn: ["gone"] })).rejects.toMatchObject({
      code: "UNKNOWN_PARENT",
    });
    const foreign = new BetterSqlite3(path);
    await expect(omniq.enqueue(add, { x: 1, y: 2 }, { tx: foreign })).rejects.toMatchObject({ code: "TX_FOREIGN_LIBRARY" });
    foreign.close();
    database.exec("COMMIT");
    database.close();
    expect((await omniq.tasks.find()).items).toEqual([]);
    await omniq.close();
    const elsewhere = new OmniQ({ url: `sqlite:${path}`, events: `sqlite:${join(dir, "events.db")}` });
    await elsewhere.open();
    const again = new DatabaseSync(path);
    again.exec("BEGIN IMMEDIATE");
    await expect(elsewhere.enqueue(add, { x: 1, y: 2 }, { tx: again })).rejects.toMatchObject({ code: "TX_UNSUPPORTED" });
    again.close();
    await elsewhere.close();
  });

  test("works with better-sqlite3, whose library the backend then uses; it opens what was handed in without waiting", async () => {
    const database = new BetterSqlite3(join(dir, "own.db"));
    database.pragma("journal_mode = WAL");
    const omniq = new OmniQ({ backend: new SQLiteBackend({ connection: database }) });
    let enqueued: ReturnType<typeof omniq.enqueue<typeof add>> | undefined;
    const first = await omniq.enqueue(add, { x: 0, y: 0 });
    database.transaction(() => {
      enqueued = omniq.enqueue(add, { x: 1, y: 2 }, { tx: database });
    })();
    const handle = await enqueued;
    await omniq.worker({ tasks: [add] }).drain();
    expect([await first.result(), await handle?.result()]).toEqual([0, 3]);
    await omniq.close();
    const other = new OmniQ({ backend: new SQLiteBackend({ connection: database }) });
    // The file has its tables, so opening it needs no lock that the transaction holds.
    database.transaction(() => {
      enqueued = other.enqueue(add, { x: 4, y: 5 }, { tx: database });
    })();
    expect((await enqueued)?.created).toBe(true);
    await other.close();
    database.close();
  });
});

describe("other processes", () => {
  /** A program that imports omniq, defines `add` and has an OmniQ on the test's file. */
  const program = (body: string): string => {
    const path = join(dir, `program-${Math.random().toString(36).slice(2)}.ts`);
    writeFileSync(
      path,
      `import { defineTask, OmniQ } from ${JSON.stringify(INDEX)};
       const add = defineTask({ name: "add", handler: ({ x, y }: { x: number; y: number }) => x + y });
       const omniq = new OmniQ({ url: ${JSON.stringify(`sqlite:${join(dir, "shared.db")}`)} });
       ${body}`,
    );
    return path;
  };

  test("a result comes from a worker elsewhere, also to one who knows the id alone", { tags: ["slow"] }, async () => {
    const omniq = new OmniQ({ url: `sqlite:${join(dir, "shared.db")}` });
    const worker = spawn(process.execPath, [program(`await omniq.worker({ tasks: [add] }).run();`)], { stdio: "inherit" });
    try {
      const handles = await omniq.enqueueMany(Array.from({ length: 20 }, (_, x) => add.with({ x, y: 1 })));
      const sums = await Promise.all(handles.map((handle) => handle.result({ timeout: "30s" })));
      expect(sums).toEqual(Array.from({ length: 20 }, (_, x) => x + 1));
      const id = handles[0]?.id ?? "";
      const { stdout } = await run(process.execPath, [
        program(`console.log(await omniq.handle(add, ${JSON.stringify(id)}).result()); await omniq.close();`),
      ]);
      expect(stdout).toBe("1\n");
    } finally {
      worker.kill("SIGTERM");
      await new Promise((resolve) => {
        worker.once("exit", resolve);
      });
      await omniq.close();
    }
  });

  test("whoever waits for a result keeps the process alive; whoever does not, does not", { tags: ["slow"] }, async () => {
    const waits = `const handle = await omniq.enqueue(add, { x: 1, y: 2 });
       console.log(await handle.result({ timeout: "1500ms" }).catch((error) => error.code));`;
    expect((await run(process.execPath, [program(waits)])).stdout).toBe("RESULT_TIMEOUT\n");
    // Not closed, and nothing awaited any more: it ends by itself.
    const leaves = `await omniq.enqueue(add, { x: 1, y: 2 }); void (await omniq.stats()); console.log("done");`;
    expect((await run(process.execPath, [program(leaves)], { timeout: 20_000 })).stdout).toBe("done\n");
  });
});

describe("configuration", () => {
  const YAML = `
projectName: shop
taskQueue: { type: sqlite, config: { baseDir: BASE, queues: [high, low] } }
resultStore: { type: sqlite, config: { url: "sqlite:RESULTS" } }
worker: { type: async, config: { maxWorkers: 2 } }
taskDefaults: { maxRetries: 8 }
logging: { level: "off" }
`;

  test("a file brings up stores and worker; overrides count over it", async () => {
    const file = join(dir, "omniq.yaml");
    writeFileSync(file, YAML.replace("BASE", join(dir, "data")).replace("RESULTS", join(dir, "results.db")));
    const omniq = await OmniQ.fromConfigFile(file, { taskDefaults: { maxRetries: 9 } });
    const handle = await omniq.enqueue(add, { x: 1, y: 2 }, { queueName: "low" });
    expect((await handle.get())?.maxRetries).toBe(9);
    await omniq.worker({ tasks: [add] }).drain();
    expect(await handle.result()).toBe(3);
    await omniq.close();
    expect([existsSync(join(dir, "data", "shop.db")), existsSync(join(dir, "results.db"))]).toEqual([true, true]);
    writeFileSync(file, "projectNme: shop\n");
    await expect(OmniQ.fromConfigFile(file)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("projectNme"),
    });
    await expect(OmniQ.fromConfigFile(join(dir, "none.yaml"))).rejects.toMatchObject({ code: "CONFIG_NOT_FOUND" });
  });

  test("variables do too", async () => {
    process.env["OMNIQ_URL"] = `sqlite:${join(dir, "env.db")}`;
    process.env["OMNIQ_RETRY_ATTEMPTS"] = "6";
    try {
      const omniq = OmniQ.fromEnv({ projectName: "mine" });
      const handle = await omniq.enqueue(add, { x: 1, y: 2 });
      expect((await handle.get())?.maxRetries).toBe(6);
      await omniq.close();
      expect(existsSync(join(dir, "env.db"))).toBe(true);
      process.env["OMNIQ_RETRY_ATTEMPTS"] = "many";
      expect(() => OmniQ.fromEnv()).toThrow("OMNIQ_RETRY_ATTEMPTS");
    } finally {
      delete process.env["OMNIQ_URL"];
      delete process.env["OMNIQ_RETRY_ATTEMPTS"];
    }
  });

  test("several parts of one program can have an OmniQ on one file", async () => {
    const options = { projectName: "shop", baseDir: dir };
    await using web = new OmniQ(options);
    await using work = new OmniQ(options);
    const worker = work.worker({ tasks: [add], concurrency: 4 });
    await worker.start();
    const handles = await Promise.all([1, 2, 3].map((x) => web.enqueue(add, { x, y: x })));
    expect(await Promise.all(handles.map((handle) => handle.result({ timeout: "20s" })))).toEqual([2, 4, 6]);
  });
});
