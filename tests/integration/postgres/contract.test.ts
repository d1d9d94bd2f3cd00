/** The rules of the contract on PostgreSQL, and the same random commands on it and on the model. */
import { Pool } from "pg";
import type { PoolClient } from "pg";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import type { PostgresBackend } from "../../../src/backends/postgres/backend.ts";
import { conformance, equivalence } from "../../../src/testing/conformance/index.ts";
import { ModelBackend } from "../../../src/testing/model.ts";
import type { TestClock } from "../../../src/testing/clock.ts";
import { POSTGRES_URL, Schemas } from "../../fixtures/postgres.ts";

const schemas = new Schemas("contract");
const opened: PostgresBackend[] = [];
afterEach(() => {
  for (const backend of opened.splice(0)) schemas.free(backend);
});
afterAll(() => schemas.drop());

const open = async (clock: TestClock): Promise<PostgresBackend> => {
  const backend = await schemas.open(clock);
  opened.push(backend);
  return backend;
};
const tools = { describe, test, expect };

describe.skipIf(POSTGRES_URL === "")("on a server", () => {
  const clients: PoolClient[] = [];
  const pool = new Pool({ connectionString: POSTGRES_URL, max: 2 });
  afterEach(() => {
    for (const client of clients.splice(0)) client.release();
  });
  afterAll(() => pool.end());

  conformance({
    name: "PostgreSQL",
    open,
    begin: async () => {
      const tx = await pool.connect();
      clients.push(tx);
      await tx.query("BEGIN");
      return { tx, commit: async () => void (await tx.query("COMMIT")), rollback: async () => void (await tx.query("ROLLBACK")) };
    },
    tools,
  });

  equivalence({
    name: "PostgreSQL",
    open,
    model: async (clock) => {
      const model = new ModelBackend({ clock });
      await model.open();
      return model;
    },
    seeds: Array.from({ length: Number(process.env["OMNIQ_TEST_SEEDS"] ?? 4) }, (_, i) => i + 1),
    steps: 120,
    tools,
  });
});
