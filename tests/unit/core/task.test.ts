import { describe, expect, test } from "vitest";
import { INLINE_RELEASES, PROMOTIONS } from "../../../src/core/backend.ts";
import { LONGEST_WAIT } from "../../../src/core/clock.ts";
import { SCHEDULE_EVENTS, TASK_EVENTS } from "../../../src/core/event.ts";
import { failureText } from "../../../src/core/record.ts";
import { FINALS, isFinal, isLegal, PHASES, ttlFrom } from "../../../src/core/task.ts";
import type { TaskStatus } from "../../../src/core/task.ts";

const STATUSES: readonly TaskStatus[] = ["pending", "running", ...FINALS];

describe("isLegal", () => {
  /** From → to, as the design lists them; those of a failed task only while a retry is due. */
  const legal = new Set([
    "pending running",
    "pending cancelled",
    "pending expired",
    "pending failed",
    "running completed",
    "running failed",
    "running cancelled",
    "running pending",
    "failed running",
    "failed failed",
    "failed cancelled",
    "failed expired",
  ]);
  const pairs = STATUSES.flatMap((from) => STATUSES.map((to) => [from, to] as const));

  test.each(pairs)("%s to %s", (from, to) => {
    expect(isLegal(from, to, true)).toBe(legal.has(`${from} ${to}`));
    expect(isLegal(from, to, false)).toBe(from !== "failed" && legal.has(`${from} ${to}`));
  });
});

describe("isFinal", () => {
  test.each<[TaskStatus, boolean]>([
    ["pending", false],
    ["running", false],
    ["completed", true],
    ["failed", true],
    ["cancelled", true],
    ["expired", true],
  ])("%s: %s", (status, final) => {
    expect(isFinal({ status })).toBe(final);
    expect(isFinal({ status, nextRetryAt: null })).toBe(final);
    expect(isFinal({ status, nextRetryAt: 5 })).toBe(final && status !== "failed");
  });
});

test("a TTL counts from the creation, or from where the expiry says that it was begun anew", () => {
  expect(ttlFrom({ createdAt: 5 })).toBe(5);
  expect(ttlFrom({ createdAt: 5, ttl: 10 })).toBe(5);
  expect(ttlFrom({ createdAt: 5, expiresAt: 90 })).toBe(5);
  expect(ttlFrom({ createdAt: 5, expiresAt: 90, ttl: 10 })).toBe(80);
  expect(ttlFrom({ createdAt: 5, expiresAt: 9, ttl: 10 })).toBe(5);
});

test("every end is a phase and a kind of event; no kind is of both tasks and schedules", () => {
  for (const final of FINALS) {
    expect(PHASES).toContain(final);
    expect(TASK_EVENTS).toContain(final);
  }
  expect(new Set([...TASK_EVENTS, ...SCHEDULE_EVENTS]).size).toBe(TASK_EVENTS.length + SCHEDULE_EVENTS.length);
});

test("bounds: a timer fits setTimeout and wakes every 30 s, a settlement releases 256, a claim promotes 500", () => {
  expect([LONGEST_WAIT, INLINE_RELEASES, PROMOTIONS]).toEqual([30_000, 256, 500]);
});

test("a failure in one line", () => {
  expect(failureText({ name: "TypeError", message: "x is not a function" })).toBe("TypeError: x is not a function");
  expect(failureText({ name: "Error", message: "" })).toBe("Error");
});
