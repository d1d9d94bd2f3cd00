import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { execute } from "../../../src/cli/main.ts";
import { widthOf } from "../../../src/cli/text.ts";
import { hostIdentity } from "../../../src/host.ts";
import { defineTask, OmniQ } from "../../../src/index.ts";
import { SQLiteBackend } from "../../../src/sqlite.ts";
import { fakeTerminal } from "./fake-terminal.ts";

const long = "a word and another one, ".repeat(20);
const work = defineTask({
  name: "work",
  maxRetries: 1,
  retryDelay: "1d",
  handler: ({ fails }: { fails: boolean }, ctx) => {
    ctx.progress(0.5, "half");
    if (fails) throw new Error(long);
    return { long, list: Array.from({ length: 100 }, (_, i) => ({ number: i, text: "some more text" })) };
  },
});

let dir = "";
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "omniq-commands-"));
  const omniq = new OmniQ({ baseDir: dir });
  await omniq.enqueue(work, { fails: false }, { id: "done", label: `文件 ${long}`, priority: 3, tags: ["a"], description: "does it" });
  await omniq.enqueue(work, { fails: true }, { id: "tried" });
  await omniq.enqueueMany(Array.from({ length: 8 }, (_, i) => work.with({ fails: false }, { id: `parent-${i}`, queueName: "idle" })));
  const parents = Array.from({ length: 8 }, (_, i) => `parent-${i}`);
  await omniq.enqueue(work, { fails: true }, { id: "child", dependsOn: parents, queueName: "idle", runAt: new Date(4e12), ttl: "36500d" });
  const worker = omniq.worker({ tasks: [work] });
  await worker.drain();
  await omniq.close();
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

async function said(
  argv: readonly string[],
  columns?: number,
  base = dir,
): Promise<{ readonly code: number; readonly lines: readonly string[] }> {
  const fake = fakeTerminal(columns === undefined ? {} : { columns });
  const code = await execute([...argv, "--base-dir", base], fake.terminal);
  return { code, lines: fake.lines().map((line) => stripVTControlCharacters(line)) };
}

describe("on a terminal", () => {
  test.each([
    [["tasks", "list"]],
    [["tasks", "show", "done"]],
    [["tasks", "show", "tried"]],
    [["tasks", "show", "child"]],
    [["events"]],
    [["stats"]],
  ])("%j fits", async (argv) => {
    for (const columns of [72, 100]) {
      const { code, lines } = await said(argv, columns);
      expect(code).toBe(0);
      for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(columns);
    }
  });

  test("tells that there are more tasks than it shows", async () => {
    const { lines } = await said(["tasks", "list", "--limit", "3"], 100);
    expect(lines.at(-1)).toBe("The newest 3 tasks; --limit shows more.");
  });
});

describe("tasks", () => {
  test("that wait for a retry or for others are told apart", async () => {
    const { lines } = await said(["tasks", "list", "--json"]);
    const phases = Object.fromEntries(
      lines.map((line) => JSON.parse(line) as { id: string; phase: string }).map(({ id, phase }) => [id, phase]),
    );
    expect(phases).toMatchObject({ done: "completed", tried: "retrying", child: "blocked", "parent-0": "ready" });
  });

  test("show what they depend on, when they are tried again, what they are about", async () => {
    const child = await said(["tasks", "show", "child"]);
    expect(child.lines).toContain("depends on  parent-0, parent-1, parent-2, parent-3, parent-4 and 3 more");
    expect(child.lines.some((line) => line.startsWith("not before  2096-"))).toBe(true);
    const tried = await said(["tasks", "show", "tried"]);
    expect(tried.lines.some((line) => /^retried at +\d{4}-/.test(line))).toBe(true);
    expect(tried.lines.some((line) => line.startsWith("retrying") && line.includes("retry 1"))).toBe(true);
    const done = await said(["tasks", "show", "done"], 100);
    expect(done.lines).toContain("queue        default, priority 3");
    expect(done.lines.some((line) => line.startsWith("progress") && line.includes("50 %"))).toBe(true);
    expect(done.lines.some((line) => /… \d+ more lines; --json shows all/.test(line))).toBe(true);
  });
});

describe("for programs", () => {
  test("each command answers JSON", async () => {
    const shown = await said(["tasks", "show", "tried", "--json"]);
    expect(JSON.parse(shown.lines[0] ?? "")).toMatchObject({ id: "tried", phase: "retrying", result: { status: "failed" } });
    const events = await said(["events", "--task", "tried", "--json"]);
    expect(events.lines.map((line) => (JSON.parse(line) as { eventType: string }).eventType)).toEqual([
      "retrying",
      "progress",
      "executing",
      "enqueued",
    ]);
    const stats = await said(["stats", "--json"]);
    expect(JSON.parse(stats.lines[0] ?? "")).toMatchObject({ tasks: { blocked: 1, ready: 8, retrying: 1, completed: 1 }, workers: [] });
  });

  test("nothing found is no line at all", async () => {
    for (const argv of [
      ["tasks", "list", "--phase", "expired"],
      ["events", "--type", "crashed"],
    ]) {
      expect(await said([...argv, "--json"])).toEqual({ code: 0, lines: [""] });
      expect((await said(argv)).lines[0]).toMatch(/^No (?:task|event) is like this\.$/);
    }
  });
});

