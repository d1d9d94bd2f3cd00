/** A transaction of Kysely on PostgreSQL as OmniQ's `tx`. */
import { CompiledQuery } from "kysely";
import type { Transaction } from "kysely";

export function fromKysely<Tables>(trx: Transaction<Tables>) {
  return {
    query: (text: string, values: unknown[]): Promise<unknown> => trx.executeQuery(CompiledQuery.raw(text, values)),
  };
}
