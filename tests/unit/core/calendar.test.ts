import { expect, test } from "vitest";
import { calendarTime, isDate } from "../../../src/core/calendar.ts";

test("times from 1970 to the end of 9999 may be counted from", () => {
  for (const at of [0, 1, Date.UTC(9_999, 11, 31, 23, 59, 59, 999)]) expect(calendarTime(at, "from")).toBe(at);
  for (const at of [-1, Date.UTC(10_000, 0, 1), 8.64e15]) {
    expect(() => calendarTime(at, "from")).toThrow("Expected `from` to be a time from 1970 to the end of 9999, got ");
  }
});

test("what has no time is no date", () => {
  expect([new Date(0), new (class extends Date {})()].map((each) => isDate(each))).toEqual([true, true]);
  expect([new Date(Number.NaN), 0, "1970-01-01", Object.create(Date.prototype), undefined].map((each) => isDate(each))).not.toContain(true);
});