describe("stats", () => {
  test("show the workers, alive and silent", async () => {
    const own = mkdtempSync(join(tmpdir(), "omniq-stats-"));
    const omniq = new OmniQ({ baseDir: own });
    const worker = omniq.worker({ tasks: [work], queues: ["a", "b"], concurrency: 3 });
    await worker.start();
    const alive = fakeTerminal({ columns: 100 });
    expect(await execute(["stats", "--base-dir", own], alive.terminal)).toBe(0);
    const line = alive
      .lines()
      .map((each) => stripVTControlCharacters(each))
      .at(-1);
    expect(line).toMatch(new RegExp(` ${process.pid} +a, b +3 +[\\d.]+m?s ago +alive$`));
    await omniq.close();
    rmSync(own, { recursive: true });
  });

  test.runIf(hostIdentity().boot !== "")("tell that a worker's process has ended, and health that none lives", async () => {
    const own = mkdtempSync(join(tmpdir(), "omniq-stats-"));
    const backend = new SQLiteBackend({ baseDir: own, projectName: "omniq" });
    await backend.open();
    const { pid } = spawnSync(process.execPath, ["--version"]);
    const row = { worker: "w", role: "worker", queues: ["a"], names: ["work"], leaseMs: 12_000, concurrency: 1 } as const;
    await backend.presence.arrive({ ...row, ...hostIdentity(), pid });
    const stats = await said(["stats"], undefined, own);
    expect(stats.lines.at(-1)).toMatch(/^w .* ago +gone$/);
    expect((await said(["health", "--worker"], undefined, own)).code).toBe(1);
    expect((await said(["queues", "list", "--json"], undefined, own)).lines).toEqual([""]);
    await backend.close();
    rmSync(own, { recursive: true });
  });
});

describe("a database", () => {
  async function refused(argv: readonly string[]): Promise<string> {
    const { terminal, lines } = fakeTerminal();
    expect(await execute(["stats", ...argv], terminal)).toBeGreaterThan(0);
    expect(lines().length).toBe(1);
    return lines()[0] ?? "";
  }

  test("that is not there is named, with what is there instead", async () => {
    const none = join(dir, "none");
    expect(await refused(["--base-dir", none])).toContain(`${join(none, "omniq.db")}, but there is none`);
    expect(await refused(["--base-dir", none])).toContain("`omniq demo` makes one");
    expect(await refused(["--base-dir", dir, "--project", "other"])).toContain("--project omniq (STORAGE_NOT_FOUND)");
    expect(await refused(["--url", "sqlite::memory:"])).toContain("STORAGE_NOT_FOUND");
  });

  test("that is none of ours, or too new, is refused", async () => {
    writeFileSync(join(dir, "empty.db"), "");
    expect(await refused(["--base-dir", dir, "--project", "empty"])).toContain("(FOREIGN_SCHEMA)");
    writeFileSync(join(dir, "text.db"), "text ".repeat(1_000));
    expect(await refused(["--base-dir", dir, "--project", "text"])).toContain("(NOT_A_DATABASE)");
    for (const [version, errorCode] of [
      [99, "SCHEMA_TOO_NEW"],
      [0.5, "SCHEMA_TOO_OLD"],
    ] as const) {
      const file = new DatabaseSync(join(dir, `v${version}.db`));
      file.exec(`CREATE TABLE omniq_meta (key TEXT PRIMARY KEY, value REAL); INSERT INTO omniq_meta VALUES ('schema_version', ${version})`);
      file.close();
      expect(await refused(["--base-dir", dir, "--project", `v${version}`])).toContain(`(${errorCode})`);
    }
  });

  test("is named in one way", async () => {
    expect(await refused(["--url", "sqlite:./a.db", "--project", "b"])).toContain("--url to be given alone");
    expect(await refused(["--url", "redis://a"])).toContain("sqlite:");
  });
});

describe("whatever goes wrong", () => {
  test("that was not foreseen is told in one sentence, too", async () => {
    const { terminal, lines } = fakeTerminal();
    const broken = Object.assign(Object.create(terminal) as typeof terminal, {
      line: () => {
        throw new TypeError("a bug\u0007");
      },
    });
    expect(await execute(["stats", "--base-dir", dir], broken)).toBe(1);
    expect(lines()).toEqual([String.raw`error: a bug\x07`, "This was not foreseen; --debug shows where it happened."]);
  });

  test("is told with its cause and stack on demand", async () => {
    const { lines } = await said(["tasks", "show", "nobody", "--debug"]);
    expect(lines[0]).toBe("error: Expected a task with the id nobody, but there is none (TASK_NOT_FOUND)");
    expect(lines.some((line) => /^ +at /.test(line))).toBe(true);
  });

  test.each([
    [["--version"], 0],
    [["stats", "--help"], 0],
    [["statz"], 2],
    [[], 2],
  ])("%j ends with %d", async (argv, code) => {
    expect(await execute(argv, fakeTerminal().terminal)).toBe(code);
  });
});
