/** The rules of the contract on PostgreSQL, a schema a test. */
import pg from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { PostgresBackend } from "../../src/backends/postgres/backend.ts";
import type { TestClock } from "../../src/testing/clock.ts";
import { conformance } from "../../src/testing/conformance/index.ts";

const url = process.env["OMNIQ_TEST_POSTGRES_URL"] ?? "postgres://postgres@127.0.0.1:5432/postgres";
const admin = new pg.Pool({ connectionString: url, max: 2 });
const schemas: string[] = [];

afterAll(async () => {
  for (const schema of schemas) await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await admin.end();
});

let n = 0;
const open = (clock: TestClock): Promise<PostgresBackend> => {
  const schema = `t${process.pid}_${n++}`;
  schemas.push(schema);
  return Promise.resolve(new PostgresBackend({ url, schema, clock, connections: 4 }));
};

conformance({ name: "PostgreSQL", open, tools: { describe, test, expect } });
