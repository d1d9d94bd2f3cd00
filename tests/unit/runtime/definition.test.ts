import { z } from "zod";
import { describe, expect, test } from "vitest";
import { defineTask, isTaskDefinition, isTaskReference } from "../../../src/runtime/definition.ts";

const handler = (): number => 1;

describe("defineTask", () => {
  test("a definition has its name, its defaults in milliseconds and its handler", () => {
    const task = defineTask({
      name: "img.resize",
      aliases: ["resize"],
      queueName: "high",
      retryDelay: "5s",
      timeout: "2m",
      ttl: "1h",
      tags: ["a", "a", "b"],
      backoff: "exponential",
      handler,
    });
    expect(task).toMatchObject({ name: "img.resize", aliases: ["resize"], handler, backoff: "exponential", input: undefined });
    expect(task.defaults).toEqual({
      queueName: "high",
      retryDelay: 5_000,
      timeout: 120_000,
      ttl: 3_600_000,
      tags: ["a", "b"],
      backoff: "exponential",
    });
    expect(Object.isFrozen(task)).toBe(true);
    expect(isTaskDefinition(task)).toBe(true);
  });

  test("a function as backoff stays with the definition", () => {
    const backoff = (retries: number): number => retries;
    const task = defineTask({ name: "a", backoff, handler });
    expect(task.backoff).toBe(backoff);
    expect(task.defaults).toEqual({});
  });

  test("without a handler it is a reference, which implement completes", () => {
    const reference = defineTask<{ x: number }, number>({ name: "double", maxRetries: 1, retryIf: () => false });
    expect(isTaskReference(reference)).toBe(true);
    expect(isTaskDefinition(reference)).toBe(false);
    const task = reference.implement(({ x }) => x * 2);
    expect(isTaskDefinition(task)).toBe(true);
    expect(task).toMatchObject({ name: "double", defaults: { maxRetries: 1 } });
    expect(task.retryIf?.(new Error("any"))).toBe(false);
    expect("implement" in task).toBe(false);
    // @ts-expect-error a handler is a function
    expect(() => reference.implement("no")).toThrow("Expected `handler` to be a function");
  });

  test("with() puts task, arguments and options together", () => {
    const task = defineTask({ name: "add", handler: ({ x }: { x: number }) => x });
    expect(task.with({ x: 1 })).toMatchObject({ task: { name: "add" }, args: { x: 1 } });
    expect(task.with({ x: 1 }, { priority: 2 }).options).toEqual({ priority: 2 });
  });

  test.each([
    [{ name: "" }, "Expected `name` to be a name of 1 to 200 characters"],
    [{ name: "a".repeat(201) }, "Expected `name`"],
    [{ name: "a\nb" }, "without control characters"],
    [{ name: 3 }, "Expected `name` to be a name of 1 to 200 characters without control characters, got 3"],
    [{}, "Expected `name`"],
    [null, "Expected `options` to be an object with the task's name, got null"],
    [{ name: "a", aliases: "b" }, "Expected `aliases` to be an array"],
    [{ name: "a", aliases: [""] }, "Expected `aliases`"],
    [{ name: "a", maxRetrys: 3 }, "Did you mean `maxRetries`?"],
    [{ name: "a", maxRetries: 1.5 }, "Expected `maxRetries` to be a whole number of at least 0, got 1.5"],
    [{ name: "a", maxCrashes: 0 }, "Expected `maxCrashes`"],
    [{ name: "a", priority: Number.NaN }, "Expected `priority` to be a whole number, got NaN"],
    [{ name: "a", timeout: "soon" }, "Expected `timeout` to be a duration"],
    [{ name: "a", ttl: 0 }, "Expected `ttl` to be a duration longer than 0, got 0"],
    [{ name: "a", retryDelay: -1 }, "Expected `retryDelay`"],
    [{ name: "a", backoff: "linear" }, 'Expected `backoff` to be "fixed" or "exponential", got "linear"'],
    [{ name: "a", storeResult: "yes" }, "Expected `storeResult` to be true or false"],
    [{ name: "a", queueName: "" }, "Expected `queueName`"],
    [{ name: "a", tags: "b" }, "Expected `tags` to be an array of words"],
    [{ name: "a", tags: [""] }, "Expected `tags[]`"],
    [{ name: "a", handler: "b" }, "Expected `handler` to be a function"],
    [{ name: "a", retryIf: true }, "Expected `retryIf` to be a function"],
    [{ name: "a", input: {} }, "Expected `input` to be a Standard Schema"],
    [{ name: "a", input: z.string(), output: { "~standard": 1 } }, "Expected `output` to be a Standard Schema"],
  ])("%j is refused: %s", (options, message) => {
    // @ts-expect-error what a program without types may pass
    expect(() => defineTask(options)).toThrow(message);
  });
});
