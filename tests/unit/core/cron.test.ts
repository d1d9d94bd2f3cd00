import * as fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { cronBefore, cronSteps } from "../../../src/core/cron.ts";
import { OmniQError } from "../../../src/core/errors.ts";
import { checkCron, nextOccurrence } from "../../../src/core/schedule.ts";
import { everMatches, expressionOf, nextDue, zoneOf } from "../../fixtures/cron-oracle.ts";
import { iso } from "../../fixtures/cron-samples.ts";
import { withCode } from "../../fixtures/helpers.ts";

const NOW = Date.parse("2026-06-01T12:00:00Z");
const next = (cron: string, timezone: string, after: number): number | null => nextOccurrence({ type: "cron", cron, timezone }, after);
const check =
  (cron: unknown, timezone: unknown = "UTC") =>
  (): void => {
    checkCron(cron, timezone, NOW);
  };

describe("where the clocks change", () => {
  test.each<[what: string, cron: string, timezone: string, after: string, ...times: string[]]>([
    ["a gap of half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-02T16:00", "2026-10-03T15:30", "2026-10-04T15:15"],
    ["half an hour twice", "45 1 * * *", "Australia/Lord_Howe", "2026-04-03T15:00", "2026-04-04T14:45", "2026-04-05T15:15"],
    ["every 10 minutes of them", "*/10 * * * *", "Australia/Lord_Howe", "2026-04-04T14:45", "2026-04-04T14:50", "2026-04-04T15:00"],
    ["two hours twice", "30 2 * * *", "Antarctica/Troll", "2026-10-24T12:00", "2026-10-25T00:30", "2026-10-26T02:30"],
    ["three hours twice", "0 0 * * *", "Antarctica/Casey", "2018-03-10T00:00", "2018-03-10T13:00", "2018-03-11T16:00"],
    ["a midnight that is skipped", "0 0 * * *", "America/Santiago", "2024-09-07T12:00", "2024-09-08T04:00", "2024-09-09T03:00"],
    ["a midnight that comes twice", "0 0 * * *", "America/Havana", "2024-11-02T12:00", "2024-11-03T04:00", "2024-11-04T05:00"],
    ["the half hour before a midnight", "30 23 * * *", "America/Nuuk", "2025-03-29T12:00", "2025-03-30T01:00", "2025-03-31T00:30"],
    ["the same, on Saturdays", "30 23 * * SAT", "America/Nuuk", "2025-03-29T12:00", "2025-03-30T01:00", "2025-04-06T00:30"],
    ["the same, from the minute before", "30 23 * * *", "America/Nuuk", "2025-03-30T00:59", "2025-03-30T01:00", "2025-03-31T00:30"],
    ["a list before a midnight", "15,45 23 * * *", "America/Nuuk", "2025-03-29T12:00", "2025-03-31T00:15", "2025-03-31T00:45"],
    ["23:59 where 24:00 is skipped", "59 23 * * *", "America/Santiago", "2024-09-07T12:00", "2024-09-08T03:59", "2024-09-09T02:59"],
    ["a day that never was", "30 2 * * *", "Pacific/Apia", "2011-12-29T13:00", "2011-12-30T12:30", "2011-12-31T12:30"],
    ["a date that never was", "0 2 30 12 *", "Pacific/Apia", "2011-12-01T00:00", "2012-12-29T12:00", "2013-12-29T12:00"],
    ["every hour over it", "0 * * * *", "Pacific/Apia", "2011-12-30T09:00", "2011-12-30T10:00", "2011-12-30T11:00"],
    ["Ramadan", "30 2 * * *", "Africa/Casablanca", "2025-02-22T12:00", "2025-02-23T01:30", "2025-02-24T02:30"],
    ["a law in force within weeks", "30 0 * * *", "Africa/Cairo", "2014-05-15T12:00", "2014-05-15T22:00", "2014-05-16T21:30"],
    ["winter time that is the exception", "30 1 * * *", "Europe/Dublin", "2026-03-28T12:00", "2026-03-29T01:00", "2026-03-30T00:30"],
    ["45 minutes past the hour", "0 3 * * *", "Pacific/Chatham", "2026-09-25T15:00", "2026-09-26T14:00", "2026-09-27T13:15"],
    ["one minute past midnight", "30 0 * * *", "America/St_Johns", "2010-03-13T12:00", "2010-03-14T03:31", "2010-03-15T03:00"],
    ["a zone that gave it up", "0 0 * * *", "America/Sao_Paulo", "2019-02-16T02:30", "2019-02-17T03:00", "2019-02-18T03:00"],
    ["a step that leaves one minute", "*/60 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-30T00:00", "2026-03-31T00:00"],
    ["a step that leaves one hour", "30 2-2/5 * * *", "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T00:30", "2026-10-25T01:30"],
    ["a range of one hour", "30 2-2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:00", "2026-03-30T00:30"],
    ["a list of one hour", "30 2,2 * * *", "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T00:30", "2026-10-26T01:30"],
    ["seconds", "59 59 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:00", "2026-03-30T00:59:59"],
    ["every second", "* * * * * *", "Europe/Berlin", "2026-03-29T00:59:59", "2026-03-29T01:00", "2026-03-29T01:00:01"],
  ])("%s: %s in %s", (_what, cron, timezone, after, ...times) => {
    const start = Date.parse(`${after}Z`);
    const zone = zoneOf(timezone, new Date(start).getUTCFullYear() - 1, 5);
    const found: number[] = [];
    const oracle: number[] = [];
    for (let i = 0; i < times.length; i++) {
      found.push(next(cron, timezone, found.at(-1) ?? start) ?? Number.NaN);
      oracle.push(nextDue(expressionOf(cron), zone, oracle.at(-1) ?? start) ?? Number.NaN);
    }
    const wanted = times.map((time) => iso(Date.parse(`${time}Z`)));
    expect(found.map(iso)).toEqual(wanted);
    expect(oracle.map(iso)).toEqual(wanted);
  });
});

