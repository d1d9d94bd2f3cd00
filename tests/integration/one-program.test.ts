/** The example program says the same on every engine: only its URL changes. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "pg";
import { afterAll, describe, expect, inject, test } from "vitest";

const exec = promisify(execFile);
const PROGRAM = fileURLToPath(new URL("../../examples/one-program/shop.ts", import.meta.url));
const DOOR = new URL("../../src/index.ts", import.meta.url).href;
/** The package is what stands in the sources. */
const HOOK = `--import=data:text/javascript,${encodeURIComponent(`import { registerHooks } from "node:module";
registerHooks({ resolve: (specifier, context, next) => (specifier === "omniq" ? { url: ${JSON.stringify(DOOR)}, shortCircuit: true } : next(specifier, context)) });`)}`;

const SAID = `charged: { order: 'o-1', paid: 1250 }
packed: o-1 is packed
three more: 300
reported: all is well
what became of the first: enqueued, executing, retrying, executing, completed
`;

const cwd = mkdtempSync(join(tmpdir(), "omniq-program-"));
const server = inject("postgres");
const database = `omniq_test_program_${process.pid}`;
afterAll(() => {
  rmSync(cwd, { recursive: true, force: true });
});

async function said(url: string): Promise<string> {
  const env = { ...process.env, OMNIQ_URL: url, NO_COLOR: "1" };
  return (await exec(process.execPath, ["--disable-warning=ExperimentalWarning", HOOK, PROGRAM], { cwd, env })).stdout;
}

describe("the example program", { tags: ["slow"] }, () => {
  test("on an SQLite file", async () => {
    expect(await said("sqlite:./shop.db")).toBe(SAID);
  });

  test.skipIf(server === "")("on PostgreSQL", async () => {
    const admin = new Client({ connectionString: server });
    await admin.connect();
    await admin.query(`CREATE DATABASE ${database}`);
    try {
      const url = new URL(server);
      url.pathname = `/${database}`;
      expect(await said(url.href)).toBe(SAID);
    } finally {
      await admin.query(`DROP DATABASE ${database} WITH (FORCE)`);
      await admin.end();
    }
  });
});
