import { expect, test } from "vitest";
import { exactly, expectGuarded, ofMove } from "../../../src/core/transfer.ts";
import type { MoveMark } from "../../../src/core/transfer.ts";

const mark: MoveMark = { id: "m", state: "copying", other: "a.db", at: { table: "tasks", key: [7] } };

test("exactly the same mark, also read again, and no other", () => {
  const guard = exactly(mark);
  expect(guard(JSON.parse(JSON.stringify(mark)) as MoveMark)).toBe(true);
  for (const other of [
    undefined,
    { ...mark, id: "n" },
    { ...mark, state: "done" as const },
    { ...mark, at: { table: "tasks" as const, key: [8] } },
  ])
    expect(guard(other)).toBe(false);
  expect(exactly(undefined)(undefined)).toBe(true);
  expect(exactly(undefined)(mark)).toBe(false);
});

test("a mark of this move in one of some states", () => {
  const guard = ofMove("m", "copying", "done");
  expect([mark, { ...mark, state: "done" as const }].map(guard)).toEqual([true, true]);
  expect([undefined, { ...mark, id: "n" }, { ...mark, state: "moved" as const }].map(guard)).toEqual([false, false, false]);
});

test("what was given up or taken over is an error with a code, which says what was found", () => {
  expect(() => expectGuarded("b.db", mark, exactly(mark))).not.toThrow();
  for (const [there, found] of [
    [undefined, "got no mark of one: it was given up"],
    [{ ...mark, state: "done" as const }, 'got "done" (a.db): it was given up'],
  ] as const)
    expect(() => expectGuarded("b.db", there, exactly(mark))).toThrow(
      expect.objectContaining({ code: "TRANSFER_OVERTAKEN", message: expect.stringContaining(found) as string }),
    );
});
