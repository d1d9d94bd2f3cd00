/** Enqueueing inside the caller's own transaction: written on the caller's handle, acknowledged by the caller's commit. */
import type { Enqueued, EnqueueCall } from "../../core/backend.ts";
import { ConnectionError, OmniQError } from "../../core/errors.ts";
import { int, str } from "../shared/values.ts";
import { Db } from "./db.ts";
import type { Sql } from "./db.ts";
import { addCall, added, allAdded, areCommon, sentBy, TASKS, TELL } from "./enqueue.ts";
import { flushEvents } from "./events.ts";
import { codeOf, isDuplicate, storageError } from "./failure.ts";
import { channelOf } from "./listener.ts";
import type { Answer, Link, Param, Row } from "./link.ts";
import type { Names } from "./names.ts";

/** What is asked of the caller's transaction. A client of `pg` is one; so is anything that answers rows, or `{ rows }`. */
export interface PostgresTx {
  query(text: string, values: unknown[]): Promise<unknown>;
}

type Answers = readonly (readonly Enqueued[])[];

/** Which database of which server, and since when that runs: told alike by all connections to one, and by no other. */
const HERE =
  "(SELECT d.oid::text FROM pg_database d WHERE d.datname = current_database()) || '@' || extract(epoch FROM pg_postmaster_start_time())::text";
const WHERE: Sql = `SELECT ${HERE} AS place`;

export async function placeIn(db: Db): Promise<string> {
  return str((await db.get(WHERE))?.["place"]);
}

/** The parameters behind the tasks: the place, the channel and the hint. */
const PLACE = TASKS.width + 1;
/**
 * All in one statement, and nothing where it is not the right database, or no transaction is known to be open: that is so once it has a
 * number, which the statement asks for in that case, so that a second look finds it. An id that is there already is passed over.
 */
const plain = (announced: boolean): Sql => `WITH caller AS MATERIALIZED (
  SELECT ${HERE} AS place, pg_current_xact_id_if_assigned() IS NOT NULL AS is_open),
  added AS (${added(`WHERE EXISTS (SELECT 1 FROM caller WHERE is_open AND place = $${PLACE}::text) ON CONFLICT DO NOTHING`)})
  ${announced ? `, ${TELL} WHERE (SELECT count(*) FROM added) = cardinality($1::text::text[]))` : ""}
  SELECT place, is_open::int AS is_open, (SELECT count(*)::int FROM added) AS n, (SELECT string_agg(rid::text, ',') FROM added) AS rids,
  CASE WHEN is_open THEN pg_notify($${PLACE + 1}, $${PLACE + 2})::text ELSE pg_current_xact_id()::text END AS told FROM caller`;
const PLAIN = plain(false);
const PLAIN_AND_TELL = plain(true);
const TAKE_BACK: Sql = "DELETE FROM {tasks} WHERE rid = ANY(string_to_array($1, ',')::bigint[])";
const ATTEMPTS = 8;
const HINT = "tx task";
/** A parent may have ended meanwhile: workers that are told of what waits to be ended look for reminders, too. */
const CHILDREN_HINT = "tx task cancel";

export class Callers {
  readonly #names: Names;
  readonly #place: string;
  readonly #look: () => Promise<string>;
  /** The last call on each transaction, as long as the caller keeps it. */
  readonly #last = new WeakMap<object, Promise<Answers>>();
  #here: string | undefined;

  /** @param look asks our own connections which database this is. */
  constructor(names: Names, place: string, look: () => Promise<string>) {
    this.#names = names;
    this.#place = place;
    this.#look = look;
  }

  /** Asked at opening: later a small pool may be in the hands of those who enqueue. */
  async open(): Promise<void> {
    this.#here = await this.#look();
  }

  /** Calls on one transaction, one after the other: they share its savepoints. All of a call, or nothing of it. @throws ConnectionError `TX_NOT_OPEN`, `TX_ABORTED`, `TX_READONLY`, `TX_OTHER_DATABASE`, `TX_FOREIGN_LIBRARY`. */
  async enqueue(handle: unknown, calls: readonly EnqueueCall[]): Promise<Answers> {
    if (!isTx(handle)) {
      throw new ConnectionError(
        "TX_FOREIGN_LIBRARY",
        "Expected `tx` to be your transaction on PostgreSQL, as `{ query(text, values) }`, got something else",
      );
    }
    const before = this.#last.get(handle);
    const answers = (async (): Promise<Answers> => {
      const failed: unknown = await before?.then(
        () => undefined,
        (error: unknown) => error,
      );
      return await this.#enqueue(new Db(linkOf(handle), this.#names), calls, failed);
    })();
    this.#last.set(handle, answers);
    return await answers;
  }

