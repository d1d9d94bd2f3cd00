/** Bits that change where they lie: told with a code, and never handed to a handler or a caller as another value. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checksumOf } from "../../../../src/backends/sqlite/checksum.ts";
import { sqliteMover } from "../../../../src/backends/sqlite/transfer.ts";
import { OmniQError } from "../../../../src/core/errors.ts";
import { defineTask, OmniQ } from "../../../../src/index.ts";
import { SQLiteBackend } from "../../../../src/sqlite.ts";
import { withCode } from "../../../fixtures/helpers.ts";

const ran: unknown[] = [];
const note = defineTask({ name: "note", handler: ({ text }: { text: string }) => ran.push(text) });
const say = defineTask({ name: "say", handler: ({ text }: { text: string }) => text });
const gather = defineTask({ name: "gather", maxRetries: 0, handler: async (_: object, ctx) => (await ctx.parentResults()).length });

let folder = "";
let path = "";
let omniq: OmniQ;
const logger = { debug() {}, info() {}, warn() {}, error() {} };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "omniq-checksum-"));
  path = join(folder, "omniq.db");
  omniq = new OmniQ({ baseDir: folder, logger });
  ran.length = 0;
});
afterEach(async () => {
  await omniq.close();
  rmSync(folder, { recursive: true });
});

function sql(text: string): void {
  const db = new DatabaseSync(path);
  db.exec(text);
  db.close();
}
const PLACES = { tasks: ["args", "id"], results: ["result", "task_id"], schedules: ["template", "id"] } as const;
/** Changes a payload as a disk would: its checksum stays. */
function damage(table: keyof typeof PLACES, id: string): void {
  const [column, key] = PLACES[table];
  const db = new DatabaseSync(path);
  const { checksum = null } = db.prepare(`SELECT checksum FROM ${table} WHERE ${key} = ?`).get(id) ?? {};
  db.prepare(`UPDATE ${table} SET ${column} = replace(${column}, 'hello', 'hullo') WHERE ${key} = ?`).run(id);
  db.prepare(`UPDATE ${table} SET checksum = ? WHERE ${key} = ?`).run(checksum, id);
  db.close();
}
const drain = (): Promise<void> => omniq.worker({ tasks: [note, say, gather] }).drain();

/** Every file that differs from this one by one bit inside `text`, which stands there once or more. */
function* flipped(text: string): Generator<string> {
  const bytes = readFileSync(path);
  const places: number[] = [];
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) places.push(at);
  expect(places.length).toBeGreaterThan(0);
  const copy = join(folder, "flipped.db");
  for (const place of places)
    for (let bit = 0; bit < text.length * 8; bit++) {
      const at = place + (bit >> 3);
      copyFileSync(path, copy);
      const before = bytes[at] ?? 0;
      bytes[at] = before ^ (1 << (bit & 7));
      writeFileSync(copy, bytes);
      bytes[at] = before;
      yield copy;
    }
}

/** What somebody reads there: the text, or the code of the error that tells of it. */
async function read(file: string, look: (backend: SQLiteBackend) => Promise<string | undefined>): Promise<string | undefined> {
  const backend = new SQLiteBackend({ path: file });
  try {
    await backend.initialize();
    return await look(backend);
  } catch (error) {
    if (error instanceof OmniQError) return error.code;
    throw error;
  } finally {
    await backend.close();
  }
}

