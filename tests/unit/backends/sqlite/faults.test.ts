/** A store whose writes fail for a while, full, read-only or broken: told with a code, waited for, and nothing acknowledged is lost. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineTask, OmniQ } from "../../../../src/index.ts";
import { SQLiteBackend } from "../../../../src/sqlite.ts";
import { TestClock } from "../../../../src/testing/clock.ts";
import { failing, FaultyDatabase } from "../../../fixtures/faulty-database.ts";
import type { Fault } from "../../../fixtures/faulty-database.ts";
import { until, withCode } from "../../../fixtures/helpers.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "omniq-faults-"));
});
afterEach(() => {
  failing.fault = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** Lets time pass in small steps, with turns for what each of them starts. */
async function pass(clock: TestClock, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 250) {
    await clock.advance(250);
    for (let i = 0; i < 12; i++) await turn();
  }
}

interface Line {
  readonly at: number;
  readonly message: string;
}

/** A worker on a file whose writes can be made to fail, with 6 tasks: the first two run until `release` is called. */
async function busyWorker() {
  const clock = new TestClock();
  const lines: Line[] = [];
  const log = (message: string): void => {
    lines.push({ at: clock.monotonic(), message });
  };
  const handle = new FaultyDatabase(join(folder, "a.db"));
  const backend = new SQLiteBackend({ connection: handle, clock });
  const omniq = new OmniQ({ backend, clock, logger: { debug() {}, info() {}, warn: log, error: log } });
  const waiting: (() => void)[] = [];
  const ran: string[] = [];
  const slow = defineTask({
    name: "slow",
    handler: async (_: object, { id }) => {
      ran.push(id);
      if (waiting.length < 2) await new Promise<void>((resolve) => waiting.push(resolve));
      return id;
    },
  });
  const worker = omniq.worker({ tasks: [slow], concurrency: 2 });
  await worker.start();
  const handles = await omniq.enqueueMany(Array.from({ length: 6 }, (_, i) => slow.with({}, { id: `t-${i}` })));
  await until(() => ran.length === 2);
  const release = (): void => {
    for (const resolve of waiting) resolve();
  };
  const close = async (): Promise<void> => {
    await omniq.close();
    handle.close();
  };
  const ended = async (): Promise<boolean> => {
    await pass(clock, 1_000);
    const { items } = await omniq.tasks.find();
    return items.every(({ phase }) => phase === "completed");
  };
  return { clock, omniq, slow, ran, lines, release, close, ended, handles };
}

const FAULTS: readonly (readonly [Fault, string])[] = [
  [{ code: "SQLITE_FULL", at: "write" }, "STORAGE_FULL"],
  [{ code: "SQLITE_FULL", at: "commit" }, "STORAGE_FULL"],
  [{ code: "SQLITE_IOERR_WRITE", at: "write" }, "STORAGE_IO"],
  [{ code: "SQLITE_IOERR_FSYNC", at: "commit" }, "STORAGE_IO"],
  [{ code: "SQLITE_READONLY", at: "write" }, "STORAGE_READONLY"],
];

describe.each(FAULTS)("a store that answers %j", (fault, code) => {
  test("for some seconds: callers are told, what has ended is written when it can be, each task runs once", async () => {
    const { clock, omniq, slow, ran, lines, release, close, ended } = await busyWorker();
    failing.fault = fault;
    await expect(omniq.enqueue(slow, {})).rejects.toEqual(withCode(code));
    release();
    await pass(clock, 6_000);
    // Reading goes on.
    expect((await omniq.tasks.find()).items.map(({ phase }) => phase).toSorted((a, b) => a.localeCompare(b))).toEqual([
      "ready",
      "ready",
      "ready",
      "ready",
      "running",
      "running",
    ]);
    failing.fault = undefined;
    await until(ended);
    expect(ran.toSorted((a, b) => a.localeCompare(b))).toEqual(["t-0", "t-1", "t-2", "t-3", "t-4", "t-5"]);
    expect(lines.length).toBeGreaterThan(1);
    await close();
  });

  test("for a minute: a line a second at most, no busy loop, and it goes on by itself; nothing acknowledged is lost", async () => {
    const { clock, omniq, ran, lines, release, close, ended, handles } = await busyWorker();
    failing.fault = fault;
    failing.times = 0;
    await pass(clock, 60_000);
    const kinds = new Map<string, number[]>();
    for (const { message, at } of lines) kinds.set(message, [...(kinds.get(message) ?? []), at]);
    expect(lines.length).toBeLessThanOrEqual(62 + handles.length);
    for (const times of kinds.values())
      for (const [i, at] of times.entries()) if (i > 0 && times.length > 6) expect(at - (times[i - 1] ?? 0)).toBeGreaterThanOrEqual(1_000);
    expect(failing.times).toBeLessThan(400);
    release();
    failing.fault = undefined;
    await until(ended);
    for (const { id } of handles) {
      expect(ran).toContain(id);
      const events = await omniq.events.find({ taskId: id });
      expect(events.filter(({ eventType }) => eventType === "completed")).toHaveLength(1);
    }
    await close();
  });
});

