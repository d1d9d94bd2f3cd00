/** What a process loads: nothing of PostgreSQL where files are used, and a sentence where the driver is missing. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { registerHooks } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { SyncUnsupportedError, Task } from "../../../src/index.ts";
import { PostgresBackend } from "../../../src/postgres.ts";
import { POSTGRES_URL } from "../../fixtures/postgres.ts";

const exec = promisify(execFile);
const dir = mkdtempSync(join(tmpdir(), "omniq-driver-"));
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});
const DOOR = new URL("../../../src/index.ts", import.meta.url).href;
const BIN = new URL("../../../src/cli/bin.ts", import.meta.url).pathname;

/** Registered before anything else: told of each module that is resolved, or refusing one. */
const hook = (code: string): string =>
  `--import=data:text/javascript,${encodeURIComponent(`import { registerHooks } from "node:module";\n${code}`)}`;
const LISTED = hook(`registerHooks({ resolve(specifier, context, next) {
  const found = next(specifier, context);
  if (/\\/node_modules\\/pg[-/]|\\/backends\\/postgres\\/|src\\/postgres\\.ts/.test(found.url)) process.stderr.write("LOADED " + found.url + "\\n");
  return found;
} });`);
const MISSING = hook(`registerHooks({ resolve(specifier, context, next) {
  if (specifier === "pg") throw Object.assign(new Error("Cannot find package 'pg'"), { code: "ERR_MODULE_NOT_FOUND" });
  return next(specifier, context);
} });`);

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}
async function node(args: readonly string[]): Promise<Said> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("OMNIQ_")));
  try {
    return { code: 0, ...(await exec(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], { cwd: dir, env })) };
  } catch (error) {
    const { code, stdout, stderr } = error as Said;
    return { code, stdout, stderr };
  }
}

const PROGRAM = (url: string): string => `import { OmniQ, defineTask } from ${JSON.stringify(DOOR)};
const add = defineTask({ name: "add", handler: ({ x }) => x + 1 });
const omniq = new OmniQ({ url: ${JSON.stringify(url)} });
const worker = omniq.worker({ tasks: [add] });
const handle = await omniq.enqueue(add, { x: 1 });
await worker.drain();
console.log(await handle.result());
await omniq.close();`;

describe("a process that works with files", { tags: ["slow"] }, () => {
  test("loads nothing of PostgreSQL: neither façade and worker nor the command line", async () => {
    expect(typeof registerHooks).toBe("function");
    expect(await node([LISTED, "--input-type=module", "-e", PROGRAM("sqlite:a.db")])).toEqual({ code: 0, stdout: "2\n", stderr: "" });
    for (const args of [["tasks", "list"], ["stats"], ["health"], ["doctor"], ["migrate"], ["worker", "--drain", "--quiet"]])
      expect((await node([LISTED, BIN, ...args, "--url", "sqlite:a.db"])).stderr).not.toContain("LOADED");
  });

  test("the list would tell", async () => {
    expect((await node([LISTED, BIN, "stats", "--url", "postgres://127.0.0.1:1/x"])).stderr).toContain("LOADED");
  });
});

describe("without the driver", { tags: ["slow"] }, () => {
  test("the error says what to install", async () => {
    const program = await node([MISSING, "--input-type=module", "-e", PROGRAM("postgres://127.0.0.1:1/x")]);
    expect(program.code).toBe(1);
    expect(program.stderr).toContain("Expected the package pg to be installed, which PostgreSQL needs: npm install pg");
    expect(program.stderr).toContain("DRIVER_MISSING");
    const command = await node([MISSING, BIN, "stats", "--url", "postgres://127.0.0.1:1/x"]);
    expect(command).toEqual({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/^error: .*npm install pg \(DRIVER_MISSING\)\n$/) as string,
    });
  });

  test("files are worked with as ever", async () => {
    expect(await node([MISSING, "--input-type=module", "-e", PROGRAM("sqlite:b.db")])).toEqual({ code: 0, stdout: "2\n", stderr: "" });
  });
});

describe.skipIf(POSTGRES_URL === "")("what only files can", () => {
  test("synchronous verbs are refused with the reason, nothing is written", async () => {
    const schema = `omniq_test_sync_${process.pid}`;
    const backend = new PostgresBackend({ url: POSTGRES_URL, schema });
    await backend.open();
    const admin = new Client({ connectionString: POSTGRES_URL });
    await admin.connect();
    try {
      const refused = expect.objectContaining({
        message: expect.stringContaining('"postgres" has none: use the form without Sync and await it') as string,
      });
      expect(() => backend.taskQueue().enqueueSync(new Task({ func: "add" }))).toThrow(SyncUnsupportedError);
      expect(() => backend.resultStorage().getSync("x")).toThrow(refused);
      expect(() => backend.eventStorage().statsSync()).toThrow(refused);
      expect(await backend.desk.count(10)).toEqual([]);
    } finally {
      await backend.close();
      await admin.query(`DROP SCHEMA ${schema} CASCADE`);
      await admin.end();
    }
  });
});
