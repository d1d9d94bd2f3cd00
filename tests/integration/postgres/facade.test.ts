/** The façade on PostgreSQL: made by a URL or with the caller's pool, and enqueueing inside the caller's transaction. */
import { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defineTask, OmniQ } from "../../../src/index.ts";
import { PostgresBackend } from "../../../src/postgres.ts";
import { POSTGRES_URL } from "../../fixtures/postgres.ts";
import { until } from "../../fixtures/helpers.ts";

const add = defineTask({ name: "add", handler: ({ x, y }: { x: number; y: number }) => x + y });

describe.skipIf(POSTGRES_URL === "")("the façade on PostgreSQL", () => {
  const schema = `omniq_test_facade_${process.pid}`;
  const pool = new Pool({ connectionString: POSTGRES_URL, max: 6 });
  beforeAll(async () => {
    await pool.query(`CREATE TABLE IF NOT EXISTS ${schema}_orders (id text)`);
  });
  afterAll(async () => {
    await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE; DROP TABLE ${schema}_orders`);
    await pool.end();
  });

  test("a task enqueued here runs there, woken and awaited", async () => {
    await using web = new OmniQ({ url: POSTGRES_URL, schema });
    await using work = new OmniQ({ url: POSTGRES_URL, schema });
    await work.worker({ tasks: [add] }).start();
    const handle = await web.enqueue(add, { x: 1, y: 2 });
    expect(handle.created).toBe(true);
    expect(await handle.result({ timeout: "30s" })).toBe(3);
    expect((await handle.events()).map(({ eventType }) => eventType)).toEqual(["enqueued", "executing", "completed"]);
    expect(await web.tasks.why(handle.id)).toMatchObject({ phase: "completed" });
  });

  test("retry by a filter brings parents back before their children, across its pages", async () => {
    await using omniq = new OmniQ({ url: POSTGRES_URL, schema });
    const queueName = "nightly";
    const parent = await omniq.enqueue(add, { x: 0, y: 0 }, { queueName });
    const near = await omniq.enqueue(add, { x: 0, y: 1 }, { queueName, dependsOn: [parent] });
    await omniq.enqueueMany(Array.from({ length: 250 }, (_, x) => add.with({ x, y: 2 }, { queueName })));
    const far = await omniq.enqueue(add, { x: 0, y: 3 }, { queueName, dependsOn: [near] });
    await omniq.tasks.cancel({ queueName });
    expect(await omniq.tasks.retry({ queueName })).toEqual({ retried: 253 });
    expect([(await near.get())?.phase, (await far.get())?.phase]).toEqual(["blocked", "blocked"]);
    await omniq.tasks.cancel({ queueName });
  });

  test("events are followed by their cursor, none is skipped", async () => {
    await using omniq = new OmniQ({ url: POSTGRES_URL, schema });
    const seen: string[] = [];
    const stop = new AbortController();
    const handles = await omniq.enqueueMany(Array.from({ length: 20 }, (_, i) => add.with({ x: i, y: 0 })));
    const ids = new Set(handles.map(({ id }) => id));
    const following = (async () => {
      for await (const { taskId, eventType } of omniq.events.follow({ signal: stop.signal }))
        if (ids.has(taskId ?? "")) seen.push(eventType);
    })();
    const worker = omniq.worker({ tasks: [add], concurrency: 4 });
    await worker.start();
    await Promise.all(handles.map((handle) => handle.result({ timeout: "30s" })));
    await until(() => seen.length === 60);
    expect(["enqueued", "executing", "completed"].map((type) => seen.filter((each) => each === type).length)).toEqual([20, 20, 20]);
    stop.abort();
    await following.catch(() => undefined);
  });

  test("events that an older transaction holds back are told as soon as it has ended, though nobody rings then", async () => {
    await using omniq = new OmniQ({ url: POSTGRES_URL, schema });
    const older = await pool.connect();
    await older.query("BEGIN; SELECT pg_current_xact_id()");
    const handle = await omniq.enqueue(add, { x: 1, y: 1 });
    const stop = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const { taskId, eventType } of omniq.events.follow({ signal: stop.signal }))
        if (taskId === handle.id) seen.push(eventType);
    })();
    await until(async () => (await handle.events()).length === 1);
    expect(seen).toEqual([]);
    await older.query("COMMIT");
    older.release();
    await until(() => seen.length === 1);
    stop.abort();
    await following.catch(() => undefined);
  });

  test("tx: the task lives and dies with the caller's transaction, and a refusal leaves it usable", async () => {
    const backend = new PostgresBackend({ pool, schema });
    await using omniq = new OmniQ({ backend });
    await omniq.open();
    const client = await pool.connect();
    await client.query("BEGIN");
    await client.query(`INSERT INTO ${schema}_orders VALUES ('one')`);
    const kept = await omniq.enqueue(add, { x: 1, y: 2 }, { tx: client });
    expect(await omniq.tasks.get(kept.id)).toBeUndefined();
    await expect(omniq.enqueue(add, { x: 1, y: 2 }, { tx: client, dependsOn: ["nobody"] })).rejects.toMatchObject({
      code: "UNKNOWN_PARENT",
    });
    await client.query("COMMIT");
    expect(await omniq.tasks.get(kept.id)).toMatchObject({ status: "pending" });
    await client.query("BEGIN");
    const gone = await omniq.enqueue(add, { x: 1, y: 2 }, { tx: client });
    await client.query("ROLLBACK");
    expect(await omniq.tasks.get(gone.id)).toBeUndefined();
    await expect(omniq.enqueue(add, { x: 1, y: 2 }, { tx: client })).rejects.toMatchObject({ code: "TX_NOT_OPEN" });
    client.release();
    await omniq.close();
    // The caller's pool is never closed.
    expect((await pool.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });

  test("a child enqueued in a transaction is freed by a parent that ended before the commit", async () => {
    await using omniq = new OmniQ({ backend: new PostgresBackend({ pool, schema }) });
    const client = await pool.connect();
    await omniq.open();
    const parent = await omniq.enqueue(add, { x: 1, y: 1 });
    await client.query("BEGIN");
    const child = await omniq.enqueue(add, { x: 2, y: 2 }, { tx: client, dependsOn: [parent] });
    await omniq.worker({ tasks: [add] }).start();
    expect(await parent.result({ timeout: "30s" })).toBe(2);
    await client.query("COMMIT");
    client.release();
    expect(await child.result({ timeout: "30s" })).toBe(4);
  });

  test("NUL: arguments and results keep it, in what an error says it is marked", async () => {
    await using omniq = new OmniQ({ url: POSTGRES_URL, schema });
    const echo = defineTask({ name: "echo", handler: (text: string) => text });
    const fail = defineTask({
      name: "fail",
      maxRetries: 0,
      handler: () => {
        throw new Error(String.raw`a\u0000` + "b\0c");
      },
    });
    await omniq.worker({ tasks: [echo, fail] }).start();
    const text = String.raw`\u0000 \\u0000` + "\0\\\0";
    expect(await (await omniq.enqueue(echo, text)).result({ timeout: "30s" })).toBe(text);
    const failed = await omniq.enqueue(fail, undefined);
    await expect(failed.result({ timeout: "30s" })).rejects.toMatchObject({ failure: { message: String.raw`a\u0000` + "b\ufffdc" } });
  });

  test("errors name the place and the cause, and never the password", async () => {
    const wrong = POSTGRES_URL.replace(/:\/\/[^@]*@/, "://nobody-here:very-secret@");
    const nowhere = "postgres://nobody-here:very-secret@127.0.0.1:1/shop";
    for (const url of [wrong, nowhere]) {
      const omniq = new OmniQ({ url });
      const error: unknown = await omniq.open().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({ code: expect.stringMatching(/^STORAGE_(?:DENIED|UNREACHABLE)$/) });
      expect(String(error)).toContain("postgres://127.0.0.1");
      expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain("very-secret");
      await omniq.close();
    }
  });

  test("eight processes' worth of backends make one schema at once", async () => {
    const fresh = `${schema}_fresh`;
    const backends = Array.from({ length: 8 }, () => new PostgresBackend({ url: POSTGRES_URL, schema: fresh, connections: 2 }));
    await Promise.all(backends.map((backend) => backend.open()));
    const { rows } = await pool.query(`SELECT value::int FROM ${fresh}.omniq_meta WHERE key = 'schema_version'`);
    expect(rows).toEqual([{ value: 2 }]);
    await pool.query(`UPDATE ${fresh}.omniq_meta SET value = 99 WHERE key = 'schema_version'`);
    await expect(new PostgresBackend({ pool, schema: fresh }).open()).rejects.toMatchObject({ code: "SCHEMA_TOO_NEW" });
    await Promise.all(backends.map((backend) => backend.close()));
    await pool.query(`DROP SCHEMA ${fresh} CASCADE`);
  });

  test("a schema that holds somebody else's table of our name is refused", async () => {
    const theirs = `${schema}_theirs`;
    await pool.query(`CREATE SCHEMA ${theirs}; CREATE TABLE ${theirs}.tasks (id text)`);
    await expect(new PostgresBackend({ pool, schema: theirs }).open()).rejects.toMatchObject({ code: "FOREIGN_SCHEMA" });
    await pool.query(`DROP SCHEMA ${theirs} CASCADE`);
  });
});
