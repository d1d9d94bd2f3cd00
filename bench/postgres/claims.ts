/** What a claim costs, by how much lies in front of it, behind it and beside it. */
import { Contract } from "../contract.ts";
import { atMost, median } from "../harness.ts";
import type { Row, Settings, Values, Workload } from "../harness.ts";
import { RESULT } from "../subject.ts";
import { backendOn, fillBare, onSchema, withClient } from "./server.ts";

const TOGETHER = 100;
const CLAIMS = 20;

/** Milliseconds of a claim of 100, in the middle; what was claimed is ended, so that each claim finds new rows. */
async function claimMs(contract: Contract, claims = CLAIMS): Promise<number> {
  const times: number[] = [];
  for (let i = -2; i < claims; i++) {
    const began = performance.now();
    const held = await contract.claim(TOGETHER);
    if (i >= 0) times.push(performance.now() - began);
    if (held.length !== TOGETHER) throw new Error(`Expected to claim ${TOGETHER}, got ${held.length}`);
    await contract.end(held, RESULT);
  }
  return median(times);
}

/** A claim beside so many ready and so many finished tasks. */
async function beside(ready: number, finished: number): Promise<number> {
  return onSchema(async (schema) => {
    const contract = new Contract(backendOn(schema));
    await contract.open();
    await fillBare(schema, { ready, finished });
    const ms = await claimMs(contract);
    await contract.close();
    return ms;
  });
}

const row = (key: string, what: string): Row => ({ key, what: `PostgreSQL: claim of 100, ${what}`, unit: "ms" });
const times = (key: string, what: string, limit: number): Row => ({
  key,
  what: `PostgreSQL: claim, ${what}`,
  unit: "times",
  target: atMost(limit, "times"),
});

export const BACKLOG: Workload = {
  name: "pg claim backlog",
  rounds: 3,
  rows: [
    row("few", "10,000 ready"),
    row("many", "1,000,000 ready"),
    times("ready", "1,000,000 ready to 10,000 ready", 1.5),
    row("kept", "10,000 ready, 1,000,000 finished kept"),
    times("finished", "1,000,000 finished kept to none", 1.5),
  ],
  async omniq({ quick }): Promise<Values> {
    const million = quick ? 100_000 : 1_000_000;
    const few = await beside(10_000, 0);
    const many = await beside(million, 0);
    const kept = await beside(10_000, million);
    return { few, many, ready: many / few, kept, finished: kept / few };
  },
};

/** While any transaction is open that began before, no dead row can be taken away: of all that is claimed an entry stays in the claim's index. */
export const HELD: Workload = {
  name: "pg claim held",
  rounds: 3,
  rows: [
    row("first", "a transaction was just opened"),
    row("last", "200,000 claimed while it is open"),
    times("growth", "200,000 claimed while a transaction is open, to none", 1.5),
  ],
  omniq: ({ quick }: Settings) =>
    onSchema(async (schema) =>
      withClient(async (holder) => {
        const count = quick ? 20_000 : 200_000;
        const contract = new Contract(backendOn(schema));
        await contract.open();
        await fillBare(schema, { ready: count + 20_000, finished: 0 });
        await holder.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
        await holder.query("SELECT txid_current()");
        const first = await claimMs(contract);
        await contract.drain(TOGETHER, RESULT, count);
        const last = await claimMs(contract);
        await holder.query("ROLLBACK");
        await contract.close();
        return { first, last, growth: last / first };
      }),
    ),
};
