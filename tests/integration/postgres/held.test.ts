/** A transaction that stays open keeps every dead row: claims must neither read them again and again, nor pass anything over for good. */
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Claim } from "../../../src/core/backend.ts";
import { decide } from "../../../src/core/lifecycle.ts";
import { defineTask, OmniQ } from "../../../src/index.ts";
import type { PostgresBackend } from "../../../src/postgres.ts";
import { TestClock } from "../../../src/testing/clock.ts";
import { newTask, workerRow } from "../../../src/testing/conformance/bench.ts";
import { aloneWithDeadRows, POSTGRES_URL, Schemas } from "../../fixtures/postgres.ts";

describe.skipIf(POSTGRES_URL === "")("while a transaction stays open", () => {
  const schemas = new Schemas("held");
  const holder = new Client({ connectionString: POSTGRES_URL });
  const clock = new TestClock();
  let backend: PostgresBackend;

  beforeAll(async () => {
    backend = await schemas.open(clock);
    await backend.presence.arrive(workerRow("w1"));
    await holder.connect();
    await aloneWithDeadRows(holder);
    await holder.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
    await holder.query("SELECT pg_current_xact_id()");
  });
  afterAll(async () => {
    await holder.end();
    await backend.close();
    await schemas.drop();
  });

  const add = async (count: number, name: string, priority = 0): Promise<void> => {
    const tasks = Array.from({ length: count }, (_, i) => newTask(`${name}-${i}`, { priority }));
    await backend.work.enqueue([{ tasks, announce: false }]);
  };
  const claim = async (limit: number) => {
    const { queue, func } = newTask("x");
    return await backend.work.claim({ worker: "w1", limit, of: { due: true, queues: [queue], names: [func], announce: false } });
  };
  const end = async (claims: readonly Claim[]): Promise<void> => {
    const facts = { worker: "w1", elapsed: 1, executionMs: 1, random: () => 0 };
    await backend.work.settle(claims.map((each) => decide(each, { kind: "returned", value: "1" }, facts)));
  };
  const idsOf = ({ claims }: { readonly claims: readonly Claim[] }): readonly string[] => claims.map(({ task }) => task.id);

  test("a claim begins behind what was taken, and what comes in front of it is found at the next look from the beginning", async () => {
    for (let i = 0; i < 6; i++) {
      await add(1_000, `old${i}`);
      await clock.advance(1);
    }
    for (let taken = 0; taken < 6_000; taken += 1_000) await end((await claim(1_000)).claims);
    await add(3, "new");
    // From the beginning: 6,000 dead entries are read.
    expect(idsOf(await claim(1))).toEqual(["new-0"]);
    await add(1, "urgent", 5);
    expect(idsOf(await claim(1))).toEqual(["new-1"]);
    // What is less urgent lies behind the head, too.
    await add(1, "lower", -1);
    expect(idsOf(await claim(2))).toEqual(["new-2", "lower-0"]);
    // The worker is told when to look again, so that it does not wait for a hint.
    const { nextDueIn = 0 } = await claim(0);
    expect(nextDueIn).toBeGreaterThan(0);
    await clock.advance(nextDueIn);
    expect(idsOf(await claim(5))).toEqual(["urgent-0"]);
    expect(idsOf(await claim(5))).toEqual([]);
  });

  test("a drain runs what came in front of what was taken, too, before it ends", async () => {
    const ran: string[] = [];
    const { queue, func } = newTask("x");
    await using omniq = new OmniQ({ backend });
    const again = defineTask<string>({ name: func, queueName: queue });
    const task = defineTask({
      name: func,
      queueName: queue,
      handler: async (name: string) => {
        ran.push(name);
        // Its own claim was the only look from the beginning: no time passes.
        if (name === "low") await omniq.enqueue(again, "urgent", { priority: 5 });
      },
    });
    await omniq.enqueue(task, "low");
    await omniq.worker({ tasks: [task], queues: [queue] }).drain();
    expect(ran).toEqual(["low", "urgent"]);
  });

  test("when it has ended and the dead rows are gone, claims keep the order strictly again", async () => {
    await holder.query("ROLLBACK");
    await holder.query(`VACUUM ${backend.schema}.tasks`);
    await clock.advance(60_000);
    expect(idsOf(await claim(5))).toEqual([]);
    await add(1, "low");
    await add(1, "high", 5);
    expect(idsOf(await claim(1))).toEqual(["high-0"]);
    await add(1, "higher", 6);
    expect(idsOf(await claim(5))).toEqual(["higher-0", "low-0"]);
  });
});
