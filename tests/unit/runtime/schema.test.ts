import { runInNewContext } from "node:vm";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { z } from "zod";
import { expect, test } from "vitest";
import { parseWith } from "../../../src/runtime/schema.ts";

const schema = (result: StandardSchemaV1.Result<unknown> | Promise<StandardSchemaV1.Result<unknown>>): StandardSchemaV1 => ({
  "~standard": { version: 1, vendor: "test", validate: () => result },
});

test("answers at once where the schema does, else later", async () => {
  expect(parseWith(z.object({ n: z.string().transform(Number) }), { n: "4" }, "it")).toEqual({ n: 4 });
  const late = parseWith(schema(Promise.resolve({ value: 5 })), 0, "it");
  expect(late).toBeInstanceOf(Promise);
  expect(await late).toBe(5);
  await expect(parseWith(schema(Promise.resolve({ issues: [{ message: "no" }] })), 0, "it")).rejects.toMatchObject({
    code: "INPUT_INVALID",
  });
});

test("waits for a promise of another make", async () => {
  const foreign: Promise<StandardSchemaV1.Result<unknown>> = runInNewContext("Promise.resolve({ value: 6 })");
  expect(foreign).not.toBeInstanceOf(Promise);
  const late = parseWith(schema(foreign), 0, "it");
  expect(late).toBeInstanceOf(Promise);
  expect(await late).toBe(6);
});

test("tells where each issue lies, and the first five of many", () => {
  const issues = [{ message: "bad", path: ["a", { key: "b" }, 0] }, { message: "worse" }];
  expect(() => parseWith(schema({ issues }), 0, "it")).toThrow("Expected it to satisfy its schema, got a.b.0: bad; worse");
  const many = Array.from({ length: 7 }, (_, i) => ({ message: `m${i}` }));
  expect(() => parseWith(schema({ issues: many }), 0, "it")).toThrow("m3; m4 (and 2 more)");
});