describe("day and weekday", () => {
  test.each<[cron: string, ...days: string[]]>([
    ["0 0 13 * FRI", "2026-06-05", "2026-06-12", "2026-06-13"],
    ["0 0 13 * +FRI", "2026-11-13", "2027-08-13", "2028-10-13"],
    ["0 0 ? * FRI", "2026-06-05", "2026-06-12", "2026-06-19"],
    ["0 0 13 * ?", "2026-06-13", "2026-07-13", "2026-08-13"],
    // A step is a choice of days like any other: only a plain `*` or `?` leaves the choice to the other field.
    ["0 0 */15 * FRI", "2026-06-05", "2026-06-12", "2026-06-16"],
    ["0 0 * * 5#2", "2026-06-12", "2026-07-10", "2026-08-14"],
    ["0 0 * * FRI#5", "2026-07-31", "2026-10-30", "2027-01-29"],
    ["0 0 * * 5L", "2026-06-26", "2026-07-31", "2026-08-28"],
    ["0 0 L * *", "2026-06-30", "2026-07-31", "2026-08-31"],
    ["0 0 LW * *", "2026-06-30", "2026-07-31", "2026-08-31"],
    ["0 0 1W 8 *", "2026-08-03", "2027-08-02", "2028-08-01"],
    ["0 0 29 2 *", "2028-02-29", "2032-02-29", "2036-02-29"],
    ["0 0 31 * *", "2026-07-31", "2026-08-31", "2026-10-31"],
    ["0 0 * * SAT-SUN", "2026-06-06", "2026-06-07", "2026-06-13"],
    ["0 0 * * 6-7", "2026-06-06", "2026-06-07", "2026-06-13"],
  ])("%s", (cron, ...days) => {
    const found: number[] = [];
    for (let i = 0; i < days.length; i++) found.push(next(cron, "UTC", found.at(-1) ?? NOW) ?? Number.NaN);
    expect(found.map((at) => iso(at).slice(0, 10))).toEqual(days);
  });
});

