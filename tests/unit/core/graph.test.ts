import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EnqueueRefusedError } from "../../../src/core/errors.ts";
import { parentsFirst } from "../../../src/core/graph.ts";

const node = (id: string, ...parents: string[]) => ({ id, dependsOn: parents.map((parent) => ({ id: parent })) });
const ids = (tasks: readonly { readonly id: string }[]) => tasks.map(({ id }) => id).join(" ");

describe("parentsFirst", () => {
  test("leaves independent tasks as they are, the very same array", () => {
    const tasks = [node("b"), node("a")];
    expect(parentsFirst(tasks)).toBe(tasks);
  });

  test("puts parents first and keeps the rest in the order given", () => {
    expect(ids(parentsFirst([node("x"), node("c", "b"), node("b", "a"), node("a"), node("y")]))).toBe("x a b c y");
  });

  test("a diamond has each task once", () => {
    expect(ids(parentsFirst([node("d", "b", "c"), node("c", "a"), node("b", "a"), node("a")]))).toBe("a b c d");
  });

  test("parents outside the call do not matter", () => {
    expect(ids(parentsFirst([node("b", "elsewhere", "a"), node("a", "elsewhere")]))).toBe("a b");
  });

  test("two tasks with the same id are both kept", () => {
    expect(ids(parentsFirst([node("a"), node("a"), node("b", "a")]))).toBe("a a b");
  });

  test("a chain of 10,000, last first", () => {
    const chain = Array.from({ length: 10_000 }, (_, i) => node(`t${i}`, ...(i === 9_999 ? [] : [`t${i + 1}`])));
    expect(parentsFirst(chain)).toEqual(chain.toReversed());
  });

  test.each([
    [[node("a", "a")], "a -> a"],
    [[node("a", "b"), node("b", "a")], "a -> b -> a"],
    [[node("start", "a"), node("a", "b"), node("b", "c"), node("c", "a")], "a -> b -> c -> a"],
    [Array.from({ length: 100 }, (_, i) => node(`t${i}`, `t${(i + 1) % 100}`)), "t0 -> t1 -> t2 -> t3 -> … (96 more) -> t0"],
  ])("names the circle %#", (tasks, path) => {
    expect(() => parentsFirst(tasks)).toThrow(
      new EnqueueRefusedError("DEPENDENCY_CYCLE", `Expected dependencies without a circle, got ${path}; nothing was enqueued`),
    );
  });

  test("any graph without a circle is sorted, and nothing is lost", () => {
    const dag = fc
      .array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 30 })
      .map((edges) => edges.map((parents, i) => node(`t${i}`, ...(i === 0 ? [] : parents.map((parent) => `t${parent % i}`)))))
      .chain((tasks) => fc.shuffledSubarray(tasks, { minLength: tasks.length }));
    fc.assert(
      fc.property(dag, (tasks) => {
        const sorted = parentsFirst(tasks);
        const place = new Map(sorted.map(({ id }, i) => [id, i]));
        expect(new Set(sorted)).toEqual(new Set(tasks));
        expect(sorted).toHaveLength(tasks.length);
        for (const { id, dependsOn } of tasks) {
          for (const parent of dependsOn) expect(place.get(parent.id) ?? Number.NaN).toBeLessThan(place.get(id) ?? Number.NaN);
        }
      }),
    );
  });
});
