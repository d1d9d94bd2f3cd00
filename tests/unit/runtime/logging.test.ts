/** Log lines: what they look like, whose they are, and loggers of many makes. */
import { stripVTControlCharacters, styleText } from "node:util";
import pino from "pino";
import { afterEach, describe, expect, test, vi } from "vitest";
import { stderrLogger } from "../../../src/host.ts";
import { defineTask, OmniQ } from "../../../src/index.ts";
import type { OmniQOptions } from "../../../src/index.ts";
import { jsonLogLine, prettyLine } from "../../../src/runtime/log-line.ts";
import { safeLogger } from "../../../src/runtime/logger.ts";
import type { LogData } from "../../../src/runtime/logger.ts";

const AT = new Date(2026, 2, 1, 9, 30, 0, 125);
const HOSTILE = "\u001b[2J\u009b31m\u202e\nx";
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const OBEYED = /[\u0000-\u001F\u007F-\u009F\u2028\u2029\u202A-\u202E]/;

const parsed = (data?: LogData): unknown => JSON.parse(jsonLogLine(AT, { level: "info", message: "m", data }));
const pretty = (data?: LogData, message = "m"): string => prettyLine(AT, { level: "warn", message, data }, (_, text) => text);

function circle(): LogData {
  const data: Record<string, unknown> = { a: { b: 1 } };
  data["self"] = { data, shared: data["a"] };
  return data;
}

describe("a line for programs", () => {
  test("says when, how much it matters, whose it is and what", () => {
    expect(jsonLogLine(AT, { level: "warn", message: "A beat", data: { error: "E: x", component: "worker", left: 1 } })).toBe(
      `{"time":"${AT.toISOString()}","level":"warn","name":"omniq","component":"worker","message":"A beat","error":"E: x","left":1}`,
    );
    expect(parsed()).toEqual({ time: AT.toISOString(), level: "info", name: "omniq", message: "m" });
  });

  test("keeps fields that are called like its own, beside them", () => {
    expect(parsed({ time: 1, level: 2, name: 3, message: 4, component: "task" })).toEqual({
      time: AT.toISOString(),
      level: "info",
      name: "omniq",
      component: "task",
      message: "m",
      time_: 1,
      level_: 2,
      name_: 3,
      message_: 4,
    });
  });

  test("holds whatever it is given, on one line that nothing obeys", () => {
    const line = jsonLogLine(AT, { level: "info", message: HOSTILE, data: { [HOSTILE]: HOSTILE } });
    expect(line).not.toMatch(OBEYED);
    expect(JSON.parse(line)).toMatchObject({ message: HOSTILE, [HOSTILE]: HOSTILE });
  });

  test("tells what JSON cannot", () => {
    const at = (value: unknown): unknown => (parsed({ at: value }) as { at: unknown }).at;
    expect(at(12n)).toBe("12");
    expect(at(new TypeError("no"))).toBe("TypeError: no");
    expect(at(undefined)).toBeUndefined();
    expect(at(circle())).toEqual({ a: { b: 1 }, self: { data: "[circular]", shared: { b: 1 } } });
    const bad = {
      get x(): never {
        throw new Error("no");
      },
    };
    expect(parsed({ bad, component: "task" })).toMatchObject({ message: "m", component: "task", fields: "unreadable" });
    expect(pretty({ bad, good: 1 })).toMatch(/ m {2}good=1$/);
  });
});

describe("a line for people", () => {
  test("says when, how much it matters, whose it is and what, then the fields", () => {
    expect(pretty({ component: "worker", error: "E: it is", taskId: "a-1", left: 2, none: undefined, at: { x: [1] } })).toBe(
      '09:30:00.125 WARN  worker    m  error="E: it is" taskId=a-1 left=2 at={"x":[1]}',
    );
    expect(pretty()).toBe("09:30:00.125 WARN            m");
  });

  test("holds whatever it is given, on one line that nothing obeys", () => {
    const line = pretty({ [HOSTILE]: HOSTILE, component: HOSTILE, circle: circle(), big: 1n }, HOSTILE);
    expect(line).not.toMatch(OBEYED);
    expect(line).toContain('big="1"');
    expect(line).toContain("\\x1b[2J\\x9b31m\\u202e\\nx");
  });

  test("is coloured by its level, and reads the same without colours", () => {
    const entry = { level: "error", message: "m", data: { a: 1 } } as const;
    const line = prettyLine(AT, entry, (style, text) => styleText(style, text, { validateStream: false }));
    expect(line).toContain(styleText("red", "ERROR", { validateStream: false }));
    expect(stripVTControlCharacters(line)).toBe(prettyLine(AT, entry, (_, text) => text));
  });
});

