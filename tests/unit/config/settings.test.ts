import { describe, expect, test } from "vitest";
import { resolveConfig } from "../../../src/config/load.ts";
import { listOptions } from "../../../src/config/options.ts";
import { placesOf, settingsOf } from "../../../src/config/settings.ts";
import { sqlitePathOf, withoutSecrets } from "../../../src/config/url.ts";

const config = (object?: unknown) => resolveConfig({ object }).config;
/** The place of each store, from what their `config` says. */
const places = (taskQueue: object, resultStore: object = {}, eventStore: object = {}) =>
  Object.values(
    placesOf(
      config({
        projectName: "shop",
        taskQueue: { config: taskQueue },
        resultStore: { config: resultStore },
        eventStore: { config: eventStore },
      }),
    ),
  );

describe("settingsOf", () => {
  test("of the defaults", () => {
    const store = { type: "sqlite", key: "sqlite:omniq_data/omniq.db", baseDir: "./omniq_data", durability: "full", tablePrefix: "" };
    expect(settingsOf(config())).toEqual({
      projectName: "omniq",
      taskQueue: store,
      resultStore: store,
      eventStore: store,
      queues: ["default"],
      executor: "async",
      concurrency: undefined,
      lease: undefined,
      prefetch: undefined,
      taskDefaults: config().taskDefaults,
      retention: config().retention,
      logging: { level: "warn", disabled: false, components: {} },
    });
  });

  test("of what is given", () => {
    const settings = settingsOf(
      config({
        projectName: "shop",
        taskQueue: {
          config: { url: "sqlite:./data/q.db", queues: ["b", "a"], durability: "normal", busyTimeout: "2s", tablePrefix: "q_" },
        },
        resultStore: { config: { baseDir: "/r", durability: "full", tablePrefix: "" } },
        eventStore: { config: { url: "sqlite::memory:", busyTimeout: 0 } },
        worker: { config: { maxWorkers: 7, lease: "20s", prefetch: 3 } },
        logging: { level: "info", components: { task: "debug" } },
      }),
    );
    expect(settings).toMatchObject({
      taskQueue: { type: "sqlite", path: "./data/q.db", durability: "normal", tablePrefix: "q_", busyTimeout: 2_000 },
      resultStore: { type: "sqlite", baseDir: "/r", durability: "full", tablePrefix: "", busyTimeout: 2_000 },
      eventStore: { type: "sqlite", path: ":memory:", durability: "normal", tablePrefix: "q_", busyTimeout: 0 },
      queues: ["b", "a"],
      concurrency: 7,
      lease: 20_000,
      prefetch: 3,
      logging: { level: "info", disabled: false, components: { task: "debug" } },
    });
    expect(settings.taskQueue).not.toHaveProperty("baseDir");
    expect(settings.resultStore).not.toHaveProperty("path");
  });

  test("a place cannot be opened in two ways", () => {
    expect(() => settingsOf(config({ eventStore: { config: { durability: "normal" } } }))).toThrow(
      "Expected `eventStore.config.durability` to be that of `taskQueue`, which lies in the same place: full, got normal",
    );
    const elsewhere = { baseDir: "/r" };
    expect(() =>
      settingsOf(config({ resultStore: { config: { ...elsewhere, busyTimeout: 5 } }, eventStore: { config: elsewhere } })),
    ).toThrow("Expected `eventStore.config.busyTimeout` to be that of `resultStore`, which lies in the same place: 5, got the default");
    expect(() => settingsOf(config({ eventStore: { config: { baseDir: "/e", durability: "normal" } } }))).not.toThrow();
  });
});

