/** The demo: to its end, interrupted, killed, twice at once; never anything lost or settled twice. */
import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Readable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, inject, test } from "vitest";
import { inspect, lostSince, runDemo } from "../../scripts/kill-demo.ts";
import type { Findings } from "../../scripts/kill-demo.ts";
import { failsAtFirst } from "../../src/cli/demo/handlers.ts";
import { execute } from "../../src/cli/main.ts";
import { fakeTerminal } from "../unit/cli/fake-terminal.ts";

const BIN = inject("bin");
const FILES = 60;

/** Names of which two fail at the first attempt. */
function names(): readonly string[] {
  const all = Array.from({ length: 5_000 }, (_, i) => `package-${i % 7}/file-${i}.${i % 2 === 0 ? "md" : "d.ts"}`);
  const failing = all.filter((name) => failsAtFirst(name)).slice(0, 2);
  return [...failing, ...all.filter((name) => !failsAtFirst(name)).slice(0, FILES - failing.length)];
}

let dir = "";
let folder = "";
let baseDir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "omniq-demo-"));
  folder = join(dir, "texts");
  baseDir = join(dir, "data");
  for (const [i, name] of names().entries()) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), `# file ${i}\n\n${"queue worker ".repeat(i)}\n`);
  }
  writeFileSync(join(folder, "left-out.txt"), "no");
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

const database = (): string => join(baseDir, "demo.db");

function found(): Findings {
  const findings = inspect(database());
  if (findings === undefined) throw new Error("the demo has left no database");
  return findings;
}

/** Every run whole: each file and the report completed once, each with one result. */
function expectWhole(runs: number): void {
  const { tasks, ...rest } = found();
  expect(rest).toEqual({ settledTwice: [], torn: [], integrity: "ok", open: 0 });
  expect([...tasks.values()].filter(({ status }) => status !== "completed")).toEqual([]);
  expect(tasks.size).toBe(runs * (FILES + 1));
  const db = new DatabaseSync(database(), { readOnly: true });
  const files = db
    .prepare("SELECT result ->> '$.file' AS file, count(*) AS n FROM results WHERE result ->> '$.file' IS NOT NULL GROUP BY 1")
    .all();
  db.close();
  expect(files.map((row) => String(row["file"])).toSorted()).toEqual(names().toSorted());
  expect(files.every((row) => row["n"] === runs)).toBe(true);
}

interface Running {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** Resolves when the output holds this. */
  readonly said: (text: string) => Promise<void>;
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
}

function start(...args: string[]): Running {
  const child = spawn(process.execPath, [BIN, "demo", folder, "--base-dir", baseDir, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      for (const look of waiting) look();
    });
  }
  const ended = new Promise<{ code: number | null; output: string }>((resolve) => {
    child.on("close", (code) => {
      resolve({ code, output });
    });
  });
  const said = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (output.includes(text)) resolve();
      };
      waiting.add(look);
      look();
      child.on("close", () => {
        reject(new Error(`the demo ended before it said ${JSON.stringify(text)}:\n${output}`));
      });
    });
  return { child, said, ended };
}

