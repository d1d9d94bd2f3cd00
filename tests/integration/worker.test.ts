/** The worker on SQLite files: in several processes, killed, stopped and frozen; and on a thread of its own. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { encode } from "../../src/core/codec.ts";
import { ModuleError, StorageError, SyncUnsupportedError } from "../../src/core/errors.ts";
import type { NewTask, StoredTask } from "../../src/core/task.ts";
import { DEFAULT_POLICY } from "../../src/core/task.ts";
import { OmniQ } from "../../src/index.ts";
import { Task } from "../../src/models/task.ts";
import { defineTask } from "../../src/runtime/definition.ts";
import { SQLiteBackend } from "../../src/sqlite.ts";
import { TestClock } from "../../src/testing/clock.ts";
import { Worker } from "../../src/worker.ts";
import type { ComponentWorkerOptions } from "../../src/worker.ts";
import { until } from "../fixtures/helpers.ts";
import { exit, work } from "../fixtures/worker-tasks.ts";

const MODULES = [new URL("../fixtures/worker-tasks.ts", import.meta.url)];
const ENDING = [...MODULES, new URL("../fixtures/ending-tasks.ts", import.meta.url)];
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const SCRIPT = fileURLToPath(new URL("../fixtures/worker-process.ts", import.meta.url));

let dir = "";
let witness = "";
let backend: SQLiteBackend;
let children: ChildProcess[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "omniq-worker-"));
  witness = join(dir, "witness");
  backend = new SQLiteBackend({ projectName: "test", baseDir: dir });
  await backend.initialize();
});

afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  children = [];
  await backend.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Starts a worker in a process of its own, and waits until it runs. */
async function start(options: object = {}): Promise<ChildProcess> {
  const child = spawn(process.execPath, [SCRIPT, JSON.stringify({ baseDir: dir, ...options })], { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let said = "";
  child.stderr?.on("data", (text: Buffer) => (said += text.toString()));
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once("data", () => resolve());
    child.once("exit", () => reject(new Error(`The worker's process ended: ${said}`)));
  });
  return child;
}

const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => {
    child.once("exit", (code) => resolve(code));
  });

let ids = 0;
async function enqueue(args: object, more: Partial<NewTask> = {}): Promise<string> {
  const task: NewTask = {
    ...DEFAULT_POLICY,
    id: `task-${++ids}`,
    func: "work",
    args: encode({ witness, ...args }),
    queue: "default",
    priority: 0,
    tags: [],
    dependsOn: [],
    ...more,
  };
  await backend.work.enqueue([{ tasks: [task], announce: true }]);
  return task.id;
}

async function get(id: string): Promise<StoredTask> {
  const [row] = await backend.desk.get([id]);
  if (row === undefined) throw new Error(`no task ${id}`);
  return row;
}

async function story(id: string): Promise<readonly string[]> {
  return (await backend.events.newest({ taskId: id, limit: 100 })).toReversed().map(({ type }) => type);
}

const lines = (): readonly string[] => (existsSync(witness) ? readFileSync(witness, "utf8").trim().split("\n") : []);
const ended = (id: string): Promise<StoredTask> =>
  until(async () => {
    const row = await get(id);
    return ["completed", "failed", "cancelled", "expired"].includes(row.phase) && row;
  }, 30_000);
const started = (id: string, times = 1): Promise<boolean> =>
  until(() => lines().filter((line) => line.startsWith(`start ${id} `)).length >= times, 30_000);

/** A worker in this process. */
function here(more: Partial<ComponentWorkerOptions> = {}): Worker {
  const taskQueue = backend.taskQueue(["default"]);
  return new Worker({ taskQueue, tasks: [work], ...more } as ComponentWorkerOptions);
}

/** Freezes a process at a moment at which it does not hold SQLite's write lock: nobody could write until it wakes. */
async function freeze(child: ChildProcess): Promise<void> {
  await until(() => {
    child.kill("SIGSTOP");
    const probe = new DatabaseSync(backend.path, { timeout: 50 });
    try {
      probe.exec("BEGIN IMMEDIATE; ROLLBACK");
      return true;
    } catch {
      child.kill("SIGCONT");
      return false;
    } finally {
      probe.close();
    }
  });
}

