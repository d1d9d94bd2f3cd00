/** What every command has to do alike, as a process: a command of the table that is not listed here fails. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COMMANDS } from "../../src/cli/commands.ts";
import { defineTask, FatalError, OmniQ } from "../../src/index.ts";
import type { OmniQOptions } from "../../src/index.ts";
import { ended, jsonOf, linesOf, omniq, start } from "../fixtures/bin.ts";
import { ENGINES } from "../fixtures/engines.ts";
import { until } from "../fixtures/helpers.ts";

/** How a command is used rightly, in a folder with a database, a schedule, ended and waiting tasks, and a module of tasks. */
interface Use {
  readonly args: readonly string[];
  /** In a folder without a database: refused with one line (the default), done as well as ever, or told as the answer, with 1. */
  readonly none?: "refused" | "done" | "told";
  /** What it answers to `--json`; `document`: over several lines. */
  readonly json?: "lines" | "document" | "nothing";
  /** It goes on until it is interrupted; then it has done its work, or 130 says that it could not yet listen. */
  readonly endless?: true;
}

const USES: Readonly<Record<string, Use>> = {
  init: { args: ["made", "--no-install"], none: "done" },
  dev: { args: ["--quiet"], none: "done", json: "nothing", endless: true },
  worker: { args: ["--quiet"], none: "done", json: "nothing", endless: true },
  demo: { args: ["files", "--base-dir", "made"], none: "done" },
  enqueue: { args: ["greet", '{"name":"x"}'] },
  "tasks list": { args: [] },
  "tasks show": { args: ["done-1"] },
  "tasks cancel": { args: ["ready-1"] },
  "tasks retry": { args: ["--phase", "failed", "--yes"] },
  "tasks delete": { args: ["done-1"] },
  why: { args: ["ready-1"] },
  "schedules list": { args: [] },
  "schedules show": { args: ["nightly"] },
  "schedules add": { args: ["greet", '{"name":"x"}', "--id", "hourly", "--cron", "0 * * * *"] },
  "schedules pause": { args: ["nightly"] },
  "schedules resume": { args: ["nightly"] },
  "schedules run": { args: ["nightly"] },
  "schedules preview": { args: ["nightly"] },
  "schedules delete": { args: ["nightly"] },
  "queues list": { args: [] },
  "queues pause": { args: ["slow"] },
  "queues resume": { args: ["slow"] },
  "queues clear": { args: ["slow", "--yes"] },
  "results show": { args: ["done-1"] },
  "results latest": { args: ["soon"] },
  events: { args: [] },
  stats: { args: [] },
  migrate: { args: [], none: "done" },
  health: { args: [], none: "told" },
  cleanup: { args: [] },
  backup: { args: ["copy.db"] },
  transfer: { args: ["--from", "sqlite:omniq_data/omniq.db", "--to", "sqlite:moved.db"] },
  doctor: { args: [], none: "told" },
  "config explain": { args: [], none: "done" },
  "config schema": { args: [], none: "done", json: "document" },
  completion: { args: ["bash"], none: "done" },
};

const TASKS = `import { defineTask } from ${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)};
export const greet = defineTask({ name: "greet", handler: ({ name }) => ({ text: name }) });
`;

const greet = defineTask({ name: "greet", handler: ({ name }: { name: string }) => ({ text: `hello ${name}` }) });
const refuse = defineTask({
  name: "refuse",
  handler: () => {
    throw new FatalError("no");
  },
});

let sample = "";
const made: string[] = [];
function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "omniq-all-"));
  made.push(dir);
  return dir;
}
/** A copy of the sample, for one command to do with as it likes. */
function copy(): string {
  const dir = folder();
  cpSync(sample, dir, { recursive: true });
  return dir;
}

