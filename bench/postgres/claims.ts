/** Claims on PostgreSQL while a transaction is open: then no dead row can be taken away, and of all that is claimed an entry stays in the claim's index. */
import { STAGE } from "../../src/backends/shared/stage.ts";
import { claimMs } from "../claims.ts";
import { Contract } from "../contract.ts";
import { atMost } from "../harness.ts";
import type { Row, Settings, Workload } from "../harness.ts";
import { RESULT } from "../payload.ts";
import { openSchema, withClient } from "./server.ts";

const TOGETHER = 100;
const CLAIMS = 20;
const row = (key: string, what: string): Row => ({ key, what: `PostgreSQL: claim of 100, ${what}`, unit: "ms" });

export const HELD: Workload = {
  name: "pg claim held",
  rounds: 3,
  rows: [
    row("first", "a transaction was just opened"),
    row("last", "200,000 claimed while it is open"),
    {
      key: "growth",
      what: "PostgreSQL: claim of 100, 200,000 claimed while a transaction is open, to none",
      unit: "times",
      target: atMost(1.5, "times"),
    },
  ],
  async omniq(settings: Settings) {
    const count = settings.quick ? 20_000 : 200_000;
    const bare = await openSchema(settings);
    const contract = new Contract(bare.backend);
    await contract.open();
    try {
      await bare.put({ what: "ready", stage: STAGE.ready, status: "pending" }, count + 20_000);
      return await withClient(async (holder) => {
        await holder.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
        await holder.query("SELECT txid_current()");
        const first = await claimMs(contract, TOGETHER, CLAIMS);
        await contract.drain(TOGETHER, RESULT, count);
        const last = await claimMs(contract, TOGETHER, CLAIMS);
        await holder.query("ROLLBACK");
        return { first, last, growth: last / first };
      });
    } finally {
      await contract.close();
      await bare.remove();
    }
  },
};
