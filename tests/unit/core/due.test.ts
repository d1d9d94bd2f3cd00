import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dueOf } from "../../../src/core/due.ts";
import type { Due } from "../../../src/core/due.ts";
import { DEFAULT_SCHEDULE_POLICY, stepsOf } from "../../../src/core/schedule.ts";
import type { Rule, SchedulePolicy } from "../../../src/core/schedule.ts";

const NOW = Date.parse("2026-06-01T12:00:00Z");
const HOUR = 3_600_000;
const hourly: Rule = { type: "cron", cron: "0 * * * *", timezone: "UTC" };
const seconds: Rule = { type: "interval", every: 1_000 };

interface Given {
  readonly rule?: Rule;
  readonly nextRunAt?: number;
  readonly runCount?: number;
  readonly maxRuns?: number;
  readonly now?: number;
}

function due({ now = NOW, ...row }: Given, policy: Partial<SchedulePolicy> = {}): Due | undefined {
  return dueOf({ rule: hourly, runCount: 0, policy: { ...DEFAULT_SCHEDULE_POLICY, ...policy }, ...row }, now);
}
const none = { count: 0, more: false };

describe("what is due", () => {
  test("nothing, before its time or without one", () => {
    expect(due({ nextRunAt: NOW + 1 })).toBeUndefined();
    expect(due({})).toBeUndefined();
  });

  test("one, exactly", () => {
    const one = { passed: none, nextAt: null, nextAtIfFewer: null };
    expect(due({ nextRunAt: NOW })).toEqual({ occurrences: [NOW], passed: none, nextAt: NOW + HOUR, nextAtIfFewer: NOW + HOUR });
    expect(due({ rule: { type: "once" }, nextRunAt: NOW - 5 })).toEqual({ ...one, occurrences: [NOW - 5] });
    expect(due({ rule: { type: "timestamp", at: NOW }, nextRunAt: NOW })).toEqual({ ...one, occurrences: [NOW] });
  });

  test("the latest of several, those before it counted", () => {
    const late = due({ nextRunAt: NOW - 3 * HOUR, now: NOW + 59_000 });
    expect(late).toMatchObject({ occurrences: [NOW], passed: { count: 3, more: false }, nextAt: NOW + HOUR });
    const interval = due({ rule: { type: "interval", every: 7_000 }, nextRunAt: NOW, now: NOW + 20_999 });
    expect(interval).toMatchObject({ occurrences: [NOW + 14_000], passed: { count: 2, more: false }, nextAt: NOW + 21_000 });
  });

  test("100,000 missed ticks cost a bounded step, whatever the policy", () => {
    const nextRunAt = NOW - 100_000 * 60_000;
    const minutely: Rule = { type: "cron", cron: "* * * * *", timezone: "Europe/Berlin" };
    const more = { count: 1_000, more: true };
    expect(due({ rule: minutely, nextRunAt })).toMatchObject({ occurrences: [NOW], passed: more, nextAt: NOW + 60_000 });
    expect(due({ rule: minutely, nextRunAt, now: NOW + 61_000 }, { catchUp: "skip" })?.occurrences).toEqual([NOW + 60_000]);
    const all = due({ rule: minutely, nextRunAt }, { catchUp: { all: 1_000 } });
    expect(all?.passed).toEqual(more);
    expect(all?.occurrences).toHaveLength(100);
    expect(all?.occurrences[0]).toBe(NOW - 999 * 60_000);
    expect(all?.nextAt).toBe(NOW - 899 * 60_000);
    const interval = due({ rule: { type: "interval", every: 60_000 }, nextRunAt });
    expect(interval).toMatchObject({ occurrences: [NOW], passed: { count: 100_000, more: false } });
  });

  test("counts exactly up to the bound, and says when there are more", () => {
    const minutely: Rule = { type: "cron", cron: "* * * * *", timezone: "UTC" };
    const missed = (count: number) => due({ rule: minutely, nextRunAt: NOW - count * 60_000 })?.passed;
    expect(missed(1_000)).toEqual({ count: 1_000, more: false });
    expect(missed(1_001)).toEqual({ count: 1_000, more: true });
  });

  test("a rule that ends", () => {
    const last = Date.parse("2025-01-01T00:00:00Z");
    const rule: Rule = { type: "cron", cron: "0 0 0 1 1 * 2025", timezone: "UTC" };
    expect(due({ rule, nextRunAt: last })).toEqual({ occurrences: [last], passed: none, nextAt: null, nextAtIfFewer: null });
  });

  test("after the last of maxRuns there is no next time, unless it does not run", () => {
    expect(due({ nextRunAt: NOW, runCount: 1, maxRuns: 3 })).toMatchObject({ nextAt: NOW + HOUR });
    expect(due({ nextRunAt: NOW, runCount: 2, maxRuns: 3 })).toMatchObject({ occurrences: [NOW], nextAt: null, nextAtIfFewer: NOW + HOUR });
  });

  test("nothing more once its runs are over or its end lies before its time", () => {
    const over = { occurrences: [], passed: none, nextAt: null, nextAtIfFewer: null };
    expect(due({ nextRunAt: NOW, runCount: 3, maxRuns: 3 })).toEqual(over);
    expect(due({ nextRunAt: NOW }, { endAt: NOW - 1 })).toEqual(over);
  });

  test("the one at exactly the end, whatever the trigger", () => {
    for (const rule of [hourly, { type: "interval", every: HOUR } as const]) {
      const last = due({ rule, nextRunAt: NOW, now: NOW + 5 }, { startAt: NOW, endAt: NOW });
      expect(last).toEqual({ occurrences: [NOW], passed: none, nextAt: null, nextAtIfFewer: null });
    }
  });

  test("the last before the end, however late", () => {
    const late = due({ nextRunAt: NOW - 3 * HOUR }, { endAt: NOW - HOUR });
    expect(late).toEqual({ occurrences: [NOW - HOUR], passed: { count: 2, more: false }, nextAt: null, nextAtIfFewer: null });
  });
});

