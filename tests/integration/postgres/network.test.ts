/** What a network and a server do to a worker: it never dies of it, never loops, hardly talks of it, and goes on by itself. Nothing is lost, nothing runs twice. */
import { inspect } from "node:util";
import { Client, Pool } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { defineTask, OmniQ } from "../../../src/index.ts";
import type { Logger } from "../../../src/index.ts";
import { PostgresBackend } from "../../../src/postgres.ts";
import type { PostgresTx } from "../../../src/postgres.ts";
import { until } from "../../fixtures/helpers.ts";
import { binaries, Cluster } from "../../fixtures/postgres-cluster.ts";
import { TcpProxy } from "../../fixtures/tcp-proxy.ts";

const bin = binaries();

interface Line {
  readonly at: number;
  readonly text: string;
}

describe.skipIf(bin === undefined)("a worker of a server", { tags: ["slow"] }, () => {
  let cluster: Cluster;
  let proxy: TcpProxy;
  let omniq: OmniQ<PostgresTx>;
  /** On the server itself, whatever happens to the wire. */
  let admin: Client;
  let runs: Map<string, number>;
  let lines: Line[];
  let schemas = 0;
  let schema = "";

  const note = defineTask({ name: "note", handler: ({ id }: { id: string }) => void runs.set(id, (runs.get(id) ?? 0) + 1) });
  const logged = (): Logger => {
    const keep = (message: string, data?: object): void =>
      void lines.push({ at: performance.now(), text: `${message} ${inspect(data, { depth: 9 })}` });
    return { debug: () => undefined, info: () => undefined, warn: keep, error: keep };
  };
  const open = (url: string, more: object = {}): OmniQ<PostgresTx> =>
    new OmniQ({ backend: new PostgresBackend({ url, schema, connections: 4, queryTimeout: 700, ...more }), logger: logged() });

  beforeAll(async () => {
    cluster = await Cluster.start(bin ?? "");
  });
  afterAll(() => {
    cluster.stop();
  });
  beforeEach(async () => {
    schema = `net_${schemas++}`;
    runs = new Map();
    lines = [];
    proxy = await TcpProxy.start(cluster.url);
    admin = await connected();
    omniq = open(proxy.url);
  });
  afterEach(async () => {
    await omniq.close();
    await admin.end().catch(() => undefined);
    await proxy.close();
  });

  async function connected(): Promise<Client> {
    const client = new Client({ connectionString: cluster.url });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  }

  const completed = async (): Promise<number> => {
    const { rows } = await admin.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${schema}.tasks WHERE status = 'completed'`);
    return rows[0]?.n ?? 0;
  };
  const add = async (from: number, to: number, by = omniq): Promise<void> => {
    await by.enqueueMany(Array.from({ length: to - from }, (_, i) => note.with({ id: `t-${from + i}` }, { id: `t-${from + i}` })));
  };
  /** Each of so many ran once and ended once, and a line was written at most each second. */
  async function well(count: number): Promise<void> {
    await until(async () => (await completed()) === count, 30_000);
    expect([...runs.values()].filter((times) => times !== 1)).toEqual([]);
    expect(runs.size).toBe(count);
    const { rows } = await admin.query(
      `SELECT task_id FROM ${schema}.events WHERE event_type = 'completed' GROUP BY task_id HAVING count(*) > 1
       UNION ALL SELECT task_id FROM ${schema}.events WHERE event_type = 'enqueued' GROUP BY task_id HAVING count(*) > 1`,
    );
    expect(rows).toEqual([]);
    quiet();
  }
  function quiet(): void {
    const took = (lines.at(-1)?.at ?? 0) - (lines[0]?.at ?? 0);
    expect(lines.length, lines.map(({ text }) => text).join("\n")).toBeLessThanOrEqual(took / 1_000 + 2);
  }

  test.each<[string, () => Promise<void>]>([
    [
      "terminated backends",
      async () => {
        await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'omniq'");
      },
    ],
    ["reset connections", () => Promise.resolve(proxy.cut())],
    ["connections that are half open", () => Promise.resolve(proxy.freeze("open"))],
  ])("goes on after %s, again and again", async (_, fault) => {
    await omniq.open();
    const worker = omniq.worker({ tasks: [note], concurrency: 4 });
    await worker.start();
    const elsewhere = open(cluster.url);
    for (let i = 0; i < 4; i++) {
      await add(i * 25, i * 25 + 25, elsewhere);
      await until(() => runs.size > i * 25);
      await fault();
    }
    await add(100, 110, elsewhere);
    await well(110);
    await elsewhere.close();
  });

  test("nothing can be reached for a while: few tries, few lines; what was running is settled afterwards", async () => {
    let finish: () => void = () => undefined;
    const held = defineTask({ name: "held", handler: () => new Promise<void>((resolve) => (finish = resolve)) });
    await omniq.open();
    await omniq.enqueue(held, undefined, { id: "held" });
    const worker = omniq.worker({ tasks: [note, held], concurrency: 4 });
    await worker.start();
    await until(async () => (await omniq.tasks.get("held"))?.status === "running");
    proxy.refuse(true);
    finish();
    const tried = proxy.tried;
    const began = performance.now();
    await expect(omniq.enqueue(note, { id: "t-x" })).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
    await until(() => performance.now() - began > 4_000);
    // Worker, beats, upkeep, scheduler and listener, each with its own pauses: a loop without any would try thousands of times.
    expect(proxy.tried - tried).toBeLessThan(150);
    quiet();
    proxy.refuse(false);
    await until(async () => (await omniq.tasks.get("held"))?.status === "completed", 20_000);
    await add(0, 5);
    await until(async () => (await completed()) === 6, 20_000);
    expect([...runs.values()]).toEqual([1, 1, 1, 1, 1]);
  });

  test("a cable is drawn and put back: calls give up after their time, and the worker goes on", async () => {
    await omniq.open();
    await omniq.worker({ tasks: [note], concurrency: 4 }).start();
    await add(0, 5);
    await until(() => runs.size === 5);
    proxy.freeze("all");
    const began = performance.now();
    await expect(omniq.tasks.get("t-1")).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
    expect(performance.now() - began).toBeLessThan(15_000);
    proxy.thaw();
    const elsewhere = open(cluster.url);
    await add(5, 10, elsewhere);
    await well(10);
    await elsewhere.close();
  });

  test.each(["enqueue", "settlement", "claim"] as const)(
    "the answer to a committed %s is lost on the wire: it is done once",
    async (what) => {
      await omniq.open();
      const worker = omniq.worker({ tasks: [note], concurrency: 4 });
      if (what === "enqueue") {
        const lost = proxy.loseAnswerTo('{"t-0"');
        await add(0, 3);
        await lost;
        await worker.start();
      } else {
        await worker.start();
        // The settlement carries the ids of what has ended; the claim before it, the names that the worker knows.
        const lost = proxy.loseAnswerTo(what === "settlement" ? '{"t-0"' : '["note"]');
        const elsewhere = open(cluster.url);
        await add(0, 3, elsewhere);
        await lost;
        await elsewhere.close();
      }
      await well(3);
    },
  );

  test("the server crashes and comes back: what was acknowledged is there", async () => {
    await omniq.open();
    await omniq.worker({ tasks: [note], concurrency: 4 }).start();
    await add(0, 50);
    cluster.crash();
    await expect(omniq.enqueue(note, { id: "lost" })).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
    cluster.resume();
    await admin.end().catch(() => undefined);
    admin = await connected();
    await add(50, 60);
    await well(60);
  });

  test("a server that was started again is still the same place for a caller's transaction", async () => {
    await omniq.open();
    cluster.crash();
    cluster.resume();
    const client = await connected();
    await client.query("BEGIN");
    await omniq.enqueue(note, { id: "after" }, { tx: client, id: "after" });
    await client.query("COMMIT");
    await client.end();
    expect(await omniq.tasks.get("after")).toMatchObject({ phase: "ready" });
  });

  test("it can only be read for a while: enqueues say so, the worker waits", async () => {
    await omniq.open();
    await omniq.worker({ tasks: [note], concurrency: 4 }).start();
    await admin.query("ALTER DATABASE postgres SET default_transaction_read_only = on");
    proxy.cut();
    await until(() => lines.length > 0, 15_000);
    const elsewhere = open(cluster.url);
    await expect(elsewhere.enqueue(note, { id: "refused" })).rejects.toMatchObject({ code: "STORAGE_READONLY" });
    expect((await elsewhere.tasks.find()).items).toEqual([]);
    await elsewhere.close();
    await admin.query("SET default_transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only");
    proxy.cut();
    const again = open(cluster.url);
    await add(0, 10, again);
    await again.close();
    await well(10);
  });

  test("no connection is left for this user: the worker waits for one", async () => {
    await omniq.open();
    await admin.query("CREATE ROLE few LOGIN SUPERUSER; ALTER ROLE few NOSUPERUSER CONNECTION LIMIT 6");
    await admin.query(`GRANT ALL ON SCHEMA ${schema} TO few; GRANT ALL ON ALL TABLES IN SCHEMA ${schema} TO few`);
    const url = new URL(proxy.url);
    url.username = "few";
    const crowded = open(url.href);
    await crowded.worker({ tasks: [note], concurrency: 4 }).start();
    await admin.query("ALTER ROLE few CONNECTION LIMIT 0");
    proxy.cut();
    await expect(crowded.tasks.get("x")).rejects.toMatchObject({
      code: "STORAGE_UNREACHABLE",
      message: expect.stringContaining("too many connections") as string,
    });
    await admin.query("ALTER ROLE few CONNECTION LIMIT 6");
    await add(0, 10);
    await well(10);
    await crowded.close();
    await admin.query("DROP OWNED BY few; DROP ROLE few");
  });

  test("locks that others hold: a call waits its time, says that it is busy, and the next one is done", async () => {
    await omniq.open();
    const holder = await connected();
    await holder.query(`BEGIN; LOCK TABLE ${schema}.tasks IN ACCESS EXCLUSIVE MODE`);
    const patient = open(`${cluster.url}?options=${encodeURIComponent("-c lock_timeout=50ms")}`);
    await expect(patient.tasks.get("x")).rejects.toMatchObject({ code: "STORAGE_BUSY" });
    await holder.query("COMMIT");
    await holder.end();
    await add(0, 3, patient);
    await patient.close();
    await omniq.worker({ tasks: [note] }).start();
    await well(3);
  });

  test("whoever freezes inside a transaction keeps nobody from its rows for long", async () => {
    await add(0, 1);
    await admin.query("BEGIN");
    await admin.query(`SELECT 1 FROM ${schema}.tasks FOR UPDATE`);
    const frozen = omniq.tasks.cancel("t-0").catch((error: unknown) => error);
    const waits = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'omniq' AND wait_event_type = 'Lock'";
    await until(async () => (await admin.query(waits)).rowCount === 1);
    proxy.freeze("open");
    // Now that transaction has the row, and nobody hears of it.
    await admin.query("ROLLBACK");
    const other = open(cluster.url, { queryTimeout: 8_000 });
    expect(await other.tasks.cancel("t-0")).toBe("cancelled");
    await other.close();
    proxy.thaw();
    await frozen;
  });

  test("a statement that the server gives up is an error of that call alone", async () => {
    await omniq.open();
    const holder = await connected();
    await holder.query(`BEGIN; LOCK TABLE ${schema}.tasks IN ACCESS EXCLUSIVE MODE`);
    const hasty = open(`${cluster.url}?statement_timeout=50`);
    await expect(hasty.tasks.get("x")).rejects.toMatchObject({
      code: "STORAGE_FAILED",
      message: expect.stringContaining("statement timeout") as string,
    });
    await holder.query("COMMIT");
    await holder.end();
    expect(await hasty.tasks.get("x")).toBeUndefined();
    await hasty.close();
  });

  test("a wrong password is said, and never shown: not in the error, its causes, its stack, nor in a log", async () => {
    cluster.allow("host all secretive 127.0.0.1/32 scram-sha-256");
    await admin.query("CREATE ROLE secretive LOGIN PASSWORD 'right'");
    const url = new URL(proxy.url);
    url.username = "secretive";
    url.password = "hunter2";
    const denied = open(url.href);
    const error: unknown = await denied.open().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: "STORAGE_DENIED" });
    const causes: unknown[] = [];
    for (let each = error; each instanceof Error; each = each.cause)
      causes.push(each.message, each.stack, inspect(each, { depth: 9, showHidden: true }), JSON.stringify(each));
    expect(causes.join("\n")).not.toContain("hunter2");
    const worker = denied.worker({ tasks: [note] });
    await expect(worker.start()).rejects.toMatchObject({ code: "STORAGE_DENIED" });
    expect(lines.map(({ text }) => text).join("\n")).not.toContain("hunter2");
    await denied.close();
    // Nor does it hang where none is given at all: the connection is let go.
    url.password = "";
    const silent = open(url.href);
    await expect(silent.open()).rejects.toMatchObject({
      code: "STORAGE_DENIED",
      message: expect.stringContaining("got none") as string,
    });
    await silent.close();
    await until(() => proxy.open <= 1);
    await admin.query("DROP ROLE secretive");
  });

  test("TLS that the server does not speak is said at once", async () => {
    const secured = open(`${proxy.url}?uselibpqcompat=true&sslmode=require`);
    const before = proxy.tried;
    await expect(secured.open()).rejects.toMatchObject({
      code: "STORAGE_UNREACHABLE",
      message: expect.stringContaining("to speak TLS") as string,
    });
    expect(proxy.tried - before).toBe(1);
    await secured.close();
  });

  test("a pool of two connections is enough for worker, results and enqueues at once", async () => {
    const pool = new Pool({ connectionString: cluster.url, max: 2 });
    const small = new OmniQ({ backend: new PostgresBackend({ pool, schema }), logger: logged() });
    await small.worker({ tasks: [note], concurrency: 10 }).start();
    const handles = await Promise.all(Array.from({ length: 20 }, (_, i) => small.enqueue(note, { id: `t-${i}` })));
    await Promise.all(handles.map((handle) => handle.result({ timeout: "20s" })));
    await well(20);
    await small.close();
    await pool.end();
  });

  test("a pool of one is refused before it waits for itself", () => {
    const pool = new Pool({ connectionString: cluster.url, max: 1 });
    expect(() => new PostgresBackend({ pool, schema })).toThrow(
      "Expected `pool` to be a Pool of pg with room for 2 connections, of which one listens, got 1",
    );
  });
});
