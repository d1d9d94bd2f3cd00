/** Which tasks are changed at a time when parents come first. */
import { expect, test } from "vitest";
import { roundsOf } from "../../../src/cli/rounds.ts";

const namesOf = (tasks: readonly { readonly id: string; readonly parents?: readonly string[] }[]): readonly string[] =>
  roundsOf(tasks).map((round) => round.map(({ id }) => id).join(" "));

test("without parents all are one round, and none are none", () => {
  expect(namesOf([{ id: "a" }, { id: "b" }])).toEqual(["a b"]);
  expect(namesOf([])).toEqual([]);
});

test("a child is in a round behind all of its parents that are there", () => {
  const tasks = [
    { id: "a" },
    { id: "b", parents: ["a"] },
    { id: "c" },
    { id: "d", parents: ["c", "b", "elsewhere"] },
    { id: "e", parents: ["elsewhere"] },
    { id: "f", parents: ["e", "a"] },
  ];
  expect(namesOf(tasks)).toEqual(["a c e", "b f", "d"]);
});
