/**
 * The SQLite library behind one small interface: `node:sqlite`, or the caller's own `better-sqlite3`. All connections of a process to
 * one file must use one library: POSIX locks do not see a second one in the same process (measured: 2 libraries, 4,000 acknowledged
 * commits, 2,001 rows left).
 */
import type * as NodeSqlite from "node:sqlite";
import { describe, StorageError } from "../../core/errors.ts";
import type { Row, Value } from "../shared/values.ts";

/** What may be bound: never an object (a `Date` would silently become NULL), never a boolean. */
export type Param = Value;

export interface Statement {
  all(...params: Param[]): Row[];
  get(...params: Param[]): Row | undefined;
  /** Row by row: what was read before an error has been read. */
  iterate(...params: Param[]): Iterable<Row>;
  /** The number of rows changed. */
  run(...params: Param[]): number;
}
/** A statement whose rows come as arrays, in the order of its columns: where many are read, that is twice as fast as objects. */
export type ListStatement = (...params: Param[]) => Param[][];

/** What OmniQ needs of a connection; lent to users by `withConnection` as `{ exec, prepare }`. */
export interface Connection {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  prepareLists(sql: string): ListStatement;
  readonly inTransaction: boolean;
  close(): void;
}

export interface OpenOptions {
  readonly readOnly?: boolean;
  /** Milliseconds that SQLite itself waits for a lock, blocking the event loop. Default 0: the engine retries without blocking. */
  readonly wait?: number;
  /** Reads what is left of a file that is shorter than its header says, too: SQLite refuses it whole unless its schema may be written. */
  readonly evenCutOff?: boolean;
}

/** One library: opens connections, recognises its own handles. */
export interface Library {
  readonly name: "node:sqlite" | "better-sqlite3";
  /** The same for what one copy of it opens, and for nothing else. */
  readonly maker: unknown;
  open(path: string, options?: OpenOptions): Connection;
  /** Whether a handle was made by this very library. */
  owns(handle: unknown): boolean;
  /** The same interface over a handle that somebody else opened, and will close. */
  wrap(handle: unknown): Connection;
}

let loaded: typeof NodeSqlite | undefined;

/** Loaded when first needed: importing OmniQ must load no driver. Node 22 prints an ExperimentalWarning for this load; it is left out. */
function nodeSqlite(): typeof NodeSqlite {
  if (loaded !== undefined) return loaded;
  const warn = Object.getOwnPropertyDescriptor(process, "emitWarning");
  try {
    process.emitWarning = (): void => undefined;
    loaded = process.getBuiltinModule("node:sqlite");
  } finally {
    if (warn !== undefined) Object.defineProperty(process, "emitWarning", warn);
  }
  return loaded;
}

export const nodeLibrary: Library = {
  name: "node:sqlite",
  maker: "node:sqlite",
  open(path, options = {}) {
    const { DatabaseSync: Database } = nodeSqlite();
    const { wait = 0, readOnly = false, evenCutOff = false } = options;
    const common = { timeout: wait, readOnly, enableForeignKeyConstraints: false };
    if (!evenCutOff) return wrapNode(new Database(path, common));
    // A defensive connection takes the pragma without a word, and does nothing.
    const database = new Database(path, { ...common, defensive: false });
    database.exec("PRAGMA writable_schema = ON");
    return wrapNode(database);
  },
  owns: (handle) => handle instanceof nodeSqlite().DatabaseSync,
  wrap(handle) {
    if (handle instanceof nodeSqlite().DatabaseSync) return wrapNode(handle);
    throw notAHandle("tx", handle);
  },
};

function wrapNode(database: NodeSqlite.DatabaseSync): Connection {
  return {
    exec: (sql) => {
      database.exec(sql);
    },
    prepare(sql) {
      const statement = database.prepare(sql);
      // A caller's handle may have been opened with `returnArrays`.
      statement.setReturnArrays(false);
      return {
        // Rows hold integers, text, reals and NULL only: our tables are STRICT.
        all: (...params) => statement.all(...params),
        get: (...params) => statement.get(...params),
        iterate: (...params) => statement.iterate(...params),
        run: (...params) => Number(statement.run(...params).changes),
      };
    },
    prepareLists(sql) {
      const statement = database.prepare(sql);
      statement.setReturnArrays(true);
      return (...params) => listsOf(statement.all(...params));
    },
    get inTransaction() {
      return database.isTransaction;
    },
    close: () => {
      database.close();
    },
  };
}

