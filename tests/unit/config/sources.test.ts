/** The sources beside YAML: modules, env files, the database that options name, and how they count together. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { originText } from "../../../src/config/check.ts";
import type { Source } from "../../../src/config/check.ts";
import { CONFIG_FILES, findConfigFile } from "../../../src/config/find.ts";
import { loadConfig, resolveConfig } from "../../../src/config/load.ts";
import type { LoadedConfig, LoadOptions } from "../../../src/config/load.ts";
import { settingsOf } from "../../../src/config/settings.ts";
import { ConfigError } from "../../../src/core/errors.ts";
import { loadModuleAt } from "../../../src/host.ts";
import { OmniQ } from "../../../src/index.ts";

/** What `omniq.config.ts` holds, without a file. */
function from(module: unknown, more: Partial<LoadOptions> = {}): Promise<LoadedConfig> {
  return loadConfig({
    file: "omniq.config.ts",
    readFile: () => Promise.resolve(Buffer.from("")),
    load: () => Promise.resolve(module),
    ...more,
  });
}

const sourcesOf = ({ origins }: LoadedConfig): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...origins].filter(([, { from: source }]) => source !== "default").map(([path, origin]) => [path, originText(origin)]),
  );

describe("a module", () => {
  const config = { projectName: "shop", worker: { config: { max_workers: 2 } } };

  test.each<[string, unknown]>([
    ["an object", { default: config }],
    ["a function", { default: () => config }],
    ["an async function", { default: () => Promise.resolve(config) }],
    ["CommonJS", { default: config, "module.exports": config }],
    ["CommonJS made of a module", { default: { __esModule: true, default: config } }],
    ["a promise", { default: Promise.resolve(config) }],
  ])("exports %s", async (_, module) => {
    const loaded = await from(module);
    expect(loaded.config).toMatchObject({ projectName: "shop", worker: { config: { maxWorkers: 2 } } });
    expect(sourcesOf(loaded)).toEqual({ projectName: "omniq.config.ts", "worker.config.maxWorkers": "omniq.config.ts" });
  });

  test("is given the variables, and counts less than they do", async () => {
    const env = { OMNIQ_PROJECT_NAME: "env", STAGE: "test" };
    const loaded = await from(
      {
        default: ({ env: given }: { env: Record<string, string> }) => ({
          projectName: "file",
          taskDefaults: { queueName: given["STAGE"] },
        }),
      },
      { env },
    );
    expect(loaded.config).toMatchObject({ projectName: "env", taskDefaults: { queueName: "test" } });
  });

  test.each<[unknown, string]>([
    [{ default: { projectNme: "x" } }, "got `projectNme` (omniq.config.ts). Did you mean `projectName`?"],
    [
      { default: { worker: { config: { maxWorkers: 0 } } } },
      "Expected `worker.config.maxWorkers` to be a whole number of at least 1, got 0 (omniq.config.ts)",
    ],
    [{}, "Expected the default export of omniq.config.ts to be a configuration, or a function that answers one, got undefined"],
    [{ default: () => undefined }, "got undefined"],
    [{ default: null }, "got null"],
    [{ default: () => () => ({}) }, "got a function"],
    [{ default: new Map() }, "Expected the configuration to be an object of options, got an instance of Map (omniq.config.ts)"],
    [{ default: { worker: new Set() } }, "Expected `worker` to be an object of options, got an instance of Set (omniq.config.ts)"],
    [{ default: "s3cr3t" }, "got a text"],
    [{ default: [] }, "Expected the configuration to be an object of options, got an array of 0 (omniq.config.ts)"],
  ])("that is wrong: %o", async (module, message) => {
    const loading = from(module);
    await expect(loading).rejects.toThrow(ConfigError);
    await expect(loading).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining(message) });
  });

  test("that throws, or cannot be imported", async () => {
    const no = new TypeError("password=hunter2");
    const broken = Object.assign(new SyntaxError("enum"), {
      code: "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX",
      stack: "file:///x/omniq.config.ts:7",
    });
    const odd = new Proxy(
      {},
      {
        has: () => {
          throw no;
        },
      },
    );
    for (const exported of [() => Promise.reject(no), Promise.reject(no), odd])
      await expect(from({ default: exported })).rejects.toMatchObject({
        code: "CONFIG_NOT_LOADED",
        message: expect.stringContaining("Expected omniq.config.ts to answer a configuration, got TypeError: password=***"),
        cause: no,
      });
    await expect(from(undefined, { load: () => Promise.reject(broken) })).rejects.toMatchObject({
      code: "CONFIG_NOT_LOADED",
      message: expect.stringMatching(
        /^Expected omniq\.config\.ts to be importable, got SyntaxError: enum \(omniq\.config\.ts:7\)\. For .*tsx/,
      ),
    });
  });

  test("that throws when it is read is named", async () => {
    const getter = {
      get projectName(): never {
        throw new RangeError("no");
      },
    };
    await expect(from({ default: getter })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: "Expected `projectName` to be readable, got RangeError: no (omniq.config.ts)",
    });
  });

  test("that is not there is told from one that imports what is not there", async () => {
    const missing = Object.assign(new Error("no"), { code: "ENOENT" });
    await expect(from({}, { readFile: () => Promise.reject(missing) })).rejects.toMatchObject({ code: "CONFIG_NOT_FOUND" });
  });
});