describe("processes on one file", () => {
  test("a task enqueued here runs there, woken and not polled for", async () => {
    const child = await start();
    const id = await enqueue({});
    expect((await ended(id)).status).toBe("completed");
    const [result] = await backend.results.get([id]);
    expect(result?.value).toBe(String(child.pid));
    expect(await story(id)).toEqual(["enqueued", "executing", "completed"]);
  });

  test("two workers share the tasks, each runs once", async () => {
    await Promise.all([start({ concurrency: 4 }), start({ concurrency: 4 })]);
    const all = await Promise.all(Array.from({ length: 40 }, () => enqueue({ ms: 20 })));
    for (const id of all) await ended(id);
    const starts = lines().filter((line) => line.startsWith("start"));
    expect(starts).toHaveLength(40);
    expect(new Set(starts.map((line) => line.split(" ")[3])).size).toBe(2);
  });

  test("whoever waits for a cancelled task of a killed worker is told, though no worker is left", async () => {
    const child = await start();
    const [asked, plain] = [await enqueue({ ms: 60_000 }), await enqueue({ ms: 60_000 })];
    await started(asked);
    await started(plain);
    const gone = exitOf(child);
    child.kill("SIGKILL");
    await gone;
    const omniq = new OmniQ({ backend });
    expect(await omniq.tasks.cancel(asked, { reason: "enough" })).toBe("asked");
    // Where the system tells that the process has ended; elsewhere when its lease is over.
    await expect(omniq.handle(asked).result()).rejects.toMatchObject({ code: "TASK_CANCELLED" });
    expect(await story(asked)).toEqual(["enqueued", "executing", "cancelled"]);
    expect((await get(plain)).status).toBe("running");
  });

  test("a cancellation here aborts the handler there", async () => {
    await start();
    const id = await enqueue({ ms: 60_000 });
    await started(id);
    await until(async () => (await get(id)).status === "running");
    await backend.desk.cancel([id], "enough");
    expect(await ended(id)).toMatchObject({ status: "cancelled", reason: "enough" });
    expect(lines().some((line) => line.startsWith(`abort:TaskCancelledError ${id}`))).toBe(true);
  });

  test("SIGTERM: running handlers get their grace, and a second signal gives the task back at once", async () => {
    const child = await start();
    const [quick, long] = [await enqueue({ ms: 300 }), await enqueue({ ms: 60_000 })];
    await started(quick);
    await started(long);
    const exit = exitOf(child);
    child.kill("SIGTERM");
    expect((await ended(quick)).status).toBe("completed");
    expect((await get(long)).status).toBe("running");
    child.kill("SIGTERM");
    expect(await exit).toBe(0);
    expect(await get(long)).toMatchObject({ status: "pending", attempt: 0, crashCount: 0 });
    expect(await backend.presence.workers(10)).toEqual([]);
  });

  test("kill -9: the tasks run again elsewhere as soon as the process is seen to be gone", async () => {
    const child = await start();
    const id = await enqueue({ ms: 60_000 });
    const done = await enqueue({});
    await started(id);
    await ended(done);
    const exit = exitOf(child);
    child.kill("SIGKILL");
    await exit;
    const again = here({ tasks: [defineTask({ name: "work", handler: () => "again" })] });
    await again.start();
    expect(await ended(id)).toMatchObject({ status: "completed", crashCount: 1, retryCount: 0, attempt: 2 });
    expect(await story(id)).toEqual(["enqueued", "executing", "crashed", "executing", "completed"]);
    expect(await story(done)).toEqual(["enqueued", "executing", "completed"]);
    await again.stop();
  });

  test("a handler that ends its process is a crash of all that ran there, and no success", async () => {
    const child = await start();
    const beside = await enqueue({ ms: 60_000 });
    await started(beside);
    const code = exitOf(child);
    const id = await enqueue({}, { func: "exit" });
    expect(await code).toBe(0);
    expect([(await get(id)).status, (await get(beside)).status]).toEqual(["running", "running"]);
    const again = here({ tasks: [exit, defineTask({ name: "work", handler: () => "again" })] });
    await again.start();
    for (const each of [id, beside])
      expect(await ended(each)).toMatchObject({ status: "completed", attempt: 2, crashCount: 1, retryCount: 0 });
    expect(await story(id)).toEqual(["enqueued", "executing", "crashed", "executing", "completed"]);
    await again.stop();
  });

  test("kill -9 in the midst of an enqueueMany of thousands leaves all of it or nothing", { tags: ["slow"] }, async () => {
    const wal = `${backend.path}-wal`;
    const before = statSync(wal).size;
    const code = `
      import { defineTask, OmniQ } from ${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)};
      const omniq = new OmniQ({ url: ${JSON.stringify(`sqlite:${backend.path}`)} });
      const t = defineTask({ name: "t", handler: () => 1 });
      // More than SQLite keeps in memory, so that it writes long before the commit.
      await omniq.enqueueMany(Array.from({ length: 40_000 }, (_, i) => t.with({ i, text: "x".repeat(1_000) })));`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: "ignore" });
    children.push(child);
    await until(() => statSync(wal).size > before + 1_000_000);
    const gone = exitOf(child);
    child.kill("SIGKILL");
    await gone;
    const left = new DatabaseSync(backend.path);
    const counts = ["tasks", "events"].map((table) => left.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.["n"]);
    left.close();
    // All where this process was so slow to look that it was over.
    expect([
      [0, 0],
      [40_000, 40_000],
    ]).toContainEqual(counts);
    const id = await enqueue({});
    expect((await get(id)).phase).toBe("ready");
  });

  test(
    "a frozen worker loses its task after its lease; awake again its handler is aborted and its outcome refused",
    { tags: ["slow"] },
    async () => {
      const child = await start({ lease: "1s" });
      const id = await enqueue({ ms: 20_000 });
      await started(id);
      await freeze(child);
      const other = here({ tasks: [defineTask({ name: "work", handler: () => "other" })] });
      await other.start();
      expect(await ended(id)).toMatchObject({ status: "completed", attempt: 2 });
      child.kill("SIGCONT");
      await until(() => lines().some((line) => line.startsWith("abort:LeaseLostError")));
      expect((await backend.results.get([id]))[0]?.value).toBe('"other"');
      expect((await story(id)).filter((type) => type === "completed")).toHaveLength(1);
      const next = await enqueue({});
      await other.stop();
      expect((await ended(next)).status).toBe("completed");
    },
  );

  test("a handler that blocks its thread for many leases keeps its task: a deputy beats for it", { tags: ["slow"] }, async () => {
    await start({ lease: "500ms" });
    const gate = join(dir, "gate");
    const id = await enqueue({ until: gate }, { func: "block" });
    await started(id);
    const beats = async (): Promise<number> => (await backend.presence.workers(10))[0]?.beat ?? 0;
    const before = await beats();
    const other = here({ tasks: [defineTask({ name: "block", handler: () => "other" })] });
    await other.start();
    await until(async () => (await beats()) > before + 6);
    expect(await get(id)).toMatchObject({ status: "running", attempt: 1, fence: 1 });
    writeFileSync(gate, "");
    expect(await ended(id)).toMatchObject({ status: "completed", attempt: 1, crashCount: 0 });
    expect(await story(id)).toEqual(["enqueued", "executing", "completed"]);
    await other.stop();
  });

  test("a handler that is stuck for good keeps it for ten leases, and its outcome is refused", { tags: ["slow"] }, async () => {
    await start({ lease: "300ms" });
    const gate = join(dir, "gate");
    const id = await enqueue({ until: gate }, { func: "block" });
    await started(id);
    const other = here({ tasks: [defineTask({ name: "block", handler: () => "other" })] });
    await other.start();
    expect(await ended(id)).toMatchObject({ status: "completed", attempt: 2, crashCount: 1 });
    writeFileSync(gate, "");
    await until(() => lines().some((line) => line.startsWith(`end ${id} 1 `)));
    const next = await enqueue({});
    await other.stop();
    await ended(next);
    expect((await backend.results.get([id]))[0]?.value).toBe('"other"');
    expect(await story(id)).toEqual(["enqueued", "executing", "crashed", "executing", "completed"]);
  });

  test("a child of a task is made once, also when its parent runs twice", async () => {
    const id = await enqueue({}, { func: "parent" });
    await start();
    const { value } = (await until(async () => (await backend.results.get([id]))[0])) ?? {};
    const child: unknown = JSON.parse(value ?? "null");
    expect((await ended(String(child))).status).toBe("completed");
    expect(String(child)).toBe(`${id}.1`);
  });
});