describe("the logger of the house", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** What is written to stderr meanwhile; on a terminal if so asked. */
  function written(isTTY: boolean | undefined, write: () => void): readonly string[] {
    const lines: string[] = [];
    vi.spyOn(process.stderr, "write").mockImplementation((chunk) => lines.push(String(chunk)) > 0);
    const own = Object.getOwnPropertyDescriptor(process.stderr, "isTTY");
    Object.defineProperty(process.stderr, "isTTY", { value: isTTY, configurable: true });
    try {
      write();
    } finally {
      if (own === undefined) Reflect.deleteProperty(process.stderr, "isTTY");
      else Object.defineProperty(process.stderr, "isTTY", own);
    }
    return lines;
  }

  test("writes JSON, and for people on a terminal", () => {
    const say = (): void => {
      stderrLogger().warn("hello", { component: "worker" });
    };
    expect(JSON.parse(written(undefined, say)[0] ?? "")).toMatchObject({ name: "omniq", component: "worker", message: "hello" });
    const [line = ""] = written(true, say);
    expect(stripVTControlCharacters(line)).toMatch(/^\d\d:\d\d:\d\d\.\d{3} WARN {2}worker {4}hello\n$/);
  });

  test("keeps to the level, and to those of single parts", () => {
    const levels = ["debug", "info", "warn", "error"] as const;
    const said = (settings: Parameters<typeof stderrLogger>[0], component: string): readonly string[] =>
      written(false, () => {
        const logger = stderrLogger(settings);
        for (const level of levels) logger[level](level, { component });
      }).map((line) => (JSON.parse(line) as { message: string }).message);
    expect(said(undefined, "worker")).toEqual(["warn", "error"]);
    expect(said({ level: "debug" }, "worker")).toEqual(levels);
    expect(said({ level: "off" }, "worker")).toEqual([]);
    const components = { worker: "debug", task: "off", upkeep: "error" } as const;
    expect(said({ level: "info", components }, "worker")).toEqual(levels);
    expect(said({ level: "info", components }, "task")).toEqual([]);
    expect(said({ level: "info", components }, "upkeep")).toEqual(["error"]);
    expect(said({ level: "info", components }, "client")).toEqual(["info", "warn", "error"]);
    expect(said({ level: "off", components }, "worker")).toEqual(levels);
  });
});

describe("a logger of your own", () => {
  const hello = defineTask({
    name: "hello",
    handler: (_: undefined, { log }) => {
      log.info("from the handler", { n: 1, component: "mine" });
    },
  });

  /** Lets a handler say hello to a logger. */
  async function run(logger: NonNullable<OmniQOptions["logger"]>): Promise<string> {
    const omniq = new OmniQ({ url: "sqlite::memory:", logger });
    const { id } = await omniq.enqueue(hello);
    await omniq.worker({ tasks: [hello] }).drain();
    await omniq.close();
    return id;
  }

  test("pino is given the fields first", async () => {
    const lines: string[] = [];
    const logger = pino({ level: "debug", base: null }, { write: (line: string) => void lines.push(line) });
    const taskId = await run(logger);
    const said = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(said).toContainEqual({
      level: 30,
      time: expect.any(Number),
      msg: "from the handler",
      n: 1,
      taskId,
      func: "hello",
      component: "task",
    });
    safeLogger(logger.child({ of: "a child" })).warn("without fields");
    expect(JSON.parse(lines.at(-1) ?? "")).toEqual({ level: 40, time: expect.any(Number), of: "a child", msg: "without fields" });
  });

  test("the console, and whatever has the four methods, is given the message first", async () => {
    const info = vi.spyOn(console, "info").mockImplementation(() => {});
    const taskId = await run(console);
    expect(info.mock.calls).toContainEqual(["from the handler", { n: 1, taskId, func: "hello", component: "task" }]);
    info.mockRestore();
    // As winston: it has `child`, but no `bindings`.
    const calls: unknown[] = [];
    const say = (...args: readonly unknown[]): void => void calls.push(args);
    await run(Object.assign({ debug: say, info: say, warn: say, error: say }, { child: () => undefined }));
    expect(calls).toContainEqual(["from the handler", expect.objectContaining({ n: 1 })]);
  });

  test("is silent too when logging is disabled, and decides on levels itself", async () => {
    const calls: unknown[] = [];
    const say = (message: string): void => void calls.push(message);
    const logger = { debug: say, info: say, warn: say, error: say };
    const said = async (logging: object): Promise<readonly unknown[]> => {
      calls.length = 0;
      const omniq = OmniQ.fromConfig({ taskQueue: { config: { url: "sqlite::memory:" } }, logging }, { logger });
      await omniq.enqueue(hello);
      await omniq.worker({ tasks: [hello] }).drain();
      await omniq.close();
      return [...calls];
    };
    expect(await said({ level: "error", components: { task: "off" } })).toContain("from the handler");
    expect(await said({ disabled: true })).toEqual([]);
  });
});
