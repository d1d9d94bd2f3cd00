/** `migrate`, `health`, `doctor`, `worker` and what is refused, with a database on a server: as processes of their own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { OmniQ } from "../../../src/index.ts";
import { omniq } from "../../fixtures/bin.ts";
import { POSTGRES_URL } from "../../fixtures/postgres.ts";

describe.skipIf(POSTGRES_URL === "")("the command line with a server", { tags: ["slow"] }, () => {
  const schema = `omniq_test_cli_${process.pid}`;
  const reader = `${schema}_reader`;
  const cwd = mkdtempSync(join(tmpdir(), "omniq-server-"));
  const { host, pathname } = new URL(POSTGRES_URL === "" ? "postgres://h/d" : POSTGRES_URL);
  const name = `postgres://${host}${pathname}, schema ${schema}`;
  const admin = new Client({ connectionString: POSTGRES_URL });
  const env = { OMNIQ_URL: POSTGRES_URL, OMNIQ_SCHEMA: schema };
  const cli = (...args: readonly string[]) => omniq(args, { cwd, env });
  const run = (sql: string) => admin.query(sql);

  beforeAll(async () => {
    const door = JSON.stringify(new URL("../../../src/index.ts", import.meta.url).href);
    writeFileSync(
      join(cwd, "tasks.mjs"),
      `import { defineTask } from ${door};\nexport const greet = defineTask({ name: "greet", queueName: "mail", handler: ({ name }) => "hello " + name });\n`,
    );
    await admin.connect();
    await run(`CREATE ROLE ${reader} LOGIN PASSWORD 'hunter2'`);
  });
  afterAll(async () => {
    await run(`DROP SCHEMA IF EXISTS ${schema} CASCADE; DROP OWNED BY ${reader}; DROP ROLE ${reader}`);
    await admin.end();
    rmSync(cwd, { recursive: true });
  });
  beforeEach(() => run(`DROP SCHEMA IF EXISTS ${schema} CASCADE`));

  interface Finding {
    readonly check: string;
    readonly severity: string;
    readonly text: string;
  }
  async function doctor(...args: readonly string[]) {
    const { code, stdout } = await cli("doctor", "--json", ...args);
    const { findings } = JSON.parse(stdout) as { readonly findings: readonly Finding[] };
    return { code, stdout, of: (check: string) => findings.filter((finding) => finding.check === check) };
  }

  test("migrate tells, makes what is missing, and then changes nothing", async () => {
    expect(await cli("migrate", "--check")).toEqual({ code: 1, stdout: `${name} is not there yet: omniq migrate makes it.\n`, stderr: "" });
    expect(await cli("migrate")).toEqual({ code: 0, stdout: `${name} was made (schema version 2).\n`, stderr: "" });
    const check = await cli("migrate", "--check", "--json");
    expect([check.code, JSON.parse(check.stdout)]).toEqual([0, { database: name, from: 2, to: 2, current: true }]);
    await run(`UPDATE ${schema}.omniq_meta SET value = 99 WHERE key = 'schema_version'`);
    for (const args of [["migrate"], ["migrate", "--check"], ["stats"], ["worker", "--drain"]])
      expect(await cli(...args)).toMatchObject({ code: 1, stderr: expect.stringContaining("SCHEMA_TOO_NEW") as string });
    await run(`UPDATE ${schema}.omniq_meta SET value = 0 WHERE key = 'schema_version'`);
    expect((await cli("stats")).stderr).toContain("STORAGE_NOT_FOUND");
  });

  test("health is 0 where it can be read and written", async () => {
    expect(await cli("health")).toEqual({ code: 1, stdout: `unhealthy: there are no tables of OmniQ at ${name}\n`, stderr: "" });
    await cli("migrate");
    expect(await cli("health")).toEqual({ code: 0, stdout: `healthy: ${name}, 0 live workers\n`, stderr: "" });
    expect(await cli("health", "--worker")).toMatchObject({ code: 1, stdout: "unhealthy: no live worker\n" });
    await run(`GRANT USAGE ON SCHEMA ${schema} TO ${reader}; GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${reader}`);
    const url = POSTGRES_URL.replace(/\/\/[^@/]*@/, `//${reader}:hunter2@`);
    const { code, stdout } = await cli("health", "--url", url, "--schema", schema);
    expect([code, stdout]).toEqual([1, expect.stringContaining("unhealthy: Expected this user to have the rights")]);
    expect((await cli("tasks", "list", "--url", url, "--schema", schema)).code).toBe(0);
    expect((await doctor("--url", url, "--schema", schema)).of("rights")).toMatchObject([{ severity: "note" }]);
  });

  test("doctor tells of the server, the tables, what keeps dead rows, and the work", async () => {
    expect((await doctor()).of("schema")).toMatchObject([{ severity: "problem", text: `There are no tables of OmniQ in ${name}` }]);
    const shop = new OmniQ({ url: POSTGRES_URL, schema });
    await shop.enqueueNamed("greet", {});
    await shop.close();
    const { of, stdout } = await doctor();
    expect(of("server")).toMatchObject([{ severity: "ok", text: expect.stringMatching(/^PostgreSQL \d+.* at /) as string }]);
    expect(of("schema")).toMatchObject([{ severity: "ok" }]);
    expect(of("notifications")).toEqual([]);
    expect(of("queues.no-worker")).toMatchObject([{ severity: "warning", text: expect.stringContaining("1 ready task") as string }]);
    expect(stdout).not.toContain("hunter2");
  });

  test.each([
    ["nobody listens", "postgres://me:hunter2@127.0.0.1:1/shop", "STORAGE_UNREACHABLE"],
    ["no such database", POSTGRES_URL.replace(/\/[^/]*$/, "/omniq_no_such_database"), "STORAGE_NOT_FOUND"],
  ])("%s: a sentence without a password, and 1", async (_, url, code) => {
    for (const command of [["stats"], ["migrate"], ["health"], ["doctor"], ["worker", "--drain"], ["enqueue", "greet"]]) {
      const said = await cli(...command, "--url", url);
      expect({ command, code: said.code }).toEqual({ command, code: 1 });
      expect(said.stdout + said.stderr).not.toMatch(/hunter2|^\s+at /m);
      if (command[0] !== "health" && command[0] !== "doctor") expect(said.stderr).toContain(code);
    }
  });

  test("a worker runs what is in a configuration file's database, and says where it works without a password", async () => {
    const url = POSTGRES_URL.replace(/\/\/(?:[^@/]*@)?/, "//postgres:hunter2@");
    writeFileSync(
      join(cwd, "omniq.yaml"),
      `taskQueue:\n  type: postgres\n  config: { url: "${url}", schema: ${schema}, queues: [mail] }\n`,
    );
    const there = (args: readonly string[]) => omniq(args, { cwd });
    expect((await there(["migrate"])).code).toBe(0);
    expect((await there(["enqueue", "greet", '{"name":"you"}', "--id", "a", "--tasks", "tasks.mjs"])).code).toBe(0);
    const worked = await there(["worker", "--drain", "--verbose", "--tasks", "tasks.mjs"]);
    expect(worked.code).toBe(0);
    expect((await there(["results", "show", "a"])).stdout).toContain("hello you");
    const explained = await there(["config", "explain"]);
    expect(explained.stdout).toMatch(/^taskQueue\.type +postgres +omniq\.yaml/m);
    for (const { stdout, stderr } of [worked, explained]) expect(stdout + stderr).not.toContain("hunter2");
    const backup = await there(["backup", "copy.db"]);
    expect([backup.code, backup.stderr]).toEqual([1, expect.stringContaining(`pg_dump --format=custom --schema='"${schema}"'`)]);
    expect(backup.stderr).not.toContain("hunter2");
    rmSync(join(cwd, "omniq.yaml"));
  });
});
