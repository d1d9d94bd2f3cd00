/** Several processes on one schema, some of which are killed. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OmniQ } from "../../../src/index.ts";
import { dropSchema } from "../../fixtures/drop-schema.ts";
import { POSTGRES_URL } from "../../fixtures/postgres.ts";
import { until } from "../../fixtures/helpers.ts";

const SCRIPT = join(import.meta.dirname, "../../fixtures/postgres-worker.ts");

describe.skipIf(POSTGRES_URL === "")("several processes on PostgreSQL", () => {
  const schema = `omniq_test_processes_${process.pid}`;
  const pool = new Pool({ connectionString: POSTGRES_URL, max: 2 });
  const omniq = new OmniQ({ url: POSTGRES_URL, schema });
  const children: ChildProcess[] = [];

  beforeAll(() => omniq.open());
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await omniq.close();
    await dropSchema(pool, schema);
    await pool.end();
  });

  const start = async (): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [SCRIPT, POSTGRES_URL, schema], { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    await once(child.stdout, "data");
    return child;
  };
  const number = async (sql: string): Promise<number> =>
    Number((await pool.query<{ n: string }>(sql.replaceAll("$", `${schema}.`))).rows[0]?.n);
  const open = (): Promise<number> => number("SELECT count(*) AS n FROM $tasks WHERE stage <> 6");
  const twice = (type: string): Promise<number> =>
    number(
      `SELECT count(*) AS n FROM (SELECT task_id FROM $events WHERE event_type = '${type}' GROUP BY task_id HAVING count(*) > 1) AS t`,
    );
  const enqueue = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 100) await Promise.all(Array.from({ length: 100 }, (_, k) => omniq.enqueueNamed("work", { i: i + k })));
  };

  test("share the work: each task and each child of one runs once", { tags: ["slow"] }, async () => {
    await Promise.all([start(), start(), start()]);
    await enqueue(600);
    await until(async () => (await open()) === 0, 40_000);
    expect([await twice("executing"), await twice("completed"), await number("SELECT count(*) AS n FROM $results")]).toEqual([0, 0, 630]);
  });

  test("kill -9 at any moment: none is lost, none ends twice", { tags: ["slow"] }, async () => {
    for (let kill = 0; kill < 5; kill++) {
      const before = await number("SELECT count(*) AS n FROM $results");
      const more = enqueue(200);
      await until(async () => (await number("SELECT count(*) AS n FROM $results")) > before + 20, 20_000);
      children.at(-1 - (kill % 3))?.kill("SIGKILL");
      await more;
      await start();
    }
    await until(async () => (await open()) === 0, 40_000);
    expect([await twice("completed"), await number("SELECT count(*) AS n FROM $results")]).toEqual([0, 630 + 1_050]);
    expect(await number("SELECT count(*) AS n FROM $tasks WHERE status <> 'completed'")).toBe(0);
  });
});
