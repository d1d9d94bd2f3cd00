import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Board } from "../../../src/cli/demo/board.ts";
import { findFiles, isFolder } from "../../../src/cli/demo/files.ts";
import { failsAtFirst } from "../../../src/cli/demo/handlers.ts";
import { fileTaskId } from "../../../src/cli/demo/runs.ts";
import { spreadOf, timelineOf } from "../../../src/cli/demo/timeline.ts";
import { mostFrequent, piecesOf, sumOf, WordCounter } from "../../../src/cli/demo/words.ts";
import { TaskEvent } from "../../../src/models/event.ts";
import type { EventType } from "../../../src/models/event.ts";

describe("counting words", () => {
  test("letters of any script, with what stands inside words, whatever their case", () => {
    const counter = new WordCounter();
    counter.add("Queue queue QUEUE don't grüße snake_case x-ray 42 a1 — 你好");
    expect(counter.total).toBe(9);
    expect(counter.top(2)).toEqual([
      ["queue", 3],
      ["don't", 1],
    ]);
  });

  test("short words are never among the most frequent, equally frequent ones stand in order", () => {
    const counter = new WordCounter();
    counter.add("the the the beta alpha");
    expect(counter.top(5)).toEqual([
      ["alpha", 1],
      ["beta", 1],
    ]);
  });

  test("a text in pieces comes to the same", () => {
    const text = Array.from({ length: 500 }, (_, i) => `line ${i} of words`).join("\n");
    const pieces = [...piecesOf(text, 100)];
    expect(pieces.length).toBeGreaterThan(10);
    expect(pieces.join("")).toBe(text);
    const [whole, parts] = [new WordCounter(), new WordCounter()];
    whole.add(text);
    for (const piece of pieces) parts.add(piece);
    expect(parts.total).toBe(whole.total);
    expect(parts.top(10)).toEqual(whole.top(10));
    expect([...piecesOf("", 10)]).toEqual([]);
  });

  test("adds up lists", () => {
    const sum = sumOf([
      [
        ["a", 1],
        ["b", 5],
      ],
      [["a", 7]],
    ]);
    expect(mostFrequent(sum, 1)).toEqual([["a", 8]]);
  });
});

describe("finding files", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "omniq-files-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  test("Markdown and type declarations, below, in order, up to a limit; links are not followed", async () => {
    mkdirSync(join(folder, "b/deep"), { recursive: true });
    for (const file of ["z.md", "b/deep/a.d.ts", "b/x.ts", "b/c.md", "readme.MD"]) writeFileSync(join(folder, file), "text");
    symlinkSync(folder, join(folder, "b/loop"));
    expect(await findFiles(folder, 10)).toEqual({ files: ["b/c.md", "b/deep/a.d.ts", "z.md"], total: 3 });
    expect(await findFiles(folder, 2)).toEqual({ files: ["b/c.md", "b/deep/a.d.ts"], total: 3 });
    expect(await findFiles(join(folder, "none"), 2)).toEqual({ files: [], total: 0 });
    expect(await isFolder(folder)).toBe(true);
    expect(await isFolder(join(folder, "z.md"))).toBe(false);
    expect(await isFolder(join(folder, "none"))).toBe(false);
  });
});

describe("a run", () => {
  test("some files fail at first, always the same", () => {
    const files = Array.from({ length: 2_000 }, (_, i) => `package-${i}/readme.md`);
    const failing = files.filter((file) => failsAtFirst(file));
    expect(failing.length).toBeGreaterThan(10);
    expect(failing.length).toBeLessThan(100);
    expect(files.filter((file) => failsAtFirst(file))).toEqual(failing);
  });

  test("the id of a file's task depends on run, folder and file", () => {
    const id = fileTaskId({ number: 1, folder: "/a" }, "b.md");
    expect(id).toMatch(/^run1-[\da-f]{10}$/);
    expect(fileTaskId({ number: 1, folder: "/a" }, "b.md")).toBe(id);
    expect(new Set([id, fileTaskId({ number: 2, folder: "/a" }, "b.md"), fileTaskId({ number: 1, folder: "/c" }, "b.md")]).size).toBe(3);
  });
});

const T0 = 1_000_000;
function event(taskId: string, eventType: EventType, at: number, executionTime?: number): TaskEvent {
  return new TaskEvent({
    taskId,
    eventType,
    timestamp: new Date(T0 + at),
    executionTime,
    error: eventType === "retrying" ? "Error: no" : undefined,
  });
}

describe("the board", () => {
  test("follows the events of its run alone; hearing one twice does no harm", () => {
    const board = new Board({ number: 1, folder: "/a", continued: false }, 3);
    for (const id of ["run1-a", "run1-b", "run1-c", "run10-d"]) board.note(event(id, "executing", 0));
    expect(board.running).toEqual(["run1-a", "run1-b", "run1-c"]);
    board.note(event("run1-a", "retrying", 1));
    board.note(event("run1-b", "progress", 1));
    board.note(event("run1-b", "completed", 2));
    board.note(event("run1-b", "completed", 2));
    board.note(event("run1-c", "failed", 2));
    expect(board).toMatchObject({ done: 1, failed: 1, retrying: 1, ended: 2, running: [], total: 3 });
    board.note(event("run1-a", "executing", 3));
    expect(board).toMatchObject({ retrying: 0, running: ["run1-a"] });
  });
});

describe("the timeline", () => {
  test("waits end at the first start, the slowest come first, only this session counts for the speed", () => {
    const oldestFirst = [
      event("a", "enqueued", 0),
      event("b", "enqueued", 0),
      event("a", "executing", 10),
      event("a", "completed", 20, 8),
      event("b", "executing", 40),
      event("b", "crashed", 50),
      event("b", "executing", 100),
      event("b", "retrying", 110, 5),
      event("b", "executing", 150),
      event("b", "completed", 160, 9),
    ];
    const timeline = timelineOf(oldestFirst.toReversed(), new Date(T0 + 90));
    expect(timeline.waited).toEqual({ p50: 10, p95: 40, max: 40 });
    expect(timeline.slowest).toEqual([
      { taskId: "b", ms: 9 },
      { taskId: "a", ms: 8 },
    ]);
    expect(timeline).toMatchObject({ crashes: 1, retries: [{ taskId: "b", error: "Error: no" }], recent: { tasks: 1, ms: 70 } });
  });

  test("a spread of nothing is zero, of one value that value", () => {
    expect(spreadOf([])).toEqual({ p50: 0, p95: 0, max: 0 });
    expect(spreadOf([5])).toEqual({ p50: 5, p95: 5, max: 5 });
    expect(spreadOf(Array.from({ length: 100 }, (_, i) => 100 - i))).toEqual({ p50: 50, p95: 95, max: 100 });
  });
});
