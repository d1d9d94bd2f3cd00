/** Configuration on the command line, as people use it: as a process of its own. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { OmniQ } from "../../src/index.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const BIN = inject("bin");
const NODES = { 22: join(ROOT, "node_modules/node22/bin/node"), 24: process.execPath } as const;

interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
interface Surroundings {
  readonly env?: Readonly<Record<string, string>>;
  readonly node?: keyof typeof NODES;
  /** Whoever reads stdout goes away at once. */
  readonly deaf?: boolean;
}

let parent = "";
/** The working directory of a test. */
let cwd = "";
let folders = 0;
beforeAll(() => {
  parent = mkdtempSync(join(tmpdir(), "omniq-cli-config-"));
});
beforeEach(() => {
  cwd = join(parent, String(++folders));
  mkdirSync(cwd);
});
afterAll(() => {
  rmSync(parent, { recursive: true, force: true });
});

function omniq(args: readonly string[], { env = {}, node = 24, deaf = false }: Surroundings = {}): Promise<Said> {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:OMNIQ_|FORCE_COLOR|NO_COLOR)/.test(name)));
  return new Promise((done) => {
    const child = spawn(NODES[node], [BIN, ...args], {
      cwd,
      // Node 22 warns of its own type stripping.
      env: { ...inherited, NODE_COMPILE_CACHE: join(parent, "compiled"), NODE_NO_WARNINGS: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    if (deaf) child.stdout.destroy();
    else child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.on("close", (code) => {
      done({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    });
  });
}

const write = (name: string, text: string): void => {
  writeFileSync(join(cwd, name), text);
};

interface Row {
  readonly option: string;
  readonly value: unknown;
  readonly from: string | null;
  readonly over: readonly string[];
}
/** What `config explain --json` says of each option. */
async function explained(args: readonly string[] = [], surroundings: Surroundings = {}): Promise<ReadonlyMap<string, Row>> {
  const { code, stdout, stderr } = await omniq(["config", "explain", "--json", ...args], surroundings);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const rows = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Row);
  return new Map(rows.map((row) => [row.option, row]));
}

const YAML = "projectName: shop\ntaskQueue:\n  config:\n    baseDir: ./data\n    queues: [high, low]\n";

describe("config explain", { tags: ["slow"] }, () => {
  test("without anything: the defaults, needing no database and making none", async () => {
    const rows = await explained();
    expect(rows.get("projectName")).toEqual({ option: "projectName", value: "omniq", from: "default", over: [] });
    expect(rows.get("taskDefaults.retryDelay")).toMatchObject({ value: 5_000, from: "default" });
    expect(rows.get("worker.config.maxWorkers")).toEqual({ option: "worker.config.maxWorkers", value: null, from: null, over: [] });
    expect(readdirSync(cwd)).toEqual([]);
  });

  test("says of each value where it came from and what it is over", async () => {
    write("omniq.yaml", YAML);
    write("vars", "OMNIQ_PROJECT_NAME=file\nOMNIQ_MAX_WORKERS=3\nOMNIQ_LOG_LEVEL=debug\n");
    const rows = await explained(["--env", "vars", "--project", "flag"], { env: { OMNIQ_LOG_LEVEL: "error" } });
    expect(rows.get("projectName")).toMatchObject({
      value: "flag",
      from: "--project",
      over: ["OMNIQ_PROJECT_NAME in vars", "omniq.yaml:1:14"],
    });
    expect(rows.get("taskQueue.config.baseDir")).toMatchObject({ value: "./data", from: "omniq.yaml:4:14" });
    expect(rows.get("worker.config.maxWorkers")).toMatchObject({ value: 3, from: "OMNIQ_MAX_WORKERS in vars" });
    expect(rows.get("logging.level")).toMatchObject({ value: "error", from: "OMNIQ_LOG_LEVEL", over: [] });
    expect(rows.get("taskDefaults.backoff")).toMatchObject({ value: "fixed", from: "default" });
  });

  test("is a table for people, of a part on demand", async () => {
    write("omniq.yaml", YAML);
    const { code, stdout, stderr } = await omniq(["config", "explain", "task_queue.config"], { env: { OMNIQ_URL: "sqlite:a.db" } });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => line.split(/ {2,}/)),
    ).toEqual([
      ["OPTION", "VALUE", "FROM"],
      ["taskQueue.config.baseDir", "not set", "over omniq.yaml:4:14"],
      ["taskQueue.config.url", "sqlite:a.db", "OMNIQ_URL"],
      ["taskQueue.config.schema", "not set"],
      ["taskQueue.config.tablePrefix", "not set"],
      ["taskQueue.config.busyTimeout", "not set"],
      ["taskQueue.config.durability", "full", "default"],
      ["taskQueue.config.queues", "high, low", "omniq.yaml:5:13"],
    ]);
  });

  test("tells all about one option", async () => {
    const { stdout } = await omniq(["config", "explain", "taskDefaults.retryDelay"], { env: { OMNIQ_RETRY_DELAY: "90s" } });
    expect(stdout).toContain("value       1m 30s\n");
    expect(stdout).toContain("from        OMNIQ_RETRY_DELAY\n");
    expect(stdout).toContain("may be      a duration");
    expect(stdout).toContain("default     5s\n");
  });

  test("says every mistake, and 1", async () => {
    write("omniq.yaml", "projectName: shop\nworker:\n  config:\n    maxWorkers: many\n    lese: 5s\n");
    const { code, stdout, stderr } = await omniq(["config", "explain"], { env: { OMNIQ_RETRY_DELAY: "soon", OMNIQ_PROJCT_NAME: "x" } });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^projectName +shop +omniq\.yaml:1:14$/m);
    const lines = stderr.trimEnd().split("\n");
    expect(lines).toHaveLength(4);
    for (const [i, part] of [
      "(omniq.yaml:4:17)",
      "(omniq.yaml:5:5). Did you mean `lease`?",
      "`OMNIQ_PROJECT_NAME`?",
      "(OMNIQ_RETRY_DELAY)",
    ].entries())
      expect(lines[i]).toContain(part);
    write("omniq.yaml", "taskQueue: { config: { durability: normal } }\neventStore: { config: { durability: full } }\n");
    const contradiction = await omniq(["config", "explain", "--json"]);
    expect([contradiction.code, contradiction.stderr]).toEqual([1, expect.stringContaining("(omniq.yaml:2:37)")]);
    write("omniq.yaml", "worker: [");
    const unreadable = await omniq(["config", "explain"]);
    expect(unreadable).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("(CONFIG_SYNTAX)") });
  });

  test("shows no password and nothing that a terminal obeys", async () => {
    write(
      "omniq.yaml",
      'taskQueue: { config: { url: "postgres://u:hunter2@h/d" } }\nresultStore: { config: { baseDir: "a\u202eb" } }\n"\\e[2Jkey": 1\n',
    );
    for (const args of [[], ["--json"], ["--debug"], ["taskQueue.config.url"]]) {
      const { code, stdout, stderr } = await omniq(["config", "explain", ...args]);
      expect(code).toBe(1);
      for (const never of ["hunter2", "\u202e", "\u001b"]) expect(stdout + stderr).not.toContain(never);
    }
  });

  test.each<[readonly string[], string]>([
    [["config", "explain", "wroker"], "Did you mean `worker`?"],
    [["config", "explain", "worker.config.maxWorker"], "Did you mean `worker.config.maxWorkers`?"],
    [["config", "explain", "a", "b"], "too many arguments"],
    [["config", "explan"], "Did you mean explain?"],
    [["config", "explain", "--url", "redis://u:hunter2@h"], "Expected `taskQueue.config.url` to be the URL of a store"],
    [["config", "explain", "--url", "sqlite:a", "--project", "b"], "--url to be given alone, got --project too"],
    [["config", "explain", "--config"], "argument missing"],
    [["config"], "Usage: omniq config"],
    [["config", "schema", "--config", "x"], "unknown option '--config'"],
  ])("%j: 2, and what is right", async (args, hint) => {
    const { code, stdout, stderr } = await omniq(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(hint);
    expect(stderr).not.toContain("hunter2");
  });

  test.each([[["config", "explain"]], [["config", "explain", "--json"]], [["config", "schema"]]])(
    "%j ends well when nobody listens",
    async (args) => {
      const { code, stderr } = await omniq(args, { deaf: true });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    },
  );
});

