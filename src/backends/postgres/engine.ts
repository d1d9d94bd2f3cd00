/** Transactions: on a connection of the pool, again when others were in the way, and listeners told once it has committed. */
import type { Hint } from "../../core/backend.ts";
import type { Random } from "../../core/clock.ts";
import { ClosedError } from "../../core/errors.ts";
import { Db } from "./db.ts";
import { flushEvents } from "./events.ts";
import { isContention, isCut, isDuplicate, isLockTimeout, storageError } from "./failure.ts";
import type { Names } from "./names.ts";
import { lockTimeout } from "./options.ts";
import { connect, linkTo } from "./pool.ts";
import type { LinkOptions, PoolClient, PoolLike } from "./pool.ts";

/** So often a transaction runs again because of others before that is an error. */
const ATTEMPTS = 8;

/**
 * Whether a call is repeated when there is no connection, or it is cut, until the deadline of a statement: never; where nothing had been
 * sent; or also where nobody knows whether it was done, since doing it twice does no harm.
 */
export type Patience = "none" | "unsent" | "harmless";

export interface EngineOptions extends LinkOptions {
  readonly pool: PoolLike;
  readonly names: Names;
  /** The place as people know it, without secrets. */
  readonly place: string;
  readonly random: Random;
  readonly onHints: (hints: ReadonlySet<Hint>) => void;
}

export class Engine {
  readonly #options: EngineOptions;
  readonly #underWay = new Set<Promise<unknown>>();
  #closed = false;

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /** One statement, or several that need not be one transaction. */
  single<R>(step: (db: Db) => Promise<R>, patience: Patience = "none"): Promise<R> {
    return this.#call({ step, whole: false, patience });
  }

  /** All of it or nothing. `unheard`: it may have been done before, since an answer was lost. */
  transact<R>(step: (db: Db, unheard: boolean) => Promise<R>, patience: Patience = "none"): Promise<R> {
    return this.#call({ step, whole: true, patience });
  }

  /** Waits for what is under way; calls from now on reject. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
  }

  async #call<R>(asked: Call<R>): Promise<R> {
    if (this.#closed) throw new ClosedError("CLOSED", `Expected the backend of ${this.#options.place} to be open, but it was closed`);
    const call = this.#repeat(asked);
    this.#underWay.add(call);
    try {
      return await call;
    } finally {
      this.#underWay.delete(call);
    }
  }

  async #repeat<R>(call: Call<R>): Promise<R> {
    const { place, random, deadline } = this.#options;
    const until = performance.now() + deadline;
    let wasSent = false;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(call, wasSent);
      } catch (error) {
        wasSent ||= error instanceof Cut && error.wasSent;
        const inTheWay = isContention(error) || (call.whole && isDuplicate(error));
        const unheard =
          error instanceof Cut && !this.#closed && performance.now() < until && (!error.wasSent || call.patience === "harmless");
        // Who has waited for a lock for the most of its time would wait as long again.
        const waited = isLockTimeout(error) && performance.now() > until - deadline / 2;
        const again = inTheWay ? attempt < ATTEMPTS && !waited : unheard && call.patience !== "none";
        if (!again) throw storageError(error instanceof Cut ? error.cause : error, place);
        const most = inTheWay ? 5 * attempt : Math.min(LONGEST_PAUSE, 20 * 2 ** attempt);
        await new Promise((resolve) => setTimeout(resolve, (0.5 + random() / 2) * most));
      }
    }
  }

  async #once<R>({ step, whole }: Call<R>, unheard: boolean): Promise<R> {
    const { pool, names, onHints, deadline } = this.#options;
    const client = await connect(pool).catch((error: unknown) => {
      throw isCut(error) ? new Cut(false, error) : error;
    });
    const db = new Db(linkTo(client, this.#options), names);
    let broken: unknown;
    try {
      if (whole) await db.run(`BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = ${lockTimeout(deadline)}`);
      const result = await step(db, unheard);
      if (whole) {
        await flushEvents(db);
        await db.run("COMMIT");
      }
      if (db.hints.size > 0) onHints(db.hints);
      return result;
    } catch (error) {
      if (isCut(error)) {
        broken = error;
        throw new Cut(true, error);
      }
      if (whole) broken = await undo(db);
      throw error;
    } finally {
      give(client, broken);
    }
  }
}

interface Call<R> {
  readonly step: (db: Db, unheard: boolean) => Promise<R>;
  readonly whole: boolean;
  readonly patience: Patience;
}

/** There was no connection, or it is gone: then nobody knows whether what had been sent was done. */
class Cut extends Error {
  readonly wasSent: boolean;

  constructor(wasSent: boolean, cause: unknown) {
    super("no connection", { cause });
    this.wasSent = wasSent;
  }
}

/** Milliseconds between two attempts to reach the server, at most. */
const LONGEST_PAUSE = 1_000;

/** Answers what went wrong: a connection whose transaction cannot be ended is not used again. */
async function undo(db: Db): Promise<unknown> {
  try {
    await db.run("ROLLBACK");
    return undefined;
  } catch (error) {
    return error;
  }
}

function give(client: PoolClient, broken: unknown): void {
  if (broken === undefined) client.release();
  else client.release(true);
}
