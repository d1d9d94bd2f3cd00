import { describe, expect, test } from "vitest";
import { resolveConfig } from "../../../src/config/load.ts";
import { settingsOf } from "../../../src/config/settings.ts";
import { ConfigError } from "../../../src/core/errors.ts";
import { EventStorageConfig, OmniQConfig, ResultStorageConfig, TaskQueueConfig, WorkerConfig } from "../../../src/models/config.ts";

/** The seed's `sample_config_data`, as it stands. */
const sample = {
  project_name: "test_project",
  task_queue: { type: "sqlite", config: { base_dir: "./test_data", queues: ["high", "medium", "low"] } },
  result_store: { type: "sqlite", config: { base_dir: "./test_data" } },
  event_store: { type: "sqlite", config: { base_dir: "./test_data" } },
  worker: { type: "async", config: { max_workers: 2 } },
};

describe("OmniQConfig", () => {
  test("the seed's sample configuration parses", () => {
    const config = OmniQConfig.fromJSON(sample);
    expect(config.projectName).toBe("test_project");
    expect(config.taskQueue).toBeInstanceOf(TaskQueueConfig);
    expect(config.taskQueue.type).toBe("sqlite");
    expect(config.taskQueue.config).toEqual({ baseDir: "./test_data", queues: ["high", "medium", "low"], durability: "full" });
    expect(config.resultStore).toBeInstanceOf(ResultStorageConfig);
    expect(config.resultStore.config).toEqual({ baseDir: "./test_data" });
    expect(config.eventStore).toBeInstanceOf(EventStorageConfig);
    expect(config.eventStore.config).toEqual({ baseDir: "./test_data" });
    expect(config.worker).toBeInstanceOf(WorkerConfig);
    expect(config.worker).toMatchObject({ type: "async", config: { maxWorkers: 2 } });
  });

  test("is put together from its parts, as the seed's factory does", () => {
    const config = new OmniQConfig({
      projectName: "test_project",
      taskQueue: new TaskQueueConfig({ type: "sqlite", config: { baseDir: "./test_data", queues: ["high", "medium", "low"] } }),
      resultStore: new ResultStorageConfig({ type: "sqlite", config: { baseDir: "./test_data" } }),
      eventStore: new EventStorageConfig({ type: "sqlite", config: { baseDir: "./test_data" } }),
      worker: new WorkerConfig({ type: "async", config: { maxWorkers: 2 } }),
    });
    expect(config).toEqual(OmniQConfig.fromJSON(sample));
  });

  test("toJSON is lossless and plain, durations in milliseconds", () => {
    const config = new OmniQConfig({
      taskQueue: { config: { url: "sqlite:a.db", busyTimeout: "2s" } },
      taskDefaults: { timeout: "1m", ttl: null },
      retention: { events: false },
    });
    const json: unknown = JSON.parse(JSON.stringify(config));
    expect(json).toMatchObject({ taskQueue: { config: { url: "sqlite:a.db", busyTimeout: 2_000 } }, taskDefaults: { timeout: 60_000 } });
    expect(json).toEqual(config.toJSON());
    expect(OmniQConfig.fromJSON(json)).toEqual(config);
    expect(config.toJSON().taskDefaults).not.toHaveProperty("ttl");
    for (const part of [config.taskQueue, config.resultStore, config.eventStore, config.worker]) {
      expect(JSON.parse(JSON.stringify(part))).toEqual(part.toJSON());
    }
  });

  test("without anything it is the default configuration", () => {
    expect(new OmniQConfig().toJSON()).toEqual(resolveConfig({}).config);
    expect(OmniQConfig.fromJSON({}).toJSON()).toEqual(resolveConfig({}).config);
    expect(OmniQConfig.fromJSON({ worker: null, projectName: null }).toJSON()).toEqual(resolveConfig({}).config);
  });

  test("is plain and mutable; what changed is checked when it is used", () => {
    const config = new OmniQConfig();
    config.worker.config.maxWorkers = 3;
    config.taskQueue.config.queues.push("low");
    const settings = settingsOf(resolveConfig({ object: config }).config);
    expect([settings.concurrency, settings.queues]).toEqual([3, ["default", "low"]]);
    config.worker.config.maxWorkers = -3;
    expect(() => resolveConfig({ object: config })).toThrow(
      "Expected `worker.config.maxWorkers` to be a whole number of at least 1, got -3",
    );
    expect(new OmniQConfig().taskQueue.config.queues).toEqual(["default"]);
  });

  test("its JSON is a copy", () => {
    const config = new OmniQConfig();
    config.toJSON().taskQueue.config.queues.push("x");
    config.toJSON().retention.events = 5;
    expect(config.toJSON()).toEqual(resolveConfig({}).config);
  });

  test.each<[unknown, string]>([
    [{ ...sample, task_queu: {} }, "Expected the configuration to have known keys only, got `task_queu`. Did you mean `taskQueue`?"],
    [
      { worker: { config: { max_worker: 2 } } },
      "Expected `worker.config` to have known keys only, got `max_worker`. Did you mean `maxWorkers`?",
    ],
    [{ worker: { type: 5 } }, 'Expected `worker.type` to be "async" (the only one so far), got 5'],
    [{ result_store: [] }, "Expected `resultStore` to be an object of options, got an array of 0"],
    ["text", "Expected the configuration to be an object of options, got a text of 4 characters that is not shown"],
    [null, "Expected the configuration to be an object of options, got null"],
    [JSON.parse('{"worker":{"__proto__":{"type":"x"}}}'), "Expected `worker` to have known keys only, got `__proto__`."],
  ])("refuses %o", (data, message) => {
    expect(() => OmniQConfig.fromJSON(data)).toThrow(ConfigError);
    expect(() => OmniQConfig.fromJSON(data)).toThrow(message);
  });
});

