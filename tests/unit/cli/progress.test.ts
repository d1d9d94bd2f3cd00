/** Progress on stderr: where people look at it, and only when it takes long. */
import { stripVTControlCharacters } from "node:util";
import { afterEach, expect, test, vi } from "vitest";
import { openProgress } from "../../../src/cli/progress.ts";
import { fakeTerminal } from "./fake-terminal.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** What is written for work that takes so long. */
async function written(
  ms: number,
  total: number | undefined,
  columns?: number,
): Promise<{ readonly all: string; readonly answer: string }> {
  const fake = fakeTerminal(columns === undefined ? {} : { columns });
  const now = vi.spyOn(performance, "now").mockReturnValue(0);
  const progress = await openProgress(fake.terminal, total, "tasks");
  progress.update(1);
  now.mockReturnValue(ms);
  progress.update(1_500);
  progress.stop();
  return { all: stripVTControlCharacters(fake.lines().join("\n")), answer: fake.answer() };
}

test("long work shows a bar, and how much there is", async () => {
  const { all, answer } = await written(1_000, 3_000, 100);
  expect(all).toContain(`${"█".repeat(15)}${"░".repeat(15)}  1,500 of 3,000 tasks`);
  expect(answer).toBe("");
});

test("where nobody knows how much there is, it is counted", async () => {
  expect((await written(1_000, undefined, 100)).all).toContain("1,500 tasks …");
});

test("short work shows nothing, nor does long work that nobody looks at", async () => {
  expect((await written(200, 3_000, 100)).all).toBe("");
  expect((await written(9_000, 3_000)).all).toBe("");
});
