/** A transaction of Drizzle on PostgreSQL as OmniQ's `tx`: each `$1` of a statement becomes a parameter of Drizzle's. */
import { sql } from "drizzle-orm";
import type { SQL } from "drizzle-orm";

export function fromDrizzle(tx: { execute(query: SQL): PromiseLike<unknown> }) {
  return {
    query: async (text: string, values: unknown[]): Promise<unknown> => {
      const parts = text.split(/\$(\d+)/).map((part, i) => (i % 2 === 0 ? sql.raw(part) : sql.param(values[Number(part) - 1])));
      return await tx.execute(sql.join(parts));
    },
  };
}