describe("the parts by themselves", () => {
  test("have their defaults", () => {
    expect(new TaskQueueConfig().toJSON()).toEqual({
      type: "sqlite",
      config: { baseDir: "./omniq_data", durability: "full", queues: ["default"] },
    });
    expect(new ResultStorageConfig().toJSON()).toEqual({ type: "sqlite", config: {} });
    expect(new EventStorageConfig(null).toJSON()).toEqual({ type: "sqlite", config: {} });
    expect(new WorkerConfig().toJSON()).toEqual({ type: "async", config: {} });
  });

  test("read the seed's spelling, and durations as text", () => {
    expect(TaskQueueConfig.fromJSON(sample.task_queue).config.queues).toEqual(["high", "medium", "low"]);
    expect(ResultStorageConfig.fromJSON({ config: { busy_timeout: "2s" } }).config).toEqual({ busyTimeout: 2_000 });
    expect(EventStorageConfig.fromJSON(sample.event_store).config).toEqual({ baseDir: "./test_data" });
    expect(WorkerConfig.fromJSON({ config: { max_workers: 2, lease: "30s" } }).config).toEqual({ maxWorkers: 2, lease: 30_000 });
  });

  test.each<[() => unknown, string]>([
    [
      () => TaskQueueConfig.fromJSON({ config: { queues: "a" } }),
      'Expected `taskQueue.config.queues` to be a list of queue names, at least one and none twice, got "a"',
    ],
    [() => TaskQueueConfig.fromJSON({ config: { url: "sqlite:a", baseDir: "b" } }), "Expected `taskQueue.config.url` to be given alone"],
    [
      () => ResultStorageConfig.fromJSON({ config: { queues: ["a"] } }),
      "Expected `resultStore.config` to have known keys only, got `queues`.",
    ],
    [
      () => EventStorageConfig.fromJSON({ config: { url: "sqlite:a", baseDir: "b" } }),
      "Expected `eventStore.config.url` to be given alone",
    ],
    [() => WorkerConfig.fromJSON(5), "Expected `worker` to be an object of options, got 5"],
  ])("refuse what is wrong, with the whole path: %#", (make, message) => {
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(message);
  });
});
