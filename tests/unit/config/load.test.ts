import { settingsOf } from "../../../src/config/settings.ts";
import { readFile as readFileOf } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FUZZ, hostileText, hostileValue, runs, sharedPrototypes } from "../../fixtures/hostile.ts";
import { originText } from "../../../src/config/check.ts";
import { loadConfig, resolveConfig } from "../../../src/config/load.ts";
import type { LoadedConfig, LoadOptions } from "../../../src/config/load.ts";
import { listOptions } from "../../../src/config/options.ts";
import { ConfigError } from "../../../src/core/errors.ts";

const data = (name: string): string => fileURLToPath(new URL(`../../fixtures/data/${name}`, import.meta.url));
const readFile = (path: string): Promise<Uint8Array> => readFileOf(path);
const noModule = (): Promise<unknown> => Promise.reject(new Error("no module is loaded here"));

/** Loads a file of this text, called `omniq.yaml`. */
function load(text: string, more: Partial<LoadOptions> = {}): Promise<LoadedConfig> {
  return loadConfig({ file: "omniq.yaml", readFile: () => Promise.resolve(Buffer.from(text)), load: noModule, ...more });
}

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

class Settings {
  readonly projectName = "shop";
}

function raise(what: unknown): never {
  throw what;
}

/** The error of a load that must fail. */
async function refused(loading: Promise<unknown>): Promise<ConfigError> {
  const error: unknown = await loading.then(
    () => new Error("Expected it to be refused"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConfigError)) throw error;
  return error;
}

/** Where each value that is no default came from. */
const given = ({ origins }: LoadedConfig): Readonly<Record<string, string>> =>
  Object.fromEntries([...origins].filter(([, { from }]) => from !== "default").map(([path, origin]) => [path, originText(origin)]));

const DAY = 86_400_000;

describe("without anything", () => {
  test("every default, and nothing else", () => {
    const { config, origins } = resolveConfig({});
    expect(config).toEqual({
      projectName: "omniq",
      taskQueue: { type: "sqlite", config: { baseDir: "./omniq_data", durability: "full", queues: ["default"] } },
      resultStore: { type: "sqlite", config: {} },
      eventStore: { type: "sqlite", config: {} },
      worker: { type: "async", config: {} },
      taskDefaults: {
        queueName: "default",
        maxRetries: 3,
        retryDelay: 5_000,
        backoff: "fixed",
        storeResult: true,
        atMostOnce: false,
        maxCrashes: 3,
      },
      retention: { completed: 7 * DAY, failed: 30 * DAY, cancelled: 7 * DAY, expired: 7 * DAY, events: 30 * DAY },
      logging: { level: "warn", disabled: false, components: {} },
    });
    expect(new Set([...origins.values()].map(originText))).toEqual(new Set(["default"]));
    expect(origins.get("taskQueue.config.baseDir")).toEqual({ from: "default" });
  });

  test("no file and an empty one are the same", async () => {
    const nothing = resolveConfig({}).config;
    expect((await loadConfig({ readFile, load: noModule })).config).toEqual(nothing);
    for (const text of ["", "# nothing\n", "---\n", "{}"]) expect((await load(text)).config).toEqual(nothing);
    expect(resolveConfig({ object: null, env: {} }).config).toEqual(nothing);
  });

  test("no default is shared between two configurations", () => {
    resolveConfig({}).config.taskQueue.config.queues.push("mine");
    expect(resolveConfig({}).config.taskQueue.config.queues).toEqual(["default"]);
  });
});

