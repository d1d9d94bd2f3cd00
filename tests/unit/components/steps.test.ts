import { describe, expect, test } from "vitest";
import { accepted, queueMismatch } from "../../../src/components/refused.ts";
import { atOnce, later, step } from "../../../src/components/steps.ts";
import type { Later, Steps } from "../../../src/components/steps.ts";

/** Adds what `ask` answers, once more after an error of it. */
function* sum(ask: (i: number) => Later<number>): Steps<number> {
  let total = 0;
  for (let i = 0; i < 3; i++) {
    try {
      total += yield* step(ask(i));
    } catch {
      total += 100;
    }
  }
  return total;
}

describe("steps", () => {
  test("are the same at once and later, with loops and catch", async () => {
    const ask = (i: number): number => {
      if (i === 1) throw new Error("one");
      return i;
    };
    expect(atOnce(sum(ask))).toBe(102);
    expect(await later(sum(async (i) => ask(i)))).toBe(102);
  });

  test("an error that nobody catches comes out", async () => {
    function* broken(): Steps<void> {
      yield* step(Promise.reject(new Error("boom")));
    }
    await expect(later(broken())).rejects.toThrow("boom");
  });
});

describe("refusals", () => {
  test.each([
    ["unique", "UNIQUE_CONFLICT"],
    ["id-reused", "ID_REUSED"],
    ["unknown-parent", "UNKNOWN_PARENT"],
  ] as const)("%s is a typed error with the backend's detail", (why, code) => {
    expect(() =>
      accepted([
        { is: "added", id: "a" },
        { is: "refused", why, detail: "task b is in the way" },
      ]),
    ).toThrow(
      expect.objectContaining({
        name: "EnqueueRefusedError",
        code,
        message: expect.stringContaining("task b is in the way; nothing was enqueued"),
      }),
    );
  });

  test("what was accepted comes back in order", () => {
    const answers = [
      { is: "added", id: "a" },
      { is: "known", id: "b" },
    ] as const;
    expect(accepted(answers)).toEqual(answers);
  });

  test("a queue that is not served is named", () => {
    expect(queueMismatch("t", "x", ["a", "b"]).message).toBe(
      'Expected `queueName` of task t to be one of "a", "b", got "x"; nothing was enqueued',
    );
  });
});
