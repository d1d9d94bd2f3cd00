/** What is measured on PostgreSQL. */
import { backlogOf } from "../claims.ts";
import { allOf, atLeast, atLeastPeer } from "../harness.ts";
import type { Workload } from "../harness.ts";
import { latenciesOf } from "../latency.ts";
import type { Contender } from "../queue.ts";
import { drainOf, ratesOf } from "../rates.ts";
import { HELD } from "./claims.ts";
import { FLOOR } from "./floor-queue.ts";
import { OMNIQ, OMNIQ_AHEAD } from "./omniq.ts";
import { openSchema } from "./server.ts";

const OF = { name: "pg ", what: "PostgreSQL: " } as const;

export function postgresWorkloads(peers: readonly Contender[]): readonly Workload[] {
  const field = { omniq: OMNIQ, floor: FLOOR, peers };
  const tenTimes = (peer: string) => atLeastPeer(10, peer);
  return [
    ...ratesOf(field, OF, {
      "100 concurrent": allOf(tenTimes("graphile-worker"), tenTimes("pg-boss")),
      "enqueueMany of 1,000": atLeast(0.67),
      100: allOf(atLeast(0.6), atLeastPeer(0.8, "graphile-worker"), atLeastPeer(2, "pg-boss")),
    }),
    drainOf({ ...field, omniq: OMNIQ_AHEAD }, OF, 100, atLeastPeer(0.8, "graphile-worker"), ", prefetch 200"),
    ...latenciesOf(field, OF, { same: { p99: 25 }, other: { p99: 25 } }),
    backlogOf(openSchema, OF, { 1: 1.5, 100: 1.5, rounds: 1 }),
    HELD,
  ];
}
