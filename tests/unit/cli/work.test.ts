/** `worker` and `dev` in this process: begin, run, be told to stop. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { execute } from "../../../src/cli/main.ts";
import { work } from "../../../src/cli/worker/work.ts";
import type { Stops } from "../../../src/cli/worker/stops.ts";
import { OmniQ } from "../../../src/index.ts";
import { until } from "../../fixtures/helpers.ts";
import { fakeTerminal } from "./fake-terminal.ts";

const DOOR = pathToFileURL(resolve(import.meta.dirname, "../../../src/index.ts")).href;
let dir = "";
let omniq: OmniQ;
let logged: string[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "omniq-work-"));
  omniq = new OmniQ({ baseDir: dir });
  logged = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => logged.push(String(text)) > 0);
  writeFileSync(
    join(dir, "tasks.mjs"),
    `import { defineTask } from ${JSON.stringify(DOOR)};
     export const fine = defineTask({ name: "fine", handler: () => 1 });
     export const wrong = defineTask({ name: "wrong", maxRetries: 1, retryDelay: 1, handler: () => { throw new Error("no good"); } });
     export const setup = async (omniq) => { await omniq.schedule(fine, undefined, { id: "s", every: "1h" }); };`,
  );
});
afterEach(async () => {
  vi.restoreAllMocks();
  await omniq.close();
  rmSync(dir, { recursive: true, force: true });
});

function run(stops: Stops, ...argv: readonly string[]) {
  const fake = fakeTerminal();
  const all = ["worker", "--base-dir", dir, "--tasks", join(dir, "tasks.mjs"), ...argv];
  const ended = execute(all, fake.terminal, (given, terminal) => work(given, terminal, stops));
  return { ended, notes: () => fake.lines().join("\n") };
}
const never: Stops = () => () => {};
const messages = (): readonly unknown[] => logged.map((line) => (JSON.parse(line) as { message: unknown }).message);

describe("worker", () => {
  test("--drain: setup, what is ready, a line for each end, 0", async () => {
    await omniq.enqueueNamed("fine");
    await omniq.enqueueNamed("wrong", undefined, { maxRetries: 1, retryDelay: 1 });
    expect(await run(never, "--drain", "--queues", "high, default", "--concurrency", "1", "--lease", "5s").ended).toBe(0);
    expect(messages()).toEqual(expect.arrayContaining(["fine completed", "wrong failed and runs again", "Nothing is ready any more"]));
    expect((await omniq.schedules.get("s"))?.status).toBe("active");
    expect(await run(never, "--drain", "--quiet").ended).toBe(0);
  });

  test("runs until it is asked to stop: 0", async () => {
    let ask: (by: string) => void = () => {};
    const { ended } = run((given) => {
      ask = given;
      return () => {};
    });
    await until(() => messages().includes("Worker started"));
    ask("test");
    expect(await ended).toBe(0);
    expect(messages().slice(-2)).toEqual(["Stopping: nothing runs.", "Worker stopped"]);
  });

  test("a queue that is named twice is served once, where it stands first", async () => {
    let ask: (by: string) => void = () => {};
    const { ended } = run(
      (given) => {
        ask = given;
        return () => {};
      },
      "--queues",
      "b,a,b",
    );
    const started = await until(() => logged.find((line) => line.includes("Worker started")));
    expect(JSON.parse(started)).toMatchObject({ queues: "b, a" });
    ask("test");
    expect(await ended).toBe(0);
  });

  test.each([
    ["--queues", "a,,b"],
    ["--lease", "5ms"],
  ])("%s %s is used wrongly: 2", async (...argv) => {
    expect(await run(never, ...argv).ended).toBe(2);
  });

  test("cannot start: 1, and why", async () => {
    writeFileSync(join(dir, "throws.mjs"), 'throw "a word";');
    const { ended, notes } = run(never, "--tasks", join(dir, "throws.mjs"));
    expect(await ended).toBe(1);
    expect(notes()).toContain("got a word thrown (MODULE_NOT_LOADED)");
    writeFileSync(join(dir, "setup.mjs"), 'export const setup = () => { throw new RangeError("far off"); };');
    const other = run(never, "--tasks", join(dir, "setup.mjs"));
    expect(await other.ended).toBe(1);
    expect(other.notes()).toMatch(/got RangeError: far off at .*setup\.mjs:1:\d+ \(MODULE_SETUP_FAILED\)/);
    const missing = run(never, "--tasks", join(dir, "none.mjs"));
    expect(await missing.ended).toBe(1);
    expect(missing.notes()).toContain("MODULE_NOT_FOUND");
  });
});

describe("dev", { tags: ["slow"] }, () => {
  test("starts a child again on a change, and ends with it", async () => {
    const fake = fakeTerminal();
    const ended = execute(["dev", "--quiet", "--base-dir", dir, "--tasks", join(dir, "tasks.mjs"), "--concurrency", "2"], fake.terminal);
    const pid = (): Promise<number | undefined> => omniq.workers.list().then((workers) => workers.find(({ alive }) => alive)?.pid);
    const first = await until(pid);
    writeFileSync(
      join(dir, "tasks.mjs"),
      `import { defineTask } from ${JSON.stringify(DOOR)};\nexport const other = defineTask({ name: "other", handler: () => 2 });`,
    );
    await until(async () => {
      const next = await pid();
      return next !== undefined && next !== first;
    });
    expect(fake.lines().join("\n")).toContain("tasks.mjs. The worker starts again.");
    process.emit("SIGINT");
    expect(await ended).toBe(0);
  }, 30_000);
});
