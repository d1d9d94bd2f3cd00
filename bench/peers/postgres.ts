/** The peers on PostgreSQL. */
import type { Peer } from "../queue.ts";
import { GRAPHILE } from "./graphile.ts";
import { PG_BOSS } from "./pg-boss.ts";

export const PEERS: readonly Peer[] = [GRAPHILE, PG_BOSS];
