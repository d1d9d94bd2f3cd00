/** OmniQ on PostgreSQL. */
import { queueOf } from "../omniq.ts";
import type { Contender } from "../queue.ts";
import { openOn, schemaPlace } from "./server.ts";

export const OMNIQ: Contender = {
  name: "OmniQ",
  note: "keeps the task, its result and three events",
  module: "postgres/omniq",
  place: schemaPlace,
  open: async (at) => queueOf(await openOn(at)),
};

/** Claims ahead of its slots, as graphile-worker's local queue does. */
export const OMNIQ_AHEAD: Contender = { ...OMNIQ, open: async (at) => queueOf(await openOn(at), { prefetch: 200 }) };

export const contenders: readonly Contender[] = [OMNIQ];