describe("each single bit", () => {
  test("of a task's arguments: a claim tells of it", async () => {
    await omniq.enqueue(note, { text: "hello" });
    await omniq.close();
    const seen = new Map<string | undefined, number>();
    for (const file of flipped('{"text":"hello"}')) {
      const told = await read(file, async ({ presence, work }) => {
        const process = { host: "h", boot: "b", pid: 1, started: "s", leaseMs: 9_000, concurrency: 1 };
        await presence.arrive({ worker: "w", role: "worker", ...process, queues: ["default"], names: ["note"] });
        const { claims } = await work.claim({
          worker: "w",
          limit: 1,
          of: { due: true, queues: ["default"], names: "any", announce: true },
        });
        return claims[0]?.task.damaged === true ? "damaged" : claims[0]?.task.args;
      });
      seen.set(told, (seen.get(told) ?? 0) + 1);
    }
    expect(Object.fromEntries(seen)).toEqual({ damaged: 16 * 8 });
  });

  test("of a result: whoever reads it is told", async () => {
    await omniq.enqueue(say, { text: "hello" }, { id: "t" });
    await drain();
    await omniq.close();
    const seen = new Set<unknown>();
    for (const file of flipped('completed"hello"')) {
      const told = await read(file, async ({ results }) => {
        const [row] = await results.get(["t"]);
        return row?.damaged === true ? "damaged" : row?.value;
      });
      seen.add(told);
    }
    // The status beside it is no payload: a flip there alone leaves the value as it was.
    expect(seen).toEqual(new Set(['"hello"', "damaged"]));
  });

  test("of a schedule's rule and template: it is broken", async () => {
    await omniq.schedule(note, { text: "hello" }, { id: "s", cron: "0 3 * * *" });
    await omniq.close();
    const seen = new Set<unknown>();
    for (const file of flipped('"cron":"0 3 * * *"')) {
      const told = await read(file, async ({ schedules }) => (await schedules.list({ ids: ["s"], limit: 1 }))[0]?.unreadable?.join());
      seen.add(told);
    }
    for (const told of seen) expect(told).toMatch(/^rule,policy,template/);
  });
});

describe("what is damaged", () => {
  test("is never handed to a handler: the task fails for good, its callback is not run, and its dependents are told", async () => {
    const handle = await omniq.enqueue(note, { text: "hello" }, { id: "t", callback: say, callbackArgs: { text: "after" } });
    const child = await omniq.enqueue(note, { text: "child" }, { dependsOn: ["t"] });
    await omniq.enqueue(note, { text: "other" });
    damage("tasks", "t");
    expect(await omniq.tasks.get("t")).toMatchObject({ broken: expect.stringContaining("arguments of task t") as unknown });
    await drain();
    expect(ran).toEqual(["other"]);
    await expect(handle.result()).rejects.toMatchObject({ code: "TASK_FAILED", failure: { code: "PAYLOAD_DAMAGED" } });
    await expect(child.result()).rejects.toMatchObject({ code: "TASK_CANCELLED" });
    expect((await omniq.tasks.find({ func: "say" })).items).toEqual([]);
    await omniq.tasks.retry("t");
    await drain();
    expect(ran).toEqual(["other"]);
  });

  test("is no result: not for the caller, not by its desk, not for a child", async () => {
    const handle = await omniq.enqueue(say, { text: "hello" }, { id: "t" });
    await drain();
    damage("results", "t");
    await expect(handle.result()).rejects.toEqual(withCode("PAYLOAD_DAMAGED"));
    await expect(omniq.results.get("t")).rejects.toEqual(withCode("PAYLOAD_DAMAGED"));
    const child = await omniq.enqueue(gather, {}, { dependsOn: ["t"] });
    await drain();
    await expect(child.result()).rejects.toMatchObject({ failure: { code: "PAYLOAD_DAMAGED" } });
  });

  test("is no failure either", async () => {
    const fail = defineTask({
      name: "fail",
      maxRetries: 0,
      handler: () => {
        throw new Error("hello");
      },
    });
    const handle = await omniq.enqueue(fail, undefined, { id: "t" });
    await omniq.worker({ tasks: [fail] }).drain();
    sql("UPDATE results SET checksum = ~checksum");
    await expect(handle.result()).rejects.toEqual(withCode("PAYLOAD_DAMAGED"));
  });

  test("makes no tasks of a schedule, and is made again with it", async () => {
    await omniq.schedule(note, { text: "hello" }, { id: "s", every: "1h" });
    damage("schedules", "s");
    await expect(omniq.schedules.runNow("s")).rejects.toEqual(withCode("SCHEDULE_BROKEN"));
    await omniq.schedule(note, { text: "hello" }, { id: "s", every: "1h" });
    await omniq.schedules.runNow("s");
    await drain();
    expect(ran).toEqual(["hello"]);
  });

  test("is not moved to another database as if it were sound", async () => {
    await omniq.enqueue(note, { text: "hello" }, { id: "t" });
    damage("tasks", "t");
    await omniq.close();
    const mover = sqliteMover(path, "");
    await expect(mover.read("tasks", null)).rejects.toMatchObject({
      code: "STORAGE_CORRUPT",
      message: expect.stringContaining("task t") as unknown,
    });
    await mover.close();
  });

  test("does not become sound by an edit", async () => {
    const backend = new SQLiteBackend({ path });
    await backend.initialize();
    await omniq.enqueue(note, { text: "hello" }, { id: "t", runIn: "1h" });
    damage("tasks", "t");
    const [row] = await backend.desk.get(["t"]);
    expect(await backend.desk.edit([{ id: "t", revision: row?.revision ?? -1, patch: { callback: { func: "say" } } }])).toEqual(["edited"]);
    expect((await backend.desk.get(["t"]))[0]).toMatchObject({ damaged: true });
    await backend.close();
  });
});

