/** Connections that break at the worst moment: what was acknowledged is there, nothing is done twice, nothing hangs. */
import { Pool } from "pg";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineTask, OmniQ } from "../../../src/index.ts";
import { PostgresBackend } from "../../../src/postgres.ts";
import type { PoolClient, PoolLike } from "../../../src/postgres.ts";
import { newTask, workerRow } from "../../../src/testing/conformance/bench.ts";
import { POSTGRES_URL } from "../../fixtures/postgres.ts";
import { until } from "../../fixtures/helpers.ts";

/** What becomes of the next statement that matches: it never arrives, or it is done and its answer is lost. */
interface Fault {
  readonly on: RegExp;
  readonly is: "not sent" | "answer lost";
}

class Faults {
  readonly pool: Pool;
  readonly waiting: Fault[] = [];
  readonly #wired = new WeakMap<PoolClient, PoolClient>();
  /** Connections that hear notifications. */
  readonly listening = new Set<PoolClient>();

  constructor() {
    this.pool = new Pool({ connectionString: POSTGRES_URL, max: 6 });
    this.pool.on("error", () => undefined);
  }

  /** The pool, with a wire that breaks as told. */
  get wire(): PoolLike {
    return {
      connect: async () => {
        const client: PoolClient = await this.pool.connect();
        const broken = this.#wired.get(client) ?? this.#broken(client);
        this.#wired.set(client, broken);
        return broken;
      },
      on: (event, listener) => this.pool.on(event, listener),
      removeListener: (event, listener) => this.pool.removeListener(event, listener),
    };
  }

  #broken(client: PoolClient): PoolClient {
    return {
      on: client.on.bind(client),
      // Another one at each checkout.
      release: (destroy) => {
        client.release(destroy);
      },
      query: async (config: { readonly text?: string }) => {
        if (config.text?.startsWith("LISTEN") === true) this.listening.add(client);
        const at = this.waiting.findIndex(({ on }) => on.test(config.text ?? ""));
        const [fault] = at < 0 ? [] : this.waiting.splice(at, 1);
        if (fault?.is === "not sent") throw new Error("Connection terminated unexpectedly");
        const answer = await client.query(config);
        if (fault?.is === "answer lost") throw new Error("Connection terminated unexpectedly");
        return answer;
      },
    };
  }
}

