import { describe, expect, test } from "vitest";
import { FatalError, ModuleError } from "../../../src/core/errors.ts";
import { Waits } from "../../../src/runtime/backoff.ts";
import { defineTask } from "../../../src/runtime/definition.ts";
import { isFatal, toFailure } from "../../../src/runtime/failure.ts";
import { errorFields, safeLogger, Throttle } from "../../../src/runtime/logger.ts";
import { Lookout } from "../../../src/runtime/lookout.ts";
import { Loop } from "../../../src/runtime/loop.ts";
import { settingsOf } from "../../../src/runtime/parts.ts";
import { definitionsOf, Registry } from "../../../src/runtime/registry.ts";
import { afterLong } from "../../../src/runtime/timer.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import { turn } from "./rig.ts";

describe("failures", () => {
  const thrown = (value: unknown): ReturnType<typeof toFailure> => toFailure(value);

  test("of any shape become text", () => {
    expect(thrown("text")).toEqual({ name: "Error", message: "text" });
    expect(thrown(null)).toEqual({ name: "Error", message: "null" });
    expect(thrown(undefined)).toEqual({ name: "Error", message: "undefined" });
    expect(thrown(Symbol("s"))).toMatchObject({ message: "a symbol" });
    expect(thrown({ a: 1 })).toEqual({ name: "Error", message: '{"a":1}' });
    expect(thrown(Object.freeze({ name: "", message: "m", code: 5 }))).toEqual({ name: "Error", message: "m", code: "5" });
    const error = Object.assign(new TypeError("wrong"), { code: "E_X" });
    expect(thrown(error)).toMatchObject({
      name: "TypeError",
      message: "wrong",
      code: "E_X",
      stack: expect.stringContaining("TypeError: wrong"),
    });
  });

  test("with getters that throw, and circles, do no harm", () => {
    const hostile = {
      get name(): string {
        throw new Error("name");
      },
      get message(): string {
        throw new Error("message");
      },
      get stack(): string {
        throw new Error("stack");
      },
    };
    expect(thrown(hostile).name).toBe("Error");
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    expect(thrown(circle)).toEqual({ name: "Error", message: "an object" });
    expect(thrown(Object.create(null, { toJSON: { value: () => undefined } }))).toEqual({ name: "Error", message: "an object" });
  });

  test("are truncated, with the causes, and never in the middle of a character", () => {
    const long = thrown(new Error("x".repeat(10_000_000)));
    expect(long.message).toHaveLength(10_000);
    expect(long.stack?.length).toBeLessThanOrEqual(20_000);
    const half = thrown(new Error(`${"x".repeat(9_998)}😀😀`));
    expect(half.message.endsWith("x…")).toBe(true);
    let chain: unknown = "the root";
    for (let i = 0; i < 10_000; i++) chain = new Error(`level ${i}`, { cause: chain });
    const failure = thrown(chain);
    expect(failure.stack).toContain("[cause]: Error: level 9998");
    expect(failure.stack).not.toContain("level 9990");
    expect(thrown(new Error("x", { cause: { message: "plain" } })).stack).toContain("[cause]: plain");
    expect(thrown(new Error("x", { cause: {} })).stack).toContain("[cause]: an object");
    expect(thrown(new Error("x", { cause: 5 })).stack).toContain("[cause]: 5");
  });

  test("are fatal by class or by name", () => {
    expect(isFatal(new FatalError("x"))).toBe(true);
    expect(isFatal({ name: "FatalError" })).toBe(true);
    expect(isFatal(new Error("x"))).toBe(false);
    expect(isFatal("FatalError")).toBe(false);
  });
});

