/** `worker`, `dev` and `init` as people use them: as processes of their own. */
import { execFile } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { pathToFileURL } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { OmniQ } from "../../src/index.ts";
import { runCli, startCli } from "../fixtures/cli-process.ts";
import type { CliProcess } from "../fixtures/cli-process.ts";
import { until } from "../fixtures/helpers.ts";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");
const DOOR = pathToFileURL(join(ROOT, "src/index.ts")).href;

/** What npm starts is this Node, too. */
const ON_THIS_NODE = { ...process.env, PATH: [dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter) };

let dir = "";
const started: CliProcess[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "omniq-run-"));
});
afterEach(async () => {
  for (const { child } of started) child.kill("SIGKILL");
  await Promise.all(started.splice(0).map(({ ended }) => ended));
  rmSync(dir, { recursive: true, force: true });
});

function start(...args: readonly string[]): CliProcess {
  const cli = startCli(args, { cwd: dir });
  started.push(cli);
  return cli;
}

const write = (name: string, text: string): void => {
  writeFileSync(join(dir, name), text);
};
/** `quick` ends at once, `slow` when its signal aborts or after so long, `deaf` hears no signal; `setup` schedules `quick`. */
const TASKS = `import { defineTask } from ${JSON.stringify(DOOR)};
import { setTimeout as sleep } from "node:timers/promises";
export const quick = defineTask({ name: "quick", handler: ({ n }: { n: number }, ctx) => { ctx.log.info("secret".length + " in hand"); return n + 1; } });
export const slow = defineTask({ name: "slow", handler: async ({ ms }: { ms: number }, ctx) => { await sleep(ms, undefined, { signal: ctx.signal }); return "slept"; } });
export const deaf = defineTask({ name: "deaf", handler: async () => { await sleep(60_000); } });
export const wrong = defineTask({ name: "wrong", maxRetries: 1, retryDelay: 1, handler: () => { throw new Error("no good"); } });
export async function setup(omniq) { await omniq.schedule(quick, { n: 1 }, { id: "often", every: "100ms" }); }
`;

async function withShop<T>(look: (omniq: OmniQ) => Promise<T>): Promise<T> {
  const omniq = new OmniQ({ baseDir: join(dir, "omniq_data") });
  try {
    return await look(omniq);
  } finally {
    await omniq.close();
  }
}
const enqueued = (...calls: readonly (readonly [name: string, args: unknown])[]): Promise<readonly string[]> =>
  withShop(async (omniq) => {
    const handles = [];
    for (const [name, args] of calls) handles.push(await omniq.enqueueNamed(name, args, { maxRetries: 1, retryDelay: 1 }));
    return handles.map(({ id }) => id);
  });
const statusOf = (id: string): Promise<string | undefined> => withShop(async (omniq) => (await omniq.tasks.get(id))?.status);

