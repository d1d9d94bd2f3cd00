/** Making the schema: by many processes at once, after one was killed, by the rights of docs/postgres.md alone; and what it comes to. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, Pool } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { SETTINGS } from "../../../src/backends/postgres/options.ts";
import { defineTask, OmniQ } from "../../../src/index.ts";
import { PostgresBackend } from "../../../src/postgres.ts";
import { newTask, workerRow } from "../../../src/testing/conformance/bench.ts";
import { ended, omniq, start } from "../../fixtures/bin.ts";
import { until } from "../../fixtures/helpers.ts";
import { shapeOf } from "../../fixtures/postgres-schema.ts";
import { POSTGRES_URL } from "../../fixtures/postgres.ts";

const FIXTURE = new URL("../../fixtures/schema/postgres-v2.txt", import.meta.url);
const PAGE = new URL("../../../docs/postgres.md", import.meta.url);

describe.skipIf(POSTGRES_URL === "")("the schema", () => {
  const schema = `omniq_test_schema_${process.pid}`;
  const cwd = mkdtempSync(join(tmpdir(), "omniq-schema-"));
  const admin = new Client({ connectionString: POSTGRES_URL });
  const env = { OMNIQ_URL: POSTGRES_URL, OMNIQ_SCHEMA: schema };
  const roles = ["owner", "worker", "reader"].map((name) => `${schema}_${name}`);
  const [owner = "", worker = "", reader = ""] = roles;
  const urlOf = (role: string): string => POSTGRES_URL.replace(/\/\/(?:[^@/]*@)?/, `//${role}@`);

  beforeAll(() => admin.connect());
  afterAll(async () => {
    await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await admin.end();
    rmSync(cwd, { recursive: true });
  });
  beforeEach(() => admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`));

  const current = async (): Promise<void> => {
    const { rows } = await admin.query(`SELECT value::int FROM ${schema}.omniq_meta WHERE key = 'schema_version'`);
    expect(rows).toEqual([{ value: 2 }]);
  };

  test("is what the fixture of its version says: one that was released never changes (OMNIQ_TEST_WRITE=1 writes the fixture)", async () => {
    const backend = new PostgresBackend({ url: POSTGRES_URL, schema });
    await backend.open();
    await backend.close();
    const shape = await shapeOf(admin, schema);
    if (process.env["OMNIQ_TEST_WRITE"] === "1") writeFileSync(FIXTURE, shape);
    expect(shape).toBe(readFileSync(FIXTURE, "utf8"));
  });

  describe("in a database of its own", { tags: ["slow"] }, () => {
    const database = `${schema}_db`;
    const url = new URL(POSTGRES_URL);
    url.pathname = `/${database}`;
    afterEach(() => admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`));

    test.each(["LATIN1", "SQL_ASCII"])("of the encoding %s: refused, with what to do, and nothing made", async (encoding) => {
      await admin.query(`CREATE DATABASE ${database} ENCODING '${encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'`);
      await expect(new PostgresBackend({ url: url.href, schema }).open()).rejects.toMatchObject({
        code: "STORAGE_ENCODING",
        message: expect.stringMatching(`to have the encoding UTF8, .*, got ${encoding}: make another one by CREATE DATABASE`) as string,
      });
      const client = new Client({ connectionString: url.href });
      await client.connect();
      expect((await client.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema])).rows).toEqual([]);
      await client.end();
    });

    test.each(["repeatable read", "serializable"])(
      "whose transactions are %s: made once by all that start at once, and worked in",
      async (level) => {
        await admin.query(`CREATE DATABASE ${database} ENCODING 'UTF8' TEMPLATE template0`);
        await admin.query(`ALTER DATABASE ${database} SET default_transaction_isolation = '${level}'`);
        const ours = new Client({ connectionString: url.href, options: SETTINGS });
        await ours.connect();
        expect((await ours.query("SHOW transaction_isolation")).rows).toEqual([{ transaction_isolation: "read committed" }]);
        await ours.end();
        const pool = new Pool({ connectionString: url.href, max: 4 });
        // The database may be dropped before its connections are closed.
        pool.on("error", () => undefined);
        const places = [...Array.from({ length: 4 }, () => ({ url: url.href })), ...Array.from({ length: 2 }, () => ({ pool }))];
        const backends = places.map((place) => new PostgresBackend({ ...place, schema }));
        await Promise.all(backends.map((backend) => backend.open()));
        const unique = { key: "k", until: "finished", onConflict: "keep" } as const;
        const enqueued = backends.map((backend, i) => backend.work.enqueue([{ tasks: [newTask(`t${i}`, { unique })], announce: true }]));
        const answers = (await Promise.all(enqueued)).flat(2).map(({ is }) => is);
        expect(answers.toSorted()).toEqual(["added", "known", "known", "known", "known", "known"]);
        await Promise.all(backends.map((backend) => backend.close()));
        await pool.end();
      },
    );
  });

  test("of version 1 is brought up to date by whoever opens it first, with all that is in it", async () => {
    const open = async (): Promise<PostgresBackend> => {
      const backend = new PostgresBackend({ url: POSTGRES_URL, schema });
      await backend.open();
      return backend;
    };
    const before = await open();
    await before.work.enqueue([{ tasks: [newTask("a"), newTask("b", { dependsOn: [{ id: "a", ifFailed: "run" }] })], announce: true }]);
    const unique = { key: "k", until: "finished", onConflict: "keep" } as const;
    await before.work.enqueue([{ tasks: [newTask("ended", { queue: "other", unique })], announce: false }]);
    await before.presence.arrive(workerRow("w"));
    const of = { due: true, queues: ["other"], names: ["f"], announce: false } as const;
    const { claims } = await before.work.claim({ worker: "w", limit: 1, of });
    await before.work.settle(claims.map(({ fence }) => ({ id: "ended", fence, to: "completed", events: [] })));
    await before.work.enqueue([{ tasks: [newTask("child", { dependsOn: [{ id: "ended", ifFailed: "run" }], unique })], announce: false }]);
    await before.close();
    // Back to what version 1 had; the index of events that it had differently is made anew in any case.
    const added = ["by_end", "doomed", "by_queue", "by_func", "by_schedule"].map((name) => `DROP INDEX ${schema}.idx_tasks_${name}`);
    const more = `DROP TABLE ${schema}.dependents; ALTER TABLE ${schema}.tasks DROP COLUMN asked_key`;
    await admin.query(`${added.join("; ")}; ${more}; UPDATE ${schema}.omniq_meta SET value = 1 WHERE key = 'schema_version'`);
    const backends = await Promise.all([open(), open(), open()]);
    await current();
    expect(await shapeOf(admin, schema)).toBe(readFileSync(FIXTURE, "utf8"));
    expect((await backends[0]?.desk.get(["a", "b"]))?.map((task) => task?.phase)).toEqual(["ready", "blocked"]);
    expect(await backends[0]?.events.newest({ limit: 9 })).toHaveLength(2);
    expect(await backends[0]?.desk.remove(["ended"])).toEqual(["has-dependents"]);
    expect((await admin.query(`SELECT id, asked_key FROM ${schema}.tasks WHERE asked_key IS NOT NULL`)).rows).toEqual([
      { id: "child", asked_key: "k" },
    ]);
    for (const backend of backends) await backend.close();
  });

  test("eight processes that start at once make it once", { tags: ["slow"] }, async () => {
    const said = await Promise.all(Array.from({ length: 8 }, () => omniq(["migrate"], { cwd, env })));
    expect(said.map(({ code, stderr }) => [code, stderr])).toEqual(Array.from({ length: 8 }, () => [0, ""]));
    await current();
    expect(await shapeOf(admin, schema)).toBe(readFileSync(FIXTURE, "utf8"));
  });

  test("a process that is killed while it makes it leaves nothing that keeps the next one from it", { tags: ["slow"] }, async () => {
    const key = "hashtextextended($1, 0)";
    await admin.query(`SELECT pg_advisory_lock(${key})`, [`omniq ${schema}`]);
    const child = start(["migrate"], { cwd, env });
    const end = ended(child);
    await until(async () => {
      const { rowCount } = await admin.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
      return (rowCount ?? 0) > 0;
    });
    child.kill("SIGKILL");
    await end;
    await admin.query(`SELECT pg_advisory_unlock(${key})`, [`omniq ${schema}`]);
    expect(await omniq(["migrate"], { cwd, env })).toMatchObject({ code: 0, stderr: "" });
    await current();
  });

  describe("with the roles of the page", { tags: ["slow"] }, () => {
    const echo = defineTask({ name: "echo", handler: ({ n }: { n: number }) => n });

    beforeEach(async () => {
      const [sql = ""] = /```sql\n(?<sql>[^`]*CREATE ROLE shop_owner[^`]*)```/.exec(readFileSync(PAGE, "utf8"))?.slice(1) ?? [];
      expect(sql).toContain("GRANT USAGE");
      for (const role of roles) await admin.query(`DROP ROLE IF EXISTS ${role}`);
      await admin.query(sql.replaceAll("shop_tasks", schema).replaceAll(/shop_(owner|worker|reader)/g, `${schema}_$1`));
      return async () => {
        for (const role of roles) await admin.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
      };
    });

    test("the owner makes the tables, a worker works, a reader looks, and none of them more", async () => {
      const early = await omniq(["migrate"], { cwd, env: { ...env, OMNIQ_URL: urlOf(worker) } });
      expect(early).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("(STORAGE_DENIED)") as string });
      expect(await omniq(["migrate"], { cwd, env: { ...env, OMNIQ_URL: urlOf(owner) } })).toMatchObject({ code: 0, stderr: "" });

      const shop = new OmniQ({ url: urlOf(worker), schema });
      const handle = await shop.enqueue(echo, { n: 5 }, { id: "a", tags: ["x"], unique: { key: "once" } });
      await shop.enqueueMany([echo.with({ n: 6 }, { id: "b", dependsOn: ["a"] }), echo.with({ n: 7 }, { id: "c" })]);
      await shop.schedule(echo, { n: 1 }, { id: "soon", once: true });
      const works = shop.worker({ tasks: [echo] });
      await works.start();
      expect(await handle.result({ timeout: "20s" })).toBe(5);
      await until(async () => (await shop.results.latest("soon")) !== undefined);
      await works.stop();
      await shop.tasks.delete("c");
      await shop.schedules.delete("soon");
      await shop.queues.pause("default");
      await shop.close();

      const looks = { ...env, OMNIQ_URL: urlOf(reader) };
      for (const command of [["tasks", "list"], ["tasks", "show", "a"], ["events"], ["stats"], ["queues", "list"], ["doctor"]])
        expect(await omniq(command, { cwd, env: looks })).toMatchObject({ code: 0, stderr: "" });
      for (const command of [
        ["tasks", "cancel", "b"],
        ["enqueue", "echo", "{}"],
        ["queues", "resume", "default"],
      ])
        expect(await omniq(command, { cwd, env: looks })).toMatchObject({
          code: 1,
          stderr: expect.stringContaining("(STORAGE_DENIED)") as string,
        });
      expect((await omniq(["doctor"], { cwd, env: looks })).stdout).toContain("it can look, and not work");
    });

    test("a worker does not change an older schema", async () => {
      await omniq(["migrate"], { cwd, env: { ...env, OMNIQ_URL: urlOf(owner) } });
      await admin.query(`UPDATE ${schema}.omniq_meta SET value = 0 WHERE key = 'schema_version'`);
      const backend = new PostgresBackend({ url: urlOf(worker), schema });
      await expect(backend.open()).rejects.toMatchObject({ code: expect.stringMatching(/^STORAGE_DENIED$|^FOREIGN_SCHEMA$/) as string });
      await backend.close();
    });
  });
});
