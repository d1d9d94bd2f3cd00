/** What is measured on PostgreSQL. */
import type { Workload } from "../harness.ts";
import type { Peer } from "../queue.ts";
import { BACKLOG, HELD } from "./claims.ts";
import { LATENCY } from "./latency.ts";
import { ratesOf } from "./rates.ts";

export const postgresWorkloads = (peers: readonly Peer[]): readonly Workload[] => [...ratesOf(peers), LATENCY, BACKLOG, HELD];