describe("files on disk", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "omniq-sources-"));
    const config = `{ projectName: "disk", taskQueue: { config: { url: "sqlite::memory:" } } }`;
    for (const ending of ["ts", "mts", "js", "mjs"]) writeFileSync(join(folder, `omniq.config.${ending}`), `export default ${config};`);
    writeFileSync(join(folder, "omniq.config.cjs"), `module.exports = ${config};`);
    writeFileSync(join(folder, "omniq.json"), JSON.stringify({ $schema: "./schema.json", projectName: "disk" }));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test.each([...CONFIG_FILES.filter((name) => name.startsWith("omniq.config.")), "omniq.json"])("%s", async (name) => {
    const loaded = await loadConfig({ file: join(folder, name), readFile, load: loadModuleAt });
    expect(loaded.config.projectName).toBe("disk");
  });

  test("an OmniQ is made of one, which the variable may name", async () => {
    const file = join(folder, "omniq.config.mts");
    await (await OmniQ.fromConfigFile(file)).close();
    process.env["OMNIQ_CONFIG"] = join(folder, "none.yaml");
    try {
      await expect(OmniQ.fromConfigFile()).rejects.toMatchObject({
        code: "CONFIG_NOT_FOUND",
        message: expect.stringContaining("none.yaml"),
      });
      process.env["OMNIQ_CONFIG"] = file;
      await (await OmniQ.fromConfigFile()).close();
      await OmniQ.fromEnv().close();
    } finally {
      delete process.env["OMNIQ_CONFIG"];
    }
    await expect(OmniQ.fromConfigFile()).rejects.toMatchObject({
      code: "CONFIG_NOT_FOUND",
      message: expect.stringContaining("none of omniq.config.ts"),
    });
    expect(existsSync("omniq_data")).toBe(false);
  });
});

describe("which file", () => {
  test("that of OMNIQ_CONFIG, else the one that there is, else none", () => {
    const there = (...names: readonly string[]) => findConfigFile({ OMNIQ_CONFIG: " " }, (path) => names.includes(path));
    for (const name of CONFIG_FILES) expect(there(name, "other.yaml")).toBe(name);
    expect(there()).toBeUndefined();
    expect(findConfigFile({ OMNIQ_CONFIG: "a/b.yaml" }, () => true)).toBe("a/b.yaml");
  });

  test("several are refused, all named; the first counts where the mistake is only told", () => {
    const exists = (path: string): boolean => ["omniq.json", "omniq.yaml", "omniq.config.ts"].includes(path);
    const refusal = {
      code: "CONFIG_AMBIGUOUS",
      message:
        "Expected one configuration file in the working directory, got omniq.config.ts, omniq.yaml and omniq.json: remove all but one, or name the one that counts (OMNIQ_CONFIG, --config)",
    };
    expect(() => findConfigFile({}, exists)).toThrow(expect.objectContaining(refusal));
    const mistakes: ConfigError[] = [];
    expect(findConfigFile({}, exists, (mistake) => mistakes.push(mistake))).toBe("omniq.config.ts");
    expect(mistakes).toEqual([expect.objectContaining(refusal)]);
  });
});

describe("the levels of single parts", () => {
  const levels = (text: string) => resolveConfig({ env: { OMNIQ_COMPONENT_LOG_LEVELS: text } }).config.logging.components;

  test.each([
    ["worker=debug, scheduler = WARN", { worker: "debug", scheduler: "warn" }],
    ['{"worker":"debug","task":"off"}', { worker: "debug", task: "off" }],
    [" ", {}],
    ["{}", {}],
  ])("%j", (text, wanted) => {
    expect(levels(text)).toEqual(wanted);
  });

  test.each([
    ["worker", 'Expected `logging.components` to be names with levels, such as "worker=debug,scheduler=warn", or JSON, got "worker"'],
    ["worker=debug,", "such as"],
    ["worker=debug,worker=info", "such as"],
    ["{worker: debug}", "or JSON"],
    [
      "wroker=debug",
      "Expected `logging.components` to have known keys only, got `wroker` (OMNIQ_COMPONENT_LOG_LEVELS). Did you mean `worker`?",
    ],
    [
      "worker=loud",
      'Expected `logging.components.worker` to be one of "debug", "info", "warn", "error", "off", got "loud" (OMNIQ_COMPONENT_LOG_LEVELS)',
    ],
    ['{"worker":1}', "got 1 (OMNIQ_COMPONENT_LOG_LEVELS)"],
    ["__proto__=debug", "got `__proto__`"],
  ])("%j is refused", (text, message) => {
    expect(() => levels(text)).toThrow(ConfigError);
    expect(() => levels(text)).toThrow(message);
  });

  test("count over those of a file, one by one", async () => {
    const loaded = await from(
      { default: { logging: { components: { worker: "info", task: "info" } } } },
      { env: { OMNIQ_COMPONENT_LOG_LEVELS: "task=debug" } },
    );
    expect(loaded.config.logging.components).toEqual({ worker: "info", task: "debug" });
    expect(loaded.shadowed.get("logging.components.task")).toEqual([{ from: "file", file: "omniq.config.ts" }]);
  });
});