describe.skipIf(POSTGRES_URL === "")("a wire that breaks", () => {
  const schema = `omniq_test_faults_${process.pid}`;
  let faults: Faults;
  let backend: PostgresBackend;

  beforeEach(async () => {
    faults = new Faults();
    await faults.pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    backend = new PostgresBackend({ pool: faults.wire, schema });
    await backend.open();
    await backend.presence.arrive(workerRow("w1"));
    await backend.presence.arrive(workerRow("w2"));
  });
  afterEach(async () => {
    expect(faults.waiting).toEqual([]);
    await backend.close();
    await faults.pool.end();
  });
  afterAll(async () => {
    const admin = new Pool({ connectionString: POSTGRES_URL });
    await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await admin.end();
  });

  const due = { due: true, queues: ["q"], names: "any", announce: true } as const;
  const claim = (limit = 10) => backend.work.claim({ worker: "w1", limit, of: due });
  const typesOf = async (taskId: string): Promise<readonly string[]> =>
    (await backend.events.newest({ taskId, limit: 100 })).map(({ type }) => type).toReversed();

  test.each(["not sent", "answer lost"] as const)("an enqueue that is %s is done once, and answered as done", async (is) => {
    faults.waiting.push({ on: /INSERT INTO/, is });
    const calls = [["a"], ["b", "c"]].map((ids) => ({ tasks: ids.map((id) => newTask(id)), announce: true }));
    expect((await backend.work.enqueue(calls)).flat().map(({ is: answer }) => answer)).toEqual(["added", "added", "added"]);
    expect(await typesOf("a")).toEqual(["enqueued"]);
    expect(await typesOf("c")).toEqual(["enqueued"]);
    expect((await claim()).claims.map(({ task }) => task.id)).toEqual(["a", "b", "c"]);
  });

  test("a commit whose answer is lost is done once, too", async () => {
    const parent = { tasks: [newTask("a")], announce: true };
    await backend.work.enqueue([parent]);
    faults.waiting.push({ on: /^COMMIT$/, is: "answer lost" });
    const child = { tasks: [newTask("b", { dependsOn: [{ id: "a", ifFailed: "run" }] })], announce: true };
    expect(await backend.work.enqueue([child])).toEqual([[{ is: "added", id: "b" }]]);
    expect(await typesOf("b")).toEqual(["enqueued"]);
  });

  test("a claim whose answer is lost is answered anew: nothing waits for a worker that does not know of it", async () => {
    await backend.work.enqueue([{ tasks: ["a", "b", "c", "d"].map((id) => newTask(id)), announce: false }]);
    const [held] = (await claim(1)).claims;
    faults.waiting.push({ on: /UPDATE/, is: "answer lost" });
    await expect(claim(2)).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
    expect(await backend.desk.count(10)).toMatchObject([
      { phase: "ready", tasks: 1 },
      { phase: "running", tasks: 3 },
    ]);
    const again = await claim(2);
    expect(again.claims.map((each) => [each.task.id, each.for, each.task.attempt, each.fence])).toEqual([
      ["b", "run", 1, 2],
      ["c", "run", 1, 2],
    ]);
    expect(again.more).toBe(true);
    expect((await claim(2)).claims.map(({ task }) => task.id)).toEqual(["d"]);
    expect(await typesOf("b")).toEqual(["executing"]);
    const ends = [held, ...again.claims].map((each) => ({
      id: each?.task.id ?? "",
      fence: each?.fence ?? 0,
      to: "completed" as const,
      events: [],
    }));
    expect((await backend.work.settle(ends)).settled).toEqual(["settled", "settled", "settled"]);
  });

  test("what was taken over from a lost worker is still lost when its answer was, too", async () => {
    await backend.work.enqueue([{ tasks: [newTask("a", { atMostOnce: true })], announce: false }]);
    await backend.work.claim({ worker: "w2", limit: 1, of: due });
    const beat = (await backend.presence.workers(10)).find(({ worker }) => worker === "w2")?.beat ?? 0;
    const lost = { worker: "w1", limit: 10, of: { lost: [{ worker: "w2", beat }] } } as const;
    faults.waiting.push({ on: /^COMMIT$/, is: "answer lost" });
    await expect(backend.work.claim(lost)).rejects.toMatchObject({ code: "STORAGE_UNREACHABLE" });
    expect((await claim()).claims.map((each) => [each.task.id, each.for])).toEqual([["a", "lost"]]);
  });

  test("a settlement whose answer is lost is settled once: its result, its event and its callback", async () => {
    await backend.work.enqueue([{ tasks: [newTask("a"), newTask("b")], announce: false }]);
    const [a, b] = (await claim()).claims;
    const end = (id: string, fence: number) => ({
      id,
      fence,
      to: "completed" as const,
      events: [{ type: "completed" as const, taskId: id }],
    });
    faults.waiting.push({ on: /UPDATE/, is: "answer lost" });
    expect((await backend.work.settle([end("a", a?.fence ?? 0)])).settled).toEqual(["repeated"]);
    faults.waiting.push({ on: /^COMMIT$/, is: "answer lost" });
    const withCallback = { ...end("b", b?.fence ?? 0), enqueue: [newTask("b.callback", { queue: "other" })] };
    expect((await backend.work.settle([withCallback])).settled).toEqual(["repeated"]);
    expect([await typesOf("a"), await typesOf("b")]).toEqual([
      ["executing", "completed"],
      ["executing", "completed"],
    ]);
    expect((await backend.desk.get(["b.callback"])).map((task) => task?.phase)).toEqual(["ready"]);
  });

  test("a worker whose hints are lost still looks by itself", { tags: ["slow"] }, async () => {
    const note = defineTask({ name: "note", handler: () => "done" });
    const deaf = new PostgresBackend({ pool: faults.wire, schema });
    await using here = new OmniQ({ backend: deaf });
    await using there = new OmniQ({ backend });
    await here.worker({ tasks: [note] }).start();
    // The session goes on, and hears nothing any more.
    await until(() => faults.listening.size > 0);
    for (const client of faults.listening) await client.query({ text: "UNLISTEN *" });
    const handle = await there.enqueue(note, undefined);
    await until(async () => (await handle.get())?.status === "completed", 12_000);
  });

  test("a worker goes on through cut connections, and runs nothing twice", async () => {
    const runs = new Map<number, number>();
    const note = defineTask({ name: "note", handler: ({ i }: { i: number }) => void runs.set(i, (runs.get(i) ?? 0) + 1) });
    const warnings: string[] = [];
    const keep = (message: string): void => void warnings.push(message);
    const omniq = new OmniQ({ backend, logger: { debug: () => undefined, info: () => undefined, warn: keep, error: keep } });
    await omniq.enqueueMany(Array.from({ length: 300 }, (_, i) => note.with({ i })));
    const worker = omniq.worker({ tasks: [note], concurrency: 5 });
    await worker.start();
    for (let i = 0; i < 5; i++) {
      await until(() => runs.size >= 40 * (i + 1));
      faults.waiting.push({ on: /skipped/, is: i % 2 === 0 ? "answer lost" : "not sent" });
      await until(() => faults.waiting.length === 0);
    }
    const cut = async (): Promise<void> => {
      await faults.pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE $1", [
        `%${schema}%`,
      ]);
    };
    await cut();
    await until(async () => (await omniq.stats()).tasks.completed === 300, 30_000);
    expect([...runs.values()].filter((times) => times !== 1)).toEqual([]);
    expect(runs.size).toBe(300);
    await worker.stop();
  });
});
