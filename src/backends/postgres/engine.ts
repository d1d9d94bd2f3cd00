/** Transactions: on a connection of the pool, again when others were in the way, and listeners told once it has committed. */
import type { Hint } from "../../core/backend.ts";
import type { Random } from "../../core/clock.ts";
import { ClosedError } from "../../core/errors.ts";
import { Db } from "./db.ts";
import { flushEvents } from "./events.ts";
import { isContention, isCut, isDuplicate, storageError } from "./failure.ts";
import type { Names } from "./names.ts";
import { linkTo } from "./pool.ts";
import type { LinkOptions, PoolClient, PoolLike } from "./pool.ts";

/** So often a transaction runs again because of others before that is an error. */
const ATTEMPTS = 8;

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
  single<R>(step: (db: Db) => Promise<R>): Promise<R> {
    return this.#call(step, false);
  }

  /** All of it or nothing. */
  transact<R>(step: (db: Db) => Promise<R>): Promise<R> {
    return this.#call(step, true);
  }

  /** Waits for what is under way; calls from now on reject. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
  }

  async #call<R>(step: (db: Db) => Promise<R>, whole: boolean): Promise<R> {
    if (this.#closed) throw new ClosedError("CLOSED", `Expected the backend of ${this.#options.place} to be open, but it was closed`);
    const call = this.#repeat(step, whole);
    this.#underWay.add(call);
    try {
      return await call;
    } finally {
      this.#underWay.delete(call);
    }
  }

  async #repeat<R>(step: (db: Db) => Promise<R>, whole: boolean): Promise<R> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(step, whole);
      } catch (error) {
        const again = isContention(error) || (whole && isDuplicate(error));
        if (!again || attempt === ATTEMPTS) throw storageError(error, this.#options.place);
        await new Promise((resolve) => setTimeout(resolve, this.#options.random() * 5 * attempt));
      }
    }
  }

  async #once<R>(step: (db: Db) => Promise<R>, whole: boolean): Promise<R> {
    const { pool, names, onHints } = this.#options;
    const client = await pool.connect();
    const db = new Db(linkTo(client, this.#options), names);
    let broken: unknown;
    try {
      if (whole) await db.run("BEGIN");
      const result = await step(db);
      if (whole) {
        await flushEvents(db);
        await db.run("COMMIT");
      }
      if (db.hints.size > 0) onHints(db.hints);
      return result;
    } catch (error) {
      broken = isCut(error) ? error : undefined;
      if (whole && broken === undefined) broken = await undo(db);
      throw error;
    } finally {
      give(client, broken);
    }
  }
}

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
