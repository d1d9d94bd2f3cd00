import { describe, expect, test } from "vitest";
import { defineTask } from "../../../src/runtime/definition.ts";
import type { EnqueueOptions } from "../../../src/runtime/definition.ts";
import { encodeArgs, resolveTask } from "../../../src/runtime/options.ts";

const NOW = Date.UTC(2026, 0, 1);
const by = { newId: () => "new-id", now: () => NOW, defaults: { maxRetries: 7, retryDelay: 1_000, queueName: "configured" } };
const task = defineTask({ name: "resize", retryDelay: "2s", ttl: "1h", tags: ["defined"], handler: () => 1 });
const resolve = (options: EnqueueOptions = {}) => resolveTask(by, task, "{}", options);

describe("the options of an enqueue", () => {
  test("options go before the definition, that before the configuration, that before the defaults", () => {
    expect(resolve()).toEqual({
      id: "new-id",
      func: "resize",
      args: "{}",
      queue: "configured",
      priority: 0,
      tags: ["defined"],
      dependsOn: [],
      ttl: 3_600_000,
      maxRetries: 7,
      retryDelay: 2_000,
      backoff: "fixed",
      atMostOnce: false,
      maxCrashes: 3,
      storeResult: true,
    });
    expect(resolve({ retryDelay: "3s", maxRetries: 0, queueName: "mine", tags: [] })).toMatchObject({
      retryDelay: 3_000,
      maxRetries: 0,
      queue: "mine",
      tags: [],
    });
    expect(resolve({ retryDelay: undefined }).retryDelay).toBe(2_000);
  });

  test("each option arrives in the record", () => {
    const record = resolve({
      id: "own",
      label: "A label",
      description: "Why",
      priority: -3,
      runIn: "5m",
      backoff: "exponential",
      timeout: "1m",
      resultTtl: 0,
      storeResult: false,
      atMostOnce: true,
      maxCrashes: 1,
    });
    expect(record).toMatchObject({
      id: "own",
      label: "A label",
      description: "Why",
      priority: -3,
      due: { in: 300_000 },
      backoff: "exponential",
      timeout: 60_000,
      resultTtl: 0,
      storeResult: false,
      atMostOnce: true,
      maxCrashes: 1,
    });
    expect(resolve({ runAt: new Date(NOW + 5) }).due).toEqual({ at: NOW + 5 });
  });

  test("parents are ids, handles or either with what becomes of a failure; one named twice counts once", () => {
    const handle = { id: "b" } as never;
    const { dependsOn } = resolve({ dependsOn: ["a", handle, { on: "c", ifFailed: "run" }, { on: handle }, "a"] });
    expect(dependsOn).toEqual([
      { id: "a", ifFailed: "cancel" },
      { id: "b", ifFailed: "cancel" },
      { id: "c", ifFailed: "run" },
    ]);
    expect(() => resolve({ dependsOn: ["a", { on: "a", ifFailed: "run" }] })).toThrow(
      "Expected `dependsOn` to be a list that gives a one `ifFailed`",
    );
  });

  test("a unique key is one per definition", () => {
    expect(resolve({ unique: { key: "k" } }).unique).toEqual({ key: '["resize","k"]', until: "finished", onConflict: "keep" });
    expect(resolve({ unique: { key: "k", until: "1h", onConflict: "throw" } }).unique).toEqual({
      key: '["resize","k"]',
      until: 3_600_000,
      onConflict: "refuse",
    });
    expect(resolve({ unique: { key: "k", until: "started", onConflict: "replace" } }).unique).toMatchObject({
      until: "started",
      onConflict: "replace",
    });
  });

  test("a callback brings its own definition's options, or those of the configuration", () => {
    const after = defineTask<{ note: string }, void>({ name: "after", queueName: "low", priority: 2, maxRetries: 0, timeout: "1s" });
    expect(resolve({ callback: after, callbackArgs: { note: "n" } }).callback).toEqual({
      func: "after",
      args: '{"note":"n"}',
      queue: "low",
      priority: 2,
      policy: {
        maxRetries: 0,
        retryDelay: 1_000,
        backoff: "fixed",
        atMostOnce: false,
        maxCrashes: 3,
        storeResult: true,
        timeout: 1_000,
      },
    });
    expect(resolve({ callback: "by-name" }).callback).toMatchObject({ func: "by-name", policy: { maxRetries: 7 } });
  });

  test("arguments that are too long are refused", () => {
    expect(() => encodeArgs({ ...by, payloadLimit: 10 }, { text: "x".repeat(20) })).toThrow("Expected args to be at most 10 bytes");
  });

  test.each([
    [{ queuName: "high" }, "Did you mean `queueName`?"],
    [{ tx: {} }, "got `tx`"],
    [[], "Expected `options` to be an object, got an array of 0"],
    [{ id: "" }, "Expected `id` to be an id"],
    [{ id: "a\u0000" }, "Expected `id` to be an id"],
    [{ queueName: "\ud800q" }, "Expected `queueName` to be text of 1 to 200 characters, without NUL and halves of surrogate pairs"],
    [{ id: "job-\ud800" }, "Expected `id` to be an id"],
    [{ label: 3 }, "Expected `label` to be text of 1 to 500 characters, without NUL and halves of surrogate pairs, got 3"],
    [{ description: "" }, "Expected `description`"],
    [{ runAt: "tomorrow" }, 'Expected `runAt` to be a valid Date, got "tomorrow"'],
    [{ runAt: new Date(Number.NaN) }, "Expected `runAt` to be a valid Date, got an invalid Date"],
    [{ runAt: new Date(0), runIn: 5 }, "Expected `runAt` to be given alone, not together with `runIn`"],
    [{ runIn: -1 }, "Expected `runIn` to be a duration"],
    [{ runIn: "1h" }, "Expected `runIn` to be shorter than the `ttl` of 3600000 ms, got 3600000"],
    [{ runAt: new Date(NOW + 3_600_000) }, "Expected `runAt` to be before the task expires"],
    [{ ttl: 0 }, "Expected `ttl` to be a duration longer than 0"],
    [{ timeout: null }, "Expected `timeout` to be a duration"],
    [{ dependsOn: "a" }, "Expected `dependsOn` to be an array"],
    [{ dependsOn: [3] }, "Expected `dependsOn[]` to be the id or the handle of a task, got 3"],
    [{ dependsOn: [{ on: "a", ifFailed: "wait" }] }, 'Expected `dependsOn[].ifFailed` to be "cancel" or "run", got "wait"'],
    [{ dependsOn: [{ on: "a", ifFails: "run" }] }, "Did you mean `ifFailed`?"],
    [{ dependsOn: [{ id: "a", ifFailed: "run" }] }, "got `id`. Known are: on, ifFailed."],
    [{ dependsOn: [{ ifFailed: "run" }] }, "Expected `dependsOn[].on` to be the id or the handle of a task, got undefined"],
    [{ unique: "k" }, "Expected `unique` to be an object with a `key`"],
    [{ unique: {} }, "Expected `unique.key` to be text"],
    [
      { unique: { key: "k", until: "sometime" } },
      'Expected `unique.until` to be "finished", "started" or a duration longer than 0, got "sometime"',
    ],
    [{ unique: { key: "k", until: 0 } }, "Expected `unique.until`"],
    [{ unique: { key: "k", onConflict: "ignore" } }, 'Expected `unique.onConflict` to be "keep", "replace" or "throw"'],
    [{ unique: { key: "k", scope: "all" } }, "got `scope`"],
    [{ callback: 3 }, "Expected `callback` to be a task or the name of one"],
    [{ callback: "" }, "Expected `callback` to be a name"],
    [{ callbackArgs: {} }, "Expected `callbackArgs` to be absent where there is no `callback`"],
    [{ callback: "a", callbackArgs: [1] }, "Expected `callbackArgs` to be a plain object"],
    [{ callback: "a", callbackArgs: { f: () => 1 } }, "Cannot store a function at callbackArgs.f"],
  ])("%j is refused: %s", (options, message) => {
    expect(() => resolve(options as never)).toThrow(message);
  });
});
