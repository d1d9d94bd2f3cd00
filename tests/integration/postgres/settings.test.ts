/** What the connections of OmniQ's own pool are set to, whatever the URL sets beside it. */
import { describe, expect, test } from "vitest";
import { poolOf } from "../../../src/backends/postgres/options.ts";
import { POSTGRES_URL } from "../../fixtures/postgres.ts";

const OURS = {
  plan_cache_mode: "force_generic_plan",
  jit: "off",
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  default_transaction_isolation: "read committed",
  lock_timeout: "9s",
  statement_timeout: "11s",
  idle_in_transaction_session_timeout: "11s",
  application_name: "omniq",
};

async function settingsOf(params: Readonly<Record<string, string>>): Promise<Readonly<Record<string, string>>> {
  const url = new URL(POSTGRES_URL);
  for (const [name, value] of Object.entries(params)) url.searchParams.append(name, value);
  const { pool, end } = await poolOf({ url: url.href, connections: 2 }, 10_000);
  try {
    const client = await pool.connect();
    const { rows } = await client.query({ text: "SELECT name, current_setting(name) AS value FROM pg_settings" });
    client.release();
    const all = rows as readonly { readonly name: string; readonly value: string }[];
    return Object.fromEntries(all.map(({ name, value }) => [name, value]));
  } finally {
    await end();
  }
}

describe.skipIf(POSTGRES_URL === "")("the settings of a connection", () => {
  test("are ours", async () => {
    expect(await settingsOf({})).toMatchObject(OURS);
  });

  test("of the URL stay beside ours, and never instead", async () => {
    const options = "-c search_path=a,\\ public -c work_mem=5MB -c statement_timeout=0 -c jit=on --lock_timeout=1";
    const set = await settingsOf({ options, application_name: "mine", connections: "2" });
    expect(set).toMatchObject({ ...OURS, application_name: "mine", search_path: "a, public", work_mem: "5MB" });
  });

  test("are none of ours behind a pooler, which would refuse them", async () => {
    const set = await settingsOf({ options: "-c work_mem=5MB", pgbouncer: "true" });
    expect(set).toMatchObject({ work_mem: "5MB", jit: "on", statement_timeout: "0" });
  });
});
