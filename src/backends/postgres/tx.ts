/** Enqueueing inside the caller's own transaction: written on the caller's handle, acknowledged by the caller's commit. */
import type { Enqueued, EnqueueCall } from "../../core/backend.ts";
import { ConnectionError } from "../../core/errors.ts";
import { Db } from "./db.ts";
import { addCall } from "./enqueue.ts";
import { flushEvents } from "./events.ts";
import { codeOf, storageError } from "./failure.ts";
import { channelOf } from "./listener.ts";
import type { Answer, Link, Param, Row } from "./link.ts";
import type { Names } from "./names.ts";

/** What is asked of the caller's transaction. A client of `pg` is one; so is anything that answers rows, or `{ rows }`. */
export interface PostgresTx {
  query(text: string, values: unknown[]): Promise<unknown>;
}

function isTx(value: unknown): value is PostgresTx {
  return typeof value === "object" && value !== null && "query" in value && typeof value.query === "function";
}

function isRows(value: unknown): value is readonly Row[] {
  return Array.isArray(value) && value.every((row) => typeof row === "object" && row !== null);
}

function linkOf(tx: PostgresTx): Link {
  return {
    async query(text: string, values: readonly Param[]): Promise<Answer> {
      const answer = await tx.query(text, [...values]);
      const rows = typeof answer === "object" && answer !== null && "rows" in answer ? answer.rows : answer;
      return isRows(rows) ? { rows, count: rows.length } : { rows: [], count: 0 };
    },
  };
}

/** All calls, each whole or not at all. @throws ConnectionError `TX_NOT_OPEN`, `TX_OTHER_DATABASE`, `TX_FOREIGN_LIBRARY`. */
export async function enqueueInTx(
  handle: unknown,
  names: Names,
  place: string,
  calls: readonly EnqueueCall[],
): Promise<readonly (readonly Enqueued[])[]> {
  if (!isTx(handle)) {
    throw new ConnectionError(
      "TX_FOREIGN_LIBRARY",
      "Expected `tx` to be your transaction on PostgreSQL, as `{ query(text, values) }`, got something else",
    );
  }
  const db = new Db(linkOf(handle), names);
  const answers: (readonly Enqueued[])[] = [];
  try {
    for (const call of calls) {
      await db.attempt(async () => {
        const added = await addCall(db, call, "remind");
        answers.push(added.answers);
        if (!added.refused) await flushEvents(db);
        return !added.refused;
      });
    }
    // As a number: some clients cannot read what has no type.
    await db.run("SELECT (pg_notify($1, $2) IS NULL)::int AS told", channelOf(names), "tx task");
    return answers;
  } catch (error) {
    const code = codeOf(error);
    // SAVEPOINT outside a transaction block.
    if (code === "25P01") {
      throw new ConnectionError("TX_NOT_OPEN", "Expected `tx` to have a transaction open (BEGIN before, COMMIT after), got one without");
    }
    if (code === "42P01" || code === "3F000") {
      throw new ConnectionError(
        "TX_OTHER_DATABASE",
        `Expected \`tx\` to be a transaction on ${place}, got one of a database without its tables`,
      );
    }
    throw storageError(error, place);
  }
}
