/** The command line as people use it: as a process of its own. */
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { defineTask, FatalError, OmniQ } from "../../src/index.ts";
import type { OmniQOptions } from "../../src/index.ts";
import { ENGINES } from "../fixtures/engines.ts";

const BIN = inject("bin");

interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
interface Surroundings {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Given to Node itself. */
  readonly node?: readonly string[];
}

const dir = mkdtempSync(join(tmpdir(), "omniq-cli-"));
/** What Node has compiled once, the next process need not. */
const COMPILED = mkdtempSync(join(tmpdir(), "omniq-compiled-"));

function omniq(args: readonly string[], { cwd = dir, env = {}, node = [] }: Surroundings = {}): Promise<Said> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:OMNIQ_|FORCE_COLOR|NO_COLOR)/.test(name)));
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...node, BIN, ...args], {
      cwd,
      env: { ...inherited, NODE_COMPILE_CACHE: COMPILED, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.on("close", (code) => {
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    });
  });
}

function linesOf(text: string): readonly string[] {
  return text.trimEnd().split("\n");
}
function jsonOf(text: string): readonly Record<string, unknown>[] {
  return text === "" ? [] : linesOf(text).map((line) => JSON.parse(line) as Record<string, unknown>);
}

const HOSTILE = "\u001b[2J\u001b]0;owned\u0007\u009b31m\u202eend";
const greet = defineTask({ name: "greet", handler: ({ name }: { name: string }) => ({ text: `hello ${name}` }) });
const refuse = defineTask({
  name: "refuse",
  handler: () => {
    throw new FatalError(`it cannot be ${HOSTILE}`);
  },
});

/** `shop`: two greetings done (one labelled by a villain), one failure, one blocked, one delayed, one of another queue ready. */
async function seed(options: OmniQOptions): Promise<void> {
  const shop = new OmniQ(options);
  await shop.enqueue(greet, { name: "a" }, { id: "done-1", tags: ["x", "y"], label: HOSTILE });
  await shop.enqueue(greet, { name: "b" }, { id: "done-2", tags: ["x"] });
  await shop.enqueue(refuse, undefined, { id: "failed-1" });
  const worker = shop.worker({ tasks: [greet, refuse] });
  await worker.drain();
  await shop.enqueue(greet, { name: "c" }, { id: "ready-1", queueName: "slow" });
  await shop.enqueue(greet, { name: "d" }, { id: "delayed-1", runIn: "1d", description: "tomorrow" });
  await shop.enqueue(greet, { name: "e" }, { id: "blocked-1", dependsOn: ["ready-1", { on: "delayed-1", ifFailed: "run" }] });
  await shop.queues.pause("slow");
  await shop.close();
}
beforeAll(() => seed({ projectName: "shop", baseDir: join(dir, "omniq_data") }));
afterAll(() => {
  for (const folder of [dir, COMPILED]) rmSync(folder, { recursive: true, force: true });
});

const SHOP = ["--project", "shop"];