describe("a PostgreSQL database", () => {
  const url = "postgres://me:pw@db.example/shop";
  const loaded = (object: object, env: Readonly<Record<string, string>> = {}) => resolveConfig({ object, env });
  const stores = (object: object, env?: Readonly<Record<string, string>>) => {
    const { config: data, origins } = loaded(object, env);
    const { taskQueue, resultStore, eventStore } = settingsOf(data, origins);
    return [taskQueue, resultStore, eventStore];
  };

  test("holds all that names no other place", () => {
    const store = { type: "postgres", key: `${url}#shop`, url, schema: "shop" };
    expect(stores({ taskQueue: { config: { url, schema: "shop" } } })).toEqual([store, store, store]);
    expect(stores({}, { OMNIQ_URL: url, OMNIQ_SCHEMA: "shop" })).toEqual([store, store, store]);
    expect(stores({}, { OMNIQ_TASK_QUEUE_TYPE: "postgres", OMNIQ_TASK_QUEUE_URL: url })).toMatchObject([{ schema: "omniq" }, {}, {}]);
  });

  test("written in two ways is one place", () => {
    const [queue, results] = stores({
      taskQueue: { config: { url } },
      resultStore: { config: { url: url.replace("postgres:", "PostgreSQL:"), schema: "omniq" } },
    });
    expect(results?.key).toBe(queue?.key);
  });

  test("the type is what the place says, and where it came from", () => {
    const { config: data, origins } = loaded({ eventStore: { config: { baseDir: "./e" } } }, { OMNIQ_TASK_QUEUE_URL: url });
    expect([data.taskQueue.type, data.resultStore.type, data.eventStore.type]).toEqual(["postgres", "postgres", "sqlite"]);
    expect(origins.get("taskQueue.type")).toEqual({ from: "variable", name: "OMNIQ_TASK_QUEUE_URL" });
    expect(origins.get("eventStore.type")).toEqual({ from: "default" });
  });

  test.each<[string, object, object]>([
    [
      "results in a file",
      { taskQueue: { config: { url } }, resultStore: { config: { baseDir: "./r", tablePrefix: "r_" } } },
      ["postgres", "sqlite", "postgres"],
    ],
    [
      "tasks in a file",
      { resultStore: { config: { url } }, eventStore: { type: "postgres", config: { url } } },
      ["sqlite", "postgres", "postgres"],
    ],
  ])("%s", (_, object, types) => {
    expect(stores(object).map(({ type }) => type)).toEqual(types);
  });

  test.each<[string, object, Readonly<Record<string, string>>, string]>([
    [
      "no URL",
      {},
      { OMNIQ_TASK_QUEUE_TYPE: "postgres" },
      'Expected `taskQueue.type` to be "sqlite", since `taskQueue.config.baseDir` (default) names a file, got "postgres" (OMNIQ_TASK_QUEUE_TYPE); give `taskQueue.config.url` as postgres://user@host/database',
    ],
    [
      "another type",
      { taskQueue: { type: "sqlite" } },
      { OMNIQ_URL: url },
      'Expected `taskQueue.type` to be "postgres", since `taskQueue.config.url` (OMNIQ_URL) names a PostgreSQL database, got "sqlite" (given in code)',
    ],
    [
      "results of another type, without a place",
      { taskQueue: { config: { url } }, resultStore: { type: "sqlite" } },
      {},
      'Expected `resultStore.type` to be "postgres", since it has no place of its own and lies with the tasks, got "sqlite" (given in code); give `resultStore.config.url` or `baseDir`',
    ],
    [
      "a schema without a server",
      {},
      { OMNIQ_SCHEMA: "x" },
      "Expected `taskQueue.config.schema` to be given with a postgres:// URL, where it has a meaning, got none (OMNIQ_SCHEMA)",
    ],
    [
      "a prefix without a file",
      { taskQueue: { config: { url, tablePrefix: "q_" } } },
      {},
      "Expected `taskQueue.config.tablePrefix` to be given with an SQLite file",
    ],
    [
      "a durability without a file",
      { taskQueue: { config: { url, durability: "normal" } } },
      {},
      "Expected `taskQueue.config.durability` to be given with an SQLite file",
    ],
  ])("%s is refused", (_, object, env, message) => {
    expect(() => stores(object, env)).toThrow(message);
  });
});