beforeAll(async () => {
  sample = folder();
  mkdirSync(join(sample, "files"));
  writeFileSync(join(sample, "files", "a.md"), "some words\n");
  writeFileSync(join(sample, "tasks.mjs"), TASKS);
  await seed({ baseDir: join(sample, "omniq_data") });
});
/** Ended and waiting tasks, and schedules. */
async function seed(options: OmniQOptions): Promise<void> {
  const shop = new OmniQ(options);
  await shop.enqueue(greet, { name: "a" }, { id: "done-1" });
  await shop.enqueue(refuse, undefined, { id: "failed-1" });
  await shop.enqueue(greet, { name: "b" }, { id: "ready-1", queueName: "slow" });
  await shop.schedule(greet, { name: "c" }, { id: "nightly", cron: "0 3 * * *" });
  await shop.schedule(greet, { name: "d" }, { id: "soon", once: true });
  const worker = shop.worker({ tasks: [greet, refuse] });
  await worker.start();
  await until(async () => (await shop.results.latest("soon")) !== undefined && (await shop.results.get("failed-1")) !== undefined);
  await shop.close();
}
afterAll(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

const STACK = /^\s+at /m;
const useOf = (name: string): Use => {
  const use = USES[name];
  if (use === undefined) throw new Error(`Expected \`omniq ${name}\` to have a row in USES, so that it is tested`);
  return use;
};
/** The exit codes of one that was used rightly. */
const endsWell = (name: string): readonly number[] => (useOf(name).endless === true ? [0, 130] : [0]);
const words = (name: string): readonly string[] => name.split(" ");
const rows = COMMANDS.map((spec) => [spec.name, spec] as const);

/** Lets it run until it says or has done nothing more, then interrupts it. */
async function run(name: string, args: readonly string[], cwd: string, closed = false): Promise<Awaited<ReturnType<typeof ended>>> {
  const { endless } = useOf(name);
  const child = start([...words(name), ...args], { cwd });
  if (closed) child.stdout.destroy();
  const end = ended(child);
  if (endless === true) {
    let over = false;
    void end.then(() => (over = true));
    // What it works with is there once it works.
    await until(() => over || existsSync(join(cwd, "omniq_data", "omniq.db-wal")), 20_000).finally(() => child.kill("SIGINT"));
  }
  return end;
}

/**
 * Sends the process a signal as soon as so many listen for SIGINT: the first is there before any command, the second is the command's own.
 * Its children are left alone.
 */
function signalled(signal: NodeJS.Signals, listeners: number): Readonly<Record<string, string>> {
  const hook = `delete process.env.NODE_OPTIONS;
    let left = ${listeners};
    process.on("newListener", (event) => {
      if (event === "SIGINT" && --left === 0) setImmediate(() => process.kill(process.pid, "${signal}"));
    });`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}` };
}

describe.concurrent("each command", { tags: ["slow"] }, () => {
  test.each(rows)("%s: help", async (name) => {
    const { code, stdout, stderr } = await omniq([...words(name), "--help"], { cwd: sample });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain(`Usage: omniq ${name}`);
    expect(stdout).toContain("Examples:");
  });

  test.each(rows)("%s: an unknown option is refused with a hint, and nothing is done", async (name) => {
    const cwd = folder();
    const { code, stdout, stderr } = await omniq([...words(name), ...useOf(name).args, "--jsn"], { cwd });
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("Did you mean --json?");
    expect(stderr).not.toMatch(STACK);
    expect(readdirSync(cwd)).toEqual([]);
  });

  test.each(rows.filter(([, spec]) => spec.arguments?.some(({ name }) => name.startsWith("<"))))(
    "%s: a missing argument is refused",
    async (name) => {
      const { code, stdout, stderr } = await omniq(words(name), { cwd: sample });
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toContain("missing required argument");
      expect(stderr).toContain("--help");
    },
  );

  test.each(rows)("%s: used rightly, --json answers JSON", async (name) => {
    const { args, json = "lines", endless } = useOf(name);
    const { code, stdout, stderr } = await run(name, [...args, "--json"], copy());
    expect(endsWell(name)).toContain(code);
    if (endless !== true) expect(stderr).toBe("");
    if (json === "document") expect(JSON.parse(stdout)).toBeTypeOf("object");
    else if (json === "lines") for (const value of jsonOf(stdout)) expect(value).toBeTypeOf("object");
    if (json !== "nothing") expect(stdout).not.toBe("");
  });

  test.each(rows)("%s: either signal, as early as it can come, ends it with 130, if it has not done its work by then", async (name) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const said = await omniq([...words(name), ...useOf(name).args], { cwd: copy(), env: signalled(signal, 1) });
      expect([0, 130]).toContain(said.code);
      expect(said.stderr).not.toMatch(/error|^\s+at /m);
      if (said.code === 0 && useOf(name).endless !== true) expect(said.stdout).toMatch(/\n$/);
    }
  });

  test.each(rows)("%s: a reader that leaves early is no error", async (name) => {
    const { code, stderr } = await run(name, useOf(name).args, copy(), true);
    expect(stderr).not.toContain("error:");
    expect(endsWell(name)).toContain(code);
    expect(stderr).not.toMatch(STACK);
  });

  test.each(rows)("%s: without a database", async (name) => {
    const { args, none = "refused", endless } = useOf(name);
    const cwd = folder();
    mkdirSync(join(cwd, "files"));
    writeFileSync(join(cwd, "files", "a.md"), "some words\n");
    if (endless === true) writeFileSync(join(cwd, "tasks.mjs"), TASKS);
    const before = readdirSync(cwd);
    const { code, stdout, stderr } = await run(name, args, cwd);
    expect(stderr).not.toMatch(STACK);
    if (none !== "refused") {
      expect(none === "told" ? [1] : endsWell(name)).toContain(code);
      if (none === "told") expect(stdout).not.toBe("");
      return;
    }
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(linesOf(stderr)).toHaveLength(1);
    expect(stderr).toMatch(/^error: .* \(STORAGE_NOT_FOUND\)$/m);
    expect(readdirSync(cwd)).toEqual(before);
  });
});

/** Where there is no server, there is nothing to run. */
const SERVERS = ENGINES.filter(({ name }) => name === "PostgreSQL");
/** What a command that does not work there says instead. */
const ELSEWHERE: Readonly<Record<string, string>> = { backup: "(BACKUP_ELSEWHERE)" };

describe.each(SERVERS)("each command on $name", { tags: ["slow"] }, ({ place }) => {
  /** A schema of its own, as variables tell it. */
  async function there(work: (env: Readonly<Record<string, string>>, options: OmniQOptions) => Promise<void>): Promise<void> {
    const { options, remove } = place("");
    try {
      await work({ OMNIQ_URL: options.url ?? "", OMNIQ_SCHEMA: options.schema ?? "" }, options);
    } finally {
      await remove();
    }
  }
  const placed = rows.filter(([, spec]) => spec.database);

  test.each(placed)("%s: used rightly, --json answers JSON", async (name) => {
    const { args, json = "lines", endless } = useOf(name);
    await there(async (env, options) => {
      await seed(options);
      const child = start([...words(name), ...args, "--json"], { cwd: copy(), env });
      const end = ended(child);
      if (endless === true) {
        const looker = new OmniQ(options);
        let over = false;
        void end.then(() => (over = true));
        await until(async () => over || (await looker.workers.list()).some(({ alive }) => alive), 20_000).finally(() =>
          child.kill("SIGINT"),
        );
        await looker.close();
      }
      const { code, stdout, stderr } = await end;
      const elsewhere = ELSEWHERE[name];
      expect(stderr).not.toMatch(STACK);
      if (elsewhere !== undefined)
        expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: "", stderr: expect.stringContaining(elsewhere) as string });
      else {
        expect(endsWell(name)).toContain(code);
        if (json === "lines") for (const value of jsonOf(stdout)) expect(value).toBeTypeOf("object");
        if (json !== "nothing") expect(stdout).not.toBe("");
      }
    });
  });

  test.each(placed.filter(([name]) => (useOf(name).none ?? "refused") === "refused" && ELSEWHERE[name] === undefined))(
    "%s: without tables it is refused, and makes none",
    async (name) => {
      await there(async (env, { url, schema }) => {
        const { code, stdout, stderr } = await omniq([...words(name), ...useOf(name).args], { cwd: folder(), env });
        expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
        expect(linesOf(stderr)).toHaveLength(1);
        expect(stderr).toMatch(/^error: .* \(STORAGE_NOT_FOUND\)$/m);
        const admin = new Client({ connectionString: url });
        await admin.connect();
        const { rowCount } = await admin.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema]);
        await admin.end();
        expect(rowCount).toBe(0);
      });
    },
  );
});

test.each(["SIGINT", "SIGTERM"] as const)("doctor ends at %s while it waits for a locked file", { tags: ["slow"] }, async (signal) => {
  const cwd = copy();
  const other = new DatabaseSync(join(cwd, "omniq_data", "omniq.db"));
  other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  const { code, stdout } = await omniq(["doctor"], { cwd, env: signalled(signal, 2) });
  other.close();
  expect(code).toBe(130);
  expect(stdout).not.toContain("STORAGE_BUSY");
});

describe.concurrent.each(["SIGINT", "SIGTERM"] as const)("%s while it works", { tags: ["slow"] }, (signal) => {
  test.each([
    [130, ["events", "--follow"]],
    [130, ["stats", "--watch", "--json"]],
    [130, ["enqueue", "greet", "--queue", "nobodys", "--wait"]],
    [130, ["demo", "files", "--base-dir", "made", "--pace", "60000"]],
    // To be asked to stop is how these end.
    [0, ["worker", "--quiet"]],
    [0, ["dev", "--quiet"]],
  ])("%i from %j", async (code, args) => {
    expect((await omniq(args, { cwd: copy(), env: signalled(signal, 2) })).code).toBe(code);
  });
});
