import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDuration, milliseconds } from "../../../src/core/duration.ts";
import { InvalidOptionError } from "../../../src/core/errors.ts";

describe("milliseconds", () => {
  test.each<[unknown, number]>([
    [0, 0],
    [250, 250],
    [1.4, 1],
    ["250ms", 250],
    ["5s", 5_000],
    [" 2.5s ", 2_500],
    ["1h30m", 5_400_000],
    ["1d2h3m4s5ms", 93_784_005],
    ["7d", 604_800_000],
  ])("%j is %d", (value, ms) => {
    expect(milliseconds(value, "ttl")).toBe(ms);
  });

  test("reads any sum of units", () => {
    fc.assert(
      fc.property(fc.nat(400), fc.nat(100), fc.nat(100), fc.nat(100), fc.nat(5_000), (d, h, m, s, ms) => {
        expect(milliseconds(`${d}d${h}h${m}m${s}s${ms}ms`, "x")).toBe((((d * 24 + h) * 60 + m) * 60 + s) * 1_000 + ms);
      }),
    );
  });

  const wanted = 'a duration (milliseconds, or text such as "5s" or "1h30m")';
  test.each<[unknown, string]>([
    ["5", `${wanted}, got "5"`],
    ["", `${wanted}, got ""`],
    ["5 minutes", `${wanted}, got "5 minutes"`],
    ["s5", `${wanted}, got "s5"`],
    ["1e3s", `${wanted}, got "1e3s"`],
    [Number.NaN, `${wanted}, got NaN`],
    [Number.POSITIVE_INFINITY, `${wanted}, got Infinity`],
    [null, `${wanted}, got null`],
    [5n, `${wanted}, got 5n`],
    [-1, `${wanted} of at least 0, got -1`],
    ["-5s", `${wanted} of at least 0, got "-5s"`],
    [1_760_000_000_000_000, `${wanted} of at most a hundred years, got 1760000000000000`],
    ["99999d", `${wanted} of at most a hundred years, got "99999d"`],
  ])("refuses %s", (value, message) => {
    expect(() => milliseconds(value, "ttl")).toThrow(new InvalidOptionError("INVALID_OPTION", `Expected \`ttl\` to be ${message}`));
  });

  test("takes a negative one only where it is allowed", () => {
    expect(milliseconds("-1h30m", "ttl", true)).toBe(-5_400_000);
    expect(milliseconds(-5, "ttl", true)).toBe(-5);
    expect(() => milliseconds("-99999d", "ttl", true)).toThrow("at most a hundred years");
  });
});

describe("formatDuration", () => {
  test.each([
    [0, "0ms"],
    [12, "12ms"],
    [0.25, "0.3ms"],
    [999.99, "1s"],
    [2_500, "2.5s"],
    [59_960, "1m"],
    [90_000, "1m 30s"],
    [5_400_000, "1h 30m"],
    [90_061_000, "1d 1h"],
    [86_400_000, "1d"],
    [-5_000, "-5s"],
  ])("%d is %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
