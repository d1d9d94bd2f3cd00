/** Enqueueing inside the caller's own transaction: written on the caller's handle, acknowledged by the caller's commit. */
import type { Enqueued, EnqueueCall } from "../../core/backend.ts";
import { ConnectionError } from "../../core/errors.ts";
import { Db } from "./db.ts";
import { enqueue } from "./enqueue.ts";
import { flushEvents } from "./events.ts";
import { storageError } from "./failure.ts";
import { isCurrent } from "./migrate.ts";
import type { Place } from "./open.ts";
import { fileOf } from "./open.ts";
import { isSameFile } from "./real-file.ts";

/** The property that tells whether a handle of the library is open. */
const OPEN = { "node:sqlite": "isOpen", "better-sqlite3": "open" } as const;

export class CallerHandles {
  readonly #place: Place;
  /** The statements prepared on each handle, as long as the caller keeps it. */
  readonly #known = new WeakMap<object, Db>();

  constructor(place: Place) {
    this.#place = place;
  }

  /** Synchronous to its end: the rows are written when it returns, all of them or none. */
  enqueue(handle: unknown, calls: readonly EnqueueCall[], now: number): readonly (readonly Enqueued[])[] {
    const db = this.#dbOf(handle);
    if (!db.connection.inTransaction) {
      throw new ConnectionError(
        "TX_NOT_OPEN",
        "Expected `tx` to be a handle with a transaction open (BEGIN before, COMMIT after), got one without",
      );
    }
    db.begin(now);
    db.run("SAVEPOINT omniq_tx");
    try {
      const answers = enqueue(db, calls);
      flushEvents(db);
      db.run("RELEASE omniq_tx");
      return answers;
    } catch (error) {
      if (db.connection.inTransaction) {
        db.run("ROLLBACK TO omniq_tx");
        db.run("RELEASE omniq_tx");
      }
      throw storageError(error, this.#place.path);
    }
  }

  #dbOf(handle: unknown): Db {
    if (typeof handle !== "object" || handle === null) throw foreign(this.#place);
    const known = this.#known.get(handle);
    if (known === undefined && !this.#place.library.owns(handle)) throw foreign(this.#place);
    if (Reflect.get(handle, OPEN[this.#place.library.name]) !== true) {
      throw new ConnectionError("TX_NOT_OPEN", "Expected `tx` to be an open handle with a transaction, got one that is closed");
    }
    if (known !== undefined) return known;
    const connection = this.#place.library.wrap(handle);
    const file = fileOf(connection);
    if (file === "" || !isSameFile(file, this.#place.path)) {
      throw new ConnectionError(
        "TX_OTHER_DATABASE",
        `Expected \`tx\` to be a handle on ${this.#place.path}, got one on ${file === "" ? "a database in memory" : file}`,
      );
    }
    const db = new Db(connection, this.#place.tablePrefix);
    isCurrent(db, this.#place.path);
    this.#known.set(handle, db);
    return db;
  }
}

function foreign(place: Place): ConnectionError {
  const advice =
    place.library.name === "node:sqlite"
      ? "give your handle to the backend (`new SQLiteBackend({ connection })`), which then opens the file through the same library"
      : "open it with the library that the backend was given";
  return new ConnectionError(
    "TX_FOREIGN_LIBRARY",
    `Expected \`tx\` to be a handle of ${place.library.name}, the library that opened ${place.path}, got something else: two SQLite libraries on one file lose commits; ${advice}`,
  );
}
