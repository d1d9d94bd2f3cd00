import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { execute } from "../../../src/cli/main.ts";
import { widthOf } from "../../../src/cli/text.ts";
import { defineTask, OmniQ } from "../../../src/index.ts";
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

async function said(argv: readonly string[], columns?: number): Promise<{ readonly code: number; readonly lines: readonly string[] }> {
  const fake = fakeTerminal(columns === undefined ? {} : { columns });
  const code = await execute([...argv, "--base-dir", dir], fake.terminal);
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
});