describe("the file of a variable", () => {
  const fileOf = (name: string): string | undefined => (name === "OMNIQ_MAX_WORKERS" || name === "OMNIQ_X" ? ".env" : undefined);

  test("is named, also in errors", () => {
    expect(sourcesOf(resolveConfig({ env: { OMNIQ_MAX_WORKERS: "2", OMNIQ_LOG_LEVEL: "info" }, fileOf }))).toEqual({
      "worker.config.maxWorkers": "OMNIQ_MAX_WORKERS in .env",
      "logging.level": "OMNIQ_LOG_LEVEL",
    });
    expect(() => resolveConfig({ env: { OMNIQ_MAX_WORKERS: "x" }, fileOf })).toThrow('got "x" (OMNIQ_MAX_WORKERS in .env)');
    expect(() => resolveConfig({ env: { OMNIQ_X: "x" }, fileOf })).toThrow("got `OMNIQ_X` in .env.");
  });
});

describe("the database that options name", () => {
  const named = (data: object): Source => ({ data, where: (keys) => ({ from: "option", name: `--${keys.at(-1) ?? ""}` }) });
  const env = { OMNIQ_URL: "sqlite:env.db", OMNIQ_EVENT_STORAGE_URL: "sqlite:events.db", OMNIQ_MAX_WORKERS: "2" };
  const object = {
    taskQueue: { config: { baseDir: "./object", tablePrefix: "q_" } },
    resultStore: { config: { url: "sqlite:results.db", tablePrefix: "r_", durability: "normal" } },
  };

  test("keeps nothing of what was said of a database of another kind", () => {
    const url = "postgres://h/d";
    const server = resolveConfig({ env, object, named: named({ taskQueue: { config: { url } } }) });
    const store = { type: "postgres", key: `${url}#omniq`, url, schema: "omniq" };
    expect(settingsOf(server.config, server.origins)).toMatchObject({ taskQueue: store, resultStore: store, eventStore: store });
    const before = { OMNIQ_URL: url, OMNIQ_SCHEMA: "shop", OMNIQ_TASK_QUEUE_TYPE: "postgres" };
    const file = resolveConfig({ env: before, named: named({ taskQueue: { config: { url: "sqlite:named.db" } } }) });
    expect(settingsOf(file.config, file.origins)).toMatchObject({ taskQueue: { type: "sqlite", path: "named.db" } });
  });

  test("a schema alone leaves the database where it was", () => {
    const schema = { config: { schema: "other" } };
    const loaded = resolveConfig({
      env: { OMNIQ_URL: "postgres://h/d", OMNIQ_SCHEMA: "shop", OMNIQ_EVENT_STORAGE_URL: "sqlite:events.db" },
      named: named({ taskQueue: schema, resultStore: schema, eventStore: schema }),
    });
    expect(settingsOf(loaded.config, loaded.origins)).toMatchObject({
      taskQueue: { type: "postgres", schema: "other" },
      resultStore: { type: "postgres", schema: "other" },
      eventStore: { type: "sqlite", path: "events.db" },
    });
  });

  test("holds everything, however many places the other sources have", () => {
    const loaded = resolveConfig({ env, object, named: named({ taskQueue: { config: { url: "sqlite:named.db" } } }) });
    const { taskQueue, resultStore, eventStore } = settingsOf(loaded.config);
    expect(taskQueue).toEqual({ type: "sqlite", key: "sqlite:named.db#q_", path: "named.db", durability: "full", tablePrefix: "q_" });
    expect([resultStore, eventStore]).toEqual([taskQueue, taskQueue]);
    expect(sourcesOf(loaded)).toEqual({
      "taskQueue.config.url": "--url",
      "taskQueue.config.tablePrefix": "code",
      "worker.config.maxWorkers": "OMNIQ_MAX_WORKERS",
    });
    expect(loaded.shadowed.get("taskQueue.config.url")).toEqual([{ from: "variable", name: "OMNIQ_URL" }]);
    expect(loaded.shadowed.get("taskQueue.config.baseDir")).toEqual([{ from: "code" }]);
    expect(loaded.shadowed.get("eventStore.config.url")).toEqual([{ from: "variable", name: "OMNIQ_EVENT_STORAGE_URL" }]);
  });

  test("by its project alone lies in the folder of the others, and not in a file of theirs", () => {
    const project = named({ projectName: "shop" });
    expect(settingsOf(resolveConfig({ env, named: project }).config).taskQueue.key).toBe("sqlite:omniq_data/shop.db");
    expect(settingsOf(resolveConfig({ env, object, named: project }).config).taskQueue.key).toBe("sqlite:object/shop.db#q_");
  });
});