/** Root may mount a small file system of its own; others are told why not. */
function smallDisk(): string | undefined {
  const at = join(folder, "disk");
  mkdirSync(at);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "none", at], { stdio: "ignore" });
    return at;
  } catch {
    return undefined;
  }
}

test("a real disk that is full, and has room again", async ({ skip }) => {
  const disk = smallDisk();
  if (disk === undefined) return skip("mounting a small file system needs root");
  try {
    const lines: string[] = [];
    const log = (message: string): void => {
      lines.push(message);
    };
    const omniq = new OmniQ({ baseDir: disk, logger: { debug() {}, info() {}, warn: log, error: log } });
    const note = defineTask({ name: "note", handler: ({ text }: { text: string }) => text.length });
    const acknowledged = [];
    // Until the disk is full: a ballast leaves some hundred kilobytes.
    const ballast = openSync(join(disk, "ballast"), "w");
    writeSync(ballast, Buffer.alloc(1_200_000));
    closeSync(ballast);
    let refusal: unknown;
    for (let i = 0; refusal === undefined; i++)
      try {
        acknowledged.push(await omniq.enqueue(note, { text: "x".repeat(2_000) }, { id: `t-${i}` }));
      } catch (error) {
        refusal = error;
      }
    expect(refusal).toEqual(withCode("STORAGE_FULL"));
    expect(acknowledged.length).toBeGreaterThan(10);
    expect((await omniq.tasks.find({ limit: 1_000 })).items).toHaveLength(acknowledged.length);
    const worker = omniq.worker({ tasks: [note] });
    await Promise.all([worker.start().catch(() => {}), until(() => lines.length > 0 || worker.running.length === 0)]);
    rmSync(join(disk, "ballast"));
    await worker.start();
    for (const handle of acknowledged) expect(await handle.result({ timeout: "30s" })).toBe(2_000);
    await omniq.close();
  } finally {
    execFileSync("umount", ["-l", disk]);
  }
});

describe("a file that goes away under a worker", { tags: ["slow"] }, () => {
  test.each(["deleted", "replaced", "replaced beside its WAL"])(
    "%s: the worker tells of it and writes nothing into what nobody will read",
    async (how) => {
      const path = join(folder, "a.db");
      const errors: unknown[] = [];
      const omniq = new OmniQ({ url: `sqlite:${path}`, logger: { debug() {}, info() {}, warn() {}, error() {} } });
      const aborted: unknown[] = [];
      const wait = defineTask({
        name: "wait",
        handler: (_: object, { signal }) =>
          new Promise<void>((resolve) => {
            signal.addEventListener("abort", () => {
              aborted.push(signal.reason);
              resolve();
            });
          }),
      });
      const worker = omniq.worker({ tasks: [wait], lease: "2s" });
      worker.on("error", (error) => errors.push(error));
      await worker.start();
      await omniq.enqueue(wait, {});
      await until(() => worker.running.length === 1);
      const endings = how === "replaced beside its WAL" ? [""] : ["", "-wal", "-shm"];
      for (const ending of endings) renameSync(`${path}${ending}`, `${path}${ending}.away`);
      if (how === "replaced") {
        const other = new OmniQ({ url: `sqlite:${path}` });
        await other.open();
        await other.close();
      }
      // Whoever opens it now takes the WAL for its own, and the worker reads what is not its database any more.
      if (how === "replaced beside its WAL") {
        const other = new DatabaseSync(path);
        other.exec("PRAGMA journal_mode = WAL; CREATE TABLE yours (a); PRAGMA wal_checkpoint(TRUNCATE)");
        other.close();
      }
      const gone = { code: "STORAGE_FAILED", message: expect.stringContaining("was deleted or replaced") as unknown };
      await until(() => errors.length > 0);
      expect(errors[0]).toMatchObject(gone);
      await until(() => aborted.length > 0);
      await expect(omniq.enqueue(wait, {})).rejects.toMatchObject(gone);
      await worker.stop({ timeout: 0 });
      await omniq.close();
    },
  );
});
