/**
 * What the server reads for an operation does not grow with what else lies there. Pages are counted, not time: once a condition that was
 * added to the claim let the planner walk the queue for each row, every test was green, and a drain of 20,000 took eight times as long.
 */
import { Client } from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { STAGE } from "../../../src/backends/shared/stage.ts";
import type { Claim, ClaimAsk } from "../../../src/core/backend.ts";
import { FIND_WINDOW } from "../../../src/core/find.ts";
import { decide } from "../../../src/core/lifecycle.ts";
import { PostgresBackend } from "../../../src/postgres.ts";
import { newSchedule, newTask, workerRow } from "../../../src/testing/conformance/bench.ts";
import { aloneWithDeadRows, POSTGRES_URL } from "../../fixtures/postgres.ts";
import { CountingPool } from "../../fixtures/postgres-pages.ts";

const schema = `omniq_test_flat_${process.pid}`;
/** What a `find` looks through where no index leads to what is asked: a page of the server's for each row, where they lie apart. */
const SEARCHES: Readonly<Record<string, number>> = {
  "find by a tag": 4 * FIND_WINDOW,
  "find by queue and phase": FIND_WINDOW,
  "find the finished": FIND_WINDOW,
};
const due = (limit: number): ClaimAsk => ({ worker: "w", limit, of: { due: true, queues: ["p", "q"], names: ["f", "g"], announce: true } });
const facts = { worker: "w", elapsed: 0.1, executionMs: 1, random: Math.random };
const done = (claims: readonly Claim[]) => claims.map((claim) => decide(claim, { kind: "returned", value: "1" }, facts));