describe("a file", () => {
  test("the seed's sample configuration, in snake_case", async () => {
    const { config } = await loadConfig({ file: data("sample-config.yaml"), readFile, load: noModule });
    expect(config).toMatchObject({
      projectName: "test_project",
      taskQueue: { type: "sqlite", config: { baseDir: "./test_data", queues: ["high", "medium", "low"] } },
      resultStore: { type: "sqlite", config: { baseDir: "./test_data" } },
      eventStore: { type: "sqlite", config: { baseDir: "./test_data" } },
      worker: { type: "async", config: { maxWorkers: 2 } },
    });
  });

  test("every option of the table, each with its line", async () => {
    const file = data("full-config.yaml");
    const loaded = await loadConfig({ file, readFile, load: noModule });
    expect(loaded.config).toEqual({
      projectName: "shop",
      taskQueue: {
        type: "sqlite",
        config: {
          baseDir: "./data",
          schema: "omniq_shop",
          tablePrefix: "omniq_",
          busyTimeout: 10_000,
          durability: "normal",
          queues: ["high", "default"],
        },
      },
      resultStore: {
        type: "sqlite",
        config: { url: "sqlite:./data/results.db", schema: "results", tablePrefix: "", busyTimeout: 250, durability: "full" },
      },
      eventStore: {
        type: "sqlite",
        config: { url: "sqlite:./data/events.db", schema: "log", tablePrefix: "log_", busyTimeout: 0, durability: "full" },
      },
      worker: { type: "async", config: { maxWorkers: 16, lease: 12_000, prefetch: 4 } },
      taskDefaults: {
        queueName: "high",
        maxRetries: 5,
        retryDelay: 60_000,
        backoff: "exponential",
        timeout: 120_000,
        ttl: 3_600_000,
        resultTtl: DAY,
        storeResult: false,
        atMostOnce: true,
        maxCrashes: 1,
      },
      retention: { completed: DAY, failed: 90 * DAY, cancelled: DAY / 2, expired: 0, events: false },
      logging: {
        level: "debug",
        disabled: true,
        components: { worker: "debug", scheduler: "info", upkeep: "warn", client: "error", task: "off" },
      },
    });
    // An option that is new must be in the file too, but for the other way to say where a store lies.
    const other = new Set(["taskQueue.config.url", "resultStore.config.baseDir", "eventStore.config.baseDir"]);
    const paths = listOptions().map(({ path }) => path);
    expect(Object.keys(given(loaded)).toSorted()).toEqual(paths.filter((path) => !other.has(path)).toSorted());
    expect(given(loaded)).toMatchObject({
      projectName: `${file}:2:14`,
      "taskQueue.config.queues": `${file}:12:7`,
      "retention.events": `${file}:52:11`,
    });
  });

  test("JSON is read too", async () => {
    const text = '\uFEFF{\r\n\t"projectName": "shop",\r\n\t"worker": { "config": { "maxWorkers": 2 } }\r\n}';
    const loaded = await load(text, { file: "omniq.json" });
    expect(loaded.config).toMatchObject({ projectName: "shop", worker: { config: { maxWorkers: 2 } } });
    expect(given(loaded)).toMatchObject({ "worker.config.maxWorkers": "omniq.json:3:40" });
  });

  test("an alias stands for its value", async () => {
    const text = "taskQueue: &store\n  config:\n    baseDir: &dir ./a\nresultStore: *store\neventStore:\n  config: { baseDir: *dir }";
    const loaded = await load(text);
    expect(loaded.config).toMatchObject({ resultStore: { config: { baseDir: "./a" } }, eventStore: { config: { baseDir: "./a" } } });
    expect(given(loaded)).toMatchObject({
      "resultStore.config.baseDir": "omniq.yaml:3:19",
      "eventStore.config.baseDir": "omniq.yaml:6:22",
    });
  });

  test("null is absent", async () => {
    const { config } = await load("projectName: null\nworker:\nretention: { failed: ~ }");
    expect(config).toEqual(resolveConfig({}).config);
  });
});

