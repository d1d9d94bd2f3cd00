import { describe, expect, test } from "vitest";
import { conformance, equivalence } from "../../../src/testing/conformance/index.ts";
import type { Open, Skip } from "../../../src/testing/conformance/index.ts";
import { ModelBackend } from "../../../src/testing/model.ts";

const tools = { describe, test, expect };
const open: Open = async (clock) => {
  const backend = new ModelBackend({ clock });
  await backend.open();
  return backend;
};

conformance({ name: "the model", open, tools });

// The model beside itself: that the commands can be repeated, and that the rules hold after each.
equivalence({ name: "the model", open, model: open, seeds: [1, 2, 3, 4, 5], steps: 150, tools });

describe("the suite itself", () => {
  /** The names of the tests that would run, and of those that would be skipped. */
  function told(skip: readonly Skip[]): { readonly run: readonly string[]; readonly skipped: readonly string[] } {
    const run: string[] = [];
    const skipped: string[] = [];
    const told = Object.assign((name: string) => void run.push(name), { skip: (name: string) => void skipped.push(name) });
    const group = (_name: string, fn: () => void): void => {
      fn();
    };
    conformance({ name: "x", open, skip, tools: { describe: group, test: told, expect } });
    return { run, skipped };
  }

  test("no two tests have one name, so that a skip means one", () => {
    const { run } = told([]);
    expect(new Set(run).size).toBe(run.length);
  });

  test("a skipped test shows its reason", () => {
    const { run, skipped } = told([{ reason: "no clock of ours", tests: ["a jump of the wall clock reaps nobody"] }]);
    expect(skipped).toEqual(["a jump of the wall clock reaps nobody (skipped: no clock of ours)"]);
    expect(run).not.toContain("a jump of the wall clock reaps nobody");
  });

  test("a chapter can be skipped", () => {
    const all = told([]).run.length;
    const { run, skipped } = told([{ reason: "no twins", tests: ["sync"] }]);
    expect(skipped.length).toBeGreaterThan(2);
    expect(run.length + skipped.length).toBe(all);
  });

  test("a skip that names no test is an error", () => {
    expect(() => told([{ reason: "gone", tests: ["no such test"] }])).toThrow('got "no such test"');
  });
});