function isList(row: unknown): row is Param[] {
  return Array.isArray(row);
}

function listsOf(rows: readonly unknown[]): Param[][] {
  return rows.filter((row) => isList(row));
}

type BetterParam = Param | Readonly<Record<string, Param>>;
/** The part of `better-sqlite3` that is used, so that its types are not needed. */
interface BetterSqlite {
  exec(sql: string): unknown;
  prepare(sql: string): {
    readonly reader: boolean;
    all(...p: readonly BetterParam[]): unknown[];
    get(...p: readonly BetterParam[]): unknown;
    iterate(...p: readonly BetterParam[]): Iterable<unknown>;
    run(...p: readonly BetterParam[]): { changes: number };
    raw(on: boolean): unknown;
  };
  pragma(text: string): unknown;
  readonly inTransaction: boolean;
  readonly memory: boolean;
  readonly name: string;
  close(): unknown;
}
type BetterConstructor = new (path: string, options: { timeout: number; readonly: boolean }) => BetterSqlite;

function isBetter(handle: unknown): handle is BetterSqlite {
  return (
    typeof handle === "object" &&
    handle !== null &&
    ["exec", "prepare", "pragma", "close"].every((name) => typeof Reflect.get(handle, name) === "function") &&
    typeof Reflect.get(handle, "inTransaction") === "boolean" &&
    typeof Reflect.get(handle, "memory") === "boolean"
  );
}

/** The library that made this handle; every further connection is opened through the same one. */
export function libraryOf(handle: unknown): Library {
  if (nodeLibrary.owns(handle)) return nodeLibrary;
  if (!isBetter(handle)) throw notAHandle("connection", handle);
  const make: unknown = Object.getPrototypeOf(handle)?.constructor;
  if (!isConstructor(make)) throw notAHandle("connection", handle);
  return {
    name: "better-sqlite3",
    maker: make,
    open: (path, options = {}) => wrapBetter(new make(path, { timeout: options.wait ?? 0, readonly: options.readOnly ?? false })),
    owns: (other) => other instanceof make,
    wrap(other) {
      if (other instanceof make) return wrapBetter(other);
      throw notAHandle("tx", other);
    },
  };
}

function isConstructor(value: unknown): value is BetterConstructor {
  return typeof value === "function";
}

function isRow(row: unknown): row is Row {
  return typeof row === "object" && row !== null;
}

/** `?1` is a name for better-sqlite3, to be bound by an object; a bare `?` is not. */
function boundFor(sql: string): (params: readonly Param[]) => readonly BetterParam[] {
  if (!/\?\d/.test(sql)) return (params) => params;
  return (params) => [Object.fromEntries(params.map((param, i) => [i + 1, param]))];
}

function* rowsOf(values: Iterable<unknown>): Generator<Row> {
  for (const value of values) if (isRow(value)) yield value;
}

function wrapBetter(database: BetterSqlite): Connection {
  return {
    exec: (sql) => {
      database.exec(sql);
    },
    prepare(sql) {
      const statement = database.prepare(sql);
      const bound = boundFor(sql);
      return {
        all: (...params) => statement.all(...bound(params)).filter((row) => isRow(row)),
        get: (...params) => {
          const row = statement.get(...bound(params));
          return isRow(row) ? row : undefined;
        },
        iterate: (...params) => rowsOf(statement.iterate(...bound(params))),
        // It refuses run() on a statement that returns rows, and get() on one that does not.
        run: (...params) => (statement.reader ? statement.all(...bound(params)).length : statement.run(...bound(params)).changes),
      };
    },
    prepareLists(sql) {
      const statement = database.prepare(sql);
      const bound = boundFor(sql);
      statement.raw(true);
      return (...params) => listsOf(statement.all(...bound(params)));
    },
    get inTransaction() {
      return database.inTransaction;
    },
    close: () => {
      database.close();
    },
  };
}

function notAHandle(name: string, got: unknown): StorageError {
  return new StorageError(
    "STORAGE_FAILED",
    `Expected \`${name}\` to be an open database handle of node:sqlite (DatabaseSync) or better-sqlite3, got ${describe(got)}`,
  );
}