describe("a file that is wrong", () => {
  test.each([
    [
      "taskQueue:\n  config:\n    queues: high",
      'Expected `taskQueue.config.queues` to be a list of queue names, at least one and none twice, got "high" (omniq.yaml:3:13)',
    ],
    ["task_queue:\n  config:\n    queues: []", "got an array of 0 (omniq.yaml:3:13)"],
    ["task_queue: { config: { queues: [a, b, a] } }", "none twice, got an array of 3 (omniq.yaml:1:33)"],
    ["task_queue: { config: { queues: [a, 5] } }", "got an array of 2 (omniq.yaml:1:33)"],
    [
      "taskQueue:\n  config:\n    quues: [a]",
      "Expected `taskQueue.config` to have known keys only, got `quues` (omniq.yaml:3:5). Did you mean `queues`?",
    ],
    ["taskqueue: {}", "Expected the configuration to have known keys only, got `taskqueue` (omniq.yaml:1:1). Did you mean `taskQueue`?"],
    ["1: x", "got `1` (omniq.yaml:1:1). Known are: projectName, taskQueue,"],
    ["worker: 5", "Expected `worker` to be an object of options, got 5 (omniq.yaml:1:9)"],
    ["worker:\n  - config", "Expected `worker` to be an object of options, got an array of 1 (omniq.yaml:2:3)"],
    ["just text", "Expected the configuration to be an object of options, got a text of 9 characters that is not shown (omniq.yaml:1:1)"],
    ["- 1", "Expected the configuration to be an object of options, got an array of 1 (omniq.yaml:1:1)"],
    ["projectName: a/b", 'Expected `projectName` to be a name of 1 to 200 characters that can name a file, got "a/b" (omniq.yaml:1:14)'],
    ["projectName: ..", 'got ".."'],
    ['projectName: ""', 'got ""'],
    ["projectName: 5", "got 5 (omniq.yaml:1:14)"],
    [
      "project_name: a\nprojectName: b",
      "Expected `projectName` to be given once, got it as `project_name` (omniq.yaml:1:1) and as `projectName` (omniq.yaml:2:1)",
    ],
    ["taskQueue: { type: redis }", 'Expected `taskQueue.type` to be one of "sqlite", "postgres", got "redis" (omniq.yaml:1:20)'],
    ["worker: { type: thread }", 'Expected `worker.type` to be "async" (the only one so far), got "thread"'],
    ["worker: { config: { maxWorkers: 0 } }", "Expected `worker.config.maxWorkers` to be a whole number of at least 1, got 0"],
    ["worker: { config: { maxWorkers: 1.5 } }", "at least 1, got 1.5"],
    ["worker: { config: { maxWorkers: .nan } }", "at least 1, got NaN"],
    ["worker: { config: { maxWorkers: -1 } }", "at least 1, got -1"],
    ["worker: { config: { maxWorkers: 1e400 } }", "at least 1, got Infinity"],
    ['worker: { config: { maxWorkers: "2" } }', 'at least 1, got "2"'],
    [
      "worker: { config: { lease: 0 } }",
      'Expected `worker.config.lease` to be a duration longer than 0 (milliseconds, or text such as "5s" or "1h30m"), got 0',
    ],
    ["taskDefaults: { retryDelay: -1s }", 'got "-1s"'],
    ["taskDefaults: { ttl: soon }", 'got "soon"'],
    ["taskDefaults: { backoff: linear }", 'Expected `taskDefaults.backoff` to be one of "fixed", "exponential", got "linear"'],
    ["taskDefaults: { storeResult: on }", 'Expected `taskDefaults.storeResult` to be true or false, got "on"'],
    ["retention: { events: true }", "or false to keep for ever, got true"],
    ["logging: { level: loud }", 'Expected `logging.level` to be one of "debug", "info", "warn", "error", "off", got "loud"'],
    ["taskQueue: { config: { tablePrefix: 1a } }", 'not beginning with a digit, got "1a"'],
    ["taskQueue: { config: { baseDir: {} } }", "Expected `taskQueue.config.baseDir` to be the path of a folder, got an object"],
    [
      "taskQueue:\n  config: { baseDir: ./a, url: sqlite:b.db }",
      "Expected `taskQueue.config.url` (omniq.yaml:2:32) to be given alone, got `taskQueue.config.baseDir` (omniq.yaml:2:22) too",
    ],
    ['"<<": { projectName: a }', "got `<<` (omniq.yaml:1:1)"],
    ["__proto__:\n  projectName: polluted", "Expected the configuration to have known keys only, got `__proto__` (omniq.yaml:1:1)"],
    [
      "worker: { constructor: { prototype: { polluted: 1 } } }",
      "Expected `worker` to have known keys only, got `constructor` (omniq.yaml:1:11)",
    ],
    ["hasOwnProperty: 1", "got `hasOwnProperty`"],
  ])("%j", async (text, message) => {
    const error = await refused(load(text));
    expect(error.message).toContain(message);
    expect(error.code).toBe("CONFIG_INVALID");
    expect({}).not.toHaveProperty("projectName");
    expect({}).not.toHaveProperty("polluted");
  });

  test.each([
    ["a: [1, 2", "Expected omniq.yaml to be YAML, got an error (omniq.yaml:1:9)"],
    ["projectName: a\nprojectName: b", "(omniq.yaml:2:1): `projectName` is given twice, first on line 1"],
    ["worker: { type: async, config: {},\r\n  'type': async }", "(omniq.yaml:2:3): `type` is given twice, first on line 1"],
    ["taskQueue:\n\tconfig: {}", "(omniq.yaml:2:1): Tabs are not allowed as indentation"],
    ["projectName: !!js/function x", "(omniq.yaml:1:28): The tag `!!js/function` is not taken: a configuration has only plain"],
    ["projectName: !!binary aGVsbG8=", "(omniq.yaml:1:23): The tag `!!binary` is not taken"],
    ["worker: !!set { config }", "The tag `!!set` is not taken"],
    ["worker: !mine { config: {} }", "The tag `!mine` is not taken"],
    ["%YAML 1.1\n---\nprojectName: !!timestamp 2001-01-01", "(omniq.yaml:3:26): The tag `!!timestamp` is not taken"],
    ["%YAML 3.0\n---\nprojectName: a", "(omniq.yaml:1:7): Unsupported YAML version 3.0"],
    ["taskQueue: &a {}\nworker:\n  <<: *a", "(omniq.yaml:3:3): Merge keys (`<<`) are not taken: write the values out"],
    ["? [a, b]\n: 1", "(omniq.yaml:1:3): A key must be a text"],
    ["projectName: *nobody", "(omniq.yaml:1:14): There is no anchor for this alias before it"],
    ["a: 1\n---\nb: 2", "(omniq.yaml:2:1): Another document begins here, and a configuration is one"],
    [
      "schedules:\n  - cron: */5 * * * *\n",
      '(omniq.yaml:2:15): Unexpected alias at node end. A value that begins with `*` must stand in quotes: "*/5 * * * *"',
    ],
    [
      "name: &a b\nother: [*a]\ncron: */5",
      '(omniq.yaml:3:7): There is no anchor for this alias before it. A value that begins with `*` must stand in quotes: "*/5"',
    ],
    ["cron: * * * * *", 'A value that begins with `*` must stand in quotes: "* * * * *"'],
  ])("%j is no YAML", async (text, message) => {
    const error = await refused(load(text));
    expect(error.message).toContain(message);
    expect(error.code).toBe("CONFIG_SYNTAX");
  });

  test("a file on disk that is broken, with its line", async () => {
    const file = data("broken-config.yaml");
    const error = await refused(loadConfig({ file, readFile, load: noModule }));
    expect([error.code, error.message]).toEqual(["CONFIG_SYNTAX", expect.stringContaining(`(${file}:5:`)]);
  });

  test("aliases that multiply, endless nesting, and too much of anything", async () => {
    const bomb = ["a: &a [x]", ..."bcdefghij".split("").map((name, i) => `${name}: &${name} [${`*${"abcdefghij"[i]},`.repeat(10)}]`)].join(
      "\n",
    );
    expect((await refused(load(bomb))).message).toBe(
      "Expected omniq.yaml to be readable YAML, but its aliases stand for more than 100 values each",
    );
    for (const depth of [1_000, 3_000, 10_000]) {
      for (const text of ["[".repeat(depth), `${"[".repeat(depth)}${"]".repeat(depth)}`, "{a: ".repeat(depth) + "}".repeat(depth)]) {
        expect((await refused(load(text))).code).toMatch(/^CONFIG_(?:SYNTAX|INVALID)$/);
      }
    }
    expect((await refused(load("[".repeat(50_000)))).message).toMatch(/\(omniq\.yaml:1:\d+\): It is nested too deeply$/);
    expect((await refused(load(`# ${"x".repeat(131_072)}`))).message).toBe(
      "Expected omniq.yaml to be at most 131072 characters, got 131074",
    );
  });

  // The parser's own search compares each key with each other, for minutes; its message would be another one.
  test("very many keys are looked through by ours", async () => {
    const many = Array.from({ length: 2_000 }, (_, i) => `a${i}: 1`);
    expect((await refused(load(many.join("\n")))).message).toContain("got `a0`");
    expect((await refused(load([...many, "a7: 1"].join("\n")))).message).toContain("`a7` is given twice, first on line 8");
  });

  test("what is not UTF-8, with its line; a byte order mark is none of it", async () => {
    const loading = (bytes: Uint8Array) => loadConfig({ file: "omniq.yaml", readFile: () => Promise.resolve(bytes), load: noModule });
    const latin1 = Buffer.from("projectName: shop\r\n# f\u00fcr alle\r\n", "latin1");
    const error = await refused(loading(latin1));
    expect([error.code, error.message]).toEqual([
      "CONFIG_SYNTAX",
      "Expected omniq.yaml to be text in UTF-8, got something else (omniq.yaml:2)",
    ]);
    await refused(loading(Buffer.from("\uFEFFprojectName: shop", "utf16le")));
    expect(given(await loading(Buffer.from("\uFEFFprojectName: f\u00fcr\r\n\r\nworker: {}\r\n")))).toEqual({
      projectName: "omniq.yaml:1:14",
    });
  });

  test("a missing file, and one that cannot be read", async () => {
    const missing = await refused(loadConfig({ file: "no/such.yaml", readFile, load: noModule }));
    expect([missing.code, missing.message]).toEqual([
      "CONFIG_NOT_FOUND",
      "Expected no/such.yaml to be a configuration file, but there is no such file",
    ]);
    const folder = await refused(loadConfig({ file: data(""), readFile, load: noModule }));
    expect([folder.code, folder.message]).toEqual(["CONFIG_NOT_FOUND", expect.stringContaining("but it cannot be read (EISDIR)")]);
    const odd = await refused(loadConfig({ file: "x", readFile: () => Promise.reject(new Error("odd")), load: noModule }));
    expect(odd.message).toContain("(unknown reason)");
  });
});