describe("the registry", () => {
  const a = defineTask({ name: "a", aliases: ["b"], handler: () => 1 });

  test("finds by name and alias", () => {
    const registry = new Registry([a, a]);
    expect(registry.names).toEqual(["a", "b"]);
    expect(registry.find("b")).toBe(a);
    expect(registry.find("c")).toBeUndefined();
  });

  test("refuses what cannot be run, and two of one name", () => {
    expect(() => new Registry("a")).toThrow(/tasks/);
    expect(() => new Registry([() => 1])).toThrow(/defineTask/);
    expect(() => new Registry([defineTask({ name: "ref" })])).toThrow(/"ref".*implement/);
    expect(() => new Registry([a, defineTask({ name: "b", handler: () => 1 })])).toThrow(/"b" twice.*"a" and "b"/);
  });

  test("takes every exported definition of a module, each once, also from arrays", async () => {
    const other = defineTask({ name: "other", handler: () => 1 });
    const modules: Record<string, unknown> = {
      "x:1": { default: a, a, text: "no", reference: defineTask({ name: "r" }) },
      "x:2": { all: [a, other] },
      "x:3": { nothing: 1 },
      "x:4": undefined,
    };
    const load = (url: string): Promise<unknown> =>
      url in modules ? Promise.resolve(modules[url]) : Promise.reject(new Error("Cannot find module"));
    expect(await definitionsOf(["x:1", "x:2"], load)).toEqual([a, other]);
    await expect(definitionsOf(["x:3"], load)).rejects.toMatchObject({ code: "MODULE_EMPTY" });
    await expect(definitionsOf(["x:4"], load)).rejects.toBeInstanceOf(ModuleError);
    await expect(definitionsOf(["x:5"], load)).rejects.toMatchObject({ code: "MODULE_NOT_LOADED" });
    await expect(definitionsOf(["x:5"], () => Promise.reject("text"))).rejects.toThrow(/text/);
  });
});

describe("the settings", () => {
  test("have the defaults of the design", () => {
    expect(settingsOf({})).toMatchObject({ queues: ["default"], concurrency: 10, prefetch: 0, lease: 12_000 });
    expect(settingsOf({ queues: ["b", "a", "b"] }).queues).toEqual(["b", "a"]);
  });

  test.each([
    [{ queues: [] }, /queues/],
    [{ queues: "default" }, /queues/],
    [{ queues: [""] }, /queues\[\]/],
    [{ concurrency: 0 }, /concurrency/],
    [{ concurrency: 1.5 }, /concurrency/],
    [{ prefetch: -1 }, /prefetch/],
    [{ lease: 99 }, /lease/],
    [{ lease: "soon" }, /lease/],
  ])("refuse %j", (options, message) => {
    expect(() => settingsOf(JSON.parse(JSON.stringify(options)))).toThrow(message);
  });
});

