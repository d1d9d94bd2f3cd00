/** Rows that somebody changed by hand, in any column: nothing runs but what is known, nothing falls over, and what lies beside them is done. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import * as fc from "fast-check";
import { expect } from "vitest";
import { defineTask, FatalError, OmniQ, OmniQError } from "../../src/index.ts";
import type { Logger } from "../../src/index.ts";
import { test } from "../fixtures/context.ts";
import { FUZZ, hostileText, runs, sharedPrototypes } from "../fixtures/hostile.ts";

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const echo = defineTask({ name: "echo", handler: (args: unknown) => args });
const refuse = defineTask({
  name: "refuse",
  handler: () => {
    throw new FatalError("no");
  },
});
const good = defineTask({ name: "good", handler: () => "done" });

interface Column {
  readonly table: string;
  readonly column: string;
}
/** What is written where: anything, a number, or what was there with a piece of it changed. */
const change = fc.oneof(
  hostileText.map((text) => () => text),
  fc.oneof(fc.integer(), fc.constantFrom(0, -1, 1, 2, 3, 4, 5, 6, 7, 2 ** 53 - 1, -(2 ** 53) + 1, null)).map((number) => () => number),
  fc
    .tuple(fc.nat(), fc.nat(6), fc.oneof(hostileText, fc.constantFrom('"$omniq":"error",', "[", "}", '{"toString":1}', "null", "1e999")))
    .map(([at, gone, put]) => (before: unknown) => {
      const text = String(before);
      const from = at % (text.length + 1);
      return text.slice(0, from) + put + text.slice(from + gone);
    }),
);

test("whatever a row is changed to, it is read, run, ended or refused, and its neighbours run", FUZZ, async ({ testDir }) => {
  const before = sharedPrototypes();
  const omniq = new OmniQ<unknown>({ baseDir: testDir, logger: silent });
  await omniq.open();
  const byHand = new DatabaseSync(join(testDir, "omniq.db"));
  const columns = byHand
    .prepare(
      `SELECT m.name AS "table", c.name AS "column" FROM sqlite_schema m, pragma_table_info(m.name) c
       WHERE m.name IN ('tasks', 'schedules', 'results', 'events', 'queues', 'dependencies', 'occurrences') AND c.name NOT IN ('rid', 'seq')`,
    )
    .all() as unknown as readonly Column[];
  expect(columns.length).toBeGreaterThan(90);
  let changed = 0;

  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...columns), fc.nat(9), change), { minLength: 1, maxLength: 4 }),
      async (changes) => {
        await fill(omniq);
        for (const [at, which, make] of changes) changed += rewrite(byHand, at, which, make);
        await omniq.enqueue(good, undefined, { id: "good" });
        await lookAround(omniq);
        await omniq.worker({ tasks: [echo, refuse, good], concurrency: 4 }).drain();
        expect(await omniq.tasks.get("good")).toMatchObject({ status: "completed" });
        await lookAround(omniq);
        byHand.exec(
          ["tasks", "schedules", "results", "events", "dependencies", "occurrences", "queues"]
            .map((each) => `DELETE FROM ${each}`)
            .join(";"),
        );
      },
    ),
    runs(80),
  );
  expect(changed).toBeGreaterThan(60);
  expect(sharedPrototypes()).toBe(before);
  byHand.close();
  await omniq.close();
});

/** A row of each kind, some with all that a row may have. */
async function fill(omniq: OmniQ<unknown>): Promise<void> {
  const all = { label: "l", description: "d", tags: ["t"], ttl: "1d", timeout: "1m", callback: echo, callbackArgs: { n: 1n } } as const;
  const rest = { unique: { key: "k" }, backoff: "exponential", resultTtl: "1d" } as const;
  await omniq.enqueue(echo, { n: 1n, date: new Date(0) }, { id: "done" });
  await omniq.enqueue(refuse, undefined, { id: "failed" });
  await omniq.worker({ tasks: [echo, refuse] }).drain();
  await omniq.enqueue(echo, { error: new Error("e", { cause: 1 }) }, { id: "full", ...all, ...rest });
  await omniq.enqueue(echo, new Map([[1, 2]]), { id: "child", dependsOn: ["full"] });
  await omniq.enqueue(echo, 1, { id: "later", runIn: "1h" });
  await omniq.schedule(echo, { n: 1 }, { id: "often", every: "1h", ...all });
  await omniq.schedule(echo, { n: 1 }, { id: "zone", cron: "0 3 * * *", timezone: "Europe/Berlin" });
  await omniq.queues.pause("other");
}

/** How many rows took the change: the tables themselves refuse some. @param which of the values that are there is changed. */
function rewrite(
  byHand: DatabaseSync,
  { table, column }: Column,
  which: number,
  make: (before: unknown) => string | number | null,
): number {
  const values = byHand.prepare(`SELECT DISTINCT ${column} AS value FROM ${table} ORDER BY 1`).all();
  const before = values[which % values.length]?.["value"] ?? null;
  try {
    return Number(byHand.prepare(`UPDATE OR IGNORE ${table} SET ${column} = ? WHERE ${column} IS ?`).run(make(before), before).changes);
  } catch {
    return 0;
  }
}

/** Every question that a program asks: answered, or refused by a typed error. */
async function lookAround(omniq: OmniQ<unknown>): Promise<void> {
  const questions: readonly (() => Promise<unknown>)[] = [
    () => omniq.tasks.find(),
    () => omniq.tasks.find({ tags: ["t"] }),
    () => omniq.schedules.list(),
    () => omniq.schedules.preview("zone"),
    () => omniq.events.find(),
    () => omniq.queues.list(),
    () => omniq.stats(),
    ...["done", "failed", "full", "child", "later"].flatMap((id) => [
      () => omniq.tasks.get(id),
      () => omniq.tasks.why(id),
      () => omniq.results.get(id),
      () => omniq.handle(id).result({ timeout: 0 }),
    ]),
  ];
  for (const question of questions) {
    await question().catch((error: unknown) => {
      if (!(error instanceof OmniQError)) throw error;
    });
  }
}
