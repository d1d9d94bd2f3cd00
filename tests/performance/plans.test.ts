/**
 * Every statement that the suite of the contract makes SQLite prepare, and how SQLite means to answer it: one that is new is looked at
 * without anybody's doing. What reads a table or an index from end to end, or sorts, stands below with the reason why it may.
 */
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { TABLES } from "../../src/backends/sqlite/schema.ts";
import { SQLiteBackend } from "../../src/sqlite.ts";
import { conformance } from "../../src/testing/conformance/index.ts";

/** What has no plan. */
const PLAIN = /^\s*(PRAGMA|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|CREATE|DROP|ALTER)\b/i;
const plans = new Map<string, readonly string[]>();
beforeAll(() => {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its own `this` below
  const original = DatabaseSync.prototype.prepare;
  vi.spyOn(DatabaseSync.prototype, "prepare").mockImplementation(function (this: DatabaseSync, sql, ...rest) {
    if (!plans.has(sql) && !PLAIN.test(sql)) {
      const lines = original.call(this, `EXPLAIN QUERY PLAN ${sql}`).all();
      plans.set(
        sql,
        lines.map((row) => String(row["detail"])),
      );
    }
    return original.call(this, sql, ...rest);
  });
});
afterAll(() => {
  vi.restoreAllMocks();
});

conformance({
  name: "SQLite, for its statements",
  open: async (clock) => {
    const backend = new SQLiteBackend({ path: ":memory:", clock });
    await backend.open();
    return backend;
  },
  skip: [{ reason: "what is in memory ends with the connection", tests: ["what was written is there after the place was opened again"] }],
  tools: { describe, test, expect },
});

/** A table of ours read from end to end, by itself or along an index. */
const SCAN = /^SCAN (\w+)( USING .*)?$/;
const SORT = /^USE TEMP B-TREE FOR/;
/** Where a statement may do so, by a part of its text, and why. */
const ALLOWED: readonly (readonly [RegExp, string])[] = [
  [
    /NOT INDEXED WHERE rid IN \(SELECT rid FROM/,
    "a page of find sorts the rows of its window, and reads the index of a phase that fits into one",
  ],
  [/LIMIT 5001\)$/, "whether a phase fits into a window is counted up to that"],
  [/LIMIT 1 OFFSET 4999$/, "where a window ends: two of them, merged"],
  [/ LIMIT \(\?\+1\)\)/, "count reads an index up to its bound, and groups that"],
  [/^SELECT name, paused_at FROM "queues" UNION/, "queues: the partial indexes of what has not ended"],
  [/FROM "queues" WHERE paused_at IS NOT NULL/, "a row for each queue that was ever paused"],
  [/^SELECT 1 FROM "(dependencies|releases)" LIMIT 1$/, "one row, whichever"],
  [/FROM "releases" r LEFT JOIN/, "the parents that are being released, up to the limit"],
  [/FROM "workers" (w|ORDER BY seen_at)/, "a row for each worker, and each is swept"],
  [/^SELECT \* FROM "schedules"/, "a row for each schedule"],
  [/json_each\(\?4\)\) ORDER BY priority DESC, due_at, rid LIMIT/, "the claim merges what each name has ready, to its limit"],
  [
    /^SELECT \* FROM "events" .*ORDER BY timestamp DESC, seq DESC LIMIT/,
    "along the times to its limit, or the events of one task or schedule",
  ],
  [/INDEXED BY "idx_tasks_run_at" WHERE stage = 1 AND queue_name = \?/, "clear looks through what is timed, of every queue"],
  [/total\(status = 'completed'\)/, "results.stats counts the newest, up to its bound"],
  [/GROUP BY event_type$/, "events.stats counts the newest, up to its bound, and groups that"],
  [/^SELECT \(SELECT min\(timestamp\)/, "events.stats: the two ends of an index"],
];
/** All rows of a table that grows with history, or an index that has all of them: only counting, which has a bound, may. */
const GROWING = /^SCAN (tasks|events|results|occurrences)( USING .*idx_tasks_by_(queue|func))?$/;

/** The lines of a plan that scan or sort. A name that is no table of ours, nor stands for one, is a list that the statement made itself. */
function costlyIn(sql: string, plan: readonly string[]): readonly string[] {
  const aliases = [...sql.matchAll(/"(?<table>\w+)" (?:AS )?(?<alias>[a-z])\b/g)].map((match) => match.groups?.["alias"]);
  const ours = new Set<string | undefined>([...TABLES, ...aliases]);
  return plan.filter((line) => SORT.test(line) || ours.has(SCAN.exec(line)?.[1]));
}

test("every statement seeks, but for those that need not", () => {
  expect(plans.size).toBeGreaterThan(150);
  const costly = [...plans].filter(([sql, plan]) => costlyIn(sql, plan).length > 0);
  const told = costly
    .filter(([sql]) => !ALLOWED.some(([part]) => part.test(sql)))
    .map(([sql, plan]) => `${costlyIn(sql, plan).join("; ")}: ${sql.replaceAll(/\s+/g, " ")}`);
  expect(told).toEqual([]);
  const whole = costly.filter(([sql, plan]) => plan.some((line) => GROWING.test(line)) && !/count\(\*\)/.test(sql));
  expect(whole.map(([sql]) => sql)).toEqual([]);
  expect(ALLOWED.filter(([part]) => !costly.some(([sql]) => part.test(sql)))).toEqual([]);
});
