import { validate, version } from "uuid";
import { describe, expect, test } from "vitest";
import { childId, newId } from "../../src/host.ts";

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

describe("childId()", () => {
  test("shows the parent as long as it is short, and stays short, one for each call, over 1,000 generations", () => {
    expect(childId("p", 2)).toBe("p.2");
    expect(childId("p".repeat(98), 1)).toHaveLength(100);
    const line = [newId()];
    for (let i = 1; i < 1_000; i++) line.push(childId(line.at(-1) ?? "", 1));
    expect(new Set(line).size).toBe(1_000);
    expect(Math.max(...line.map((id) => id.length))).toBeLessThanOrEqual(100);
    const long = "p".repeat(300);
    expect(childId(long, 1)).toBe(childId(long, 1));
    expect(new Set([childId(long, 1), childId(long, 2), childId(`${long}q`, 1)]).size).toBe(3);
  });
});
