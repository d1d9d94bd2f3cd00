import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvalidOptionError } from "../../../src/core/errors.ts";
import { checkCron, firstOccurrence, latestDue, nextOccurrence } from "../../../src/core/schedule.ts";
import type { Rule } from "../../../src/core/schedule.ts";

const at = (iso: string): number => Date.parse(iso);
const cron = (text: string, timezone = "UTC"): Rule => ({ type: "cron", cron: text, timezone });

/** The next `count` times after one, as ISO text without seconds. */
function times(rule: Rule, after: string, count: number): readonly string[] {
  const found: string[] = [];
  for (let time: number | null = at(after); found.length < count;) {
    time = nextOccurrence(rule, time);
    if (time === null) break;
    found.push(new Date(time).toISOString().slice(0, 16));
  }
  return found;
}

describe("checkCron", () => {
  test.each([
    ["*/5 * * * *", "UTC"],
    ["0 0 3 * * *", "Europe/Berlin"],
    ["  0 3 * * MON-FRI ", "America/New_York"],
    ["@daily", "UTC"],
    ["0 0 29 2 *", "UTC"],
    ["0 0 L * *", "UTC"],
  ])("takes %s in %s", (text, timezone) => {
    expect(() => {
      checkCron(text, timezone, at("2026-01-01T00:00:00Z"));
    }).not.toThrow();
  });

  const fields = "a cron expression of 5 or 6 fields";
  test.each<[unknown, unknown, string]>([
    [undefined, "UTC", `Expected \`cron\` to be ${fields}, got undefined`],
    ["", "UTC", `Expected \`cron\` to be ${fields}, got ""`],
    ["* * * *", "UTC", `Expected \`cron\` to be ${fields}, got "* * * *"`],
    ["0 0 0 1 1 * 2027", "UTC", `Expected \`cron\` to be ${fields}, got "0 0 0 1 1 * 2027"`],
    ["2026-01-01T00:00:00", "UTC", `Expected \`cron\` to be ${fields}, got "2026-01-01T00:00:00"`],
    ["61 * * * *", "UTC", 'Expected `cron` to be a cron expression (Invalid value for minute: 61), got "61 * * * *"'],
    ["@often", "UTC", "Expected `cron` to be a cron expression (invalid configuration format"],
    ["0 0 30 2 *", "UTC", 'Expected `cron` to be an expression that some date matches, got "0 0 30 2 *"'],
    ["0 0 * * *", "Mars/Base", 'Expected `timezone` to be an IANA time zone such as "Europe/Berlin", got "Mars/Base"'],
    ["0 0 * * *", "", 'Expected `timezone` to be an IANA time zone such as "Europe/Berlin", got ""'],
    ["0 0 * * *", undefined, 'Expected `timezone` to be an IANA time zone such as "Europe/Berlin", got undefined'],
  ])("refuses %o in %o", (text, timezone, message) => {
    const check = (): void => {
      checkCron(text, timezone, at("2026-01-01T00:00:00Z"));
    };
    expect(check).toThrow(InvalidOptionError);
    expect(check).toThrow(message);
  });
});

describe("the rule where the clocks change", () => {
  test("a time in the gap runs once, at the first instant after it", () => {
    expect(times(cron("30 2 * * *", "Europe/Berlin"), "2026-03-27T12:00:00Z", 3)).toEqual([
      "2026-03-28T01:30",
      "2026-03-29T01:00",
      "2026-03-30T00:30",
    ]);
    expect(times(cron("30 2 * * *", "America/New_York"), "2026-03-07T12:00:00Z", 2)).toEqual(["2026-03-08T07:00", "2026-03-09T06:30"]);
  });

  test("a time in the overlap runs once, the first time", () => {
    expect(times(cron("30 2 * * *", "Europe/Berlin"), "2026-10-24T12:00:00Z", 2)).toEqual(["2026-10-25T00:30", "2026-10-26T01:30"]);
    expect(times(cron("30 1 * * *", "America/New_York"), "2026-10-31T12:00:00Z", 2)).toEqual(["2026-11-01T05:30", "2026-11-02T06:30"]);
  });

  test("a wildcard keeps its real interval through both", () => {
    expect(times(cron("*/30 * * * *", "Europe/Berlin"), "2026-10-24T23:30:00Z", 5)).toEqual([
      "2026-10-25T00:00",
      "2026-10-25T00:30",
      "2026-10-25T01:00",
      "2026-10-25T01:30",
      "2026-10-25T02:00",
    ]);
    expect(times(cron("*/30 * * * *", "Europe/Berlin"), "2026-03-29T00:00:00Z", 3)).toEqual([
      "2026-03-29T00:30",
      "2026-03-29T01:00",
      "2026-03-29T01:30",
    ]);
  });

  test("also where the clocks change by half an hour", () => {
    expect(times(cron("15 2 * * *", "Australia/Lord_Howe"), "2026-10-02T12:00:00Z", 3)).toEqual([
      "2026-10-02T15:45",
      "2026-10-03T15:30",
      "2026-10-04T15:15",
    ]);
  });

  test("a long catch-up over the overlap still finds the latest occurrence", () => {
    const rule = cron("*/30 * * * *", "Europe/Berlin");
    const first = at("2026-01-01T00:00:00Z");
    for (const minute of [0, 29, 30, 60, 90, 120]) {
      const now = at("2026-10-25T00:00:00Z") + minute * 60_000;
      expect(latestDue({ rule, nextRunAt: first, runCount: 0 }, now)?.occurrence).toBe(now - (now % 1_800_000));
    }
  });
});