describe("variables", () => {
  const of = (env: Record<string, string>): LoadedConfig => resolveConfig({ env });

  test.each<[string, string, Readonly<Record<string, unknown>>]>([
    ["OMNIQ_PROJECT_NAME", "shop", { projectName: "shop" }],
    ["OMNIQ_TASK_QUEUE_TYPE", "sqlite", { "taskQueue.type": "sqlite" }],
    ["OMNIQ_TASK_QUEUE_URL", "sqlite:./t.db", { "taskQueue.config.url": "sqlite:./t.db" }],
    [
      "OMNIQ_SCHEMA",
      "shop",
      { "taskQueue.config.schema": "shop", "resultStore.config.schema": "shop", "eventStore.config.schema": "shop" },
    ],
    ["OMNIQ_RESULT_STORAGE_TYPE", "SQLite", { "resultStore.type": "sqlite" }],
    ["OMNIQ_RESULT_STORAGE_URL", "sqlite::memory:", { "resultStore.config.url": "sqlite::memory:" }],
    ["OMNIQ_EVENT_STORAGE_TYPE", "sqlite", { "eventStore.type": "sqlite" }],
    ["OMNIQ_EVENT_STORAGE_URL", "sqlite:///var/e.db", { "eventStore.config.url": "sqlite:///var/e.db" }],
    ["OMNIQ_DEFAULT_QUEUES", " high, low ", { "taskQueue.config.queues": ["high", "low"] }],
    ["OMNIQ_DEFAULT_WORKER", "async", { "worker.type": "async" }],
    ["OMNIQ_MAX_WORKERS", "8", { "worker.config.maxWorkers": 8 }],
    ["OMNIQ_TASK_TIMEOUT", "2m", { "taskDefaults.timeout": 120_000 }],
    ["OMNIQ_TASK_TTL", "1500", { "taskDefaults.ttl": 1_500 }],
    ["OMNIQ_RESULT_TTL", "1h", { "taskDefaults.resultTtl": 3_600_000 }],
    ["OMNIQ_RETRY_ATTEMPTS", "0", { "taskDefaults.maxRetries": 0 }],
    ["OMNIQ_RETRY_DELAY", "250ms", { "taskDefaults.retryDelay": 250 }],
    ["OMNIQ_LOG_LEVEL", "WARNING", { "logging.level": "warn" }],
    ["OMNIQ_DISABLE_LOGGING", "Yes", { "logging.disabled": true }],
    ["OMNIQ_DISABLE_LOGGING", "0", { "logging.disabled": false }],
    [
      "OMNIQ_BASE_DIR",
      "/data",
      { "taskQueue.config.baseDir": "/data", "resultStore.config.baseDir": "/data", "eventStore.config.baseDir": "/data" },
    ],
    [
      "OMNIQ_URL",
      "sqlite:a.db",
      { "taskQueue.config.url": "sqlite:a.db", "resultStore.config.url": "sqlite:a.db", "eventStore.config.url": "sqlite:a.db" },
    ],
  ])("%s=%s", (name, text, wanted) => {
    const loaded = of({ [name]: text });
    expect(given(loaded)).toEqual(Object.fromEntries(Object.keys(wanted).map((path) => [path, name])));
    for (const [path, value] of Object.entries(wanted)) expect(loaded.config).toHaveProperty(path, value);
  });

  test("the particular one wins over the general one, also for another kind of place", () => {
    const { config } = of({ OMNIQ_URL: "sqlite:a.db", OMNIQ_EVENT_STORAGE_URL: "sqlite:e.db" });
    expect([config.taskQueue.config.url, config.eventStore.config.url]).toEqual(["sqlite:a.db", "sqlite:e.db"]);
    const mixed = of({ OMNIQ_BASE_DIR: "./d", OMNIQ_EVENT_STORAGE_URL: "sqlite:e.db" }).config;
    expect([mixed.taskQueue.config, mixed.eventStore.config]).toMatchObject([{ baseDir: "./d" }, { url: "sqlite:e.db" }]);
    expect(mixed.eventStore.config).not.toHaveProperty("baseDir");
  });

  test("empty ones and those of others count as not set", () => {
    expect(of({ OMNIQ_PROJECT_NAME: " ", PATH: "/bin", OMNIQ_TEST_PAUSE: "claim" }).config).toEqual(resolveConfig({}).config);
  });

  test.each<[Record<string, string>, string]>([
    [
      { OMNIQ_MAX_WORKERS: "many" },
      'Expected `worker.config.maxWorkers` to be a whole number of at least 1, got "many" (OMNIQ_MAX_WORKERS)',
    ],
    [{ OMNIQ_MAX_WORKERS: "0x10" }, 'got "0x10" (OMNIQ_MAX_WORKERS)'],
    [{ OMNIQ_TASK_TTL: "-5" }, 'got "-5" (OMNIQ_TASK_TTL)'],
    [
      { OMNIQ_DEFAULT_QUEUES: "a,,b" },
      'Expected `taskQueue.config.queues` to be a list of queue names, at least one and none twice, got "a,,b" (OMNIQ_DEFAULT_QUEUES)',
    ],
    [{ OMNIQ_DISABLE_LOGGING: "maybe" }, 'Expected `logging.disabled` to be true or false, got "maybe" (OMNIQ_DISABLE_LOGGING)'],
    [{ OMNIQ_TASK_QUEUE_TYPE: "redis" }, 'one of "sqlite", "postgres", got "redis" (OMNIQ_TASK_QUEUE_TYPE)'],
    [
      { OMNIQ_SCHEMA: "pg_x" },
      "Expected `taskQueue.config.schema` to be 1 to 50 letters, digits and `_`, not beginning with a digit or `pg_`",
    ],
    [{ OMNIQ_SCHEMA: "information_schema" }, 'nor `information_schema`, got "information_schema" (OMNIQ_SCHEMA)'],
    [
      { OMNIQ_URL: "sqlite:a.db", OMNIQ_BASE_DIR: "b" },
      "Expected `taskQueue.config.url` (OMNIQ_URL) to be given alone, got `taskQueue.config.baseDir` (OMNIQ_BASE_DIR) too",
    ],
    [
      { OMNIQ_MAX_WORKRES: "1" },
      "Expected variables that begin with OMNIQ_ to be known ones, got `OMNIQ_MAX_WORKRES`. Did you mean `OMNIQ_MAX_WORKERS`?",
    ],
    [{ OMNIQ_NONSENSE_AT_ALL: "1" }, "got `OMNIQ_NONSENSE_AT_ALL`. Known are: OMNIQ_PROJECT_NAME, "],
    [{ OMNIQ_TEST: "1" }, "got `OMNIQ_TEST`"],
    [{ OMNIQ___proto__: "1" }, "got `OMNIQ___proto__`"],
  ])("%o is refused", (env, message) => {
    expect(() => of(env)).toThrow(ConfigError);
    expect(() => of(env)).toThrow(message);
  });
});