describe("cronBefore", () => {
  test.each([
    ["30 23 * * *", "America/Nuuk", "2025-04-01T00:00:00Z", 7],
    ["30 23 * * *", "America/Nuuk", "2025-03-30T01:00:00Z", 7],
    ["30 23 * * *", "America/Nuuk", "2025-03-30T00:59:59Z", 7],
    ["15,45 2 * * *", "Europe/Berlin", "2026-10-25T01:15:00Z", 4],
    ["*/20 * * * * *", "Europe/Berlin", "2026-10-25T01:00:00.500Z", 0.01],
    ["0 0 29 2 *", "Asia/Kathmandu", "2026-01-01T00:00:00Z", 20 * 366],
  ])("the last of %s in %s before %s", (cron, timezone, before, days) => {
    const upTo = Date.parse(before);
    const zone = zoneOf(timezone, 2005, 22);
    const expression = expressionOf(cron);
    const all: number[] = [];
    for (let at: number | undefined = upTo - days * 86_400_000; (at = nextDue(expression, zone, at)) !== undefined && at <= upTo;)
      all.push(at);
    expect(all.length).toBeGreaterThanOrEqual(5);
    for (const count of [1, 2, 5]) expect(cronBefore({ cron, timezone }, count, upTo).map(iso)).toEqual(all.slice(-count).map(iso));
  });

  test("fewer where there are no more", () => {
    expect(cronBefore({ cron: "0 0 30 2 *", timezone: "UTC" }, 3, NOW)).toEqual([]);
  });
});

describe("what no date matches", () => {
  test.each([
    "0 0 30 2 *",
    "0 0 31 2 *",
    "0 0 30,31 FEB *",
    "0 0 31 4,6,9,11 *",
    "* * 31 2,4,6,9,11 *",
    "0 0 0 31 2 +MON",
    "0 0 30 2 +1#5",
    "0 0 8 * +MON#1",
    "0 0 1-28 * +MON#5",
    "0 0 30W 2 *",
    "0 0 31W 2,4 *",
  ])("%s is refused", (cron) => {
    expect(everMatches(expressionOf(cron))).toBe(false);
    for (const timezone of ["UTC", "Europe/Berlin", "Pacific/Apia"]) expect(check(cron, timezone)).toThrow(withCode("INVALID_OPTION"));
    expect(next(cron, "Europe/Berlin", NOW)).toBeNull();
  });

  test("and nothing else, of days, months and weekdays", () => {
    const part = fc.record({
      date: fc.constantFrom("*", "29", "30", "31", "29-31", "30,31", "31W", "30W", "L", "LW", "1-7"),
      month: fc.constantFrom("*", "2", "FEB,APR", "4,6,9,11", "2-2/1", "1", "*/3"),
      weekday: fc.constantFrom("*", "+MON", "+SUN#5", "+1#1", "+5L", "FRI", "+0#4"),
    });
    fc.assert(
      fc.property(part, ({ date, month, weekday }) => {
        const cron = `0 0 ${date} ${month} ${weekday}`;
        if (everMatches(expressionOf(cron))) expect(check(cron)).not.toThrow();
        else expect(check(cron)).toThrow(withCode("INVALID_OPTION"));
      }),
      { numRuns: 40, seed: 1 },
    );
  });
});

