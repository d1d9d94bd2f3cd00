/** The JSON Schema that editors are given says what the reader says. */
import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { schemaText } from "../../../scripts/config-schema.ts";
import { readConfig } from "../../../src/config/check.ts";
import { jsonSchema } from "../../../src/config/json-schema.ts";
import { listOptions } from "../../../src/config/options.ts";

const isValid = new Ajv({ strict: true, allowUnionTypes: true }).compile(jsonSchema());
const data = (name: string): unknown => parse(readFileSync(new URL(`../../fixtures/data/${name}`, import.meta.url), "utf8"));

/** What the reader says of it. */
function isRead(config: unknown): boolean {
  try {
    readConfig(config);
    return true;
  } catch {
    return false;
  }
}

test("the file that is shipped is current: `node scripts/config-schema.ts` writes it", () => {
  expect(readFileSync(new URL("../../../schema.json", import.meta.url), "utf8")).toBe(schemaText());
});

describe("what is right", () => {
  test.each(["sample-config.yaml", "full-config.yaml"])("%s", (name) => {
    expect(isValid(data(name)), JSON.stringify(isValid.errors)).toBe(true);
  });

  test.each<[unknown]>([
    [{}],
    [{ $schema: "./schema.json" }],
    [{ projectName: null, worker: null, retention: { failed: null } }],
    [{ task_defaults: { max_retries: 2, retry_delay: 250, resultTtl: "1h30m", store_result: false } }],
    [{ retention: { events: false, failed: 0 } }],
    [{ taskQueue: { config: { url: "sqlite::memory:", table_prefix: "" } } }],
  ])("%j", (config) => {
    expect(isValid(config), JSON.stringify(isValid.errors)).toBe(true);
    expect(isRead(config)).toBe(true);
  });
});

describe("what is wrong", () => {
  test.each<[unknown]>([
    [[]],
    [{ projectNme: "x" }],
    [{ projectName: "../x" }],
    [{ projectName: ".." }],
    [{ projectName: "a\u001b" }],
    [{ taskDefaults: { queueName: "a\nb" } }],
    [{ projectName: 5 }],
    [{ worker: { config: { maxWorkers: 0 } } }],
    [{ worker: { config: { max_workers: 1.5 } } }],
    [{ worker: { config: { lease: 0 } } }],
    [{ worker: { config: { lease: "-5s" } } }],
    [{ worker: { type: "thread" } }],
    [{ worker: [] }],
    [{ task_queue: { config: { queues: [] } } }],
    [{ taskQueue: { config: { queues: ["a", "a"] } } }],
    [{ taskQueue: { config: { queues: "a" } } }],
    [{ taskQueue: { config: { url: "postgres://u:p@h/d" } } }],
    [{ taskQueue: { config: { tablePrefix: "1a" } } }],
    [{ taskDefaults: { ttl: "soon", storeResult: true } }],
    [{ taskDefaults: { storeResult: "yes" } }],
    [{ retention: { events: true } }],
    [{ logging: { components: { wroker: "debug" } } }],
    [{ logging: { level: 3 } }],
    [{ taskQueue: { $schema: "x" } }],
  ])("%j", (config) => {
    expect(isValid(config)).toBe(false);
    expect(isRead(config)).toBe(false);
  });
});

test("has every option, with its documentation and variables", () => {
  for (const { path, option } of listOptions()) {
    const node: unknown = path.split(".").reduce<unknown>((inner, key) => {
      const properties: unknown = typeof inner === "object" && inner !== null && "properties" in inner ? inner.properties : undefined;
      return typeof properties === "object" && properties !== null
        ? Object.entries(properties).find(([name]) => name === key)?.[1]
        : undefined;
    }, jsonSchema());
    expect(node, path).toMatchObject({ description: expect.stringContaining(option.doc) });
    for (const name of option.env) expect(node).toMatchObject({ description: expect.stringContaining(name) });
  }
});

test("what it takes at an option, the reader takes too", () => {
  const value = fc.oneof(
    fc.constantFrom<unknown>(
      "5s",
      "1h30m",
      "250ms",
      "1.5d",
      "5 s",
      "",
      "sqlite:a.db",
      "SQLITE:a",
      ":memory:",
      "sqlite:a?b",
      "full",
      "debug",
      "async",
      "sqlite",
      "a/b",
      "..",
      "a_b",
    ),
    fc.constantFrom<unknown>(null, true, false, 0, 1, -1, 1.5, 1e9, [], ["a"], ["a", "b"], ["a", "a"], [1], {}),
    fc.string({ unit: "binary-ascii" }),
  );
  fc.assert(
    fc.property(fc.constantFrom(...listOptions()), value, fc.boolean(), ({ path }, given, snake) => {
      const keys = path.split(".").map((key) => (snake ? key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : key));
      const config = keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), given);
      return !isValid(config) || isRead(config);
    }),
    { numRuns: 3_000 },
  );
});
