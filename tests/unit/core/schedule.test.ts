import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvalidOptionError } from "../../../src/core/errors.ts";
import { dueOf } from "../../../src/core/due.ts";
import {
  checkCron,
  checkFires,
  checkPolicy,
  DEFAULT_SCHEDULE_POLICY as STANDARD,
  firstOccurrence,
  isCatchUp,
  nextOccurrence,
  occurrenceAfter,
  sameTiming,
  upcoming,
} from "../../../src/core/schedule.ts";
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
    [
      "0 0 30 2 *",
      "UTC",
      'Expected `cron` to be an expression that some date matches (after 2026-01-01T00:00:00.000Z, before the year 3000), got "0 0 30 2 *"',
    ],
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

  test("looks from the start on", () => {
    expect(() => checkCron("@yearly", "UTC", at("3001-01-01T00:00:00Z"))).toThrow("(after 3001-01-01T00:00:00.000Z, before the year 3000)");
    expect(() => checkCron("@yearly", "UTC", at("2998-06-01T00:00:00Z"))).not.toThrow();
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
      expect(dueOf({ rule, policy: STANDARD, nextRunAt: first, runCount: 0 }, now)?.occurrences).toEqual([now - (now % 1_800_000)]);
    }
  });
});

describe("occurrences", () => {
  const now = at("2026-06-01T12:00:00Z");

  test("the first one", () => {
    const first = (rule: Rule): number | null => firstOccurrence({ rule, policy: STANDARD }, now);
    expect(first({ type: "once" })).toBe(now);
    expect(first({ type: "timestamp", at: now - 5 })).toBe(now - 5);
    expect(first({ type: "interval", every: 60_000 })).toBe(now + 60_000);
    expect(first(cron("0 13 * * *"))).toBe(now + 3_600_000);
  });

  test("the first one from a start on: the start itself where the rule has it, and intervals are counted from it", () => {
    const first = (rule: Rule, startAt: number): number | null => firstOccurrence({ rule, policy: { ...STANDARD, startAt } }, now);
    const hourly = cron("0 * * * *");
    expect(first(hourly, now + 86_400_000)).toBe(now + 86_400_000);
    expect(first(hourly, now + 86_400_001)).toBe(now + 86_400_000 + 3_600_000);
    expect(first(hourly, now - 86_400_000)).toBe(now + 3_600_000);
    const interval: Rule = { type: "interval", every: 7_000 };
    expect(first(interval, now + 5)).toBe(now + 5);
    expect(first(interval, now)).toBe(now);
    expect(first(interval, now - 1)).toBe(now + 6_999);
    expect(first(interval, now - 7_000)).toBe(now + 7_000);
  });

  test("one at exactly the start counts, and one at exactly the end, whatever the trigger and also where that is now", () => {
    const rules: readonly Rule[] = [{ type: "interval", every: 60_000 }, cron("* * * * *"), cron("0 * * * * *", "Europe/Berlin")];
    for (const rule of rules) {
      for (const startAt of [now, now + 60_000]) {
        const timing = (endAt: number) => ({ rule, policy: { ...STANDARD, startAt, endAt } });
        expect(firstOccurrence(timing(startAt), now)).toBe(startAt);
        expect(occurrenceAfter(timing(startAt + 60_000), startAt)).toBe(startAt + 60_000);
        expect(occurrenceAfter(timing(startAt + 59_999), startAt)).toBeNull();
        expect(upcoming({ ...timing(startAt + 60_000), status: "active", nextRunAt: startAt, runCount: 0 }, now, 9)).toHaveLength(2);
      }
      // What has begun already goes on after now.
      expect(firstOccurrence({ rule, policy: { ...STANDARD, startAt: now - 60_000 } }, now)).toBe(now + 60_000);
    }
  });

  test("none is later than the end", () => {
    const bounded = (endAt: number) => ({ rule: { type: "interval", every: 10 } as const, policy: { ...STANDARD, endAt } });
    expect(firstOccurrence(bounded(now + 10), now)).toBe(now + 10);
    expect(firstOccurrence(bounded(now + 9), now)).toBeNull();
    expect(occurrenceAfter(bounded(now + 20), now + 10)).toBe(now + 20);
    expect(occurrenceAfter(bounded(now + 19), now + 10)).toBeNull();
  });

  test("a new schedule that would have none is refused, and says why", () => {
    const hourly = { rule: { type: "interval", every: 3_600_000 } as const, policy: { ...STANDARD, endAt: now + 3_599_999 } };
    expect(() => checkFires(hourly, now)).toThrow(
      "Expected `endAt` to be 2026-06-01T13:00:00.000Z, its first occurrence, or later, since it would never fire, got 2026-06-01T12:59:59.999Z",
    );
    expect(() => checkFires(hourly, now - 1)).not.toThrow();
    expect(() => checkFires({ ...hourly, policy: { ...STANDARD, endAt: now - 1 } }, now)).toThrow("`endAt`");
    expect(() => checkFires({ rule: cron("0 * * * *"), policy: { ...STANDARD, startAt: now, endAt: now } }, now)).not.toThrow();
    expect(() => checkFires({ rule: cron("0 * * * *"), policy: { ...STANDARD, startAt: now + 1, endAt: now + 9 } }, now)).toThrow(
      "`endAt`",
    );
    expect(() => checkFires({ rule: { type: "timestamp", at: now - 5 }, policy: STANDARD }, now)).not.toThrow();
    expect(() => checkFires({ rule: { type: "once" }, policy: STANDARD }, now)).not.toThrow();
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

describe("a schedule's timing", () => {
  const rule: Rule = { type: "interval", every: 1_000 };

  test("is the same whatever the order of its keys, and whatever else the policy says", () => {
    const before = { rule: cron("* * * * *"), policy: STANDARD };
    expect(sameTiming(before, { rule: { timezone: "UTC", cron: "* * * * *", type: "cron" }, policy: { ...STANDARD, jitter: 5 } })).toBe(
      true,
    );
    expect(sameTiming(before, { ...before, rule: cron("* * * * *", "Europe/Berlin") })).toBe(false);
    expect(sameTiming(before, { ...before, policy: { ...STANDARD, startAt: 0 } })).toBe(false);
    expect(sameTiming(before, { ...before, policy: { ...STANDARD, endAt: 0 } })).toBe(false);
  });

  test("has bounds only where it repeats, the end not before the start", () => {
    expect(() => checkPolicy({ ...STANDARD, startAt: 5, endAt: 5 }, "cron")).not.toThrow();
    expect(() => checkPolicy({ ...STANDARD, startAt: 5, endAt: 4 }, "interval")).toThrow("Expected `endAt` to be not before `startAt`");
    expect(() => checkPolicy({ ...STANDARD, startAt: 5 }, "timestamp")).toThrow("`startAt`");
    expect(() => checkPolicy({ ...STANDARD, endAt: 5 }, "once")).toThrow("`endAt`");
    expect(() => checkPolicy(STANDARD, "once")).not.toThrow();
  });

  test("passes over what overlaps only where it repeats: an only occurrence must not be lost", () => {
    const alone = { ...STANDARD, overlap: "skip" } as const;
    for (const type of ["timestamp", "once"] as const) {
      expect(() => checkPolicy(alone, type)).toThrow(
        'Expected `overlap` to be "allow" for a schedule that runs once, whose only occurrence is not passed over, got "skip"',
      );
    }
    for (const type of ["cron", "interval"] as const) expect(() => checkPolicy(alone, type)).not.toThrow();
  });

  test.each([
    ["skip", true],
    ["latest", true],
    [{ all: 1 }, true],
    [{ all: 1_000 }, true],
    [{ all: 0 }, false],
    [{ all: 1_001 }, false],
    [{ all: 1.5 }, false],
    [{ all: "3" }, false],
    [{ all: 3, within: 5 }, false],
    [{}, false],
    ["all", false],
    [null, false],
    [undefined, false],
  ])("catchUp %j: %s", (value, known) => {
    expect(isCatchUp(value)).toBe(known);
  });

  test("shows its next times, the one that is due too, up to its last run and its end", () => {
    const row = { rule, policy: STANDARD, status: "active", nextRunAt: 500, runCount: 2 } as const;
    expect(upcoming(row, 900, 3)).toEqual([500, 1_500, 2_500]);
    expect(upcoming({ ...row, maxRuns: 4 }, 900, 3)).toEqual([500, 1_500]);
    expect(upcoming({ ...row, policy: { ...STANDARD, endAt: 1_500 } }, 900, 3)).toEqual([500, 1_500]);
    expect(upcoming({ ...row, status: "paused" }, 900, 2)).toEqual([1_900, 2_900]);
    expect(upcoming({ ...row, status: "completed" }, 900, 2)).toEqual([]);
    const { nextRunAt: _, ...without } = row;
    expect(upcoming(without, 900, 2)).toEqual([]);
    expect(upcoming({ ...row, rule: { type: "once" } }, 900, 3)).toEqual([500]);
  });
});
