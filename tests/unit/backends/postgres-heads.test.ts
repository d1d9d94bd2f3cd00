import { describe, expect, test } from "vitest";
import { Heads } from "../../../src/backends/postgres/heads.ts";
import { TestClock } from "../../../src/testing/clock.ts";

const head = (q: string, r: number) => ({ q, n: "f", p: 0, d: 5, r });

describe("where a worker's claims begin to look", () => {
  test("at the beginning, as long as little is read in vain", () => {
    const heads = new Heads(new TestClock());
    heads.took(true, [head("a", 7)], 4_999, 10);
    expect(heads.begin).toBeUndefined();
    expect(heads.rest).toBe(0);
  });

  test("behind what was taken, until ten times as long as the last look from the beginning took", async () => {
    const clock = new TestClock();
    const heads = new Heads(clock);
    heads.took(true, [head("a", 7), head("b", 3)], 100_000, 10);
    expect(heads.begin).toEqual({ heads: [head("a", 7), head("b", 3)], timed: 10 });
    heads.took(false, [head("a", 9)], 0, 20);
    expect(heads.begin).toEqual({ heads: [head("a", 9), head("b", 3)], timed: 20 });
    expect(heads.rest).toBe(200);
    await clock.advance(199);
    expect(heads.rest).toBe(1);
    await clock.advance(1);
    expect(heads.begin).toBeUndefined();
  });

  test("a look from the beginning says anew whether it is worth it, and where", async () => {
    const clock = new TestClock();
    const heads = new Heads(clock);
    heads.took(true, [head("a", 7), head("b", 3)], 100_000, 10);
    await clock.advance(200);
    heads.took(true, [head("a", 2)], 50_000, 30);
    expect(heads.begin).toEqual({ heads: [head("a", 2)], timed: 30 });
    await clock.advance(100);
    heads.took(true, [], 10, 40);
    expect(heads.begin).toBeUndefined();
    heads.took(false, [head("a", 9)], 0, 50);
    expect(heads.begin).toBeUndefined();
  });
});
