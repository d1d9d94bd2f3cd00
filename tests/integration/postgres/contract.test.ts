/** The rules of the contract on PostgreSQL, and the same random commands on it and on the model. */
import { Pool } from "pg";
import type { PoolClient } from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { PostgresBackend } from "../../../src/backends/postgres/backend.ts";
import { Db } from "../../../src/backends/postgres/db.ts";
import type { Sql } from "../../../src/backends/postgres/db.ts";
import type { Events } from "../../../src/core/backend.ts";
import { conformance, equivalence } from "../../../src/testing/conformance/index.ts";
import { ModelBackend } from "../../../src/testing/model.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import { until } from "../../fixtures/helpers.ts";
import { gapsIn } from "../../fixtures/postgres-plans.ts";
import { POSTGRES_URL, Schemas } from "../../fixtures/postgres.ts";

const schemas = new Schemas("contract");
const opened: PostgresBackend[] = [];
afterEach(() => {
  for (const backend of opened.splice(0)) schemas.free(backend);
});
afterAll(() => schemas.drop());

const tools = { describe, test, expect };

/** The statements that the rules make, each once. */
const statements = new Set<Sql>();
beforeAll(() => {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its own `this` below
  const original = Db.prototype.query;
  vi.spyOn(Db.prototype, "query").mockImplementation(function (this: Db, sql, ...params) {
    statements.add(sql);
    return original.call(this, sql, ...params);
  });
});
afterAll(() => {
  vi.restoreAllMocks();
});

describe.skipIf(POSTGRES_URL === "")("on a server", () => {
  const clients: PoolClient[] = [];
  const pool = new Pool({ connectionString: POSTGRES_URL, max: 3 });
  let begun = 0;

  /** Events are held back while anybody on the server has an older transaction open; the contract speaks of what is there then. */
  const othersAreOver = async (): Promise<void> => {
    if (begun > 0) return;
    const { rows } = await pool.query<{ own: string }>("SELECT pg_current_xact_id() AS own");
    const look = "SELECT 1 WHERE pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8";
    await until(async () => (await pool.query(look, [rows[0]?.own])).rowCount === 1);
  };
  const open = async (clock: TestClock): Promise<PostgresBackend> => {
    const backend = await schemas.open(clock);
    opened.push(backend);
    const { events } = backend;
    const patient = {
      read: async (...args: Parameters<Events["read"]>) => (await othersAreOver(), await events.read(...args)),
      tail: async () => (await othersAreOver(), await events.tail()),
    };
    return Object.assign(backend, { events: { ...events, ...patient } });
  };
  afterEach(() => {
    begun = 0;
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
      begun++;
      const end = async (how: string): Promise<void> => {
        await tx.query(how);
        begun--;
      };
      return { tx, commit: () => end("COMMIT"), rollback: () => end("ROLLBACK") };
    },
    tools,
  });

  test("every statement uses an index from its first column on, also where it was planned for empty tables", async () => {
    expect(statements.size).toBeGreaterThan(80);
    const backend = await open(new TestClock());
    expect(await gapsIn(backend.schema, [...statements])).toEqual([]);
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