  /** @param failed why the call before was not done. */
  async #enqueue(db: Db, calls: readonly EnqueueCall[], failed: unknown): Promise<Answers> {
    try {
      if (areCommon(calls)) {
        const answers = await this.#atOnce(db, calls);
        if (answers !== undefined) return answers;
      } else {
        await this.#mustBeHere(await placeIn(db));
      }
      return await this.#oneByOne(db, calls);
    } catch (error) {
      throw this.#explain(error, failed);
    }
  }

  /** In one statement. Answers nothing, with nothing written, where one of the ids is there already. */
  async #atOnce(db: Db, calls: readonly EnqueueCall[]): Promise<Answers | undefined> {
    const sql = calls[0]?.announce === true ? PLAIN_AND_TELL : PLAIN;
    const tasks = sentBy(calls);
    const count = calls.reduce((sum, call) => sum + call.tasks.length, 0);
    for (let look = 1; ; look++) {
      const row = await db.get(sql, ...tasks, this.#here ?? "", channelOf(this.#names), HINT);
      const place = str(row?.["place"]);
      const n = int(row?.["n"]);
      if (place !== this.#here) await this.#mustBeHere(place);
      else if (int(row?.["is_open"]) === 0) {
        if (look > 1) throw notOpen();
      } else if (n === count) return allAdded(calls);
      else {
        if (n > 0) await db.run(TAKE_BACK, str(row?.["rids"]));
        return undefined;
      }
    }
  }

  async #oneByOne(db: Db, calls: readonly EnqueueCall[]): Promise<Answers> {
    const answers: (readonly Enqueued[])[] = [];
    for (const call of calls) answers.push(await this.#one(db, call));
    const hasChildren = calls.some(({ tasks }) => tasks.some(({ dependsOn }) => dependsOn.length > 0));
    // As a number: some clients cannot read what has no type.
    await db.run("SELECT (pg_notify($1, $2) IS NULL)::int AS told", channelOf(this.#names), hasChildren ? CHILDREN_HINT : HINT);
    return answers;
  }

  /** Again where somebody else took an id or a key meanwhile: the next look sees it, unless the transaction is one that sees no others. */
  async #one(db: Db, call: EnqueueCall): Promise<readonly Enqueued[]> {
    for (let attempt = 1; ; attempt++) {
      let answers: readonly Enqueued[] = [];
      try {
        await db.attempt(async () => {
          const added = await addCall(db, call, "remind");
          answers = added.answers;
          if (!added.refused) await flushEvents(db);
          return !added.refused;
        });
        return answers;
      } catch (error) {
        if (!isDuplicate(error) || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** A server that was started again, or took over, tells another place: so ours is asked for once more. */
  async #mustBeHere(place: string): Promise<void> {
    if (place !== this.#here) this.#here = await this.#look();
    if (place !== this.#here) throw otherDatabase(this.#place, "another one");
  }

  #explain(error: unknown, failed: unknown): unknown {
    const code = codeOf(error);
    // SAVEPOINT outside a transaction block.
    if (code === "25P01") return notOpen();
    if (code === "25P02") {
      const before = failed instanceof OmniQError ? ` (the enqueue before this one: ${failed.code})` : "";
      return new ConnectionError(
        "TX_ABORTED",
        `Expected \`tx\` to be a transaction that can be committed, got one in which a statement failed: roll it back${before}`,
        { cause: error },
      );
    }
    if (code === "25006") {
      return new ConnectionError(
        "TX_READONLY",
        "Expected `tx` to be a transaction that may write, got one that is read only (or of a standby)",
        {
          cause: error,
        },
      );
    }
    if (code === "42P01" || code === "3F000") return otherDatabase(this.#place, "a database without its tables");
    return storageError(error, this.#place);
  }
}

function notOpen(): ConnectionError {
  return new ConnectionError("TX_NOT_OPEN", "Expected `tx` to have a transaction open (BEGIN before, COMMIT after), got one without");
}

function otherDatabase(place: string, got: string): ConnectionError {
  return new ConnectionError("TX_OTHER_DATABASE", `Expected \`tx\` to be a transaction on ${place}, got one on ${got}`);
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