describe("code", () => {
  test.each<[unknown, string]>([
    [
      { worker: { config: { maxWorkers: "2" } } },
      'Expected `worker.config.maxWorkers` to be a whole number of at least 1, got "2" (given in code)',
    ],
    [
      { worker: { config: { maxWorker: 2 } } },
      "Expected `worker.config` to have known keys only, got `maxWorker` (given in code). Did you mean `maxWorkers`?",
    ],
    [5, "Expected the configuration to be an object of options, got 5 (given in code)"],
    [[], "Expected the configuration to be an object of options, got an array of 0 (given in code)"],
    [{ worker: new Date(0) }, "Expected `worker` to be an object of options, got an instance of Date (given in code)"],
    [
      { worker: { type: { toJSON: () => "async" } } },
      'Expected `worker.type` to be "async" (the only one so far), got an object (given in code)',
    ],
    [{ toJSON: () => ({}) }, "got `toJSON` (given in code)"],
    [JSON.parse('{"__proto__":{"projectName":"polluted"}}'), "got `__proto__` (given in code)"],
    [{ taskQueue: { config: { url: "sqlite:a.db", base_dir: "b" } } }, "Expected `taskQueue.config.url` to be given alone"],
  ])("%o is refused", (object, message) => {
    expect(() => resolveConfig({ object })).toThrow(ConfigError);
    expect(() => resolveConfig({ object })).toThrow(message);
  });

  test.each<[string, unknown, string]>([
    ["a Map", new Map(), "an instance of Map"],
    ["a Set", new Set(["projectName"]), "an instance of Set"],
    ["a Date", new Date(0), "an instance of Date"],
    ["a class's instance", new Settings(), "an instance of Settings"],
    ["a promise", Promise.resolve({}), "an instance of Promise"],
    ["a function", () => ({}), "a function"],
    ["what inherits its options", Object.create({ projectName: "inherited" }), "an object that inherits"],
    ["an array", [], "an array of 0"],
  ])("only what is made by braces is options: not %s", (_, odd, got) => {
    const wanted = (of: string): string => `Expected ${of} to be an object of options, got ${got} (given in code)`;
    expect(() => resolveConfig({ object: odd })).toThrow(wanted("the configuration"));
    expect(() => resolveConfig({ object: { worker: { config: odd } } })).toThrow(wanted("`worker.config`"));
  });

  test("what has no prototype, or that of another realm, is options too", () => {
    const bare: unknown = Object.assign(Object.create(null), { projectName: "bare" });
    expect(resolveConfig({ object: bare }).config.projectName).toBe("bare");
    expect(resolveConfig({ object: runInNewContext('({ projectName: "there" })') }).config.projectName).toBe("there");
  });

  test.each<[string, object, string]>([
    [
      "a getter",
      {
        worker: {
          get config(): never {
            throw new TypeError("token=hunter2");
          },
        },
      },
      "Expected `worker.config` to be readable, got TypeError: token=*** (given in code)",
    ],
    ["a revoked proxy", { logging: revoked({}) }, "Expected `logging` to be readable, got TypeError: Cannot perform"],
    [
      "a revoked list",
      { taskQueue: { config: { queues: revoked([]) } } },
      "Expected `taskQueue.config.queues` to be readable, got TypeError",
    ],
    ["what throws no error", new Proxy({}, { ownKeys: () => raise("no") }), 'Expected the configuration to be readable, got "no" (given'],
  ])("that throws when it is read is refused by its name: %s", (_, object, message) => {
    expect(() => resolveConfig({ object })).toThrow(ConfigError);
    expect(() => resolveConfig({ object })).toThrow(message);
  });

  test("what was given can be changed without changing the configuration", () => {
    const queues = ["a"];
    const { config } = resolveConfig({ object: { taskQueue: { config: { queues } } } });
    queues.push("b");
    expect(config.taskQueue.config.queues).toEqual(["a"]);
  });
});

