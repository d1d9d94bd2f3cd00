/** The JSON Schema that editors are given says what the reader says. */
import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FUZZ, runs } from "../../fixtures/hostile.ts";
import { parse } from "yaml";
import { schemaText } from "../../../scripts/config-schema.ts";
import { readConfig } from "../../../src/config/check.ts";
import { jsonSchema } from "../../../src/config/json-schema.ts";
import { listOptions } from "../../../src/config/options.ts";
import { milliseconds } from "../../../src/core/duration.ts";

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
    [{ taskQueue: { type: "Postgres", config: { url: "postgresql://u:p@h/d?sslmode=require", schema: "shop" } } }],
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
    [{ taskQueue: { config: { url: "mysql://u:p@h/d" } } }],
    [{ taskQueue: { config: { url: "postgres:h/d" } } }],
    [{ taskQueue: { config: { schema: "PG_x" } } }],
    [{ taskQueue: { type: "mysql" } }],
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

/** All patterns that stand in a schema. */
function patternsIn(schema: unknown): readonly string[] {
  if (typeof schema !== "object" || schema === null) return [];
  return Object.entries(schema).flatMap(([key, value]) => (key === "pattern" && typeof value === "string" ? [value] : patternsIn(value)));
}

/** Texts that a pattern takes, and such with something put in or taken away. */
function nearly(pattern: string): fc.Arbitrary<string> {
  // It cannot look ahead: what that forbids comes up, too.
  const blind = pattern.replaceAll(/\(\?[=!](?:\[[^\]]*\]|[^()[\]])*\)/g, "");
  const right = fc.stringMatching(new RegExp(blind, "u"), { maxLength: 30 });
  const odd = fc.constantFrom("", " ", "\n", "0", "-", "%", "%4", "/", "//", "?", "#", ":", "\u0000", "\u007F", "😀", "x".repeat(200));
  return fc.tuple(right, fc.nat(30), fc.nat(2), odd).map(([text, at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut));
}

const ODD_TEXTS = [
  "FULL",
  "Warning",
  "warning",
  "5s",
  " 1h30m ",
  "1.5d\n",
  "-0s",
  "0s",
  "0.4ms",
  "0.5ms",
  "999999d",
  "",
  "sqlite:///a%2",
  "SQLite://a",
  "sqlite:////a",
  "sqlite:///",
  "sqlite:/",
  ":memory:",
  "s3://x",
  "..",
  "a_b",
  "x".repeat(4_097),
  "😀".repeat(100),
];
const ODD_NUMBERS = [0, -0, 0.4, 0.5, 1, -1, 1.5, 2 ** 53, 2 ** 53 - 1, 36_525 * 86_400_000, 36_525 * 86_400_000 + 1, 1e300];

const anything = fc.oneof(
  fc.constantFrom<unknown>(...ODD_TEXTS, ...ODD_NUMBERS, null, true, false, [], ["a"], ["a", "a"], ["a", ""], [1], [null], {}),
  fc.string({ unit: "binary" }),
  fc.array(fc.string({ unit: "binary-ascii", maxLength: 3 }), { maxLength: 3 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
);

/** An option, a value that it may nearly take, and one of the spellings of its keys. */
const given = fc.constantFrom(...listOptions()).chain(({ path, option }) => {
  const value = fc.oneof(anything, ...patternsIn(option.kind.schema).map((pattern) => nearly(pattern)));
  const spelling = fc.array(fc.boolean(), { minLength: 8, maxLength: 8 });
  return fc.tuple(fc.constant(path), value, spelling);
});

/** A configuration of this one value. */
function configOf(path: string, value: unknown, snake: readonly boolean[]): unknown {
  let i = 0;
  const keys = path.replaceAll(/[A-Z]/g, (letter) => (snake[i++ % snake.length] === true ? `_${letter.toLowerCase()}` : letter)).split(".");
  return keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
}

/** What a JSON Schema cannot say: lengths in halves of pairs, what a text of a duration comes to, whether bytes are UTF-8, and what is a host. */
function isUnsayable(value: unknown): boolean {
  if (Array.isArray(value)) return value.some((each) => isUnsayable(each));
  if (typeof value !== "string") return false;
  if (/\p{Surrogate}|[\u{10000}-\u{10FFFF}]/u.test(value)) return true;
  if (/^\s*(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+\s*$/.test(value)) return outcome(() => milliseconds(value, "")) !== "more than 0";
  if (/^postgres(?:ql)?:\/\/\S+$/i.test(value) && !URL.canParse(value)) return true;
  return outcome(() => (decodeURIComponent(value), 1)) === "refused" && !/%(?![0-9a-f]{2})/i.test(value);
}

function outcome(step: () => number): "refused" | "0" | "more than 0" {
  try {
    return step() > 0 ? "more than 0" : "0";
  } catch {
    return "refused";
  }
}

describe("whatever is given to an option", () => {
  test("is right for editors where the reader takes it", FUZZ, () => {
    fc.assert(
      fc.property(given, ([path, value, snake]) => {
        const config = configOf(path, value, snake);
        return isValid(config) || !isRead(config);
      }),
      runs(1_000),
    );
  });

  test("is wrong for editors where the reader refuses it, as far as a schema can say", FUZZ, () => {
    fc.assert(
      fc.property(given, ([path, value, snake]) => {
        const config = configOf(path, value, snake);
        return isRead(config) || !isValid(config) || isUnsayable(value);
      }),
      runs(1_000),
    );
  });

  test.each(listOptions().map((listed) => [listed.path, listed.option] as const))("every odd value at %s", (path, { kind }) => {
    for (const value of [...ODD_TEXTS, ...ODD_NUMBERS, "taskQueue", ...ODD_TEXTS.map((text) => [text])]) {
      const config = configOf(path, value, [false]);
      if (!isUnsayable(value)) expect([value, isValid(config)], kind.wanted).toEqual([value, isRead(config)]);
      else if (isRead(config)) expect([value, isValid(config)]).toEqual([value, true]);
    }
  });
});
