/** Two that meet at the worst moment, held there by a gate in front of a statement. Nothing is lost, no child waits for ever, nobody waits for a caller's transaction. */
import { Client, Pool } from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { INLINE_RELEASES } from "../../../src/core/backend.ts";
import type { Claim, EnqueueCall } from "../../../src/core/backend.ts";
import { DEFAULT_SCHEDULE_POLICY } from "../../../src/core/schedule.ts";
import type { Edge, NewTask } from "../../../src/core/task.ts";
import { defineTask, OmniQ } from "../../../src/index.ts";
import { PostgresBackend } from "../../../src/postgres.ts";
import type { PoolClient, PoolLike } from "../../../src/postgres.ts";
import { newSchedule, newTask, workerRow } from "../../../src/testing/conformance/bench.ts";
import { until } from "../../fixtures/helpers.ts";
import { POSTGRES_URL } from "../../fixtures/postgres.ts";

const schema = `omniq_test_races_${process.pid}`;
const call = (...tasks: readonly NewTask[]): EnqueueCall => ({ tasks, announce: true });
const after = (...ids: readonly string[]): readonly Edge[] => ids.map((id) => ({ id, ifFailed: "cancel" }));
const child = (id: string, ...of: readonly string[]): NewTask => newTask(id, { dependsOn: after(...of) });