describe("precedence", () => {
  const text = "project_name: file\ntask_queue: { config: { base_dir: ./file, queues: [file] } }\nworker: { config: { max_workers: 2 } }";

  test("defaults < file < variables < code, value by value", async () => {
    const loaded = await load(text, {
      env: { OMNIQ_DEFAULT_QUEUES: "env", OMNIQ_MAX_WORKERS: "3" },
      object: { worker: { config: { maxWorkers: 4 } }, taskDefaults: { timeout: undefined, ttl: null } },
    });
    expect(loaded.config).toMatchObject({
      projectName: "file",
      taskQueue: { config: { baseDir: "./file", queues: ["env"], durability: "full" } },
      worker: { config: { maxWorkers: 4 } },
    });
    expect(given(loaded)).toEqual({
      projectName: "omniq.yaml:1:15",
      "taskQueue.config.baseDir": "omniq.yaml:2:35",
      "taskQueue.config.queues": "OMNIQ_DEFAULT_QUEUES",
      "worker.config.maxWorkers": "code",
    });
  });

  test("a place from a later source takes the other kind of place away", async () => {
    const url = await load(text, { env: { OMNIQ_TASK_QUEUE_URL: "sqlite:env.db" } });
    expect(url.config.taskQueue.config).toEqual({ url: "sqlite:env.db", queues: ["file"], durability: "full" });
    expect(url.origins.has("taskQueue.config.baseDir")).toBe(false);
    const dir = resolveConfig({ env: { OMNIQ_TASK_QUEUE_URL: "sqlite:env.db" }, object: { taskQueue: { config: { baseDir: "./code" } } } });
    expect(dir.config.taskQueue.config).toMatchObject({ baseDir: "./code" });
    expect(dir.config.taskQueue.config).not.toHaveProperty("url");
  });

  test("only the file is read that is named, and only once", async () => {
    const paths: string[] = [];
    await loadConfig({ file: "a.yaml", readFile: (path) => Promise.resolve(Buffer.from(`# ${paths.push(path)}`)), load: noModule });
    expect(paths).toEqual(["a.yaml"]);
  });
});

