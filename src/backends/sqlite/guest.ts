/**
 * The connection that is lent to the user: another one than the engine's, so that `await queue.enqueue()` inside the callback works and
 * beats go on. A database in memory has only one: there a call from inside is refused instead of waiting for itself.
 */
import type { AsyncLocalStorage } from "node:async_hooks";
import { ConnectionError } from "../../core/errors.ts";
import type { Engine } from "./engine.ts";
import { held } from "./engine.ts";
import type { Connection, Statement } from "./library.ts";

/** What `withConnection` hands out: the same object each time. */
export interface LentConnection {
  exec(sql: string): void;
  prepare(sql: string): Statement;
}

const hooks = process.getBuiltinModule("node:async_hooks");

/** A promise and the function that resolves it. */
function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  const resolvers: (() => void)[] = [];
  const promise = new Promise<void>((resolve) => {
    resolvers.push(resolve);
  });
  return { promise, resolve: () => resolvers[0]?.() };
}

export class Guest {
  readonly #engine: Engine;
  readonly #inMemory: boolean;
  readonly #open: () => Connection;
  /** Inside the callback of this very guest: how a call from inside is told from one that just comes meanwhile. */
  readonly #inside: AsyncLocalStorage<true> = new hooks.AsyncLocalStorage<true>();
  #connection: Connection | undefined;
  #lent: LentConnection | undefined;
  /** The end of the queue of those who wait for it. */
  #last: Promise<void> = Promise.resolve();
  #busy = false;

  constructor(options: { readonly engine: Engine; readonly inMemory: boolean; readonly open: () => Connection }) {
    this.#engine = options.engine;
    this.#inMemory = options.inMemory;
    this.#open = options.open;
  }

  /** Refuses a call from inside a callback that holds the only connection. */
  refuseInside(): void {
    if (this.#inMemory && this.#inside.getStore() === true) throw held();
  }

  async use<T>(fn: (connection: LentConnection) => T | Promise<T>): Promise<T> {
    if (this.#inside.getStore() === true) throw held();
    const before = this.#last;
    const { promise, resolve: done } = deferred();
    this.#last = promise;
    await before;
    try {
      if (this.#inMemory) await this.#engine.settled();
      return await this.#hold(fn);
    } finally {
      done();
    }
  }

  async #hold<T>(fn: (connection: LentConnection) => T | Promise<T>): Promise<T> {
    const lent = this.#begin();
    try {
      return await this.#inside.run(true, async () => fn(lent));
    } finally {
      this.#end();
    }
  }

  useSync<T>(fn: (connection: LentConnection) => T): T {
    if (this.#busy || this.#inside.getStore() === true) throw held();
    const lent = this.#begin();
    try {
      const value = this.#inside.run(true, () => fn(lent));
      if (value instanceof Promise) {
        void value.catch(() => undefined);
        throw new ConnectionError("CONNECTION_HELD", "Expected the function given to withConnectionSync to be synchronous, got a promise");
      }
      return value;
    } finally {
      this.#end();
    }
  }

  #begin(): LentConnection {
    this.#busy = true;
    if (this.#inMemory) this.#engine.lend();
    this.#connection ??= this.#inMemory ? this.#engine.db.connection : this.#open();
    const connection = this.#connection;
    this.#lent ??= {
      exec: (sql) => {
        connection.exec(sql);
      },
      prepare: (sql) => connection.prepare(sql),
    };
    return this.#lent;
  }

  /** A transaction left open would hold the lock for ever: it is rolled back, and said. */
  #end(): void {
    const connection = this.#connection;
    const open = connection?.inTransaction === true;
    if (open) connection.exec("ROLLBACK");
    this.#busy = false;
    if (this.#inMemory) this.#engine.giveBack();
    if (open) {
      throw new ConnectionError(
        "TRANSACTION_LEFT_OPEN",
        "Expected the callback of withConnection to end its transaction; it was rolled back",
      );
    }
  }

  close(): void {
    if (!this.#inMemory) this.#connection?.close();
    this.#connection = undefined;
    this.#lent = undefined;
  }
}
