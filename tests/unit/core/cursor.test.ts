import { expect, test } from "vitest";
import { placeOf } from "../../../src/core/cursor.ts";

test("a cursor is the digits that were answered before", () => {
  expect(["0", "12", "0000000000000012"].map((cursor) => placeOf(cursor))).toEqual([0, 12, 12]);
  for (const cursor of ["", "junk", "-1", "1.5", "1e3", " 1", "9".repeat(16)]) {
    expect(() => placeOf(cursor)).toThrow("Expected `after` to be a cursor that was answered before, got ");
  }
});