describe.each(ENGINES)("used rightly on $name", ({ place }) => {
  const { options, flags: SHOP, remove } = place(dir);
  beforeAll(() => seed(options));
  afterAll(remove);

  test("version and help", async () => {
    const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
    expect(await omniq(["--version"])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: "" });
    const help = await omniq(["--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    for (const command of ["tasks", "events", "stats", "demo"]) expect(help.stdout).toMatch(new RegExp(`^  ${command} `, "m"));
    expect(help.stdout).toContain("Examples:");
  });

  test("tasks list: newest first, with their phases", async () => {
    const { code, stdout, stderr } = await omniq(["tasks", "list", ...SHOP]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const [heads = "", ...rows] = linesOf(stdout);
    expect(heads.split(/ +/)).toEqual(["ID", "TASK", "QUEUE", "PHASE", "RUNS", "AGE", "ABOUT"]);
    expect(rows.map((row) => row.split(/ +/).slice(0, 5))).toEqual([
      ["blocked-1", "greet", "default", "blocked", "0"],
      ["delayed-1", "greet", "default", "delayed", "0"],
      ["ready-1", "greet", "slow", "ready", "0"],
      ["failed-1", "refuse", "default", "failed", "1"],
      ["done-2", "greet", "default", "completed", "1"],
      ["done-1", "greet", "default", "completed", "1"],
    ]);
  });

  test.each([
    [["--phase", "blocked"], ["blocked-1"]],
    [
      ["--status", "pending"],
      ["blocked-1", "delayed-1", "ready-1"],
    ],
    [["--queue", "slow"], ["ready-1"]],
    [["-f", "refuse"], ["failed-1"]],
    [
      ["-t", "x"],
      ["done-2", "done-1"],
    ],
    [["-t", "x", "--tag", "y"], ["done-1"]],
    [
      ["-n", "2"],
      ["blocked-1", "delayed-1"],
    ],
    [["--queue", "none"], []],
  ])("tasks list %j", async (filter, ids) => {
    const { code, stdout } = await omniq(["tasks", "list", ...SHOP, "--json", ...filter]);
    expect(code).toBe(0);
    expect(jsonOf(stdout).map(({ id }) => id)).toEqual(ids);
  });

  test("tasks show: what it is, why it stands where it does, what came of it, and its history", async () => {
    const { code, stdout } = await omniq(["tasks", "show", "failed-1", ...SHOP]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^refuse {2}failed\n/);
    expect(stdout).toContain("It has ended: failed");
    expect(stdout).toMatch(/^FatalError: it cannot be /m);
    expect(
      linesOf(stdout)
        .slice(-3)
        .map((line) => line.split(" ")[0]),
    ).toEqual(["enqueued", "executing", "failed"]);
    const blocked = await omniq(["tasks", "show", "blocked-1", ...SHOP]);
    expect(blocked.stdout).toMatch(/depends on +ready-1, delayed-1 \(however it ends\)/);
    expect(blocked.stdout).toContain("ready-1");
  });

  test("tasks show --json is one document", async () => {
    const { stdout } = await omniq(["tasks", "show", "done-1", ...SHOP, "--json"]);
    const [task, ...more] = jsonOf(stdout);
    expect(more).toEqual([]);
    expect(task).toMatchObject({
      id: "done-1",
      phase: "completed",
      name: HOSTILE,
      funcArgs: { name: "a" },
      why: { reason: "final" },
      result: { status: "completed", result: { text: "hello a" } },
      events: [{ eventType: "enqueued" }, { eventType: "executing" }, { eventType: "completed" }],
    });
  });

  test("events: newest first, of one task, of one kind, so many", async () => {
    const all = jsonOf((await omniq(["events", ...SHOP, "--json"])).stdout);
    expect(all.map(({ eventType }) => eventType).slice(0, 3)).toEqual(["enqueued", "enqueued", "enqueued"]);
    expect(all).toHaveLength(12);
    const ofOne = jsonOf((await omniq(["events", ...SHOP, "--json", "--task", "done-2"])).stdout);
    expect(ofOne.map(({ eventType }) => eventType)).toEqual(["completed", "executing", "enqueued"]);
    const table = await omniq(["events", ...SHOP, "--type", "failed", "-n", "3"]);
    expect(linesOf(table.stdout)).toHaveLength(2);
    expect(table.stdout).toContain("FatalError: it cannot be");
    expect(await omniq(["events", ...SHOP, "--type", "crashed"])).toEqual({ code: 0, stdout: "", stderr: "No event is like this.\n" });
  });

  test("stats: queues by phase, what has ended, results, events, workers", async () => {
    const { code, stdout } = await omniq(["stats", ...SHOP]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^slow +1 +0 +0 +0 +0 +paused$/m);
    expect(stdout).toMatch(/^default +0 +1 +0 +1 +0$/m);
    expect(stdout).toMatch(/^ +2 +1 +0 +0$/m);
    const [stats] = jsonOf((await omniq(["stats", ...SHOP, "--json"])).stdout);
    expect(stats).toMatchObject({
      tasks: { completed: 2, failed: 1, ready: 1, delayed: 1, blocked: 1 },
      queues: { slow: { ready: 1 } },
      paused: ["slow"],
      results: { total: 3 },
      events: { total: 12 },
      workers: [],
    });
  });
});

describe("which database", () => {
  test("nothing is written by looking", async () => {
    const file = join(dir, "omniq_data/shop.db");
    const before = readFileSync(file);
    const names = readdirSync(join(dir, "omniq_data"));
    for (const args of [["tasks", "list"], ["tasks", "show", "done-1"], ["events"], ["stats"]]) {
      expect((await omniq([...args, ...SHOP])).code).toBe(0);
    }
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(readdirSync(join(dir, "omniq_data"))).toEqual(names);
  });

  test.each([
    ["--base-dir", ["--base-dir", "omniq_data", "--project", "shop"], {}, ""],
    ["--url", ["--url", "sqlite:./omniq_data/shop.db"], {}, ""],
    ["OMNIQ_PROJECT_NAME", [], { OMNIQ_PROJECT_NAME: "shop" }, ""],
    ["OMNIQ_BASE_DIR", ["--project", "shop"], { OMNIQ_BASE_DIR: "../omniq_data" }, "elsewhere"],
    ["OMNIQ_URL", [], { OMNIQ_URL: "sqlite:../omniq_data/shop.db" }, "elsewhere"],
    [
      "an option over a variable",
      ["--project", "shop"],
      { OMNIQ_URL: "sqlite:./none.db", OMNIQ_RESULT_STORAGE_URL: "sqlite:./none.db" },
      "",
    ],
  ])("is told by %s", async (_, args, env, folder) => {
    const cwd = join(dir, folder);
    mkdirSync(cwd, { recursive: true });
    const { code, stdout, stderr } = await omniq(["tasks", "list", "--json", ...args], { cwd, env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(jsonOf(stdout)).toHaveLength(6);
  });

  test.each([["tasks", "list"], ["tasks", "show", "x"], ["events"], ["stats"]])("that is not there: %s %s %s", async (...args) => {
    const cwd = mkdtempSync(join(tmpdir(), "omniq-none-"));
    const { code, stdout, stderr } = await omniq(
      args.filter((arg) => arg !== undefined),
      { cwd },
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("omniq_data/omniq.db, but there is none");
    expect(stderr).toContain("(STORAGE_NOT_FOUND)");
    expect(linesOf(stderr)).toHaveLength(1);
    expect(readdirSync(cwd)).toEqual([]);
    rmSync(cwd, { recursive: true });
  });

  test("names the projects that are there instead", async () => {
    expect((await omniq(["stats"])).stderr).toContain("--project shop");
  });

  test("that is none of ours, or cannot be read, is refused and stays as it is", async () => {
    const folder = mkdtempSync(join(tmpdir(), "omniq-foreign-"));
    const foreign = new DatabaseSync(join(folder, "foreign.db"));
    foreign.exec("CREATE TABLE tasks (id INTEGER)");
    foreign.close();
    writeFileSync(join(folder, "text.db"), "this is no database at all, only text\n".repeat(40));
    writeFileSync(join(folder, "empty.db"), "");
    mkdirSync(join(folder, "folder.db"));
    copyFileSync(join(dir, "omniq_data/shop.db"), join(folder, "newer.db"));
    const newer = new DatabaseSync(join(folder, "newer.db"));
    newer.exec("UPDATE omniq_meta SET value = 99 WHERE key = 'schema_version'; PRAGMA journal_mode = DELETE");
    newer.close();
    const names = readdirSync(folder);
    const cases = {
      foreign: "FOREIGN_SCHEMA",
      text: "NOT_A_DATABASE",
      empty: "FOREIGN_SCHEMA",
      folder: "STORAGE_",
      newer: "SCHEMA_TOO_NEW",
    };
    for (const [project, errorCode] of Object.entries(cases)) {
      const { code, stdout, stderr } = await omniq(["stats", "--base-dir", folder, "--project", project]);
      expect({ project, code, stdout }).toEqual({ project, code: 1, stdout: "" });
      expect(stderr).toContain(`(${errorCode}`);
      expect(linesOf(stderr)).toHaveLength(1);
    }
    expect(readdirSync(folder)).toEqual(names);
    rmSync(folder, { recursive: true });
  });
});

describe("used wrongly", () => {
  test.each([
    [[], "Usage: omniq"],
    [["taks", "list"], "Did you mean tasks?"],
    [["tasks"], "Usage: omniq tasks"],
    [["tasks", "shw", "x"], "Did you mean show?"],
    [["stats", "--jsn"], "Did you mean --json?"],
    [["tasks", "show"], "missing required argument"],
    [["tasks", "list", "--limit", "many"], "whole number"],
    [["stats", "--url", "redis://x", "--project", "y"], "--url"],
    [["stats", "--url", "redis://x"], "sqlite"],
    [["stats", "--project", "../x"], "projectName"],
  ])("%j: 2, and what is right", async (args, hint) => {
    const { code, stdout, stderr } = await omniq(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(hint);
    expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
  });

  test("a task that is not there: 1", async () => {
    const { code, stderr } = await omniq(["tasks", "show", "nobody", ...SHOP]);
    expect(code).toBe(1);
    expect(stderr).toBe("error: Expected a task with the id nobody, but there is none (TASK_NOT_FOUND)\n");
  });

  test("a wrong variable: 1, with its name", async () => {
    const { code, stderr } = await omniq(["stats", ...SHOP], { env: { OMNIQ_PROJCT_NAME: "x" } });
    expect(code).toBe(1);
    expect(stderr).toContain("OMNIQ_PROJECT_NAME");
  });

  test("--debug shows the stack", async () => {
    const { code, stderr } = await omniq(["tasks", "show", "nobody", ...SHOP, "--debug"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ +at /m);
  });
});

describe.each(ENGINES)("what is written, of $name,", ({ place }) => {
  const { options, flags: SHOP, remove } = place(dir);
  beforeAll(() => seed(options));
  afterAll(remove);

  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  const OBEYED = /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u202A-\u202E]/;

  test.each([
    ["tasks", "list"],
    ["tasks", "show", "done-1"],
    ["tasks", "show", "failed-1"],
    ["events"],
    ["tasks", "list", "--json"],
    ["tasks", "show", "failed-1", "--json"],
    ["events", "--json"],
  ])("holds no control characters of the data: %s %s %s", async (...args) => {
    const { stdout } = await omniq([...args.filter((arg) => arg !== undefined), ...SHOP]);
    expect(stdout).not.toMatch(OBEYED);
  });

  test("nor does an error", async () => {
    expect((await omniq(["tasks", "show", HOSTILE, ...SHOP])).stderr).not.toMatch(OBEYED);
  });

  test("is coloured where that is asked for, and never with NO_COLOR", async () => {
    const plain = await omniq(["events", ...SHOP]);
    const coloured = await omniq(["events", ...SHOP], { env: { FORCE_COLOR: "1" } });
    expect(coloured.stdout).toContain("\u001b[31mfailed");
    expect(stripVTControlCharacters(coloured.stdout)).toBe(plain.stdout);
    expect((await omniq(["events", ...SHOP], { env: { NO_COLOR: "1" } })).stdout).toBe(plain.stdout);
  });

  test("to a reader who leaves early ends quietly", async () => {
    const many = new OmniQ(options);
    await many.enqueueMany(Array.from({ length: 500 }, (_, i) => greet.with({ name: "x".repeat(1_000) }, { id: `many-${i}` })));
    await many.close();
    for (const args of [
      ["tasks", "list", "-n", "500", "--json"],
      ["events", "-n", "500"],
    ]) {
      const child = spawn(process.execPath, [BIN, ...args, ...SHOP], { cwd: dir, stdio: ["ignore", "pipe", "pipe"] });
      const stderr: Buffer[] = [];
      child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
      child.stdout.once("data", () => child.stdout.destroy());
      const code = await new Promise((resolve) => {
        child.on("close", resolve);
      });
      expect({ code, stderr: Buffer.concat(stderr).toString() }).toEqual({ code: 0, stderr: "" });
    }
  });
});

describe("on an older Node", () => {
  test.each(["14.21.3", "20.19.0", "22.23.2", "23.11.0", "24.14.9"])("%s: one clear sentence", async (version) => {
    const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } })`;
    const { code, stdout, stderr } = await omniq(["stats"], { node: ["--import", `data:text/javascript,${encodeURIComponent(pretend)}`] });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^omniq needs Node .* but this is .*\n$/);
    expect(stderr).toContain(version);
  });

  test("the bin imports nothing before it has looked", () => {
    const source = readFileSync(BIN, "utf8");
    expect(source).not.toMatch(/^(?:import|export)\b(?!\(| \{\};)/m);
    expect(existsSync(BIN)).toBe(true);
  });
});
