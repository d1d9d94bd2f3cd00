import { validate, version } from "uuid";
import { describe, expect, test } from "vitest";
import { newId } from "../../src/host.ts";

describe("newId()", () => {
  test("makes UUIDs of version 7 that sort in the order they were made, also within one millisecond", () => {
    const ids = Array.from({ length: 10_000 }, () => newId());
    expect(ids.every((id) => validate(id) && version(id) === 7)).toBe(true);
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("shares no random end among ids", () => {
    const ends = Array.from({ length: 1_000 }, () => newId().slice(-12));
    expect(new Set(ends).size).toBe(ends.length);
  });
});