describe("what was changed on purpose", () => {
  test("with SQL is taken as it is", async () => {
    await omniq.enqueue(note, { text: "hello" });
    await omniq.schedule(note, { text: "hello" }, { id: "s", every: "1h" });
    const handle = await omniq.enqueue(say, { text: "hello" });
    await omniq.worker({ tasks: [say] }).drain();
    for (const [table, column] of [
      ["tasks", "args"],
      ["results", "result"],
      ["schedules", "template"],
    ] as const)
      sql(`UPDATE ${table} SET ${column} = replace(${column}, 'hello', 'hullo')`);
    await omniq.schedules.runNow("s");
    await drain();
    expect(ran).toEqual(["hullo", "hullo"]);
    expect(await handle.result()).toBe("hullo");
  });

  test("by an edit or by a unique task that replaces it has a checksum that holds", async () => {
    const backend = new SQLiteBackend({ path });
    await backend.initialize();
    const unique = { key: "k", onConflict: "replace" } as const;
    await omniq.enqueue(note, { text: "hello" }, { id: "t", runIn: "1h", unique });
    await omniq.enqueue(note, { text: "other" }, { runIn: "1h", unique });
    const checksum = (): unknown => {
      const db = new DatabaseSync(path);
      const found = db.prepare("SELECT checksum FROM tasks WHERE id = 't'").get()?.["checksum"];
      db.close();
      return found;
    };
    expect(checksum()).toBe(checksumOf("note", '{"text":"other"}', null, null));
    const [row] = await backend.desk.get(["t"]);
    await backend.desk.edit([{ id: "t", revision: row?.revision ?? -1, patch: { callback: { func: "say" } } }]);
    expect(checksum()).toBe(checksumOf("note", '{"text":"other"}', null, '{"func":"say"}'));
    expect((await backend.desk.get(["t"]))[0]).toMatchObject({ callback: { func: "say" } });
    await backend.close();
  });

  test("by a worker of version 2, which knows no checksums, is what the next one reads", async () => {
    await omniq.enqueue(say, { text: "hello" }, { id: "old" });
    await drain();
    await omniq.enqueue(note, { text: "hello" }, { id: "waits", runIn: "1h" });
    // As that version wrote them: a replaced unique task, a result of a later attempt, a new task.
    sql(`UPDATE tasks SET func = 'note', queue_name = 'default', stage = 0, due_at = 0, args = '{"text":"by two"}', kwargs = NULL, callback = NULL WHERE id = 'waits';
      INSERT INTO results(task_id, fence, status, result, created_at, retry_count) VALUES ('old', 9, 'completed', '"by two"', 0, 0)
      ON CONFLICT(task_id) DO UPDATE SET fence = excluded.fence, status = excluded.status, result = excluded.result, error_name = NULL;
      INSERT INTO tasks(id, func, queue_name, priority, due_at, fence, created_at, args, max_retries, retry_delay, max_crashes, store_result, stage, status)
      VALUES ('new', 'note', 'default', 0, 1, 0, 1, '{"text":"by two, new"}', 3, 5000, 3, 1, 0, 'pending')`);
    await drain();
    expect(ran).toEqual(["by two", "by two, new"]);
    expect((await omniq.results.get("old"))?.result).toBe("by two");
  });
});

test("texts that are told apart otherwise have other checksums", () => {
  const sums = [[], ["a"], ["a", null], ["a", ""], [null, "a"], ["", "a"], ["ab"], ["a", "b"], ["b", "a"]].map((texts) =>
    checksumOf(...texts),
  );
  // An absent text and an empty one are alike, but for their number.
  expect(new Set(sums).size).toBe(7);
});