describe.skipIf(POSTGRES_URL === "")("flat on PostgreSQL", () => {
  let pool: CountingPool;
  let server: Client;
  let b: PostgresBackend;

  beforeEach(async () => {
    server = new Client({ connectionString: POSTGRES_URL });
    await server.connect();
    await aloneWithDeadRows(server);
    await server.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    pool = new CountingPool(POSTGRES_URL);
    b = new PostgresBackend({ pool, schema });
    await b.open();
    await b.presence.arrive(workerRow("w"));
  });
  afterEach(async () => {
    await b.close();
    await pool.end();
    await server.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await server.end();
  });

  /** So many rows of each kind beside those that are worked with. */
  async function fill(from: number, count: number): Promise<void> {
    const kinds: readonly (readonly [number, string, string, string])[] = [
      [STAGE.ready, "pending", "'q'", "0"],
      [STAGE.ready, "pending", "'other ' || n % 50", "0"],
      [STAGE.timed, "pending", "'q'", "4000000000000"],
      [STAGE.timed, "failed", "'q'", "4000000000000"],
      [STAGE.blocked, "pending", "'q'", "0"],
      [STAGE.finished, "completed", "'q'", "0"],
      [STAGE.finished, "failed", "'q'", "0"],
    ];
    for (const [i, [stage, status, queue, later]] of kinds.entries())
      await server.query(
        `INSERT INTO ${schema}.tasks(id, func, queue_name, stage, status, priority, due_at, max_retries, retry_delay, max_crashes, store_result,
           created_at, completed_at, open_parents, args)
         SELECT '${i}-' || n, 'f', ${queue}, ${stage}, '${status}', 0, ${later} + n, 3, 5000, 3, 1, n,
           CASE WHEN ${stage} = ${STAGE.finished} THEN n END, CASE WHEN ${stage} = ${STAGE.blocked} THEN 1 ELSE 0 END, '{}' FROM generate_series($1::int, $2) n`,
        [from, from + count - 1],
      );
    await server.query(
      `INSERT INTO ${schema}.events(event_type, task_id, queue_name, timestamp) SELECT 'enqueued', '0-' || n, 'q', n FROM generate_series($1::int, $2) n`,
      [from, from + count * 3],
    );
    await server.query(
      `INSERT INTO ${schema}.occurrences(schedule_id, at, fired_at, task_id) SELECT 'old', n, n, '' FROM generate_series($1::int, $2) n`,
      [from, from + count - 1],
    );
    await server.query(
      `INSERT INTO ${schema}.results(task_id, fence, status, result, created_at, retry_count) SELECT '5-' || n, 1, 'completed', '1', 4000000000000, 0 FROM generate_series($1::int, $2) n`,
      [from, from + count - 1],
    );
  }

  /** Pages of each operation, by its name. */
  async function measured(round: number): Promise<Readonly<Record<string, number>>> {
    const pages: Record<string, number> = {};
    const of = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
      let answer: { readonly value: T } | undefined;
      pages[name] = await pool.pagesOf(async () => (answer = { value: await work() }));
      if (answer === undefined) throw new Error("Expected the work to have been done");
      return answer.value;
    };
    const id = (name: string): string => `${name}${round}`;
    const { cursor } = await b.events.read(undefined, { limit: 500 });
    await of("enqueue", () => b.work.enqueue([{ tasks: [newTask(id("a"), { queue: "p" })], announce: true }]));
    await of("enqueue a set", () =>
      b.work.enqueue([{ tasks: Array.from({ length: 50 }, (_, i) => newTask(id(`s${i}-`), { queue: "p" })), announce: true }]),
    );
    await of("enqueue a child", () =>
      b.work.enqueue([
        {
          tasks: [newTask(id("c"), { dependsOn: [{ id: id("a"), ifFailed: "cancel" }] })],
          announce: true,
        },
      ]),
    );
    const first = await of("claim", () => b.work.claim(due(100)));
    expect(first.claims).toHaveLength(100);
    const held = first.claims.map(({ task, fence }) => ({ id: task.id, fence }));
    await of("beat", () => b.presence.beat("w", held));
    await of("progress", () =>
      b.work.progress(held.slice(0, 2).map(({ id: taskId, fence }) => ({ id: taskId, fence, event: { type: "progress", taskId } }))),
    );
    const { next } = await of("settle and claim", () => b.work.settle(done(first.claims), due(100)));
    await of("settle", () => b.work.settle(done(next?.claims ?? [])));
    await of("release", () => b.work.release(100));
    await of("look for what is to be ended", () => b.work.claim({ worker: "w", limit: 100, of: { ended: true } }));
    await of("look for the lost", () => b.work.claim({ worker: "w", limit: 100, of: { lost: [{ worker: "x", beat: 1 }] } }));
    await of("cancel", () => b.desk.cancel([`2-${round}`]));
    await of("requeue", () => b.desk.requeue([`6-${round}`]));
    await of("get", () => b.desk.get(["0-1", "5-1"]));
    await of("find by queue and phase", () => b.desk.find({ queue: "q", phase: "ready", limit: 20 }));
    await of("find the finished", () => b.desk.find({ phase: "completed", limit: 20 }));
    await of("list what waits", () => b.desk.waiting(["p", "q"], 100));
    await of("find what failed", () => b.desk.find({ phase: "failed", limit: 20 }));
    await of("find what failed in a time", () => b.desk.find({ phase: "failed", createdFrom: 10, createdTo: 19, limit: 20 }));
    await of("find what was cancelled", () => b.desk.find({ phase: "cancelled", limit: 20 }));
    await of("find what runs", () => b.desk.find({ phase: "running", limit: 20 }));
    await of("find by a rare queue", () => b.desk.find({ queue: "other 7", limit: 5 }));
    await of("find by queue in a time", () => b.desk.find({ queue: "q", createdFrom: 10, createdTo: 12, limit: 20 }));
    await of("find by name", () => b.desk.find({ func: "f", createdTo: 480, limit: 20 }));
    await of("find by a name that is not there", () => b.desk.find({ func: "nothing", limit: 20 }));
    await of("find by schedule", () => b.desk.find({ scheduleId: "s", limit: 20 }));
    await of("find the newest", () => b.desk.find({ limit: 20 }));
    await of("find by a tag", () => b.desk.find({ tags: ["none"], limit: 20 }));
    await of("how many are ahead", () => b.desk.ahead("0-400", 100));
    await of("read events", () => b.events.read(cursor, { limit: 20 }));
    await of("newest events", () => b.events.newest({ limit: 20 }));
    await of("results", () => b.results.get(["5-1", "5-2"]));
    await of("fire a schedule", async () => {
      await b.schedules.put(newSchedule(id("schedule"), 0));
      await b.schedules.list({ dueBy: 1, limit: 10 });
    });
    await of("sweep of events", () => b.sweep({ what: "events", olderThan: 1e9, limit: 100 }));
    await of("sweep of occurrences", () => b.sweep({ what: "occurrences", olderThan: 1e9, limit: 100 }));
    await of("sweep of tasks", () => b.sweep({ what: "tasks", status: "completed", olderThan: 1e12, limit: 100 }));
    await of("sweep of results", () => b.sweep({ what: "results", limit: 100 }));
    return pages;
  }

  test("what waits is listed with children in front of their parents", async () => {
    const level = (name: string, parent: (i: number) => string) =>
      Array.from({ length: 300 }, (_, i) => newTask(`${name}${i}`, { dependsOn: [{ id: parent(i), ifFailed: "cancel" }] }));
    const tasks = [newTask("root"), ...level("middle", () => "root"), ...level("leaf", (i) => `middle${i}`)];
    await b.work.enqueue([{ tasks, announce: false }]);
    expect((await b.desk.waiting(["q"], 300)).filter((id) => !id.startsWith("leaf"))).toEqual([]);
    expect((await b.desk.waiting(["q"], 1_000)).length).toBe(601);
  });

  for (const analyzed of [false, true])
    test(
      `an operation touches no more pages beside forty times as much, ${analyzed ? "with" : "without"} statistics`,
      {
        tags: ["slow"],
      },
      async () => {
        await fill(1, 500);
        if (analyzed) await server.query(`VACUUM ANALYZE ${schema}.tasks, ${schema}.events, ${schema}.results`);
        const few = await measured(1);
        await fill(501, 20_000);
        if (analyzed) await server.query(`VACUUM ANALYZE ${schema}.tasks, ${schema}.events, ${schema}.results`);
        const many = await measured(2);
        const grown = Object.entries(many)
          .filter(([name, pages]) => pages > Math.max(2 * (few[name] ?? 0) + 60, SEARCHES[name] ?? 0))
          .map(([name, pages]) => `${name}: ${few[name]} → ${pages}`);
        expect(grown).toEqual([]);
      },
    );
});
