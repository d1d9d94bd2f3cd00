import { describe, expect, test } from "vitest";
import type { NewEvent } from "../../../src/core/event.ts";
import { runsOf, toldOf } from "../../../src/core/occurrence.ts";
import type { Occurrence } from "../../../src/core/occurrence.ts";

const AT = Date.UTC(2026, 0, 1);
const OCCURRENCES: readonly Occurrence[] = [
  { at: AT - 5, asked: "a", is: "added", id: "a" },
  { at: AT - 4, asked: "b", is: "recorded" },
  { at: AT - 3, asked: "c", is: "known", id: "holder" },
  { at: AT - 2, asked: "d", is: "replaced", id: "other", scheduleId: "t" },
  { at: AT, asked: "e", is: "refused", why: "unique", detail: "task h holds the unique key k" },
];
const fired = (taskId: string): NewEvent => ({
  id: `e-${taskId}`,
  type: "schedule_fired",
  scheduleId: "s",
  queue: "q",
  taskId,
  data: "{}",
});

describe("the occurrences of a step", () => {
  test("are runs where they have a task now", () => {
    expect(runsOf(OCCURRENCES)).toEqual(["a", "holder", "other"]);
    expect(runsOf([])).toEqual([]);
  });

  test("are told by the task that there is, as skipped where it was refused, and not again where they were recorded", () => {
    const { taskId: _, ...skipped } = fired("e");
    expect(toldOf("abcde".split("").map(fired), OCCURRENCES)).toEqual([
      fired("a"),
      { ...fired("c"), taskId: "holder" },
      { ...fired("d"), taskId: "other" },
      {
        ...skipped,
        type: "schedule_skipped",
        level: "warning",
        message: "1 occurrence was skipped: task h holds the unique key k",
        data: '{"skipped":1,"reason":"unique","from":"2026-01-01T00:00:00.000Z"}',
      },
    ]);
  });

  test("leave events of no task as they are, and of a task that nobody asked for out", () => {
    const completed: NewEvent = { type: "schedule_completed", scheduleId: "s" };
    expect(toldOf([fired("nobody"), completed], OCCURRENCES)).toEqual([completed]);
  });
});