describe("junk", () => {
  test.each([
    ["a date", "1 Jan 2030 10:00:00 UTC"],
    ["a date with a weekday", "Tue Mar 01 2030 10:00:00"],
    ["a nickname with a time", "@daily 10:00"],
    ["an unknown nickname", "@reboot"],
    ["a step too long", "*/61 * * * *"],
    ["a step of nothing", "*/0 * * * *"],
    ["a range backwards", "30-10 * * * *"],
    ["an open range", "5- * * * *"],
    ["an empty part", "1,,2 * * * *"],
    ["a number too large", "99999999999999999999 * * * *"],
    ["a negative number", "-1 * * * *"],
    ["a fraction", "1.5 * * * *"],
    ["a name that is none", "0 0 * * MONDAYS"],
    ["a month in the weekday", "0 0 * * JAN"],
    ["nothing after the plus", "0 0 * * +"],
    ["a sixth Monday", "0 0 * * MON#6"],
    ["other digits", "٣ * * * *"],
    ["a list", ["0 0 * * *"]],
    ["a number", 5],
    ["nothing", null],
  ])("%s is refused", (_what, cron) => {
    expect(check(cron)).toThrow(withCode("INVALID_OPTION"));
  });

  test("of any kind gives an error of ours, or is an expression", () => {
    const fields = fc.array(fc.string({ unit: fc.constantFrom(..."0123456789*/,-?LW#+SUNmon@: ".split("")), maxLength: 8 }), {
      maxLength: 7,
    });
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: "binary" }),
      fields.map((each) => each.join(" ")),
    );
    const zone = fc.oneof({ weight: 3, arbitrary: fc.constant("Europe/Berlin") }, fc.string());
    let taken = 0;
    fc.assert(
      fc.property(text, zone, (cron, timezone) => {
        try {
          checkCron(cron, timezone, NOW);
        } catch (error) {
          expect(error).toBeInstanceOf(OmniQError);
          return;
        }
        taken++;
        expect(next(cron, timezone, NOW)).toBeGreaterThan(NOW);
      }),
      { numRuns: 1_000, examples: [["* * * * *", "Europe/Berlin"]] },
    );
    expect(taken).toBeGreaterThan(0);
  });

  test.each(["Mars/Base", "", " ", "Europe/Berlin ", "+25:00", "CEST!", 5, null, undefined])("the zone %o is refused", (timezone) => {
    const call = (): void => {
      checkCron("0 0 * * *", timezone, NOW);
    };
    expect(call).toThrow(withCode("INVALID_OPTION"));
    expect(call).toThrow("`timezone`");
  });
});

describe("far away", () => {
  const far = [
    8.64e15,
    8.64e15 - 1,
    -8.64e15,
    -8.64e15 + 1,
    8.64e15 + 1,
    Number.NaN,
    Infinity,
    -Infinity,
    Date.UTC(10_000, 0),
    Date.UTC(9999, 11, 31),
  ];
  test.each(far)("there is none after %d", (after) => {
    for (const timezone of ["UTC", "America/New_York", "Pacific/Kiritimati"]) {
      for (const cron of ["30 2 * * *", "* * * * * *", "0 0 29 2 *"]) expect(next(cron, timezone, after)).toBeNull();
    }
  });

  test("nor from the year 3000 on, but before it and before 1970 there is", () => {
    const after = cronSteps({ cron: "30 2 * * *", timezone: "Europe/Berlin" });
    expect(iso(after(Date.parse("2999-12-30T12:00:00Z")))).toBe("2999-12-31T01:30:00.000Z");
    expect(after(Date.parse("2999-12-31T12:00:00Z"))).toBeNull();
    expect(iso(after(-1))).toBe("1970-01-01T01:30:00.000Z");
    expect(iso(after(Date.parse("1899-12-30T12:00:00Z")))).toBe("1899-12-31T01:30:00.000Z");
    expect(next("0 0 * * *", "UTC", Date.UTC(-1000, 0))).toBe(Date.UTC(-1000, 0, 2));
  });
});

describe("the zone of the process does not matter", () => {
  const own = process.env["TZ"];
  afterEach(() => {
    if (own === undefined) delete process.env["TZ"];
    else process.env["TZ"] = own;
  });

  test("in any of them, the same", () => {
    const times = ["America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Nowhere/None", "UTC"].map((zone) => {
      process.env["TZ"] = zone;
      return ["30 2 * * *", "*/30 * * * *", "0 0 L * *"].flatMap((cron) =>
        ["2026-03-28T12:00:00Z", "2026-10-25T00:10:00Z", "2026-03-08T06:59:00Z"].map((after) =>
          iso(next(cron, "Europe/Berlin", Date.parse(after))),
        ),
      );
    });
    for (const each of times) expect(each).toEqual(times[0]);
    expect(times[0]?.[0]).toBe("2026-03-29T01:00:00.000Z");
  });
});
