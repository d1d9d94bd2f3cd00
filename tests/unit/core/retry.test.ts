import * as fc from "fast-check";
import { expect, test } from "vitest";
import { LONGEST_BACKOFF, retryDelayOf } from "../../../src/core/retry.ts";

test("fixed is exactly retryDelay, however often and whatever chance says", () => {
  expect(retryDelayOf({ backoff: "fixed", retryDelay: 5_000 }, 7, () => 0.9)).toBe(5_000);
  expect(retryDelayOf({ backoff: "fixed", retryDelay: LONGEST_BACKOFF * 2 }, 0, () => 0.9)).toBe(LONGEST_BACKOFF * 2);
});

test.each([
  [0, 0.5, 1_000],
  [1, 0.5, 2_000],
  [3, 0.5, 8_000],
  [3, 0, 6_400],
  [3, 0.75, 8_800],
  [20, 0, LONGEST_BACKOFF],
  [5_000, 0, LONGEST_BACKOFF],
])("exponential after %d retries with chance %d is %d", (granted, chance, wait) => {
  expect(retryDelayOf({ backoff: "exponential", retryDelay: 1_000 }, granted, () => chance)).toBe(wait);
});

test("exponential is a whole number within 20 % and at most an hour", () => {
  fc.assert(
    fc.property(
      fc.nat(10_000_000),
      fc.nat(100),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (retryDelay, granted, chance) => {
        const wait = retryDelayOf({ backoff: "exponential", retryDelay }, granted, () => chance);
        const exact = retryDelay * 2 ** granted;
        expect(Number.isSafeInteger(wait)).toBe(true);
        expect(wait).toBeLessThanOrEqual(LONGEST_BACKOFF);
        expect(wait).toBeGreaterThanOrEqual(Math.floor(Math.min(LONGEST_BACKOFF, exact * 0.8)));
        expect(wait).toBeLessThanOrEqual(Math.ceil(exact * 1.2));
      },
    ),
  );
});