describe("catchUp", () => {
  test("skip: what is later than a minute is passed over, of the rest the latest fires", () => {
    const at = (late: number) => due({ nextRunAt: NOW, now: NOW + late }, { catchUp: "skip" });
    expect(at(60_000)).toMatchObject({ occurrences: [NOW], passed: none });
    expect(at(60_001)).toEqual({ occurrences: [], passed: { count: 1, more: false }, nextAt: NOW + HOUR, nextAtIfFewer: NOW + HOUR });
    expect(due({ rule: seconds, nextRunAt: NOW, now: NOW + 3_500 }, { catchUp: "skip" })).toMatchObject({
      occurrences: [NOW + 3_000],
      passed: { count: 3, more: false },
    });
    expect(due({ rule: { type: "timestamp", at: NOW }, nextRunAt: NOW, now: NOW + HOUR }, { catchUp: "skip" })).toEqual({
      occurrences: [],
      passed: { count: 1, more: false },
      nextAt: null,
      nextAtIfFewer: null,
    });
  });

  test("skip does not concern what is to run as soon as possible", () => {
    expect(due({ rule: { type: "once" }, nextRunAt: NOW - HOUR }, { catchUp: "skip" })?.occurrences).toEqual([NOW - HOUR]);
  });

  test("all: the latest so many, oldest first; those before them are counted", () => {
    const given = { nextRunAt: NOW - 4 * HOUR, now: NOW + 1 };
    expect(due(given, { catchUp: { all: 3 } })).toEqual({
      occurrences: [NOW - 2 * HOUR, NOW - HOUR, NOW],
      passed: { count: 2, more: false },
      nextAt: NOW + HOUR,
      nextAtIfFewer: NOW + HOUR,
    });
    expect(due(given, { catchUp: { all: 9 } })).toMatchObject({ occurrences: { length: 5 }, passed: none });
  });

  test("all: no more than may run, the first of them", () => {
    const given = { nextRunAt: NOW - 4 * HOUR, runCount: 1, maxRuns: 3 };
    expect(due(given, { catchUp: { all: 4 } })).toMatchObject({
      occurrences: [NOW - 3 * HOUR, NOW - 2 * HOUR],
      passed: { count: 1, more: false },
      nextAt: null,
    });
  });

  test("all: a hundred a step, the others stay due", () => {
    const first = due({ rule: seconds, nextRunAt: NOW - 249_000 }, { catchUp: { all: 250 } });
    expect(first?.occurrences).toHaveLength(100);
    expect(first?.nextAt).toBe(NOW - 149_000);
    const second = due({ rule: seconds, nextRunAt: first?.nextAt ?? 0, runCount: 100 }, { catchUp: { all: 250 } });
    expect(second).toMatchObject({ passed: none, nextAt: NOW - 49_000 });
    expect(second?.occurrences).toHaveLength(100);
  });

  test("where none may overlap, several at once are one", () => {
    const given = { nextRunAt: NOW - 4 * HOUR };
    expect(due(given, { catchUp: { all: 3 }, overlap: "skip" })).toMatchObject({ occurrences: [NOW], passed: { count: 4, more: false } });
  });
});

test("10,000 ticks of an interval do not drift, however late the looks come", () => {
  let nextRunAt = NOW;
  for (let i = 0; i < 10_000; i++) {
    const step = due({ rule: seconds, nextRunAt, now: nextRunAt + ((i * 7_919) % 990) });
    expect(step?.occurrences).toEqual([nextRunAt]);
    nextRunAt = step?.nextAt ?? 0;
  }
  expect(nextRunAt).toBe(NOW + 10_000_000);
});

test("nothing is lost or doubled: stepped to the end, each occurrence is fired or counted once", () => {
  const rules: readonly Rule[] = [
    { type: "interval", every: 977 },
    { type: "cron", cron: "*/7 * * * * *", timezone: "Europe/Berlin" },
    { type: "cron", cron: "*/10 1-3 * * *", timezone: "Australia/Lord_Howe" },
  ];
  const policies = fc.constantFrom<SchedulePolicy["catchUp"]>("skip", "latest", { all: 3 }, { all: 150 });
  fc.assert(
    fc.property(
      fc.constantFrom(...rules),
      policies,
      fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 12 }),
      (rule, catchUp, looks) => {
        const start = Date.parse("2026-10-04T00:00:00Z");
        const row = { rule, policy: { ...DEFAULT_SCHEDULE_POLICY, catchUp }, nextRunAt: stepsOf(rule)(start) ?? 0, runCount: 0 };
        let now = start;
        let passed = 0;
        const fired: number[] = [];
        for (const wait of looks) {
          now += wait;
          for (let step = dueOf(row, now); step !== undefined; step = dueOf(row, now)) {
            fired.push(...step.occurrences);
            passed += step.passed.count;
            Object.assign(row, { nextRunAt: step.nextAt ?? Number.NaN, runCount: fired.length });
          }
        }
        const all: number[] = [];
        for (let at = stepsOf(rule)(start); at !== null && at <= now; at = stepsOf(rule)(at)) all.push(at);
        expect(new Set(fired).size).toBe(fired.length);
        expect(fired.filter((at) => !all.includes(at))).toEqual([]);
        expect(fired.length + passed).toBe(all.length);
        expect(fired).toEqual(fired.toSorted((a, b) => a - b));
      },
    ),
    { numRuns: 200 },
  );
});