describe("occurrences", () => {
  const now = at("2026-06-01T12:00:00Z");

  test("the first one", () => {
    expect(firstOccurrence({ type: "once" }, now)).toBe(now);
    expect(firstOccurrence({ type: "timestamp", at: now - 5 }, now)).toBe(now - 5);
    expect(firstOccurrence({ type: "interval", every: 60_000 }, now)).toBe(now + 60_000);
    expect(firstOccurrence(cron("0 13 * * *"), now)).toBe(now + 3_600_000);
  });

  test("the next one", () => {
    expect(nextOccurrence({ type: "once" }, now)).toBeNull();
    expect(nextOccurrence({ type: "timestamp", at: now }, now - 1)).toBe(now);
    expect(nextOccurrence({ type: "timestamp", at: now }, now)).toBeNull();
    expect(nextOccurrence({ type: "interval", every: 60_000 }, now + 1)).toBe(now + 60_001);
    expect(nextOccurrence(cron("0 12 * * *"), now)).toBe(now + 86_400_000);
    expect(nextOccurrence(cron("*/10 * * * * *"), now)).toBe(now + 10_000);
    expect(nextOccurrence(cron("0 0 30 2 *"), now)).toBeNull();
  });

  test("is always later, on the rule's grid, and nothing lies between", () => {
    const rule = fc.oneof(
      fc.integer({ min: 1, max: 1e9 }).map((every): Rule => ({ type: "interval", every })),
      fc
        .tuple(
          fc.constantFrom("*/5 * * * *", "0 3 * * *", "30 2 * * 0", "0 0 1 * *", "15 */2 * * MON-FRI", "*/20 * * * * *", "0 0 29 2 *"),
          fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"),
        )
        .map(([text, timezone]) => cron(text, timezone)),
    );
    fc.assert(
      fc.property(
        rule,
        fc.integer({ min: 0, max: at("2040-01-01T00:00:00Z") }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (each, t, part) => {
          const next = nextOccurrence(each, t) ?? Number.NaN;
          expect(next).toBeGreaterThan(t);
          // From any moment in between, a cron expression gives the same time.
          if (each.type === "cron") expect(nextOccurrence(each, t + Math.floor((next - t - 1) * part))).toBe(next);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("latestDue", () => {
  const now = at("2026-06-01T12:00:00Z");
  const hourly = cron("0 * * * *");

  test("nothing, before its time or without one", () => {
    expect(latestDue({ rule: hourly, nextRunAt: now + 1, runCount: 0 }, now)).toBeUndefined();
    expect(latestDue({ rule: hourly, runCount: 0 }, now)).toBeUndefined();
  });

  test("one that is due, exactly", () => {
    expect(latestDue({ rule: hourly, nextRunAt: now, runCount: 0 }, now)).toEqual({ occurrence: now, skipped: 0, nextAt: now + 3_600_000 });
    expect(latestDue({ rule: { type: "once" }, nextRunAt: now - 5, runCount: 0 }, now)).toEqual({
      occurrence: now - 5,
      skipped: 0,
      nextAt: null,
    });
    expect(latestDue({ rule: { type: "timestamp", at: now }, nextRunAt: now, runCount: 0 }, now)).toEqual({
      occurrence: now,
      skipped: 0,
      nextAt: null,
    });
  });

  test("the latest of several, those before it counted", () => {
    expect(latestDue({ rule: hourly, nextRunAt: now - 3 * 3_600_000, runCount: 0 }, now + 59_000)).toEqual({
      occurrence: now,
      skipped: 3,
      nextAt: now + 3_600_000,
    });
    const interval: Rule = { type: "interval", every: 7_000 };
    expect(latestDue({ rule: interval, nextRunAt: now, runCount: 0 }, now + 20_999)).toEqual({
      occurrence: now + 14_000,
      skipped: 2,
      nextAt: now + 21_000,
    });
  });

  test("100,000 missed ticks cost a bounded step", () => {
    const rule = cron("* * * * *");
    const first = now - 100_000 * 60_000;
    expect(latestDue({ rule, nextRunAt: first, runCount: 0 }, now + 30_000)).toEqual({
      occurrence: now,
      skipped: 100,
      nextAt: now + 60_000,
    });
    expect(latestDue({ rule, nextRunAt: first, runCount: 0 }, now)).toMatchObject({ occurrence: now });
    expect(latestDue({ rule: { type: "interval", every: 60_000 }, nextRunAt: first, runCount: 0 }, now)).toMatchObject({
      occurrence: now,
      skipped: 100_000,
    });
  });

  test("a rule that ends", () => {
    const rule = cron("0 0 0 1 1 * 2025");
    const last = at("2025-01-01T00:00:00Z");
    expect(latestDue({ rule, nextRunAt: last, runCount: 0 }, now)).toEqual({ occurrence: last, skipped: 0, nextAt: null });
  });

  test("after the last of maxRuns there is no next time", () => {
    expect(latestDue({ rule: hourly, nextRunAt: now, runCount: 1, maxRuns: 3 }, now)).toMatchObject({ nextAt: now + 3_600_000 });
    expect(latestDue({ rule: hourly, nextRunAt: now, runCount: 2, maxRuns: 3 }, now)).toMatchObject({ occurrence: now, nextAt: null });
  });
});
