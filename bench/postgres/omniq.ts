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

export const contenders: readonly Contender[] = [OMNIQ];