describe("config schema", { tags: ["slow"] }, () => {
  test("prints what the package ships, also where the configuration is wrong", async () => {
    write("omniq.yaml", "nonsense: true");
    const shipped = readFileSync(join(ROOT, "schema.json"), "utf8");
    expect(await omniq(["config", "schema"])).toEqual({ code: 0, stdout: shipped, stderr: "" });
    const { stdout } = await omniq(["config", "schema", "--json"]);
    expect([stdout.split("\n").length, JSON.parse(stdout)]).toEqual([2, JSON.parse(shipped)]);
  });
});

describe("the file that a command reads", { tags: ["slow"] }, () => {
  const fileOf = async (args: readonly string[] = [], surroundings: Surroundings = {}): Promise<string | null | undefined> =>
    (await explained(["projectName", ...args], surroundings)).get("projectName")?.from;

  test("is the one of its names, that of OMNIQ_CONFIG before, that of --config before all", async () => {
    expect(await fileOf()).toBe("default");
    const only = (name: string, text: string): void => {
      rmSync(cwd, { recursive: true });
      mkdirSync(cwd);
      write(name, text);
    };
    only("omniq.json", '{ "projectName": "json" }');
    expect(await fileOf()).toBe("omniq.json:1:18");
    only("omniq.yml", "project_name: yml");
    expect(await fileOf()).toBe("omniq.yml:1:15");
    only("omniq.config.mjs", 'export default { projectName: "mjs" };');
    expect(await fileOf()).toBe("omniq.config.mjs");
    only("omniq.config.ts", 'const name: string = "ts"; export default async () => ({ projectName: name });');
    for (const node of [22, 24] as const) expect(await fileOf([], { node })).toBe("omniq.config.ts");
    mkdirSync(join(cwd, "conf"));
    write("conf/a.yaml", "projectName: a");
    rmSync(join(cwd, "omniq.config.ts"));
    expect(await fileOf([], { env: { OMNIQ_CONFIG: "conf/a.yaml" } })).toBe("conf/a.yaml:1:14");
    write("vars", "OMNIQ_CONFIG=conf/a.yaml\n");
    expect(await fileOf(["--env", "vars"])).toBe("conf/a.yaml:1:14");
    write("omniq.json", '{ "projectName": "json" }');
    expect(await fileOf(["-c", "omniq.json"], { env: { OMNIQ_CONFIG: "conf/a.yaml" } })).toBe("omniq.json:1:18");
  });

  test("is not one of several: those that are passed over are named", async () => {
    write("omniq.yaml", YAML);
    write("omniq.config.mjs", 'export default { projectName: "mjs" };');
    const several = await omniq(["stats"]);
    expect([several.code, several.stdout]).toEqual([1, ""]);
    expect(several.stderr).toContain("got omniq.config.mjs and omniq.yaml: remove all but one");
    const all = await omniq(["config", "explain", "projectName"]);
    expect([all.code, all.stdout]).toEqual([1, expect.stringContaining("from        omniq.config.mjs\n")]);
    expect(all.stderr).toMatch(/^note: omniq\.yaml is not read: omniq\.config\.mjs is\nerror: Expected one .* \(CONFIG_AMBIGUOUS\)\n$/);
    const named = await omniq(["config", "explain", "projectName", "--json"], { env: { OMNIQ_CONFIG: "./omniq.yaml" } });
    expect([named.code, JSON.parse(named.stdout)]).toEqual([0, expect.objectContaining({ from: "./omniq.yaml:1:14" })]);
    expect(named.stderr).toBe("note: omniq.config.mjs is not read: ./omniq.yaml is\n");
  });

  test("is none of a folder above, which is told", async () => {
    write("omniq.yaml", YAML);
    cwd = join(cwd, "a", "b");
    mkdirSync(cwd, { recursive: true });
    const { code, stdout, stderr } = await omniq(["config", "explain", "projectName"]);
    expect([code, stdout]).toEqual([0, expect.stringContaining("from        default\n")]);
    expect(stderr).toBe("note: ../../omniq.yaml is not read: only the working directory is searched; name it with --config\n");
    const doctor = await omniq(["doctor", "--json"]);
    expect(JSON.parse(doctor.stdout)).toMatchObject({
      findings: expect.arrayContaining([
        { check: "configuration", severity: "note", text: expect.stringContaining("../../omniq.yaml is not read") },
      ]),
    });
  });

  test("may print what it likes: stdout is the answer's alone", async () => {
    write(
      "omniq.config.mjs",
      'console.log("loading"); export default async () => { await 0; process.stdout.write("called\\n"); return { projectName: "mjs" }; };',
    );
    const { code, stdout, stderr } = await omniq(["config", "explain", "projectName", "--json"]);
    expect([code, stderr]).toEqual([0, "loading\ncalled\n"]);
    expect(JSON.parse(stdout)).toMatchObject({ value: "mjs" });
  });

  test("is mentioned with --debug alone", async () => {
    write("omniq.yaml", YAML);
    expect((await omniq(["config", "explain", "--debug"])).stderr).toBe("configuration file: omniq.yaml\n");
  });

  test("names the database, over which a variable counts, and over it an option", async () => {
    write("omniq.yaml", `${YAML}eventStore: { config: { url: "sqlite:./data/events.db" } }\n`);
    const shop = OmniQ.fromConfig({
      projectName: "shop",
      taskQueue: { config: { baseDir: join(cwd, "data") } },
      eventStore: { config: { url: `sqlite:${join(cwd, "data/events.db")}` } },
    });
    await shop.enqueueNamed("hello", undefined, { id: "in-the-file" });
    await shop.close();
    const other = new OmniQ({ projectName: "other", baseDir: join(cwd, "data") });
    await other.enqueueNamed("hello", undefined, { id: "in-the-other" });
    await other.close();
    const tasks = async (args: readonly string[] = [], env = {}): Promise<string> =>
      (await omniq(["tasks", "list", "--json", ...args], { env })).stdout;
    expect(await tasks()).toContain("in-the-file");
    expect((await omniq(["events", "--json"])).stdout).toContain("in-the-file");
    expect(await tasks([], { OMNIQ_PROJECT_NAME: "other" })).toContain("in-the-other");
    expect(await tasks(["--project", "other"])).toContain("in-the-other");
    expect(await tasks(["--url", "sqlite:./data/other.db"], { OMNIQ_PROJECT_NAME: "shop" })).toContain("in-the-other");
    expect((await omniq(["events", "--json", "--project", "other"])).stdout).toContain("in-the-other");
    expect(existsSync(join(cwd, "omniq_data"))).toBe(false);
  });

  test.each<[string, readonly string[], Readonly<Record<string, string>>]>([
    ["none.yaml", ["--config", "none.yaml"], {}],
    ["none.ts", [], { OMNIQ_CONFIG: "none.ts" }],
  ])("that is not there: %s", async (name, args, env) => {
    const { code, stdout, stderr } = await omniq(["stats", ...args], { env });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toBe(`error: Expected ${name} to be a configuration file, but there is no such file (CONFIG_NOT_FOUND)\n`);
  });

  test("and an env file that is not there, or wrong", async () => {
    // It is not called `--env-file`: Node itself reads that one, also behind a script, and ends with a status of its own.
    const missing = await omniq(["stats", "--env", "none"]);
    expect(missing).toEqual({
      code: 2,
      stdout: "",
      stderr: "error: Expected --env to name a file of variables, but there is no none\n",
    });
    write("vars", "OMNIQ_MAX_WORKERS=many\n");
    const wrong = await omniq(["stats", "--env", "vars"]);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("(OMNIQ_MAX_WORKERS in vars)")]);
  });
});

