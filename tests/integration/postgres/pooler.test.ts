/** Behind a pooler that hands a connection to somebody else after each transaction. */
import { Client } from "pg";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineTask, OmniQ } from "../../../src/index.ts";
import { PostgresBackend } from "../../../src/postgres.ts";
import { Pooler } from "../../fixtures/pooler.ts";
import { POSTGRES_URL } from "../../fixtures/postgres.ts";

const schema = `omniq_test_pooler_${process.pid}`;
const add = defineTask({ name: "add", handler: ({ x, y }: { x: number; y: number }) => x + y });
const flaky = defineTask({
  name: "flaky",
  maxRetries: 1,
  retryDelay: 1,
  handler: (_args: undefined, ctx) => {
    if (ctx.attempt === 1) throw new Error("not yet");
    return "now";
  },
});

describe.skipIf(POSTGRES_URL === "")("behind a pooler in transaction mode", () => {
  let pooler: Pooler;
  beforeEach(async () => {
    pooler = await Pooler.start(POSTGRES_URL, 3);
  });
  afterEach(() => pooler.close());
  afterAll(async () => {
    const admin = new Client({ connectionString: POSTGRES_URL });
    await admin.connect();
    await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await admin.end();
  });

  test("with `pgbouncer=true` behind the URL all goes well: each task runs once, though its client has another connection each time", async () => {
    const url = `${pooler.url}?pgbouncer=true`;
    const [here, there] = [new OmniQ({ url, schema }), new OmniQ({ url, schema })];
    try {
      // What others notify is lost behind such a pooler, so one of the two does both.
      const early = await there.enqueueMany(Array.from({ length: 100 }, (_, x) => add.with({ x, y: 1 })));
      await here.worker({ tasks: [add, flaky], concurrency: 10 }).start();
      const late = await here.enqueueMany(Array.from({ length: 100 }, (_, x) => add.with({ x: x + 100, y: 1 })));
      const handles = early.map(({ id }) => here.handle(add, id)).concat(late);
      const child = await here.enqueue(flaky, undefined, { dependsOn: handles.slice(0, 5), unique: { key: "one" } });
      expect(await Promise.all(handles.map((handle) => handle.result({ timeout: "30s" })))).toEqual(
        Array.from({ length: 200 }, (_, x) => x + 1),
      );
      expect(await child.result({ timeout: "30s" })).toBe("now");
      const started = (await Promise.all(handles.map(({ id }) => here.events.find({ taskId: id, eventType: "executing" })))).flat();
      expect([started.length, (await here.stats()).tasks.completed]).toEqual([200, 201]);
      expect(pooler.moved).toBeGreaterThan(50);
    } finally {
      await here.close();
      await there.close();
    }
  });

  test("in a transaction of the caller's", async () => {
    const client = new Client({ connectionString: pooler.url });
    await client.connect();
    const omniq = new OmniQ({ backend: new PostgresBackend({ url: `${pooler.url}?pgbouncer=true`, schema }) });
    try {
      await omniq.open();
      for (const [id, end] of [
        ["kept", "COMMIT"],
        ["gone", "ROLLBACK"],
      ] as const) {
        await client.query("BEGIN");
        await omniq.enqueue(add, { x: 1, y: 2 }, { tx: client, id });
        await client.query(end);
      }
      await expect(omniq.enqueue(add, { x: 1, y: 2 }, { tx: client, id: "loose" })).rejects.toMatchObject({ code: "TX_NOT_OPEN" });
      expect([(await omniq.tasks.get("kept"))?.phase, await omniq.tasks.get("gone"), await omniq.tasks.get("loose")]).toEqual([
        "ready",
        undefined,
        undefined,
      ]);
    } finally {
      await omniq.close();
      await client.end();
    }
  });

  test("without it the start is refused at once, with what to do", async () => {
    const omniq = new OmniQ({ url: pooler.url, schema });
    await expect(omniq.open()).rejects.toMatchObject({
      code: "STORAGE_POOLED",
      message: expect.stringContaining("?pgbouncer=true") as string,
    });
    expect(pooler.refused).toBe(1);
    await omniq.close();
  });

  test("where the pooler passes over settings, the first statement that is lost says what to do", async () => {
    const other = await Pooler.start(POSTGRES_URL, 3, true);
    const [first, second] = [new OmniQ({ url: other.url, schema }), new OmniQ({ url: other.url, schema })];
    const enqueueAll = async (): Promise<void> => {
      for (let x = 0; x < 50; x++) await Promise.all([first.enqueue(add, { x, y: 1 }), second.enqueue(add, { x, y: 2 }), second.stats()]);
    };
    await expect(enqueueAll()).rejects.toMatchObject({ code: "STORAGE_POOLED" });
    for (const omniq of [first, second]) await omniq.close();
    await other.close();
  });
});
