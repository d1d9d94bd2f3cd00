/** What is measured on a file. */
import { backlogOf } from "./claims.ts";
import { crowdsOf } from "./crowd.ts";
import { FLOOR } from "./floor-queue.ts";
import type { Durability } from "./floor.ts";
import { footprintsOf } from "./footprint.ts";
import { allOf, atLeast, atLeastPeer } from "./harness.ts";
import type { Workload } from "./harness.ts";
import { latenciesOf } from "./latency.ts";
import { loadsOf } from "./load.ts";
import { OMNIQ, OMNIQ_AHEAD } from "./omniq.ts";
import { openFile } from "./places.ts";
import type { Contender } from "./queue.ts";
import { drainOf, ratesOf } from "./rates.ts";
import { storagesOf } from "./storage.ts";

const OF = { name: "", what: "" } as const;

export function sqliteWorkloads(peers: readonly Contender[], durability: Durability): readonly Workload[] {
  const field = { omniq: OMNIQ, floor: FLOOR, peers };
  return [
    ...ratesOf(field, OF, {
      "one by one": atLeast(0.7),
      "100 concurrent": atLeast(0.5),
      "enqueueMany of 1,000": atLeast(0.6),
      1: atLeast(0.7),
      10: allOf(atLeast(0.7), atLeastPeer(2, "plainjob")),
      100: allOf(atLeast(0.7), atLeastPeer(4, "plainjob"), atLeastPeer(4, "BullMQ, AOF everysec")),
    }),
    drainOf({ ...field, omniq: OMNIQ_AHEAD }, OF, 10, atLeastPeer(4, "plainjob"), ", prefetch 64"),
    ...storagesOf(field),
    ...latenciesOf(field, OF, { same: { p50: 1.5, p99: 6 }, other: { p50: 2.5, p99: 6 } }),
    ...crowdsOf(field, durability),
    backlogOf(openFile, OF, { 1: 1.2, 100: 1.5, rounds: 3 }),
    ...loadsOf(field),
    ...footprintsOf(field),
  ];
}
