import { expect, test } from "vitest";
import { calendarTime } from "../../../src/core/calendar.ts";

test("times from 1970 to the end of 9999 may be counted from", () => {
  for (const at of [0, 1, Date.UTC(9_999, 11, 31, 23, 59, 59, 999)]) expect(calendarTime(at, "from")).toBe(at);
  for (const at of [-1, Date.UTC(10_000, 0, 1), 8.64e15]) {
    expect(() => calendarTime(at, "from")).toThrow("Expected `from` to be a time from 1970 to the end of 9999, got ");
  }
});