describe("left alone", () => {
  test("counts, retries, reports, and says where to look next", async () => {
    const { terminal, lines } = fakeTerminal({ columns: 110 });
    expect(await execute(["demo", folder, "--base-dir", baseDir], terminal)).toBe(0);
    const output = stripVTControlCharacters(lines().join("\n"));
    expect(output).toContain(`60 files (*.md, *.d.ts) under ${folder}.`);
    expect(output).toContain("2 tasks will fail at the first attempt, on purpose");
    expect(output).toContain("100%  61 done  0 failed  0 retrying");
    // The words of all files: "file", and twice as many as its number.
    const words = FILES + FILES * (FILES - 1);
    expect(output).toMatch(new RegExp(`^words +${words.toLocaleString("en-US")}$`, "m"));
    expect(output).toMatch(/^queue +1,770$/m);
    expect(output).toContain("Retries: 2, which failed once on purpose");
    expect(output).toMatch(/^waited, from enqueued to executing( +[\d.]+m?s){3}$/m);
    expect(output).toContain("60 tasks completed in");
    const report = readFileSync(join(baseDir, "demo-report.md"), "utf8");
    expect(report).toContain(`Run 1: ${words.toLocaleString("en-US")} words in 60 files`);
    for (const name of names()) expect(report).toContain(`| ${name} |`);
    expectWhole(1);
    const advised = [...output.matchAll(/npx omniq (.+?) {2}/g)].map((match) => match[1]?.trim().split(" ") ?? []);
    expect(advised).toHaveLength(4);
    for (const argv of advised) {
      const next = fakeTerminal();
      expect(await execute(argv, next.terminal)).toBe(0);
      expect(next.lines().length).toBeGreaterThan(2);
    }
  });

  test("begins a new run the next time, and tells programs what came of it", async () => {
    expect(await execute(["demo", folder, "--base-dir", baseDir], fakeTerminal().terminal)).toBe(0);
    const { terminal, lines } = fakeTerminal();
    expect(await execute(["demo", folder, "--base-dir", baseDir, "--json"], terminal)).toBe(0);
    expect(lines()).toHaveLength(1);
    expect(JSON.parse(lines()[0] ?? "")).toMatchObject({
      run: 2,
      continued: false,
      folder,
      files: FILES,
      failed: 0,
      retries: 2,
      crashes: 0,
      completed: FILES,
    });
    expectWhole(2);
  });

  test("a file that is gone fails for good and does not hold up the report", async () => {
    const running = start("--pace", "400");
    await running.said(" of 61:");
    rmSync(join(folder, names().toSorted().at(-1) ?? ""));
    const { code, output } = await running.ended;
    expect(code).toBe(0);
    expect(output).toMatch(/^failed +1$/m);
    expect(output).toContain("61 of 61: 60 done, 1 failed, 0 retrying");
  });

  test.each([
    ["a folder without such files", "empty", "Expected *.md or *.d.ts files below"],
    ["no folder", "none", "to be a folder"],
  ])("with %s says so", async (_, name, hint) => {
    mkdirSync(join(dir, "empty"));
    const { terminal, lines } = fakeTerminal();
    expect(await execute(["demo", join(dir, name), "--base-dir", baseDir], terminal)).toBe(2);
    expect(lines().join("\n")).toContain(hint);
  });

  test("where there is no node_modules says which folder it looked for", async () => {
    const child = spawn(process.execPath, [BIN, "demo"], { cwd: dir, stdio: ["ignore", "ignore", "pipe"] });
    const stderr: Buffer[] = [];
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    const code = await new Promise((resolve) => {
      child.on("close", resolve);
    });
    expect(code).toBe(2);
    expect(Buffer.concat(stderr).toString()).toContain(
      `${join(dir, "node_modules")} to be a folder, but it is not; name another folder: omniq demo <folder>`,
    );
  });
});

test("what these tests look with sees a task lost, torn or settled twice", async () => {
  expect(await execute(["demo", folder, "--base-dir", baseDir], fakeTerminal().terminal)).toBe(0);
  const before = found();
  const [twice, torn, lost, again] = [...before.tasks.keys()];
  const db = new DatabaseSync(database());
  const change = (sql: string, id: string | undefined): unknown => db.prepare(sql).run(id ?? "");
  change("INSERT INTO events(task_id, event_type, timestamp) VALUES (?, 'failed', 0)", twice);
  change("DELETE FROM results WHERE task_id = ?", torn);
  change("DELETE FROM tasks WHERE id = ?", lost);
  change("UPDATE tasks SET fence = fence + 1 WHERE id = ?", again);
  db.close();
  expect(found()).toMatchObject({ settledTwice: [twice], torn: [torn] });
  expect(lostSince(before, found())).toEqual([lost, again]);
});