describe("secrets", () => {
  const secret = "hunter2";
  const url = `mysql://admin:${secret}@db.example.com/shop?password=${secret}`;
  const right = `postgres://admin:${secret}@db.example.com/shop?password=${secret}`;

  test.each<[string, object]>([
    ["a type that is another", { taskQueue: { type: "sqlite", config: { url: right } } }],
    ["a prefix without a file", { taskQueue: { config: { url: right, tablePrefix: "q_" } } }],
    ["two places", { taskQueue: { config: { url: right, baseDir: "./data" } } }],
  ])("%s beside a url that is right does not show it", async (_, object) => {
    const error = await refused(
      Promise.resolve().then(() => settingsOf(resolveConfig({ object }).config, resolveConfig({ object }).origins)),
    );
    expect(error.message).not.toContain(secret);
    expect(error.message).not.toContain("admin");
  });

  test.each<[string, () => Promise<unknown>]>([
    ["a url in a file", () => load(`taskQueue: { config: { url: "${url}" } }`)],
    ["a url in a variable", () => Promise.resolve().then(() => resolveConfig({ env: { OMNIQ_URL: url } }))],
    ["a url in code", () => Promise.resolve().then(() => resolveConfig({ object: { resultStore: { config: { url } } } }))],
    ["a url in another place", () => load(`projectName: "${url}"`)],
    ["a url that is a key", () => load(`"${url}": 1`)],
    ["a url instead of a section", () => load(`taskQueue: "${url}"`)],
    ["a url in a broken line", () => load(`taskQueue:\n  url: "${url}" ${url}\n`)],
    ["a url in a line without a key", () => load(`worker: {}\n${url}\n`)],
    ["a url behind a star", () => load(`url: *a ${url}\n`)],
    ["a url as a file", () => loadConfig({ file: url, readFile, load: noModule })],
  ])("%s never show in an error", async (_, loading) => {
    const error = await refused(loading());
    expect(error.message).not.toContain(secret);
    expect(error.message).not.toContain("admin");
  });
});

