import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { execute } from "../../../src/cli/main.ts";
import { zoned } from "../../../src/cli/schedule.ts";
import { widthOf } from "../../../src/cli/text.ts";
import { defineTask, OmniQ } from "../../../src/index.ts";
import { fakeTerminal } from "./fake-terminal.ts";

const report = defineTask({ name: "report", handler: ({ kind }: { kind: string }) => kind });
const refuse = defineTask({
  name: "refuse",
  maxRetries: 0,
  handler: () => {
    throw new Error("no");
  },
});

let dir = "";
let omniq: OmniQ;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "omniq-schedules-cli-"));
  omniq = new OmniQ({ baseDir: dir });
  await omniq.schedule(
    report,
    { kind: "daily" },
    { id: "nightly", cron: "0 3 * * *", timezone: "Europe/Berlin", overlap: "skip", name: "N\u0007" },
  );
  await omniq.schedule(report, { kind: "often" }, { id: "often", every: "15m", maxRuns: 4, jitter: "1m", catchUp: { all: 5 } });
  await omniq.schedule(refuse, undefined, { id: "done", once: true });
  await omniq.worker({ tasks: [report, refuse] }).drain();
});
afterEach(async () => {
  await omniq.close();
  rmSync(dir, { recursive: true });
});

interface Said {
  readonly code: number;
  readonly lines: readonly string[];
}
async function said(argv: readonly string[], columns?: number): Promise<Said> {
  const fake = fakeTerminal(columns === undefined ? {} : { columns });
  const code = await execute(["schedules", ...argv, "--base-dir", dir], fake.terminal);
  return { code, lines: fake.lines().map((line) => stripVTControlCharacters(line)) };
}
async function json(argv: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const { code, lines } = await said([...argv, "--json"]);
  expect(code).toBe(0);
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("schedules list", () => {
  test("tells what runs when, and how the last run went", async () => {
    const { code, lines } = await said(["list"]);
    expect(code).toBe(0);
    expect(lines[0]?.split(/ {2,}/)).toEqual(["ID", "TASK", "WHEN", "STATUS", "NEXT", "RUNS", "LAST RUN", "OUTCOME"]);
    const row = (id: string) => lines.find((line) => line.startsWith(id));
    expect(row("often")).toMatch(/^often +report +every 15m +active +in 1[45]m(?: \d+s)? +0\/4$/);
    expect(row("nightly")).toMatch(/^nightly +report +0 3 \* \* \* \(Europe\/Berlin\) +active +in /);
    expect(row("done")).toMatch(/^done +refuse +once +completed +1 +[\d.]+m?s ago +failed$/);
  });

  test("of one status, so many, for programs", async () => {
    // By the next time, which for one of them depends on when this runs.
    expect(new Set((await json(["list"])).map(({ id }) => id))).toEqual(new Set(["often", "nightly", "done"]));
    expect((await json(["list", "--status", "completed"])).map(({ id, lastPhase, func }) => [id, lastPhase, func])).toEqual([
      ["done", "failed", "refuse"],
    ]);
    expect(await json(["list", "-n", "1"])).toHaveLength(1);
    expect(await json(["list", "--status", "paused"])).toEqual([]);
    expect((await said(["list", "--status", "paused"])).lines[0]).toMatch(/^No schedule is like this/);
  });
});

describe("schedules show", () => {
  test("tells all of one, with its next times in its own zone and what it did last", async () => {
    await omniq.schedules.runNow("often");
    const { code, lines } = await said(["show", "often"]);
    expect(code).toBe(0);
    expect(lines[0]).toBe("often  active");
    const text = lines.join("\n");
    for (const part of [
      'arguments    {"kind":"often"}',
      "when         every 15m",
      "jitter       up to 1m",
      "missed ones  all, at most 5",
      "runs         0 of at most 4",
    ])
      expect(text).toContain(part);
    expect(text).toMatch(/its task +[\w-]+ \(ready\)/);
    expect(text).toMatch(/schedule_fired .*byHand/);
    const berlin = await said(["show", "nightly"]);
    expect(berlin.lines[0]).toBe(String.raw`N\x07  active`);
    expect(berlin.lines.join("\n")).toMatch(/NEXT \(Europe\/Berlin\) +IN\n\d{4}-\d\d-\d\d 03:00:00 GMT\+[12] +in /);
    expect((await json(["show", "nightly"]))[0]).toMatchObject({
      id: "nightly",
      funcArgs: { kind: "daily" },
      preview: { length: 5 },
      events: [],
    });
  });

  test("fits on a terminal", async () => {
    for (const argv of [["list"], ["show", "nightly"], ["preview", "nightly"]]) {
      for (const line of (await said(argv, 80)).lines) expect(widthOf(line)).toBeLessThanOrEqual(80);
    }
  });

  test("knows none of that id", async () => {
    for (const argv of [
      ["show", "x"],
      ["preview", "x"],
      ["run", "x"],
    ]) {
      const { code, lines } = await said(argv);
      expect([code, ...lines]).toEqual([1, "error: Expected a schedule with the id x, but there is none (SCHEDULE_NOT_FOUND)"]);
    }
  });
});

describe("pause, resume, run, delete", () => {
  test("do it to each that is named, and tell which they could not", async () => {
    const paused = await said(["pause", "nightly", "done", "x", "often"]);
    expect(paused.code).toBe(1);
    expect(paused.lines).toEqual([
      "nightly paused",
      "done: Expected schedule done to be able to become paused, but it is completed (ILLEGAL_TRANSITION)",
      "x: Expected a schedule with the id x, but there is none (SCHEDULE_NOT_FOUND)",
      "often paused",
    ]);
    expect((await said(["show", "often"])).lines.join("\n")).toContain("IF RESUMED NOW (UTC)");
    const resumed = await said(["resume", "often", "--from", "2100-01-01T00:00:00Z"]);
    expect(resumed).toMatchObject({ code: 0, lines: [expect.stringMatching(/^often resumed, next 2100-01-01 /)] });
    expect((await omniq.schedules.get("often"))?.nextRunAt).toEqual(new Date("2100-01-01T00:15:00Z"));
    expect((await json(["delete", "often"]))[0]).toEqual({ id: "often", is: "deleted" });
    expect(await omniq.schedules.get("often")).toBeUndefined();
    expect((await said(["delete", "often"])).code).toBe(1);
  });

  test("run enqueues now, unless none may overlap and one is open", async () => {
    const [ran] = await json(["run", "nightly"]);
    expect(await omniq.tasks.get(String(ran?.["taskId"]))).toMatchObject({ scheduleId: "nightly", status: "pending" });
    const again = await said(["run", "nightly"]);
    expect(again.code).toBe(1);
    expect(again.lines[0]).toContain("(CONFLICT)");
    expect((await said(["run", "often"])).lines[0]).toMatch(/^often enqueued task /);
  });

  test("run says where a unique key is held", async () => {
    await omniq.schedule(report, { kind: "u" }, { id: "u", every: "1h", unique: { key: "k" } });
    await said(["run", "u"]);
    expect((await said(["run", "u"])).lines[0]).toMatch(/^u enqueued nothing new: task \S+ holds its unique key$/);
  });
});

describe("schedules add", () => {
  test("makes one with all that is said, changes it in place, or leaves it as it is", async () => {
    const timing = [
      "--every",
      "2h",
      "--start-at",
      "2100-01-01T00:00:00Z",
      "--end-at",
      "2101-01-01T00:00:00Z",
      "--jitter",
      "5s",
      "--catch-up",
      "20",
    ];
    const task = [
      "--queue",
      "slow",
      "--priority",
      "-3",
      "--tag",
      "a",
      "--tag",
      "b",
      "--max-retries",
      "0",
      "--unique",
      "k",
      "--on-conflict",
      "replace",
    ];
    const argv = ["add", "report", '{"kind":"x"}', "--id", "x", "--name", "X", "--max-runs", "9", "--overlap", "skip", ...timing, ...task];
    const [made] = await json(argv);
    expect(made).toMatchObject({
      id: "x",
      created: true,
      changed: false,
      func: "report",
      queueName: "slow",
      funcArgs: { kind: "x" },
      maxRuns: 9,
      name: "X",
    });
    expect(await omniq.schedules.get("x")).toMatchObject({
      interval: 7_200_000,
      jitter: 5_000,
      catchUp: { all: 20 },
      overlap: "skip",
      tags: ["a", "b"],
    });
    const run = await omniq.schedules.runNow("x");
    expect(await run.get()).toMatchObject({ queueName: "slow", priority: -3, tags: ["a", "b"], maxRetries: 0 });
    expect((await said(argv)).lines[0]).toMatch(/^x is as it was, next 2100-01-01 /);
    expect((await said([...argv, "--max-runs", "10"])).lines[0]).toMatch(/^x changed, next /);
    expect((await said(["add", "report", "--cron", "@daily", "--catch-up", "skip"])).lines[0]).toMatch(/^[\w-]+ made, next /);
    expect((await said(["add", "refuse", "--once", "--id", "now"])).code).toBe(0);
    expect((await omniq.schedules.get("now"))?.scheduleType).toBe("once");
  });

  test("makes one of a task that was enqueued", async () => {
    await omniq.enqueue(report, { kind: "model" }, { id: "model", tags: ["m"], runIn: "1d" });
    const [made] = await json(["add", "--task-id", "model", "--at", "2100-01-01T00:00:00Z"]);
    expect(made).toMatchObject({ taskId: "model", funcArgs: { kind: "model" }, scheduleType: "timestamp" });
  });

  test.each([
    [[], "either the name of a task or --task-id"],
    [["report", "--task-id", "x"], "either the name of a task or --task-id"],
    [["report"], "exactly one of --cron, --every, --at and --once, got none"],
    [["report", "--every", "1h", "--once"], "exactly one of"],
    [["report", "{", "--every", "1h"], "to be JSON"],
    [["report", "--every", "1h", "--catch-up", "all"], "--catch-up"],
    [["report", "--every", "1h", "--catch-up", "1001"], "--catch-up"],
    [["report", "--every", "1h", "--overlap", "skp"], "Did you mean skip?"],
    [["report", "--every", "1h", "--max-runs", "0"], "whole number"],
    [["report", "--cron", "0 0 30 2 *"], "some date matches"],
    [["report", "--cron", "0 0 * * *", "--timezone", "Mars"], "IANA time zone"],
  ])("used wrongly, nothing is made: %j", async (argv, hint) => {
    const { code, lines } = await said(["add", ...argv]);
    expect(code).toBe(2);
    expect(lines.join("\n")).toContain(hint);
    expect(await omniq.schedules.list()).toHaveLength(3);
  });

  test("of a task that is not there, or without a database: 1", async () => {
    expect((await said(["add", "--task-id", "nobody", "--every", "1h"])).lines[0]).toContain("(TASK_NOT_FOUND)");
    const none = fakeTerminal();
    expect(await execute(["schedules", "add", "report", "--every", "1h", "--base-dir", join(dir, "none")], none.terminal)).toBe(1);
    expect(none.lines()[0]).toContain("`omniq migrate` make a database");
  });
});

describe("schedules preview", () => {
  test("of one that is there, in its zone", async () => {
    const times = await json(["preview", "nightly", "-n", "2"]);
    expect(times).toHaveLength(2);
    expect(times[0]).toMatchObject({ timezone: "Europe/Berlin", local: expect.stringContaining(" 03:00:00 ") as string });
    expect((await said(["preview", "done"])).lines).toEqual(["It does not fire any more."]);
  });

  test("of one that is not made yet: needs no database, shows the hour that is missing", async () => {
    const none = fakeTerminal();
    const argv = ["--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--start-at", "2100-03-27T12:00:00Z", "-n", "3", "--json"];
    expect(await execute(["schedules", "preview", ...argv, "--base-dir", join(dir, "none")], none.terminal)).toBe(0);
    expect(none.lines().map((line) => (JSON.parse(line) as { local: string }).local)).toEqual([
      "2100-03-28 03:00:00 GMT+2",
      "2100-03-29 02:30:00 GMT+2",
      "2100-03-30 02:30:00 GMT+2",
    ]);
  });

  test.each([
    [[], "got neither"],
    [["nightly", "--every", "1h"], "got both"],
    [["--cron", "nonsense"], "Expected `cron`"],
    [["--cron", "0 0 30 2 *"], "some date matches"],
    [["--every", "1h", "--timezone", "UTC"], "`timezone`"],
    [["--every", "0s"], "`every`"],
    [["--every", "soon"], "Expected a duration"],
    [["--at", "tomorrow"], "Expected a time"],
    [["--count", "0", "nightly"], "whole number"],
  ])("used wrongly: %j", async (argv, hint) => {
    const { code, lines } = await said(["preview", ...argv]);
    expect(code).toBe(2);
    expect(lines.join("\n")).toContain(hint);
  });
});

test("a time in its zone has its offset", () => {
  expect(zoned(new Date("2026-10-25T00:30:00Z"), "Europe/Berlin")).toBe("2026-10-25 02:30:00 GMT+2");
  expect(zoned(new Date("2026-10-25T01:30:00Z"), "Europe/Berlin")).toBe("2026-10-25 02:30:00 GMT+1");
  expect(zoned(new Date("2026-01-01T00:00:00Z"), "Asia/Kathmandu")).toBe("2026-01-01 05:45:00 GMT+5:45");
});