describe("worker", { tags: ["slow"] }, () => {
  test("makes the database, runs setup, fires its schedules, and a graceful stop by SIGTERM ends with 0", async () => {
    write("tasks.ts", TASKS);
    const worker = start("worker");
    await worker.says("quick completed");
    worker.child.kill("SIGTERM");
    expect(await worker.ended).toEqual({ code: 0, signal: null });
    expect(worker.stdout()).toBe("");
    expect(worker.stderr()).toContain("Stopping: nothing runs.");
    expect(await withShop(async (omniq) => (await omniq.schedules.list()).map(({ id }) => id))).toEqual(["often"]);
  });

  test("--drain does what is ready and ends with 0, by the queues in their order", async () => {
    write("tasks.ts", TASKS);
    const [, failing] = await enqueued(["quick", { n: 1 }], ["wrong", undefined]);
    const { code, stderr } = await runCli(["worker", "--drain", "--queues", "high,default", "--concurrency", "1"], { cwd: dir });
    expect(code).toBe(0);
    expect(stderr).toContain("quick completed");
    expect(stderr).toContain("wrong failed and runs again");
    expect(stderr).toContain("Nothing is ready any more");
    // Neither arguments nor results are logged.
    expect(stderr).not.toContain('"n"');
    expect(await statusOf(failing ?? "")).toBe("failed");
  });

  test("says at the first signal what it waits for; the second ends it at once with 130, and gives back what ran", async () => {
    write("tasks.ts", TASKS);
    const [slow] = await enqueued(["slow", { ms: 60_000 }]);
    const worker = start("worker", "--grace", "30s");
    await until(async () => (await statusOf(slow ?? "")) === "running");
    worker.child.kill("SIGINT");
    await worker.says(/Stopping: waiting up to 30 s for 1 task to end \(slow /);
    // Right behind the first it would count as the same; a third could meet a process that is ending and has no listener any more.
    const first = performance.now();
    await until(() => performance.now() - first > 400);
    worker.child.kill("SIGINT");
    await worker.says("Stopping at once");
    expect(await worker.ended).toEqual({ code: 130, signal: null });
    const task = await withShop((omniq) => omniq.tasks.get(slow ?? ""));
    expect(task).toMatchObject({ status: "pending", attempt: 0, crashCount: 0 });
  });

  test("a graceful stop lets what runs end, within the grace", async () => {
    write("tasks.ts", TASKS);
    const [slow] = await enqueued(["slow", { ms: 700 }]);
    const worker = start("worker", "--grace", "20s");
    await until(async () => (await statusOf(slow ?? "")) === "running");
    worker.child.kill("SIGINT");
    expect(await worker.ended).toEqual({ code: 0, signal: null });
    expect(await statusOf(slow ?? "")).toBe("completed");
  });

  test("a handler that hears nothing keeps no process alive", async () => {
    write("tasks.ts", TASKS);
    const [deaf] = await enqueued(["deaf", undefined]);
    const worker = start("worker", "--grace", "0");
    await until(async () => (await statusOf(deaf ?? "")) === "running");
    worker.child.kill("SIGTERM");
    expect(await worker.ended).toEqual({ code: 0, signal: null });
    expect(await statusOf(deaf ?? "")).toBe("pending");
  });

  const WAITS = `writeFileSync("begun", ""); await new Promise(() => setInterval(() => {}, 60_000));`;
  const FS = 'import { writeFileSync } from "node:fs";\n';
  const LONG_BEGINNINGS: readonly (readonly [string, string, string])[] = [
    ["a configuration", "omniq.config.ts", `${FS}${WAITS}\nexport default {};`],
    ["a tasks module", "tasks.ts", `${FS}${TASKS}${WAITS}`],
    ["a setup()", "tasks.ts", `${FS}${TASKS.replace(/export async function setup.*\n/, "")}export async function setup() { ${WAITS} }`],
  ];

  test.each(LONG_BEGINNINGS)("asked to stop while %s takes long, it ends soon, claims nothing, and ends with 0", async (_, file, text) => {
    write("tasks.ts", TASKS);
    write(file, text);
    const [waiting] = await enqueued(["quick", { n: 1 }]);
    const worker = start("worker");
    await until(() => existsSync(join(dir, "begun")));
    worker.child.kill("SIGTERM");
    expect(await worker.ended).toEqual({ code: 0, signal: null });
    expect(worker.stderr()).toContain("Stopping: nothing runs.");
    expect(worker.stderr()).not.toContain("Worker started");
    expect(await statusOf(waiting ?? "")).toBe("pending");
  });

  test("a drain that is interrupted while it begins ends with 130", async () => {
    write("tasks.ts", `${FS}${TASKS}${WAITS}`);
    const worker = start("worker", "--drain");
    await until(() => existsSync(join(dir, "begun")));
    worker.child.kill("SIGINT");
    expect(await worker.ended).toEqual({ code: 130, signal: null });
  });

  test("a log that nobody reads any more is a graceful stop", async () => {
    write("tasks.ts", TASKS);
    const [slow] = await enqueued(["slow", { ms: 500 }]);
    const worker = start("worker", "--grace", "20s");
    await until(async () => (await statusOf(slow ?? "")) === "running");
    worker.child.stderr?.destroy();
    expect(await worker.ended).toEqual({ code: 0, signal: null });
    expect(await statusOf(slow ?? "")).toBe("completed");
  });

  test("a drain that is interrupted ends with 130", async () => {
    write("tasks.ts", TASKS);
    const [slow] = await enqueued(["slow", { ms: 60_000 }]);
    const worker = start("worker", "--drain", "--grace", "0");
    await until(async () => (await statusOf(slow ?? "")) === "running");
    worker.child.kill("SIGTERM");
    expect((await worker.ended).code).toBe(130);
  });

  test("--quiet says only what went wrong, and a level of the configuration counts", async () => {
    write("tasks.ts", TASKS);
    await enqueued(["quick", { n: 1 }]);
    expect(await runCli(["worker", "--drain", "--quiet"], { cwd: dir })).toEqual({ code: 0, stdout: "", stderr: "" });
    await enqueued(["quick", { n: 1 }]);
    const env = { OMNIQ_LOG_LEVEL: "error" };
    expect(await runCli(["worker", "--drain"], { cwd: dir, env })).toEqual({ code: 0, stdout: "", stderr: "" });
    await enqueued(["quick", { n: 1 }]);
    expect((await runCli(["worker", "--drain", "--verbose"], { cwd: dir, env })).stderr).toContain("quick completed");
  });

  test.each([
    ["nothing to run", {}, [], /Expected a file with tasks .* omniq init \(MODULE_NOT_FOUND\)/],
    ["a file that is not there", {}, ["--tasks", "none.ts"], /there is no none\.ts/],
    ["a folder", {}, ["--tasks", "."], /but \. is a folder \(MODULE_NOT_FOUND\)/],
    [
      "a module without tasks",
      { "tasks.js": "export const a = 1;" },
      [],
      /to export tasks made by defineTask\(\) with a handler, got none/,
    ],
    ["an enum", { "tasks.ts": "enum A { B }\nexport {};" }, [], /tasks\.ts:1.*--import tsx/],
    [
      "an import without its ending",
      { "tasks.ts": 'import "./other";', "other.ts": "" },
      [],
      /\/other.*Write the import with its file's ending/,
    ],
    ["a decorator", { "tasks.ts": "const d = (x: unknown) => x;\n@d class A {}\nexport { A };" }, [], /--import tsx/],
    ["a mistake in its syntax", { "tasks.ts": "\nconst a: = 1;" }, [], /tasks\.ts:2/],
    [
      "a name that is not exported",
      { "tasks.ts": 'import { b } from "./other.ts";\nexport { b };', "other.ts": "export const a = 1;" },
      [],
      /does not provide an export named 'b'(?!.*tsx)/,
    ],
    ["an import that throws", { "tasks.ts": '\nthrow new Error("not today");' }, [], /Error: not today at tasks\.ts:2:7/],
    [
      "a setup that throws",
      {
        "tasks.ts": `${TASKS.replace(/export async function setup.*\n/, "")}export const setup = () => { throw new TypeError("unset"); };`,
      },
      [],
      /Expected setup\(\) of tasks\.ts to succeed, got TypeError: unset at tasks\.ts:\d+.*MODULE_SETUP_FAILED/,
    ],
    [
      "two tasks of one name",
      { "tasks.ts": TASKS.replace('name: "slow"', 'name: "quick"') },
      [],
      /names of their own, got "quick" twice.*MODULE_INVALID/,
    ],
  ])("cannot start with %s: 1, and one clear line", async (_, files, args, line) => {
    for (const [name, text] of Object.entries(files)) write(name, text);
    const { code, stdout, stderr } = await runCli(["worker", "--quiet", ...args], { cwd: dir });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(line);
  });

  test.each([
    [["--queues", "a,,b"], "--queues"],
    [["--lease", "5ms"], "--lease"],
    [["--grace", "soon"], "duration"],
    [["--concurrency", "0"], "whole number"],
    [["--quiet", "--verbose"], "--quiet"],
  ])("used wrongly %j: 2", async (args, hint) => {
    write("tasks.ts", TASKS);
    const { code, stderr } = await runCli(["worker", ...args], { cwd: dir });
    expect(code).toBe(2);
    expect(stderr).toContain(hint);
    expect(existsSync(join(dir, "omniq_data"))).toBe(false);
  });

  test("what user code throws into the air ends it with 1, and says where", async () => {
    write(
      "tasks.ts",
      `${TASKS}\nexport const bomb = defineTask({ name: "bomb", handler: async () => { setTimeout(() => { throw new Error("boom"); }, 1); await sleep(60_000); } });`,
    );
    await enqueued(["bomb", undefined]);
    const worker = start("worker");
    expect((await worker.ended).code).toBe(1);
    expect(worker.stderr()).toContain("boom");
    expect(worker.stderr()).toMatch(/tasks\.ts:\d+/);
  });
});

describe("dev", { tags: ["slow"] }, () => {
  const greeting = (text: string): string => `export const text = ${JSON.stringify(text)};`;
  const DEV = TASKS.replace("n + 1", "text")
    .replace('"secret".length + " in hand"', '"says " + text')
    .replace(/^/, 'import { text } from "./text.ts";\n');

  test("starts again on a change of the tasks, of what they import and of the configuration; a mistake does not end it", async () => {
    write("text.ts", greeting("one"));
    write("tasks.ts", DEV);
    const dev = start("dev", "--grace", "100ms");
    await dev.says("says one");
    write("text.ts", greeting("two"));
    await dev.says("Changed: text.ts. The worker starts again.");
    await dev.says("says two");
    write("tasks.ts", `${DEV}\nconst a = ;`);
    await dev.says("It starts again when a file changes.");
    expect(dev.stderr()).toMatch(/Expected tasks\.ts to be importable, got SyntaxError: .* at tasks\.ts:\d+/);
    write("text.ts", greeting("three"));
    write("tasks.ts", DEV);
    await dev.says("says three");
    write("omniq.yaml", "worker:\n  config:\n    maxWorkers: 3\n");
    await dev.says("Changed: omniq.yaml");
    await dev.says(/"slots": ?3/);
    dev.child.kill("SIGINT");
    expect(await dev.ended).toEqual({ code: 0, signal: null });
  });

  test("waits for the tasks that are not there yet", async () => {
    const dev = start("dev");
    await dev.says("MODULE_NOT_FOUND");
    write("text.ts", greeting("here"));
    write("tasks.ts", DEV);
    await dev.says("says here");
  });

  const pidOf = async (dev: CliProcess): Promise<number> => {
    await dev.says("Worker started");
    const [worker] = await withShop((omniq) => omniq.workers.list());
    return worker?.pid ?? 0;
  };
  const isGone = (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  };

  test.each(["SIGTERM", "SIGKILL"] as const)("leaves no worker behind at %s", async (signal) => {
    write("text.ts", greeting("x"));
    write("tasks.ts", DEV);
    const dev = start("dev");
    const pid = await pidOf(dev);
    expect(isGone(pid)).toBe(false);
    dev.child.kill(signal);
    await until(() => isGone(pid));
    expect((await dev.ended).code).toBe(signal === "SIGTERM" ? 0 : null);
  });

  /** One whose worker computes without an end. */
  async function startBusy(): Promise<CliProcess> {
    write("text.ts", greeting("x"));
    write("tasks.ts", `${DEV}\nexport const busy = defineTask({ name: "busy", handler: () => { for (;;); } });`);
    await enqueued(["busy", undefined]);
    const dev = start("dev", "--grace", "1ms");
    await dev.says("Worker started");
    await until(() => withShop(async (omniq) => (await omniq.tasks.find({ func: "busy", status: "running" })).items.length === 1));
    return dev;
  }

  test("leaves none behind at SIGKILL that computes without an end", async () => {
    const dev = await startBusy();
    const pid = await pidOf(dev);
    dev.child.kill("SIGKILL");
    await until(() => isGone(pid)).finally(() => {
      if (!isGone(pid)) process.kill(pid, "SIGKILL");
    });
  });

  test("kills a worker that computes without an end", async () => {
    const dev = await startBusy();
    dev.child.kill("SIGINT");
    await dev.says("did not stop in time and was killed");
    expect((await dev.ended).code).toBe(0);
  });
});

describe("init", { tags: ["slow"] }, () => {
  /** As a fresh clone after its build: what is compiled, and what npm ci brought. */
  let clone = "";
  let bin = "";
  beforeAll(async () => {
    mkdirSync(join(ROOT, ".tmp"), { recursive: true });
    clone = mkdtempSync(join(ROOT, ".tmp", "clone-"));
    copyFileSync(join(ROOT, "package.json"), join(clone, "package.json"));
    symlinkSync(join(ROOT, "node_modules"), join(clone, "node_modules"), "junction");
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    await run(process.execPath, [tsc, "-p", "tsconfig.build.json", "--outDir", join(clone, "dist")], { cwd: ROOT });
    bin = join(clone, "dist/cli/bin.js");
    return () => {
      rmSync(clone, { recursive: true, force: true });
    };
  }, 120_000);

  /** No registry is there to be asked. */
  const env = {
    npm_config_registry: "http://127.0.0.1:9/",
    npm_config_fetch_retries: "0",
    npm_config_cache: join(tmpdir(), "omniq-npm-cache"),
  };

  test("init and dev make a running scheduled task of an empty folder, without a network", async () => {
    const made = await runCli(["init"], { cwd: dir, bin, env });
    expect(made).toMatchObject({ code: 0 });
    expect(made.stdout).toContain("npx omniq dev");
    expect(readdirSync(dir).toSorted()).toEqual(
      [
        ".gitignore",
        "README.md",
        "enqueue.ts",
        "node_modules",
        "omniq.yaml",
        "package-lock.json",
        "package.json",
        "tasks.ts",
        "tsconfig.json",
      ].toSorted(),
    );
    const dev = startCli(["dev"], { cwd: dir, bin });
    started.push(dev);
    await dev.says("Worker started");
    const { stdout } = await run(process.execPath, ["--disable-warning=ExperimentalWarning", "enqueue.ts"], { cwd: dir });
    expect(stdout).toMatch(/^enqueued [\da-f-]+\nHello, Ada!\n$/);
    await dev.says("tick completed");
    dev.child.kill("SIGINT");
    expect((await dev.ended).code).toBe(0);
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    expect((await run(process.execPath, [tsc, "-p", "."], { cwd: dir })).stdout).toBe("");
    // The scripts find the command.
    const drained = await run("npm", ["run", "--silent", "worker", "--", "--drain", "--quiet"], {
      cwd: dir,
      env: ON_THIS_NODE,
    });
    expect(drained.stderr).toBe("");
  });

  test("an installed copy that no registry has gives itself", async () => {
    const installed = join(dir, "elsewhere/node_modules/omniq");
    cpSync(join(clone, "dist"), join(installed, "dist"), { recursive: true });
    copyFileSync(join(clone, "package.json"), join(installed, "package.json"));
    symlinkSync(join(ROOT, "node_modules"), join(installed, "node_modules"), "junction");
    mkdirSync(join(dir, "app"));
    const { code, stderr } = await runCli(["init"], { cwd: join(dir, "app"), bin: join(installed, "dist/cli/bin.js"), env });
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining("the project uses the copy in") as string });
    const { stdout } = await run("npm", ["run", "--silent", "worker", "--", "--drain", "--verbose"], {
      cwd: join(dir, "app"),
      env: ON_THIS_NODE,
    });
    expect(stdout).toBe("");
    expect(existsSync(join(dir, "app/data/app.db"))).toBe(true);
  });

  test("completes a package.json that is there, and keeps what is somebody's", async () => {
    write("package.json", JSON.stringify({ name: "mine", scripts: { dev: "mine" } }));
    write("README.md", "mine");
    const { code, stdout } = await runCli(["init", "--no-install", "--json"], { cwd: dir });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ kept: ["README.md"], installed: false });
    expect(JSON.parse(readFileSync(join(dir, "package.json"), "utf8"))).toMatchObject({
      name: "mine",
      type: "module",
      scripts: { dev: "mine", worker: "omniq worker" },
    });
    expect(readFileSync(join(dir, "README.md"), "utf8")).toBe("mine");
  });

  test("overwrites nothing: it is refused before anything is written", async () => {
    write("tasks.ts", "// mine");
    const { code, stderr } = await runCli(["init", "--no-install"], { cwd: dir });
    expect(code).toBe(1);
    expect(stderr).toContain("to hold no tasks.ts yet");
    expect(stderr).toContain("INIT_REFUSED");
    expect(readdirSync(dir)).toEqual(["tasks.ts"]);
    expect(readFileSync(join(dir, "tasks.ts"), "utf8")).toBe("// mine");
  });

  test("says what to do when the installation fails, and the files are there", async () => {
    const env2 = { ...env, PATH: dir };
    const { code, stderr } = await runCli(["init", "sub"], { cwd: dir, bin, env: env2 });
    expect(code).toBe(1);
    expect(stderr).toContain("INSTALL_FAILED");
    expect(existsSync(join(dir, "sub/tasks.ts"))).toBe(true);
  });
});