describe("omniq.config.ts that cannot be used", { tags: ["slow"] }, () => {
  test.each([
    [
      "an enum",
      "enum A { B }\nexport default { projectName: A[0] };",
      "an enum, a namespace, a parameter property), start Node with `--import tsx`",
    ],
    ["a decorator", "const d = (c: unknown): void => {};\n@d class X {}\nexport default {};", "For decorators, start Node with"],
    ["an import without its ending", 'import { x } from "./other";\nexport default x;', 'with its file\'s ending, as "./tasks.ts"'],
    ["a package that is not there", 'import { x } from "not-there";\nexport default x;', "Cannot find package 'not-there'"],
    [
      "an error",
      '\n\nthrow new Error("token=hunter2 at \\u001b[2J");',
      "got Error: token=*** at \\x1b[2J (omniq.config.ts:3) (CONFIG_NOT_LOADED)",
    ],
    [
      "a function that throws",
      "export default () => {\n  throw new TypeError('no');\n};",
      "to answer a configuration, got TypeError: no (omniq.config.ts:2)",
    ],
    ["no default export", "export const projectName = 'x';", "got undefined (CONFIG_INVALID)"],
    [
      "a key that is not known",
      "export default { worker: { config: { maxWorker: 1 } } };",
      "got `maxWorker` (omniq.config.ts). Did you mean `maxWorkers`?",
    ],
  ])("for %s", async (_, text, hint) => {
    write("package.json", '{ "type": "module" }');
    write("omniq.config.ts", text);
    for (const node of [22, 24] as const) {
      const { code, stdout, stderr } = await omniq(["stats"], { node });
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toContain(hint);
      expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    }
  });
});