describe("mistakes", () => {
  test("come to light all at once where they are asked for", () => {
    const mistakes: string[] = [];
    const data = { projectNme: 1, worker: 5, taskDefaults: { ttl: "soon", maxRetries: 1, max_retries: 2 }, logging: { level: "info" } };
    const { config } = resolveConfig(
      {
        file: { data, where: () => ({ from: "file", file: "f.yaml", line: 1, column: 2 }) },
        env: { OMNIQ_X: "1", OMNIQ_MAX_WORKERS: "x", OMNIQ_URL: "nonsense", OMNIQ_COMPONENT_LOG_LEVELS: "x" },
        object: { taskQueue: { config: { url: "sqlite:a.db", baseDir: "b" } } },
      },
      ({ message }) => mistakes.push(message),
    );
    expect(mistakes.map((message) => message.replace(/^Expected | to be .*| to have .*/g, ""))).toEqual([
      "the configuration",
      "`worker`",
      "`taskDefaults.ttl`",
      "`taskDefaults.maxRetries`",
      "variables that begin with OMNIQ_",
      "`logging.components`",
      "`taskQueue.config.url`",
      "`worker.config.maxWorkers`",
      "`taskQueue.config.url`",
    ]);
    // What is right counts all the same.
    expect(config).toMatchObject({ taskDefaults: { maxRetries: 1 }, logging: { level: "info" } });
  });

  test("of two variables that place all stores are one", () => {
    const mistakes: string[] = [];
    const env = { OMNIQ_URL: "sqlite:a.db", OMNIQ_BASE_DIR: "./data", OMNIQ_EVENT_STORAGE_URL: "sqlite:e.db" };
    const { config } = resolveConfig({ env, fileOf: (name) => (name === "OMNIQ_BASE_DIR" ? ".env" : undefined) }, ({ message }) =>
      mistakes.push(message),
    );
    expect(mistakes).toEqual([
      "Expected `taskQueue.config.url` (OMNIQ_URL) to be given alone, got `taskQueue.config.baseDir` (OMNIQ_BASE_DIR in .env) too",
    ]);
    expect(config.eventStore.config).toEqual({ url: "sqlite:e.db" });
    const object = { taskQueue: { config: { url: "sqlite:a", baseDir: "b" } }, eventStore: { config: { url: "sqlite:a", baseDir: "b" } } };
    resolveConfig({ object }, ({ message }) => mistakes.push(message));
    expect(mistakes.slice(1)).toEqual([
      "Expected `taskQueue.config.url` to be given alone, got `taskQueue.config.baseDir` too",
      "Expected `eventStore.config.url` to be given alone, got `eventStore.config.baseDir` too",
    ]);
  });

  test("of stores that contradict each other name their place", async () => {
    const text = "taskQueue: { config: { durability: normal } }\neventStore:\n  config:\n    durability: full\n";
    const { config, origins } = await loadConfig({
      file: "omniq.yaml",
      readFile: () => Promise.resolve(Buffer.from(text)),
      load: loadModuleAt,
    });
    expect(() => settingsOf(config, origins)).toThrow("in the same place: normal (omniq.yaml:1:36), got full (omniq.yaml:4:17)");
  });

  test("of a JSON file say that it is one, with line and column", async () => {
    const load = (text: string) =>
      loadConfig({ file: "omniq.json", readFile: () => Promise.resolve(Buffer.from(text)), load: loadModuleAt });
    await expect(load('{\n  "projectName": "a",\n  "projectName": "b"\n}')).rejects.toMatchObject({
      code: "CONFIG_SYNTAX",
      message: "Expected omniq.json to be JSON, got an error (omniq.json:3:3): `projectName` is given twice, first on line 2",
    });
    await expect(load('{\n  "worker": {\n    "confg": {}\n  }\n}')).rejects.toThrow(
      "Expected `worker` to have known keys only, got `confg` (omniq.json:3:5). Did you mean `config`?",
    );
    await expect(load('{ "worker": { "config": { "$schema": "x" } } }')).rejects.toThrow("got `$schema` (omniq.json:1:27)");
  });
});