/** Stops in front of the first statement that matches, until it is let go. */
class Gate {
  readonly #match: RegExp;
  readonly #behind: Gate | undefined;
  #passed = false;
  #reach: () => void = () => undefined;
  #open: () => void = () => undefined;
  readonly reached = new Promise<void>((resolve) => (this.#reach = resolve));
  readonly #opened = new Promise<void>((resolve) => (this.#open = resolve));

  /** @param behind not before this one was passed. */
  constructor(match: RegExp, behind?: Gate) {
    this.#match = match;
    this.#behind = behind;
  }

  get isPassed(): boolean {
    return this.#passed;
  }

  open(): void {
    this.#open();
  }

  async pass(text: string): Promise<void> {
    if (this.#passed || this.#behind?.isPassed === false || !this.#match.test(text)) return;
    this.#passed = true;
    this.#reach();
    await this.#opened;
  }
}

describe.skipIf(POSTGRES_URL === "")("races on PostgreSQL", () => {
  let pool: Pool;
  let b: PostgresBackend;
  let closing: (() => Promise<unknown>)[];
  /** What the server refused to those that are gated. */
  let refusals: unknown[];

  beforeEach(async () => {
    pool = new Pool({ connectionString: POSTGRES_URL, max: 8 });
    await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    closing = [];
    refusals = [];
    b = await opened();
    await b.presence.arrive(workerRow("w"));
  });
  afterEach(async () => {
    for (const close of closing.toReversed()) await close();
    await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await pool.end();
  });

  async function opened(more: object = {}): Promise<PostgresBackend> {
    const backend = new PostgresBackend({ url: POSTGRES_URL, schema, connections: 4, ...more });
    await backend.open();
    closing.push(() => backend.close());
    return backend;
  }
  /** Another process, whose statements wait at these gates. */
  async function gated(...gates: readonly Gate[]): Promise<PostgresBackend> {
    const wrapped = (client: PoolClient): PoolClient => ({
      on: client.on.bind(client),
      release: (destroy) => {
        client.release(destroy);
      },
      query: async (config: { readonly text?: string }) => {
        for (const gate of gates) await gate.pass(config.text ?? "");
        return await client.query(config).catch((error: unknown) => {
          if (error instanceof Error && "code" in error) refusals.push(error.code);
          throw error;
        });
      },
    });
    const own: PoolLike = {
      connect: async () => wrapped(await pool.connect()),
      on: (event, listener) => pool.on(event, listener),
      removeListener: (event, listener) => pool.removeListener(event, listener),
    };
    const backend = new PostgresBackend({ pool: own, schema });
    await backend.open();
    closing.push(() => backend.close());
    return backend;
  }
  async function begun(level = "READ COMMITTED"): Promise<Client> {
    const client = new Client({ connectionString: POSTGRES_URL });
    await client.connect();
    closing.push(() => client.end());
    await client.query(`BEGIN ISOLATION LEVEL ${level}`);
    return client;
  }
  const due = async (worker = "w", limit = 100): Promise<readonly Claim[]> =>
    (await b.work.claim({ worker, limit, of: { due: true, queues: ["q"], names: ["f"], announce: false } })).claims;
  const end = (claims: readonly Claim[], to: "completed" | "failed" = "completed") =>
    b.work.settle(claims.map(({ task, fence }) => ({ id: task.id, fence, to, events: [] })));
  const waiting = async (count: number): Promise<void> => {
    const locks = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1";
    await until(async () => (await pool.query(locks, [`%${schema}%`])).rows.length === count);
  };
  const released = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) await b.work.release(100);
  };
  const phases = async (...ids: readonly string[]): Promise<readonly string[]> =>
    (await b.desk.get(ids)).map((task, i) => (task === undefined ? `${ids[i]} gone` : `${task.id} ${task.phase}`));

  describe("a child that is enqueued in a caller's transaction", () => {
    test("is set free by a parent that ended before the commit and was requeued behind it", async () => {
      await b.work.enqueue([call(newTask("P"))]);
      const claims = await due();
      const tx = await begun();
      await b.work.enqueue([call(child("c", "P"))], tx);
      await end(claims, "failed");
      await tx.query("COMMIT");
      await b.desk.requeue(["P"]);
      await end(await due());
      await released();
      expect(await phases("P", "c")).toEqual(["P completed", "c ready"]);
    });

    test("beside another one of the same parent: both are set free", async () => {
      await b.work.enqueue([call(newTask("P"))]);
      const claims = await due();
      const [first, second] = [await begun(), await begun()];
      await b.work.enqueue([call(child("c1", "P"))], first);
      await first.query("COMMIT");
      await b.work.enqueue([call(child("c2", "P"))], second);
      await b.work.release(100);
      await end(claims);
      await second.query("COMMIT");
      await released();
      expect(await phases("c1", "c2")).toEqual(["c1 ready", "c2 ready"]);
    });

    test("is ended with a parent that somebody deletes at the moment of the commit", async () => {
      await b.work.enqueue([call(newTask("P"))]);
      const tx = await begun();
      await b.work.enqueue([call(child("c", "P"))], tx);
      const gate = new Gate(/UPDATE .*omniq_meta/s);
      const other = await gated(gate);
      const gone = other.desk.remove(["P"]);
      await gate.reached;
      await tx.query("COMMIT");
      gate.open();
      expect(await gone).toEqual(["removed"]);
      await released();
      expect(await phases("P", "c")).toEqual(["P gone", "c cancelled"]);
    });

    test("keeps neither the parent's end waiting nor another transaction", async () => {
      await b.work.enqueue([call(newTask("P"), newTask("R"), child("c0", "P"))]);
      const claims = await due();
      const [first, second] = [await begun(), await begun()];
      await b.work.enqueue([call(child("c1", "P"))], first);
      await b.work.enqueue([call(child("c2", "R"))], second);
      await b.work.enqueue([call(child("c3", "P"))], second);
      await b.work.enqueue([call(child("c4", "R"))], first);
      // None of these waits for a commit, which comes afterwards.
      expect(await end(claims)).toEqual({ settled: ["settled", "settled"] });
      for (const tx of [first, second]) await tx.query("COMMIT");
      await released();
      expect(await phases("c0", "c1", "c2", "c3", "c4")).toEqual(["c0 ready", "c1 ready", "c2 ready", "c3 ready", "c4 ready"]);
    });
  });

  test("a parent that comes and ends while its child is being written sets it free", async () => {
    const [look, write] = [new Gate(/LEFT JOIN .*tasks t ON t.id/s), new Gate(/INSERT INTO .*tasks AS t/s)];
    const other = await gated(look, write);
    const enqueued = other.work.enqueue([call(child("c", "P"))]);
    await look.reached;
    await b.work.enqueue([call(newTask("P"))]);
    look.open();
    await write.reached;
    // Locked, it cannot even be claimed now.
    await end(await due());
    write.open();
    await enqueued;
    await end(await due());
    await released();
    // It may have been taken with the second claim.
    expect((await phases("P", "c")).join()).toMatch(/^P completed,c (?:ready|completed)$/);
  });

  test("a parent that is put back before the second step of its end keeps its children, old and new", async () => {
    await b.work.enqueue([call(newTask("P"), child("c1", "P"))]);
    const claims = await due();
    const gate = new Gate(/note AS MATERIALIZED/);
    const other = await gated(gate);
    const ended = other.work.settle(claims.map(({ task, fence }) => ({ id: task.id, fence, to: "failed", events: [] })));
    await gate.reached;
    expect(await b.desk.requeue(["P"])).toEqual(["requeued"]);
    await b.work.enqueue([call(child("c2", "P"))]);
    gate.open();
    await ended;
    expect(await phases("P", "c1", "c2")).toEqual(["P ready", "c1 blocked", "c2 blocked"]);
    await end(await due());
    await released();
    expect(await phases("P", "c1", "c2")).toEqual(["P completed", "c1 ready", "c2 ready"]);
  });

  test("who freezes before the second step of a parent's end tells nothing of it when it has ended otherwise since", async () => {
    const children = Array.from({ length: INLINE_RELEASES + 5 }, (_, i) => `c${i}`);
    await b.work.enqueue([call(newTask("P"), ...children.map((id) => child(id, "P")))]);
    const claims = await due();
    const gate = new Gate(/note AS MATERIALIZED/);
    const other = await gated(gate);
    const late = other.work.settle(claims.map(({ task, fence }) => ({ id: task.id, fence, to: "failed", events: [] })));
    await gate.reached;
    await b.desk.requeue(["P"]);
    await end(await due());
    gate.open();
    await late;
    await released();
    expect(new Set((await b.desk.get(children)).map((task) => `${task?.phase} ${task?.reason}`))).toEqual(new Set(["ready undefined"]));
  });

  test("nor does it take away what the later end has noted", async () => {
    await b.work.enqueue([call(newTask("P"), child("c", "P"))]);
    const claims = await due();
    const before = new Gate(/note AS MATERIALIZED/);
    const behind = new Gate(/^(?:COMMIT|DELETE FROM \S+ WHERE parent)/, before);
    const late = (await gated(before, behind)).work.settle(
      claims.map(({ task, fence }) => ({ id: task.id, fence, to: "failed", events: [] })),
    );
    await before.reached;
    await b.desk.requeue(["P"]);
    before.open();
    await behind.reached;
    const gate = new Gate(/note AS MATERIALIZED/);
    const again = await due();
    const second = (await gated(gate)).work.settle(again.map(({ task, fence }) => ({ id: task.id, fence, to: "completed", events: [] })));
    await gate.reached;
    behind.open();
    await late;
    gate.open();
    await second;
    await released();
    expect(await phases("c")).toEqual(["c ready"]);
  });

  test("connections that are cut again and again, also while they are handed over, end no process", { tags: ["slow"] }, async () => {
    const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
    const url = new URL(POSTGRES_URL);
    url.searchParams.set("application_name", schema);
    const omniq = new OmniQ({ url: url.href, schema, logger: quiet });
    await omniq.open();
    const job = defineTask({ name: "cut", handler: () => 1 });
    await omniq.worker({ tasks: [job], concurrency: 10 }).start();
    const cut = (): Promise<unknown> =>
      pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", [schema]);
    const enqueueing = async (): Promise<void> => {
      for (let i = 0; i < 200; i++) await Promise.all(Array.from({ length: 5 }, () => omniq.enqueue(job).catch(() => undefined)));
    };
    const cutting = async (): Promise<void> => {
      for (let i = 0; i < 150; i++) await cut();
    };
    await Promise.all([enqueueing(), cutting()]);
    const handle = await omniq.enqueue(job);
    expect(await handle.result()).toBe(1);
    await omniq.close();
  });

  test("two calls on one transaction: what the one refuses takes nothing of the other with it", async () => {
    const plain = defineTask({ name: "plain", handler: ({ n }: { n: number }) => n });
    const omniq = new OmniQ({ backend: b });
    await omniq.enqueue(plain, { n: 0 }, { unique: { key: "held" } });
    const tx = await begun();
    const answers = await Promise.allSettled([
      omniq.enqueue(plain, { n: 1 }, { id: "one", unique: { key: "free", onConflict: "throw" }, tx }),
      omniq.enqueue(plain, { n: 2 }, { unique: { key: "held", onConflict: "throw" }, tx }),
      omniq.enqueue(plain, { n: 3 }, { id: "three", tx }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    await tx.query("COMMIT");
    expect(await phases("one", "three")).toEqual(["one ready", "three ready"]);
  });

  test.each([
    ["READ COMMITTED", "known"],
    ["REPEATABLE READ", "STORAGE_BUSY"],
  ])("a key that somebody else takes meanwhile, at %s: %s", async (level, is) => {
    const unique = { key: "k", until: "finished", onConflict: "keep" } as const;
    const [first, second] = [await begun(), await begun(level)];
    await second.query("SELECT 1");
    await b.work.enqueue([call(newTask("x", { unique }))], first);
    const waiting = b.work.enqueue([call(newTask("y", { unique }))], second).then(
      ([answers]) => answers?.[0]?.is,
      (error: unknown) => (error instanceof Error && "code" in error ? error.code : error),
    );
    const locks = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1";
    await until(async () => (await pool.query(locks, [`%${schema}%`])).rows.length > 0);
    await first.query("COMMIT");
    expect(await waiting).toBe(is);
    // What was refused has left the transaction as it was.
    expect((await second.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });

  test.each([
    ["a pool of OmniQ's own", {}],
    ["connections without settings", { prepare: false }],
  ])("a key in a transaction that stays open: whoever wants it waits its time, and hears that it is a lock (%s)", async (_, more) => {
    const unique = { key: "k", until: "finished", onConflict: "keep" } as const;
    const tx = await begun();
    await b.work.enqueue([call(newTask("x", { unique }))], tx);
    const hasty = await opened({ queryTimeout: 500, ...more });
    await expect(hasty.work.enqueue([call(newTask("y", { unique }))])).rejects.toMatchObject({
      code: "STORAGE_BUSY",
      message: expect.stringContaining("a transaction that somebody has open holds") as string,
    });
    expect(await hasty.work.enqueue([call(newTask("z"))])).toEqual([[{ is: "added", id: "z" }]]);
    await tx.query("ROLLBACK");
    expect(await hasty.work.enqueue([call(newTask("y", { unique }))])).toEqual([[{ is: "added", id: "y" }]]);
  });

  describe("a key that is kept in a caller's transaction", () => {
    const unique = { key: "k", until: "finished", onConflict: "keep" } as const;
    const keep = (tx: Client) => b.work.enqueue([call(newTask("y", { unique }))], tx);

    test("by a task that runs: its end waits for nobody's commit", async () => {
      await b.work.enqueue([call(newTask("x", { unique }))]);
      const claims = await due();
      const tx = await begun();
      expect(await keep(tx)).toEqual([[{ is: "known", id: "x" }]]);
      expect(await end(claims)).toEqual({ settled: ["settled"] });
      await tx.query("COMMIT");
      expect(await phases("x", "y")).toEqual(["x completed", "y gone"]);
    });

    test("by a task that waits: it does not start before the commit, and sees what was written beside", async () => {
      await b.work.enqueue([call(newTask("x", { unique }))]);
      const tx = await begun();
      expect(await keep(tx)).toEqual([[{ is: "known", id: "x" }]]);
      expect(await due()).toEqual([]);
      await tx.query("COMMIT");
      expect((await due()).map(({ task }) => task.id)).toEqual(["x"]);
    });

    test("by a task that is claimed while it is looked at: it is known as one that runs", async () => {
      await b.work.enqueue([call(newTask("x", { unique }))]);
      const gate = new Gate(/unique_key = ANY.*FOR UPDATE/s);
      const tx = await begun();
      const query = async (text: string, values: unknown[]): Promise<unknown> => {
        await gate.pass(text);
        return await tx.query(text, values);
      };
      const kept = b.work.enqueue([call(newTask("y", { unique }))], { query });
      await gate.reached;
      const claims = await due();
      gate.open();
      expect(await kept).toEqual([[{ is: "known", id: "x" }]]);
      expect(await end(claims)).toEqual({ settled: ["settled"] });
      await tx.query("COMMIT");
    });
  });

  describe("a task that is retried while another comes", () => {
    test("with its unique key: it is told of the one that was faster", async () => {
      const unique = { key: "k", until: "finished", onConflict: "keep" } as const;
      await b.work.enqueue([call(newTask("x", { unique }))]);
      await end(await due(), "failed");
      const gate = new Gate(/unique_key = coalesce\(unique_key, asked_key\)/);
      const other = await gated(gate);
      const retried = other.desk.requeue(["x"]);
      await gate.reached;
      expect(await b.work.enqueue([call(newTask("y", { unique }))])).toEqual([[{ is: "added", id: "y" }]]);
      gate.open();
      expect(await retried).toEqual([{ is: "conflict", over: "unique", taskId: "y" }]);
      expect(await phases("x", "y")).toEqual(["x failed", "y ready"]);
    });

    test("of its schedule, of which none may overlap: only one of them finds nothing open", async () => {
      const policy = { ...DEFAULT_SCHEDULE_POLICY, overlap: "skip" } as const;
      await b.schedules.put(newSchedule("s", Date.now(), { policy }));
      await b.work.enqueue([call(newTask("x", { scheduleId: "s" }))]);
      await end(await due(), "failed");
      const gate = new Gate(/unique_key = coalesce\(unique_key, asked_key\)/);
      const other = await gated(gate);
      const retried = other.desk.requeue(["x"]);
      await gate.reached;
      const ran = b.schedules.run({ id: "s", task: newTask("y", { scheduleId: "s" }), events: [], unlessOpen: true });
      const locks = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1";
      const isWaiting = async (): Promise<boolean> => (await pool.query(locks, [`%${schema}%schedules%`])).rows.length > 0;
      let isOver = false;
      void ran.then(() => (isOver = true));
      await until(async () => isOver || (await isWaiting()));
      gate.open();
      expect(await retried).toEqual(["requeued"]);
      expect(await ran).toEqual({ is: "open", taskId: "x" });
    });
  });

  test("a child of a task whose key another one holds is set free by that one, which ends while it is being written", async () => {
    const unique = { key: "k", until: "finished", onConflict: "keep" } as const;
    await b.work.enqueue([call(newTask("x", { unique }))]);
    const claims = await due();
    const gate = new Gate(/INSERT INTO .*tasks AS t/s);
    const other = await gated(gate);
    const enqueued = other.work.enqueue([call(newTask("y", { unique }), child("c", "y"))]);
    await gate.reached;
    let isEnded = false;
    const ended = end(claims).then(() => (isEnded = true));
    const locks = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1";
    await until(async () => isEnded || (await pool.query(locks, [`%${schema}%`])).rows.length > 0);
    gate.open();
    expect(await enqueued).toEqual([
      [
        { is: "known", id: "x" },
        { is: "added", id: "c" },
      ],
    ]);
    await ended;
    await released();
    expect(await phases("x", "c")).toEqual(["x completed", "c ready"]);
  });

  test("a parent that has ended is not deleted while a child is being written behind it", async () => {
    await b.work.enqueue([call(newTask("P"))]);
    await end(await due());
    const gate = new Gate(/INSERT INTO .*tasks AS t/s);
    const other = await gated(gate);
    const written = other.work.enqueue([call(child("c", "P"))]);
    await gate.reached;
    const removed = b.desk.remove(["P"]);
    await waiting(1);
    gate.open();
    expect([await written, await removed]).toEqual([[[{ is: "added", id: "c" }]], ["has-dependents"]]);
  });

  test("one id from two processes at once: one added it, the other knows it", async () => {
    const other = await opened();
    for (let i = 0; i < 30; i++) {
      const task = newTask(`t${i}`, { unique: { key: `k${i}`, until: "finished", onConflict: "keep" } });
      const answers = await Promise.all([b, other].map((each) => each.work.enqueue([call(task)])));
      expect(
        answers
          .flat(2)
          .map(({ is }) => is)
          .toSorted(),
      ).toEqual(["added", "known"]);
    }
  });

  test("claims that the server makes after they were given up are handed out at a later beat", async () => {
    // A pool of the caller's has no limit on the server's side.
    const own = new Pool({ connectionString: POSTGRES_URL, max: 4 });
    own.on("error", () => undefined);
    const hasty = new PostgresBackend({ pool: own, schema, queryTimeout: 300 });
    await hasty.open();
    const claims = async (limit: number): Promise<readonly string[]> =>
      (await hasty.work.claim({ worker: "w", limit, of: { due: true, queues: ["q"], names: ["f"], announce: false } })).claims.map(
        ({ task }) => task.id,
      );
    await b.work.enqueue([call(...Array.from({ length: 10 }, (_, i) => newTask(`t${i}`)))]);
    const got = [...(await claims(1))];
    const lock = await begun();
    await lock.query(`LOCK TABLE ${schema}.tasks IN SHARE MODE`);
    for (let i = 0; i < 2; i++) await expect(claims(3)).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
    const last = claims(3).catch(() => []);
    await lock.query("COMMIT");
    got.push(...(await last));
    for (let beat = 0; beat < 6; beat++) {
      await hasty.presence.beat("w", []);
      got.push(...(await claims(3)));
    }
    expect(got.toSorted()).toEqual(Array.from({ length: 10 }, (_, i) => `t${i}`));
    await hasty.close();
    await own.end();
  });

  test("what is held by a worker whose row is gone is found by whoever ends what is marked", async () => {
    await b.presence.arrive(workerRow("gone"));
    await b.work.enqueue([call(newTask("t"))]);
    const [claim] = await due("gone");
    await pool.query(`DELETE FROM ${schema}.workers WHERE id = 'gone'`);
    const { claims } = await b.work.claim({ worker: "w", limit: 10, of: { ended: true } });
    expect(claims.map(({ task, for: why }) => [task.id, why])).toEqual([["t", "lost"]]);
    expect((await end(claim === undefined ? [] : [claim])).settled).toEqual(["lost"]);
  });

  test("two edits of the same tasks in opposite orders wait for no deadlock", async () => {
    const ids = Array.from({ length: 60 }, (_, i) => `t${i}`);
    await b.work.enqueue([call(...ids.map((id) => newTask(id)))]);
    const [one, other] = [await gated(), await gated()];
    for (let round = 0; round < 10; round++) {
      const rows = await b.desk.get(ids);
      const set = rows.flatMap((row) => (row === undefined ? [] : [{ id: row.id, revision: row.revision, patch: { priority: round } }]));
      await Promise.all([one.desk.edit(set), other.desk.edit(set.toReversed())]);
    }
    expect(refusals).toEqual([]);
  });

  test.each([
    ["c1", "c3"],
    ["c3", "c1"],
  ])("children that are ended in any order wait for no deadlock with the end of their parent (%s before %s)", async (first, last) => {
    await b.work.enqueue([call(newTask("P"), child(first, "P"), child("c2", "P"), child(last, "P"))]);
    const parent = await due();
    await b.desk.cancel(["c1", "c3"]);
    const { claims } = await b.work.claim({ worker: "w", limit: 10, of: { ended: true } });
    expect(claims.map(({ task }) => task.id)).toEqual([first, last]);
    const settle = async (set: readonly Claim[], to: "completed" | "cancelled") =>
      (await gated()).work.settle(set.map(({ task, fence }) => ({ id: task.id, fence, to, events: [] })));
    const between = await begun();
    await between.query(`SELECT 1 FROM ${schema}.tasks WHERE id = 'c2' FOR UPDATE`);
    const freed = settle(parent, "completed");
    await waiting(1);
    const ended = settle(claims.toReversed(), "cancelled");
    await waiting(2);
    await between.query("COMMIT");
    expect([await freed, await ended]).toEqual([{ settled: ["settled"] }, { settled: ["settled", "settled"] }]);
    expect(refusals).toEqual([]);
    expect(await phases("c1", "c2", "c3")).toEqual(["c1 cancelled", "c2 ready", "c3 cancelled"]);
  });

  test("the last two parents of a child end at the same moment: it is set free, once", async () => {
    await b.work.enqueue([call(newTask("P"), newTask("Q"), child("c", "P", "Q"))]);
    const claims = await due();
    const between = await begun();
    await between.query(`SELECT 1 FROM ${schema}.tasks WHERE id = 'c' FOR UPDATE`);
    const ends = claims.map(async ({ task: { id }, fence }) => (await gated()).work.settle([{ id, fence, to: "completed", events: [] }]));
    await waiting(2);
    await between.query("COMMIT");
    expect(await Promise.all(ends)).toEqual([{ settled: ["settled"] }, { settled: ["settled"] }]);
    expect((await due()).map(({ task }) => [task.id, task.openParents])).toEqual([["c", 0]]);
    await released();
    expect([refusals, await phases("c")]).toEqual([[], ["c running"]]);
  });

  // Two freed in one transaction, by many at once, lived in deadlocks: 120 of 400 tasks in 30 s.
  test.each([
    ["that of the other", "x", "y", false],
    ["that of the one", "y", "x", false],
    ["that of the other, with a callback", "x", "y", true],
    ["that of the one, with a callback", "y", "x", true],
  ])("two parents that end together: no child of theirs is locked while %s is waited for", async (_, free, held, called) => {
    const callback = { func: "cb", queue: "other" };
    await b.work.enqueue([call(newTask("P"), newTask("Q"), child("x", "P"), child("y", "Q"))]);
    const claims = await due();
    const between = await begun();
    await between.query(`SELECT 1 FROM ${schema}.tasks WHERE id = $1 FOR UPDATE`, [held]);
    const ends = claims.map(({ task: { id }, fence }) => ({ id, fence, to: "completed" as const, events: [] }));
    const ended = b.work.settle(called ? ends.map((end, i) => ({ ...end, enqueue: [newTask(`cb${i}`, { ...callback })] })) : ends);
    await waiting(1);
    await between.query(`SELECT 1 FROM ${schema}.tasks WHERE id = $1 FOR UPDATE NOWAIT`, [free]);
    await between.query("COMMIT");
    expect((await ended).settled).toEqual(["settled", "settled"]);
    await released();
    expect(await phases("x", "y")).toEqual(["x ready", "y ready"]);
  });

  test.each([
    ["x", "y"],
    ["y", "x"],
  ])("what is left of several parents is freed one after the other: %s is not locked while %s is waited for", async (free, held) => {
    await b.work.enqueue([call(newTask("P"), newTask("Q"), child("x", "P"), child("y", "Q"))]);
    await due();
    await pool.query(`UPDATE ${schema}.tasks SET stage = 6, status = 'completed', worker = NULL, completed_at = 1 WHERE id IN ('P', 'Q')`);
    await pool.query(`INSERT INTO ${schema}.releases VALUES ('P', 'completed'), ('Q', 'completed')`);
    const between = await begun();
    await between.query(`SELECT 1 FROM ${schema}.tasks WHERE id = $1 FOR UPDATE`, [held]);
    const freed = b.work.release(10);
    await waiting(1);
    await between.query(`SELECT 1 FROM ${schema}.tasks WHERE id = $1 FOR UPDATE NOWAIT`, [free]);
    await between.query("COMMIT");
    expect(await freed).toBe(false);
    expect(await phases("x", "y")).toEqual(["x ready", "y ready"]);
  });

  test("a schedule that is made while one of its id is dropped keeps its revision to itself", async () => {
    const gate = new Gate(/DELETE FROM .*schedules/s);
    const other = await gated(gate);
    const dropped = other.schedules.drop(["s"]);
    await gate.reached;
    const made = await b.schedules.put(newSchedule("s", 0));
    gate.open();
    expect([await dropped, made.is]).toEqual([[false], "put"]);
    expect((await b.schedules.put(newSchedule("s", 0))).is).not.toBe("put");
  });

  test("a task that is enqueued while a retry is settled, and claimed behind it, is told as enqueued first", async () => {
    await b.work.enqueue([call(newTask("again"))]);
    const [claim] = await due();
    const gate = new Gate(/picked AS MATERIALIZED/);
    const other = await gated(gate);
    const { id = "", fence = 0 } = { id: claim?.task.id, fence: claim?.fence };
    const of = { due: true, queues: ["q"], names: ["f"], announce: true } as const;
    const settling = other.work.settle([{ id, fence, to: "again", counts: "retry", after: 60_000, events: [] }], {
      worker: "w",
      limit: 9,
      of,
    });
    await gate.reached;
    await b.work.enqueue([call(newTask("new"))]);
    gate.open();
    expect((await settling).next?.claims.map(({ task }) => task.id)).toEqual(["new"]);
    const told = async (): Promise<readonly string[]> =>
      (await b.events.read(undefined, { taskId: "new", limit: 10 })).events.map(({ type }) => type);
    await expect.poll(told).toEqual(["enqueued", "executing"]);
  });

  test("events of a dump from a server with higher numbers are told, in front of the new ones; a cursor from before goes on", async () => {
    await b.work.enqueue([call(newTask("seen"))]);
    const [xid = "", seq = ""] = (await until(async () => (await b.events.read(undefined, { limit: 1 })).events[0])).seq.split(".");
    await b.work.enqueue([call(newTask("old"))]);
    await pool.query(`UPDATE ${schema}.events SET xid = (xid::text::bigint + 1000000)::text::xid8`);
    const later = await opened();
    await later.work.enqueue([call(newTask("new"))]);
    const told = async (after?: string): Promise<readonly (string | undefined)[]> =>
      (await later.events.read(after, { limit: 10 })).events.map(({ taskId }) => taskId);
    await expect.poll(() => told()).toEqual(["seen", "old", "new"]);
    expect(await told(`${BigInt(xid) + 1_000_000n}.${seq}`)).toEqual(["old", "new"]);
  });
});