describe("what never comes", { tags: ["slow"] }, () => {
  test.each([
    ["a configuration that waits", "omniq.config.mjs", "await new Promise(() => {}); export default {};", ["config", "explain", "--json"]],
    [
      "a configuration that never answers",
      "omniq.config.mjs",
      "export default () => new Promise(() => {});",
      ["config", "explain", "--json"],
    ],
    ["a module of tasks that waits", "tasks.mjs", "await new Promise(() => {});", ["worker"]],
  ])("%s is no success: 1, and said", async (_, name, text, args) => {
    write(name, text);
    const { code, stdout, stderr } = await omniq(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("It waits for a promise that nothing will settle any more.");
  });
});

describe("a secret in a wrong place", { tags: ["slow"] }, () => {
  const SECRET = "postgres://u:hunter2@h/db";
  test.each(["OMNIQ_COMPONENT_LOG_LEVELS", "OMNIQ_BASE_DIR", "OMNIQ_LOG_LEVEL", "OMNIQ_TASK_TTL"])("is not shown: %s", async (name) => {
    const { code, stdout, stderr } = await omniq(["config", "explain"], { env: { [name]: SECRET } });
    expect(code).toBe(1);
    expect(stderr).toContain(name);
    expect(stdout + stderr).not.toContain("hunter2");
  });

  test("is not shown either where a module of tasks throws it", async () => {
    write("tasks.mjs", `throw new Error("cannot reach ${SECRET}");`);
    const { code, stdout, stderr } = await omniq(["worker"]);
    expect(code).toBe(1);
    expect(stderr).toContain("cannot reach postgres://***@h/db");
    expect(stdout + stderr).not.toContain("hunter2");
  });
});
