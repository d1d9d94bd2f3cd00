import { expect, test } from "vitest";
import { pairOf, placeOf } from "../../../src/core/cursor.ts";

test("a cursor is the digits that were answered before", () => {
  expect(["0", "12", "0000000000000012"].map((cursor) => placeOf(cursor))).toEqual([0, 12, 12]);
  for (const cursor of ["", "junk", "-1", "1.5", "1e3", " 1", "9".repeat(16)]) {
    expect(() => placeOf(cursor)).toThrow("Expected `after` to be a cursor that was answered before, got ");
  }
});

test("a cursor of a time and a number is both that were answered before", () => {
  expect(["12.3", "-5.0"].map((cursor) => pairOf(cursor))).toEqual([
    [12, 3],
    [-5, 0],
  ]);
  for (const cursor of ["", "12", "1.-2", "1.2.3", "1e3.1", ` 1.2`, `${"9".repeat(16)}.1`, "a.b"]) {
    expect(() => pairOf(cursor)).toThrow("Expected `after` to be a cursor that was answered before, got ");
  }
});