describe("two files", () => {
  test("tasks here, results and events there", async () => {
    const elsewhere = new SQLiteBackend({ projectName: "other", baseDir: dir });
    const worker = here({ resultStorage: elsewhere.resultStorage(), eventStorage: elsewhere.eventStorage() });
    const id = await enqueue({});
    await worker.drain();
    expect((await get(id)).status).toBe("completed");
    expect((await elsewhere.results.get([id]))[0]?.value).toBe(String(process.pid));
    expect(await backend.results.get([id])).toEqual([undefined]);
    expect((await elsewhere.events.newest({ taskId: id, limit: 9 })).map(({ type }) => type)).toEqual(["completed", "executing"]);
    await elsewhere.close();
  });
});

describe("on a thread of its own", () => {
  const block = (ms: number): void => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  };
  const onThread = (more: Partial<ComponentWorkerOptions> = {}): Worker => {
    const taskQueue = backend.taskQueue(["default"]);
    return new Worker({ taskQueue, modules: MODULES, ...more } as ComponentWorkerOptions);
  };

  test("works while this thread blocks, and stops in both ways", async () => {
    const worker = onThread();
    worker.startSync();
    worker.startSync();
    expect(worker.isRunning).toBe(true);
    const queue = backend.taskQueue(["default"]);
    const results = backend.resultStorage();
    const task = new Task({ func: "add", funcArgs: { x: 5, y: 10 } });
    queue.enqueueSync(task);
    for (let i = 0; i < 1_000 && results.getSync(task.id) === undefined; i++) block(5);
    expect(results.getSync(task.id)?.result).toBe(15);
    worker.stopSync();
    worker.stopSync();
    expect(worker.isRunning).toBe(false);
    expect(backend.sync.presence.workers(10)).toEqual([]);
    worker.startSync();
    await worker.stop();
    expect(backend.sync.presence.workers(10)).toEqual([]);
  });

  test("stopSync waits for running handlers, and gives back what outlasts the grace", () => {
    const worker = onThread();
    worker.startSync();
    const queue = backend.taskQueue(["default"]);
    const quick = new Task({ func: "work", funcArgs: { witness, ms: 300 } });
    const long = new Task({ func: "work", funcArgs: { witness, ms: 60_000 } });
    queue.enqueueSync(quick);
    queue.enqueueSync(long);
    for (let i = 0; i < 1_000 && lines().length < 2; i++) block(5);
    worker.stopSync({ timeout: 1_000 });
    expect(queue.getTaskSync(quick.id)).toMatchObject({ status: "completed" });
    expect(queue.getTaskSync(long.id)).toMatchObject({ status: "pending", attempt: 0 });
    expect(lines().some((line) => line.startsWith(`abort:WorkerStoppingError ${long.id}`))).toBe(true);
  });

  test("tells its listeners and its logger here", async () => {
    const lines: string[] = [];
    const heard: unknown[] = [];
    const keep = (message: string): void => void lines.push(message);
    const worker = onThread({ logger: { debug: keep, info: keep, warn: keep, error: keep } });
    worker.on("completed", ({ func }) => heard.push(func));
    worker.startSync();
    const id = await enqueue({ x: 1, y: 2 }, { func: "add" });
    await ended(id);
    await until(() => heard.length === 1);
    expect(heard).toEqual(["add"]);
    await worker.stop();
    expect(lines).toEqual([]);
  });

  test.each([
    ["an error that nobody catches", "fail-late", "The thread of a worker failed", "late"],
    ["process.exit()", "leave", "The thread of a worker ended, though nobody stopped it", "exit code 3"],
  ])("that ends by %s is told, and can be started again and stopped", async (_, func, line, why) => {
    const lines: string[] = [];
    const keep = (message: string): void => void lines.push(message);
    const errors: Error[] = [];
    const worker = onThread({ modules: ENDING, logger: { debug: keep, info: keep, warn: keep, error: keep } });
    worker.on("error", (error) => errors.push(error));
    worker.startSync();
    await enqueue({}, { func });
    await until(() => errors.length === 1);
    expect(errors[0]).toMatchObject({ code: "THREAD_ENDED", message: expect.stringContaining(why) as unknown });
    expect([lines, worker.isRunning]).toEqual([[line], false]);
    await worker.stop();
    worker.startSync();
    expect(worker.isRunning).toBe(true);
    const id = await enqueue({ x: 1, y: 2 }, { func: "add" });
    await ended(id);
    await worker.stop();
    expect([lines.length, errors.length, worker.isRunning]).toEqual([1, 1, false]);
  });

  test("that ends while this thread blocks is seen at once, and stops in both ways", async () => {
    const worker = onThread({ modules: ENDING, logger: SILENT });
    for (const stop of [() => worker.stopSync(), () => worker.stop(), undefined]) {
      worker.startSync();
      backend.taskQueue(["default"]).enqueueSync(new Task({ func: "leave" }));
      for (let i = 0; i < 1_000 && worker.isRunning; i++) block(5);
      expect(worker.isRunning).toBe(false);
      await Promise.resolve(stop?.());
    }
    // Nor does the end of the one before, told only now, count as the end of this one.
    worker.startSync();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    expect(worker.isRunning).toBe(true);
    await worker.stop();
  });

  test("needs modules, files and the machine's clock", () => {
    const taskQueue = backend.taskQueue(["default"]);
    expect(() => here().startSync()).toThrow(SyncUnsupportedError);
    expect(() => here().startSync()).toThrow(/modules.*a function cannot be sent to a thread/);
    expect(() => new Worker({ taskQueue, modules: MODULES, clock: new TestClock() }).startSync()).toThrow(/clock/);
    const memory = new SQLiteBackend({ path: ":memory:" });
    expect(() => new Worker({ taskQueue: memory.taskQueue(["default"]), modules: MODULES }).startSync()).toThrow(/in memory/);
  });

  test("throws here, typed, what its start threw there", () => {
    const taskQueue = backend.taskQueue(["default"]);
    const start = (module: string): void => {
      new Worker({ taskQueue, modules: [new URL(module, import.meta.url)] }).startSync();
    };
    expect(() => start("../fixtures/empty-module.ts")).toThrow(ModuleError);
    expect(() => start("../fixtures/empty-module.ts")).toThrow(/export tasks/);
    expect(() => start("../fixtures/no-such-module.ts")).toThrow(expect.objectContaining({ code: "MODULE_NOT_LOADED" }));
    const nowhere = new SQLiteBackend({ path: join(dir, "no", "such", "folder", "x.db") });
    expect(() => new Worker({ taskQueue: nowhere.taskQueue(["default"]), modules: MODULES }).startSync()).toThrow(StorageError);
  });

  test("a worker has one thread: this one or its own", async () => {
    const worker = onThread();
    await worker.start();
    expect(() => worker.startSync()).toThrow(SyncUnsupportedError);
    expect(() => worker.stopSync()).toThrow(SyncUnsupportedError);
    await worker.stop();
    worker.startSync();
    await worker.start();
    await expect(worker.drain()).rejects.toThrow(SyncUnsupportedError);
    worker.stopSync();
  });
});