describe("placesOf", () => {
  test.each<[string, object, object, boolean]>([
    ["a store without a place", { baseDir: "./data" }, {}, true],
    ["the same folder", { baseDir: "./data" }, { baseDir: "data/" }, true],
    ["a folder and the file in it", { baseDir: "./data" }, { url: "sqlite:./data/shop.db" }, true],
    ["the same file, written otherwise", { url: "sqlite:/a/../data/x.db" }, { url: "sqlite:///data//x.db" }, true],
    ["the same memory", { url: "sqlite::memory:" }, { url: ":memory:" }, true],
    ["another folder", { baseDir: "./data" }, { baseDir: "./other" }, false],
    ["another file", { url: "sqlite:a.db" }, { url: "sqlite:b.db" }, false],
    ["a relative and an absolute one", { url: "sqlite:a.db" }, { url: "sqlite:/a.db" }, false],
    ["one above", { url: "sqlite:../../a.db" }, { url: "sqlite:../a.db" }, false],
    ["the same file with other tables", { baseDir: "./data", tablePrefix: "a_" }, { tablePrefix: "b_" }, false],
    ["the same file with the same tables", { baseDir: "./data", tablePrefix: "a_" }, { baseDir: "./data" }, true],
  ])("%s", (_, taskQueue, resultStore, same) => {
    const [queue, results, events] = places(taskQueue, resultStore);
    expect(results === queue).toBe(same);
    expect(events).toBe(queue);
  });

  test("three places", () => {
    expect(places({ baseDir: "a" }, { baseDir: "b" }, { url: "sqlite:c.db" })).toEqual([
      "sqlite:a/shop.db",
      "sqlite:b/shop.db",
      "sqlite:c.db",
    ]);
  });
});

describe("the URL of a store", () => {
  test.each([
    ["sqlite:./data/shop.db", "./data/shop.db"],
    ["sqlite:shop.db", "shop.db"],
    ["SQLITE:/var/shop.db", "/var/shop.db"],
    ["sqlite:///var/my%20shop.db", "/var/my shop.db"],
    ["sqlite:100%25.db", "100%25.db"],
    ["sqlite:///C:/data/shop.db", "C:/data/shop.db"],
    ["sqlite::memory:", ":memory:"],
    [":memory:", ":memory:"],
    ["sqlite:", undefined],
    ["sqlite://host/shop.db", undefined],
    ["sqlite:////var/shop.db", undefined],
    ["sqlite:a.db?mode=ro", undefined],
    ["sqlite:///%E0%A4%A", undefined],
    ["postgres://localhost/shop", undefined],
    ["shop.db", undefined],
    ["", undefined],
  ])("%s is %s", (url, path) => {
    expect(sqlitePathOf(url)).toBe(path);
  });

  test("is shown without its secrets", () => {
    expect(withoutSecrets("postgres://a:b@c@host/db?sslmode=on&password=p%20w&x=1")).toBe(
      "postgres://***@host/db?sslmode=on&password=***&x=1",
    );
    expect(withoutSecrets("at postgres://a:sec'r\"et@host/db")).toBe("at postgres://***@host/db");
    expect(withoutSecrets("host=x password=secret user=y")).toBe("host=x password=*** user=y");
    expect(withoutSecrets("sqlite:./data/shop.db")).toBe("sqlite:./data/shop.db");
    expect(withoutSecrets("a@b://c, d://e:f@g@h,i://j k://l@m")).toBe("a@b://c, d://***@h,i://j k://***@m");
    // Quadratic, it took minutes.
    expect(withoutSecrets("://a".repeat(500_000))).toHaveLength(2_000_000);
  });
});

describe("the table", () => {
  test("has a line of documentation and a unique path for each option, and secrets where URLs are", () => {
    const options = listOptions();
    expect(new Set(options.map(({ path }) => path)).size).toBe(options.length);
    for (const { path, option } of options) {
      expect(option.doc).toMatch(/^[`A-Z].*[.]$/);
      expect(option.secret).toBe(path.endsWith(".url"));
    }
  });
});
