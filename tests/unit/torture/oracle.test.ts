/** The oracle of the torture can fail: each thing that must not be is told of, under its name. */
import { describe, expect, test } from "vitest";
import { faultsAfterCut, faultsAtTheEnd, faultsOf } from "../../torture/oracle.ts";
import type { Faults } from "../../torture/oracle.ts";
import { linesOf } from "../../torture/journal.ts";
import type { Facts } from "../../torture/place.ts";
import { NO_FAULTS } from "../../torture/round.ts";

interface Broken {
  readonly integrity?: string;
  readonly task?: Partial<{ status: string; fence: number; isOver: boolean }>;
  readonly events?: Facts["events"];
  readonly result?: Partial<{ status: string; fence: number; value: string }> | "none";
  readonly journal?: readonly string[];
}

const EVENTS: Facts["events"] = [
  { task: "a", type: "enqueued", worker: "" },
  { task: "a", type: "executing", worker: "w1" },
  { task: "a", type: "crashed", worker: "w2" },
  { task: "a", type: "executing", worker: "w2" },
  { task: "a", type: "completed", worker: "w2" },
];
const JOURNAL = ["try a", "ack a", "start a 1", "start a 3", "end a 3", "done a"];

/** A task that was lost once and then completed, and what is different about it. */
function found({ integrity = "ok", task = {}, events = EVENTS, result = {}, journal = JOURNAL }: Broken) {
  const tasks = new Map([["a", { status: "completed", fence: 3, isOver: true, ...task }]]);
  const results = result === "none" ? [] : [["a", { status: "completed", fence: 3, value: '{"fence":3}', ...result }] as const];
  const facts: Facts = { integrity, tasks, events, results: new Map(results) };
  return { facts, journal: linesOf(journal.map((line) => `\n0 1 ${line};`).join("")) };
}

const kindsOf = (faults: Faults): readonly string[] =>
  Object.entries(faults).flatMap(([kind, lines]: readonly [string, readonly string[]]) => (lines.length > 0 ? [kind] : []));

test("a task that was lost and then completed is sound", () => {
  expect(faultsAtTheEnd(found({}))).toEqual(NO_FAULTS);
  expect(faultsAfterCut(found({}), true)).toEqual(NO_FAULTS);
});

describe("tells of", () => {
  const open = {
    task: { status: "running", isOver: false },
    events: EVENTS.slice(0, 4),
    result: "none",
    journal: JOURNAL.slice(0, 4),
  } as const;

  test.each<readonly [string, readonly string[], Broken]>([
    ["a task that was acknowledged and is gone", ["lost", "other"], { journal: ["try a b", "ack a b"] }],
    ["an end that was acknowledged and is gone", ["lost", "other"], { ...open, journal: JOURNAL }],
    ["a second end", ["settledTwice"], { events: [...EVENTS, { task: "a", type: "failed", worker: "w2" }] }],
    ["a result of an earlier claim", ["lateAccepted"], { result: { fence: 1, value: '{"fence":1}' } }],
    ["a value of an earlier claim", ["lateAccepted"], { result: { value: '{"fence":1}' } }],
    ["an end by another worker", ["lateAccepted"], { events: EVENTS.with(4, { task: "a", type: "completed", worker: "w1" }) }],
    ["a damaged file", ["corrupt"], { integrity: "row 1 missing from index x" }],
    ["an end without its event", ["other"], { events: EVENTS.slice(0, 4) }],
    ["an event without its end", ["lost", "other"], { task: { isOver: false } }],
    ["a completed task without its result", ["other"], { result: "none" }],
    ["a task without the event of its enqueue", ["other"], { events: EVENTS.slice(1) }],
    ["a task that nobody asked for", ["other"], { journal: [] }],
    ["half of a call", ["other"], { journal: ["try a b"] }],
    ["a claim that ran twice", ["other"], { journal: [...JOURNAL, "start a 3"] }],
    ["a fence that nobody got", ["other"], { journal: [...JOURNAL, "start a 4"] }],
    ["a task that does not end", ["other"], open],
  ])("%s", (_, kinds, broken) => {
    expect(kindsOf(faultsAtTheEnd(found(broken)))).toEqual(kinds);
  });

  test("nothing of a task that still runs, while others go on", () => {
    expect(faultsOf(found(open))).toEqual(NO_FAULTS);
  });

  test("what was acknowledged and is gone only where it had to last", () => {
    const gone = found({ journal: ["try b", "ack b", "try a"] });
    expect(kindsOf(faultsAfterCut(gone, true))).toEqual(["lost"]);
    expect(kindsOf(faultsAfterCut(gone, false))).toEqual([]);
  });
});

test("a line that a kill cut off was never written", () => {
  expect(linesOf("\n5 1 ack a;\n6 2 ack b\n7 3 ack c;").map(({ at, pid, words }) => [at, pid, words])).toEqual([
    [5, 1, ["a"]],
    [7, 3, ["c"]],
  ]);
});
