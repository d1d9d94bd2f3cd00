import { describe, expect, test } from "vitest";
import { FIND_WINDOW, pageOf, placeAfter, sizesOf, wayOf } from "../../../src/core/find.ts";

const MOST = Number.MAX_SAFE_INTEGER;
const ALL = { limit: 20, queue: "q", func: "f", phase: "failed", scheduleId: "s" } as const;

describe("the way to a page", () => {
  test("is the filter that tells most apart", () => {
    const { scheduleId: _, ...noSchedule } = ALL;
    const { func: _f, ...onlyQueue } = { ...noSchedule, phase: "running" } as const;
    expect(
      [ALL, noSchedule, { ...noSchedule, phase: "completed" as const }, onlyQueue, { limit: 1, tags: ["t"] }].map((query) => wayOf(query)),
    ).toEqual([
      { by: "scheduleId", value: "s" },
      { by: "phase", value: "failed" },
      { by: "func", value: "f" },
      { by: "queue", value: "q" },
      { by: "none" },
    ]);
  });

  test("is read no further than the page where each entry is asked for; else a little, then a window", () => {
    const sizes = (query: Parameters<typeof wayOf>[0]): readonly number[] => sizesOf(query, wayOf(query));
    expect(sizes({ limit: 20 })).toEqual([21]);
    expect(sizes({ limit: 20, queue: "q", createdFrom: 1, createdTo: 2 })).toEqual([21]);
    expect(sizes({ limit: 20, queue: "q", func: "f" })).toEqual([180, FIND_WINDOW]);
    expect(sizes({ limit: 20, createdFrom: 1 })).toEqual([180, FIND_WINDOW]);
    // Those that are marked, and wait to be ended so, lie elsewhere.
    for (const phase of ["cancelled", "expired"] as const) expect(sizes({ limit: 20, phase })).toEqual([180, FIND_WINDOW]);
    expect(sizes({ limit: 2_000, func: "f", queue: "q" })).toEqual([FIND_WINDOW, FIND_WINDOW]);
  });
});

describe("a page", () => {
  const [along, plain] = [wayOf({ limit: 1, queue: "q" }), wayOf({ limit: 1 })];

  test("begins at the newest, at the end of the time that was asked for, or behind the cursor, whichever is older", () => {
    const after = (query: object, way = along): unknown => placeAfter({ limit: 1, ...query }, way);
    expect(after({})).toEqual({ createdAt: MOST, arrived: MOST });
    expect(after({ createdTo: 9 })).toEqual({ createdAt: 9, arrived: MOST });
    expect(after({ after: "7.3" })).toEqual({ createdAt: 7, arrived: 3 });
    expect(after({ after: "7.3", createdTo: 7 })).toEqual({ createdAt: 7, arrived: 3 });
    expect(after({ after: "7.3", createdTo: 6 })).toEqual({ createdAt: 6, arrived: MOST });
    expect(after({}, plain)).toEqual({ createdAt: MOST, arrived: MOST });
    expect(after({ after: "3" }, plain)).toEqual({ createdAt: MOST, arrived: 3 });
  });

  test("a cursor of one order is none of the other", () => {
    expect(() => placeAfter({ limit: 1, after: "3" }, along)).toThrow("Expected `after` to be a cursor");
    expect(() => placeAfter({ limit: 1, after: "7.3" }, plain)).toThrow("Expected `after` to be a cursor");
  });

  test("says where the next one begins, if there is one", () => {
    expect(pageOf([], undefined, along)).toEqual({ items: [] });
    expect(pageOf([], { createdAt: 7, arrived: 3 }, along)).toEqual({ items: [], next: "7.3" });
    expect(pageOf([], { createdAt: 7, arrived: 3 }, plain)).toEqual({ items: [], next: "3" });
  });
});