describe("whatever is given", () => {
  /** Passes when it works, or is refused as it should be: by a code, and one of the names. */
  async function survives(loading: () => Promise<LoadedConfig>, ...names: readonly string[]): Promise<void> {
    try {
      const { config } = await loading();
      expect(resolveConfig({ object: config }).config).toEqual(config);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      expect(error.code).toMatch(/^CONFIG_[A-Z_]+$/);
      if (names.length > 0) expect(names.filter((name) => error.message.includes(name))).not.toEqual([]);
    }
  }

  test("a text is a configuration or a ConfigError", FUZZ, async () => {
    const piece = fc.constantFrom(
      ..."projectName taskQueue config queues worker max_workers url base_dir : - ? [ ] { } , & * ! | > ' \" # % @ ` ~ 5s -1 null".split(
        " ",
      ),
      ": ",
      "- ",
      " ",
      "  ",
      "\n",
      "\n  ",
      "\t",
      "&a",
      "*a",
      "<<",
      "---",
      "\u0000",
      "sqlite:a",
    );
    const text = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(""));
    await fc.assert(
      fc.asyncProperty(text, (each) => survives(() => load(each))),
      runs(800),
    );
  });

  test("a value at any option is a configuration or a ConfigError, in code and in a variable", FUZZ, async () => {
    const options = listOptions();
    const before = sharedPrototypes();
    const text = hostileText.map((each) => () => each);
    await fc.assert(
      fc.asyncProperty(fc.nat(options.length - 1), fc.oneof(hostileValue, text), async (i, make) => {
        const { path, option } = options[i] ?? { path: "", option: { env: [] } };
        const each = make();
        let object: unknown = each;
        for (const key of path.split(".").toReversed()) object = { [key]: object };
        await survives(() => loadConfig({ readFile, load: noModule, object }), path);
        if (typeof each !== "string") return;
        for (const name of option.env) await survives(() => loadConfig({ readFile, load: noModule, env: { [name]: each } }), name);
        await survives(() => load(JSON.stringify(object)), path, "omniq.yaml:1");
      }),
      runs(800),
    );
    expect(sharedPrototypes()).toBe(before);
  });
});