describe("waiting", () => {
  test("doubles from 50 ms to 5 s, with jitter, until it is reset", () => {
    const waits = new Waits(() => 1);
    const first = Array.from({ length: 9 }, () => waits.next());
    expect(first).toEqual([50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    waits.reset();
    expect(waits.next()).toBe(50);
    expect(new Waits(() => 0).next()).toBe(25);
  });

  test("long times are waited for in steps of at most 30 s", async () => {
    const clock = new TestClock();
    const waits: number[] = [];
    const { after } = { after: clock.after.bind(clock) };
    let fired = 0;
    const watched = Object.assign(clock, {
      after: (ms: number, fn: () => void) => {
        waits.push(ms);
        return after(ms, fn);
      },
    });
    afterLong(watched, 70_000, () => fired++);
    const cancel = afterLong(watched, 40_000, () => (fired += 100));
    await clock.advance(35_000);
    cancel();
    await clock.advance(34_999);
    expect(fired).toBe(0);
    await clock.advance(1);
    expect(fired).toBe(1);
    expect(Math.max(...waits)).toBe(30_000);
  });

  test("a loop steps, waits as told, and comes forward when nudged, but not too near", async () => {
    const clock = new TestClock();
    const at: number[] = [];
    const loop = new Loop({
      clock,
      gap: 100,
      step: () => {
        at.push(clock.monotonic());
        return Promise.resolve(1_000);
      },
    });
    loop.nudge();
    await clock.advance(50);
    expect(at).toEqual([]);
    loop.start();
    await clock.advance(10);
    loop.nudge();
    loop.nudge();
    await clock.advance(500);
    expect(at).toEqual([50, 150]);
    await clock.advance(1_000);
    expect(at).toEqual([50, 150, 1_150]);
    await loop.stop();
    loop.nudge();
    await clock.advance(5_000);
    expect(at).toHaveLength(3);
  });

  test("a nudge during a step is not lost, and stopping waits for the step", async () => {
    const clock = new TestClock();
    let steps = 0;
    let end = (): void => {};
    const loop = new Loop({
      clock,
      gap: 0,
      step: async () => {
        steps++;
        await new Promise<void>((resolve) => {
          end = resolve;
        });
        return Number.POSITIVE_INFINITY;
      },
    });
    loop.start();
    await clock.advance(0);
    loop.nudge();
    end();
    await turn();
    await clock.advance(0);
    expect(steps).toBe(2);
    let stopped = false;
    const stopping = loop.stop().then(() => (stopped = true));
    await turn();
    expect(stopped).toBe(false);
    end();
    await stopping;
  });
});

describe("logging", () => {
  test("a logger that throws does no harm; a throttle says at most one a second and how many it held back", async () => {
    const clock = new TestClock();
    const lines: unknown[] = [];
    const bad = (): never => {
      throw new Error("disk full");
    };
    safeLogger({ debug: bad, info: bad, warn: bad, error: bad }).error("x");
    const none = (): void => {};
    const throttle = new Throttle({ debug: none, info: none, error: none, warn: (message, data) => lines.push([message, data]) }, clock);
    for (let i = 0; i < 5; i++) throttle.warn("down", { i });
    throttle.warn("other", {});
    await clock.advance(1_000);
    throttle.warn("down", { i: 9 });
    expect(lines).toEqual([
      ["down", { i: 0 }],
      ["other", {}],
      ["down", { i: 9, heldBack: 4 }],
    ]);
  });

  test("a store that fails is one trouble, whoever meets it", async () => {
    const clock = new TestClock();
    const lines: string[] = [];
    const none = (): void => {};
    const logger = { debug: none, info: none, error: none, warn: (message: string) => lines.push(message) };
    const warned = new Map();
    const [worker, upkeep] = [new Throttle(logger, clock, warned), new Throttle(logger, clock, warned)];
    const code = "STORAGE_UNREACHABLE";
    worker.warn("claim", { code });
    upkeep.warn("upkeep", { code });
    upkeep.warn("upkeep", { code: "OTHER" });
    await clock.advance(1_000);
    upkeep.warn("upkeep", { code });
    expect(lines).toEqual(["claim", "upkeep", "upkeep"]);
    // One that has moved is told of by the minute.
    for (let second = 0; second < 90; second++) {
      upkeep.warn("moved", { code: "STORAGE_MOVED" });
      await clock.advance(1_000);
    }
    expect(lines.filter((line) => line === "moved").length).toBe(2);
  });

  test("an error is told by name, message and code alone", () => {
    expect(errorFields(Object.assign(new TypeError("m"), { code: "C", payload: "secret" }))).toEqual({ error: "TypeError: m", code: "C" });
    expect(errorFields("text")).toEqual({ error: "string" });
  });
});

describe("the lookout", () => {
  const row = {
    worker: "w",
    beat: 1,
    role: "worker",
    host: "h",
    boot: "b",
    pid: 1,
    started: "s",
    leaseMs: 1_000,
    queues: [],
    names: [],
    concurrency: 1,
    arrivedAt: 0,
    seenAt: 0,
  } as const;

  test("calls dead whose beat stood still for a whole lease, on its own clock", async () => {
    const clock = new TestClock();
    const lookout = new Lookout(clock, () => false);
    expect(lookout.dead([row])).toEqual([]);
    clock.jump(1e9);
    await clock.advance(999);
    expect(lookout.dead([row])).toEqual([]);
    await clock.advance(1);
    expect(lookout.dead([row])).toEqual([{ worker: "w", beat: 1 }]);
    expect(lookout.dead([{ ...row, beat: 2 }])).toEqual([]);
  });

  test("knows the beat of one that holds nothing yet, and takes nothing from it", async () => {
    const clock = new TestClock();
    const lookout = new Lookout(clock, () => false);
    expect(lookout.dead([], { others: [row] })).toEqual([]);
    await clock.advance(1_000);
    expect(lookout.dead([], { others: [row] })).toEqual([]);
    expect(lookout.dead([row])).toEqual([{ worker: "w", beat: 1 }]);
  });

  test("remembers those of a page until its round is over, and no longer", async () => {
    const clock = new TestClock();
    const lookout = new Lookout(clock, () => false);
    const other = { ...row, worker: "other" };
    expect(lookout.dead([row], { more: true })).toEqual([]);
    expect(lookout.dead([other])).toEqual([]);
    await clock.advance(1_000);
    expect(lookout.dead([row], { more: true })).toEqual([{ worker: "w", beat: 1 }]);
    expect(lookout.dead([])).toEqual([]);
    expect(lookout.dead([row, other])).toEqual([{ worker: "w", beat: 1 }]);
  });
});
