/** The bugs that `scripts/seeded-bugs.ts` puts into a copy: each still has its place. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOMS } from "../bugs/rooms.ts";

const ROOT = join(import.meta.dirname, "../..");

describe.each(ROOMS)("the bugs of $name", ({ bugs }) => {
  test.each(bugs)("$what", ({ file, find, replace }) => {
    expect(readFileSync(join(ROOT, file), "utf8").split(find).length - 1, `how often ${file} has the text to be replaced`).toBe(1);
    expect(replace).not.toBe(find);
  });
});

test("they are many, and no two of a room are described alike", () => {
  expect(ROOMS.flatMap(({ bugs }) => bugs).length).toBeGreaterThanOrEqual(25);
  for (const { bugs } of ROOMS) expect(new Set(bugs.map(({ what }) => what)).size).toBe(bugs.length);
});
