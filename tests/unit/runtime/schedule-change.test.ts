import { DEFAULT_SCHEDULE_POLICY } from "../../../src/core/schedule.ts";
import { describe, expect, test } from "vitest";
import { DEFAULT_POLICY } from "../../../src/core/task.ts";
import { changed, created } from "../../../src/runtime/schedule-change.ts";
import type { Wanted } from "../../../src/runtime/schedule-change.ts";

const wanted = (over: Partial<Wanted> = {}): Wanted => ({
  rule: { type: "interval", every: 1_000 },
  policy: DEFAULT_SCHEDULE_POLICY,
  taskId: undefined,
  template: { ...DEFAULT_POLICY, func: "f", args: "{}", queue: "default", priority: 0, tags: [] },
  maxRuns: undefined,
  name: undefined,
  description: undefined,
  tags: [],
  ...over,
});
const row = created("s", wanted(), 100);

describe("a schedule declared again", () => {
  test("is made with its first time", () => {
    expect(row).toMatchObject({ id: "s", revision: 0, status: "active", runCount: 0, createdAt: 100, nextRunAt: 1_100 });
    expect(created("s", wanted({ rule: { type: "once" } }), 100).nextRunAt).toBe(100);
  });

  test("is the very same row when the code says the same, in whatever order its keys come back", () => {
    const { template } = row;
    const turned = { ...row, template: Object.fromEntries(Object.entries(template).toReversed()) as unknown as typeof template };
    expect(changed(turned, wanted(), 500)).toBe(turned);
  });

  test("changes in place: counts go on, the next time stays unless the trigger is another", () => {
    const before = { ...row, revision: 4, runCount: 3, lastRunAt: 90, nextRunAt: 777 };
    const template = { ...before.template, args: '{"x":1}' };
    expect(changed(before, wanted({ template, name: "n" }), 500)).toEqual({ ...before, template, name: "n" });
    expect(changed(before, wanted({ rule: { type: "interval", every: 50 } }), 500)).toMatchObject({ runCount: 3, nextRunAt: 550 });
  });

  test("takes away what the code no longer says", () => {
    expect(changed({ ...row, maxRuns: 3, name: "n", description: "d" }, wanted(), 500)).toEqual(row);
  });

  test("stays paused", () => {
    const { nextRunAt: _, ...paused } = { ...row, status: "paused" as const };
    const after = changed(paused, wanted({ rule: { type: "interval", every: 50 } }), 500);
    expect(after).toMatchObject({ status: "paused", rule: { every: 50 } });
    expect(after.nextRunAt).toBeUndefined();
  });

  test("is completed when it has had its runs, and goes on when it may have more", () => {
    const done = changed({ ...row, runCount: 3 }, wanted({ maxRuns: 3 }), 500);
    expect(done).toMatchObject({ status: "completed" });
    expect(done.nextRunAt).toBeUndefined();
    expect(changed(done, wanted({ maxRuns: 4 }), 500)).toMatchObject({ status: "active", nextRunAt: 1_500 });
    const once = { ...done, rule: { type: "once" } as const };
    expect(changed(once, wanted({ rule: { type: "once" }, name: "n" }), 500)).toMatchObject({ status: "completed", name: "n" });
    const early = changed(row, wanted({ rule: { type: "timestamp", at: 50 } }), 500);
    expect(early).toMatchObject({ status: "active", nextRunAt: 50 });
  });
});
