import { expect, test } from "vitest";
import { isClean, isStorable } from "../../../src/core/text.ts";

test.each([
  ["plain", true, true],
  ["über 🎉 \u2028", true, true],
  ["two\nlines", true, false],
  ["\u007F", true, false],
  ["nul \0", false, false],
  ["half \uD800", false, false],
  ["half \uDC00 pair", false, false],
])("%j: storable %s, clean %s", (value, storable, clean) => {
  expect([isStorable(value), isClean(value)]).toEqual([storable, clean]);
});