describe("interrupted", () => {
  test("by Ctrl-C lets what runs end, and carries on when it is started again", { tags: ["slow"] }, async () => {
    const first = start("--pace", "300", "--slots", "4");
    await first.said(" of 61:");
    first.child.kill("SIGINT");
    const { code, output } = await first.ended;
    expect(code).toBe(130);
    expect(output).toMatch(/Stopping\. (?:Waiting for [1-4] tasks? to end: |Nothing runs any more\. )/);
    expect(output).toContain("Ctrl-C again stops at once.");
    expect(output).toMatch(/^Stopped with \d+ of 61 tasks done\. Start it again, and it carries on\.$/m);
    const before = found();
    expect(before.settledTwice).toEqual([]);
    expect([...before.tasks.values()].filter(({ status }) => status === "running")).toEqual([]);
    const second = await start().ended;
    expect(second.code).toBe(0);
    expect(second.output).toContain("Run 1 was interrupted: it carries on where it was.");
    expect(second.output).toContain("60 were there already");
    expect(lostSince(before, found())).toEqual([]);
    expectWhole(1);
  });

  test("by a signal while it is watched on a terminal says what it waits for", async () => {
    const { terminal, lines } = fakeTerminal({ columns: 100 });
    const running = execute(["demo", folder, "--base-dir", baseDir, "--pace", "100", "--slots", "2"], terminal);
    await expect.poll(() => lines().join(""), { timeout: 20_000 }).toMatch(/[2-9] done/);
    process.emit("SIGTERM");
    expect(await running).toBe(130);
    const output = lines().join("\n");
    expect(output).toMatch(/Waiting for [12] tasks? to end|Nothing runs any more/);
    expect(output).toContain("Start it again, and it carries on.");
    expect(process.listenerCount("SIGTERM")).toBe(0);
    expect(await execute(["demo", folder, "--base-dir", baseDir], fakeTerminal().terminal)).toBe(0);
    expectWhole(1);
  });

  test("while it enqueues carries on as well", async () => {
    const { terminal, lines } = fakeTerminal();
    const running = execute(["demo", folder, "--base-dir", baseDir], terminal);
    await expect.poll(() => process.listenerCount("SIGINT"), { timeout: 20_000, interval: 1 }).toBeGreaterThan(0);
    process.emit("SIGINT");
    expect(await running).toBe(130);
    expect(lines().join("\n")).toMatch(/Start it again, and it carries on\./);
    expect(await execute(["demo", folder, "--base-dir", baseDir], fakeTerminal().terminal)).toBe(0);
    expectWhole(1);
  });

  test("twice stops at once, and carries on when it is started again", { tags: ["slow"] }, async () => {
    const first = start("--pace", "50000", "--slots", "4");
    await first.said(" of 61:");
    first.child.kill("SIGINT");
    await first.said("Stopping.");
    first.child.kill("SIGINT");
    const { code, output } = await first.ended;
    expect(code).toBe(130);
    expect(output).toContain("Stopped at once.");
    const second = await start().ended;
    expect(second.code).toBe(0);
    expect(second.output).toContain("4 attempts cut off by the end of an earlier process, and run again.");
    expectWhole(1);
  });

  test("by kill -9 at random moments loses nothing and settles nothing twice", { tags: ["slow"] }, async () => {
    let before: Findings | undefined;
    for (let kills = 0; kills < 6;) {
      const { killed, code, errors } = await runDemo({ folder, baseDir, args: ["--pace", "60"] }, 200 + Math.random() * 1_500);
      expect({ errors, fine: killed || code === 0 }).toEqual({ errors: "", fine: true });
      if (killed) kills++;
      const now = inspect(database());
      if (now === undefined) continue;
      expect(now).toMatchObject({ settledTwice: [], torn: [], integrity: "ok" });
      if (before !== undefined) expect(lostSince(before, now)).toEqual([]);
      before = now;
    }
    const { code, errors } = await runDemo({ folder, baseDir });
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expectWhole(Math.round(found().tasks.size / (FILES + 1)));
  });

  test("a run over another folder is a run of its own", { tags: ["slow"] }, async () => {
    const first = start("--pace", "300");
    await first.said(" of 61:");
    first.child.kill("SIGKILL");
    await first.ended;
    const other = join(dir, "other");
    mkdirSync(other);
    writeFileSync(join(other, "one.md"), "one two three");
    const { terminal, lines } = fakeTerminal();
    expect(await execute(["demo", other, "--base-dir", baseDir, "--json"], terminal)).toBe(0);
    expect(JSON.parse(lines()[0] ?? "")).toMatchObject({ run: 2, continued: false, files: 1, words: 3 });
    expect(await execute(["demo", folder, "--base-dir", baseDir, "--json"], fakeTerminal().terminal)).toBe(0);
    expect(found()).toMatchObject({ settledTwice: [], torn: [], integrity: "ok", open: 0 });
  });
});

test("two at once share the work of one run", { tags: ["slow"] }, async () => {
  const first = start("--pace", "500", "--slots", "4");
  await first.said(" of 61:");
  const second = start("--pace", "500", "--slots", "4");
  for (const { code, output } of await Promise.all([first.ended, second.ended])) {
    expect(code).toBe(0);
    expect(output).toContain("61 of 61: 61 done, 0 failed, 0 retrying");
  }
  expectWhole(1);
});
