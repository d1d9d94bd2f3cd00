/**
 * What can still be read of a damaged file, in a new one. The file itself is only read. A page that cannot be read hides its rows, and those
 * behind it from whoever reads on: so each table is read from both ends, and what lies between from the keys on that stand on the pages
 * themselves. Which rows are lost is told by the keys that indexes know.
 */
import { StorageError } from "../../core/errors.ts";
import { int } from "../shared/values.ts";
import type { Row, Value } from "../shared/values.ts";
import { writtenAs } from "./backup.ts";
import { isRowDamaged } from "./checksum.ts";
import { Db } from "./db.ts";
import { storageError } from "./failure.ts";
import type { Where } from "./examine.ts";
import { READ_WAIT } from "./examine.ts";
import { nodeLibrary } from "./library.ts";
import type { Param } from "./library.ts";
import { mend } from "./mend.ts";
import { isCurrent, migrate } from "./migrate.ts";
import { refuseHollow } from "./open.ts";
import { pageKeysOf } from "./page-keys.ts";
import type { PageKeys } from "./page-keys.ts";
import { realFile } from "./real-file.ts";
import { TABLES } from "./schema.ts";

export interface SalvagedTable {
  readonly table: string;
  /** Rows in the new file. */
  readonly rows: number;
  /** Rows that are known to have been there and could not be read, or not be written as they were. */
  readonly lost: number;
  /** The keys of some of these. */
  readonly names: readonly string[];
  /** A part of it could not be read from either end: there may have been more. */
  readonly isTorn: boolean;
  /** Rows whose payload is not what was written: they are in the new file, and refused when they are used. */
  readonly damaged: number;
}
export interface Salvaged {
  /** Absolute. */
  readonly file: string;
  readonly bytes: number;
  readonly tables: readonly SalvagedTable[];
}

interface Plan {
  readonly key: readonly string[];
  /** Statements that answer keys from indexes, up and down. */
  readonly known: readonly string[];
}

const KEYS: Readonly<Record<(typeof TABLES)[number], Plan>> = {
  workers: { key: ["rid"], known: ["SELECT rid AS key FROM {workers} ORDER BY id"] },
  queues: {
    key: ["name"],
    known: ["SELECT DISTINCT queue_name AS key FROM {tasks} INDEXED BY {idx_tasks_queue_status} WHERE stage = 0 ORDER BY key"],
  },
  schedules: { key: ["rowid"], known: ["SELECT rowid AS key FROM {schedules} ORDER BY id"] },
  occurrences: { key: ["schedule_id", "at"], known: [] },
  dependencies: { key: ["parent", "child"], known: [] },
  dependents: { key: ["parent", "child"], known: [] },
  releases: { key: ["parent"], known: [] },
  tasks: { key: ["rid"], known: ["SELECT rid AS key FROM {tasks} ORDER BY id"] },
  results: { key: ["task_id"], known: ["SELECT id AS key FROM {tasks} ORDER BY id"] },
  events: {
    key: ["seq"],
    known: [
      "SELECT seq AS key FROM {events} INDEXED BY {idx_events_timestamp} ORDER BY timestamp",
      "SELECT seq AS key FROM {events} INDEXED BY {idx_events_task_id} ORDER BY task_id",
    ],
  },
};
/** Keys that are named. */
const NAMED = 10;

/**
 * Writes all rows that can be read into a new file, brought up to this version, and sets right what fits together no longer.
 * @throws StorageError `BACKUP_REFUSED` for a target that is there; `STORAGE_CORRUPT`, `NOT_A_DATABASE` when not even the list of tables can
 * be read; `FOREIGN_SCHEMA`, `SCHEMA_TOO_NEW`.
 */
export async function salvage(place: Where, target: string, overwrite = false): Promise<Salvaged> {
  refuseHollow(place.path);
  const { file, bytes, made } = await writtenAs(place.path, target, overwrite, (copy) => Promise.resolve(salvageInto(place, copy)));
  return { file, bytes, tables: made };
}

function salvageInto({ path, tablePrefix }: Where, copy: string): readonly SalvagedTable[] {
  const keys = pageKeysOf(realFile(path));
  const from = new Db(opened(path, true), tablePrefix);
  try {
    refuseStrangers(from, path);
    const to = new Db(opened(copy, false), tablePrefix);
    try {
      // One transaction, brought to disk at its end: nobody reads it before it has its name.
      to.connection.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = FULL; BEGIN IMMEDIATE");
      migrate(to, copy);
      const tables = TABLES.map((table) => salvageTable(from, to, table, keys));
      raiseFloors(from, to);
      mend(to);
      to.connection.exec("COMMIT");
      return tables;
    } finally {
      to.connection.close();
    }
  } finally {
    from.connection.close();
  }
}

function opened(path: string, readOnly: boolean) {
  try {
    // Only what is read: nothing may write a schema by hand.
    return nodeLibrary.open(path, { readOnly, wait: READ_WAIT, evenCutOff: readOnly });
  } catch (error) {
    throw storageError(error, path);
  }
}

function refuseStrangers(from: Db, path: string): void {
  try {
    isCurrent(from, path);
  } catch (error) {
    if (error instanceof StorageError && error.code === "SCHEMA_TOO_NEW") throw error;
    // The version alone may be what cannot be read.
  }
  try {
    if (columnsOf(from, "tasks").length > 0) return;
    // This connection takes what is left of a damaged schema for the whole of it.
    from.connection.prepare("SELECT count(*) FROM sqlite_schema").get();
  } catch (error) {
    throw storageError(error, path);
  }
  throw new StorageError("FOREIGN_SCHEMA", `Expected ${path} to be a database of OmniQ, but it has no tables of ours`);
}

/** One table, in the columns that both have. */
function salvageTable(from: Db, to: Db, table: (typeof TABLES)[number], keys: PageKeys): SalvagedTable {
  const { key, known } = KEYS[table];
  const common = columnsOf(from, table, columnsOf(to, table));
  if (common.length === 0) return { table, rows: 0, lost: 0, names: [], isTorn: true, damaged: 0 };
  const columns = [...new Set([...key, ...common])];
  const catching = new Catching(to, table, key, columns);
  const select = `SELECT ${columns.join(", ")} FROM {${table}}`;
  const isTorn = !walk(from, `${select} NOT INDEXED ORDER BY ${key.join(", ")}`, (row) => catching.put(row));
  if (isTorn) {
    walk(from, `${select} NOT INDEXED ORDER BY ${downwards(key)}`, (row) => catching.put(row));
    walkBetween(from, select, key, catching, keys);
    const one = `${select} WHERE ${key[0]} = ?`;
    for (const each of keysOf(from, known)) {
      if (catching.has([each]) || catching.isLost(each)) continue;
      if (!walk(from, one, (row) => catching.put(row), each)) catching.lose(String(each));
    }
  }
  return { table, isTorn, ...catching.told };
}

function downwards(key: readonly string[]): string {
  return key.map((column) => `${column} DESC`).join(", ");
}

/** From every place that a page names, in both directions, until a page that cannot be read or rows that are there already. */
function walkBetween(from: Db, select: string, key: readonly string[], catching: Catching, { rowIds, entries }: PageKeys): void {
  const isByRowId = ["rid", "rowid", "seq"].includes(key[0] ?? "");
  const [columns, marks] = [key.join(", "), key.map(() => "?").join(", ")];
  const walks = [`>= (${marks}) ORDER BY ${columns}`, `<= (${marks}) ORDER BY ${downwards(key)}`].map(
    (where) => `${select} NOT INDEXED WHERE (${columns}) ${where}`,
  );
  for (const place of isByRowId ? [...rowIds].map((id) => [id]) : entries) {
    const at = place.slice(0, key.length);
    if (at.length < key.length || catching.has(at)) continue;
    for (const sql of walks) walk(from, sql, (row) => catching.put(row), ...at);
  }
}

function columnsOf(db: Db, table: string, among?: readonly string[]): readonly string[] {
  const name = db.named(`{${table}}`).slice(1, -1);
  const names = db.connection
    .prepare("SELECT name FROM pragma_table_info(?)")
    .all(name)
    .map((row) => String(row["name"]));
  return among === undefined ? names : among.filter((column) => names.includes(column));
}

/** Hands on row by row, until `take` has had enough. False when a page could not be read. */
function walk(db: Db, sql: string, take: (row: Row) => boolean, ...params: Param[]): boolean {
  try {
    for (const row of db.connection.prepare(db.named(sql)).iterate(...params)) if (!take(row)) return true;
    return true;
  } catch {
    return false;
  }
}

/** Every key that an index tells, from both of its ends. */
function keysOf(from: Db, known: readonly string[]): ReadonlySet<Value> {
  const keys = new Set<Value>();
  const keep = (row: Row): boolean => {
    keys.add(row["key"] ?? null);
    return true;
  };
  for (const up of known) if (!walk(from, up, keep)) walk(from, `${up} DESC`, keep);
  return keys;
}

/** The rows of one table that are written. */
class Catching {
  readonly #to: Db;
  readonly #table: string;
  readonly #key: readonly string[];
  readonly #columns: readonly string[];
  readonly #insert: string;
  readonly #names = new Set<string>();
  #rows = 0;
  #damaged = 0;

  constructor(to: Db, table: string, key: readonly string[], columns: readonly string[]) {
    this.#to = to;
    this.#table = table;
    this.#key = key;
    this.#columns = columns;
    this.#insert = `INSERT INTO {${table}}(${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")}) ON CONFLICT DO NOTHING`;
  }

  get told(): Omit<SalvagedTable, "table" | "isTorn"> {
    return { rows: this.#rows, lost: this.#names.size, names: [...this.#names].slice(0, NAMED), damaged: this.#damaged };
  }

  /** False for a row that is there already: who reads from the other end has come to where the first one stopped. */
  put(row: Row): boolean {
    const key = this.#key.map((column) => row[column] ?? null);
    const name = key.join(" ");
    try {
      if (this.#to.run(this.#insert, ...this.#columns.map((column) => row[column] ?? null)) === 0) {
        if (this.has(key)) return false;
        this.lose(name);
        return true;
      }
    } catch {
      // The tables refuse what no writer can have written.
      this.lose(name);
      return true;
    }
    this.#rows++;
    if (this.#isDamaged(row)) this.#damaged++;
    return true;
  }

  has(key: readonly Value[]): boolean {
    const where = this.#key.map((column) => `${column} = ?`).join(" AND ");
    return this.#to.get(`SELECT 1 FROM {${this.#table}} WHERE ${where}`, ...key) !== undefined;
  }

  lose(name: string): void {
    this.#names.add(name);
  }

  isLost(key: Value): boolean {
    return this.#names.has(String(key));
  }

  #isDamaged(row: Row): boolean {
    const table = this.#table;
    return (table === "tasks" || table === "results" || table === "schedules") && isRowDamaged(table, row);
  }
}

/** No claim may get a fence that was given out before, nor a schedule a revision. */
function raiseFloors(from: Db, to: Db): void {
  const floor = "INSERT INTO {omniq_meta}(key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = max(value, excluded.value)";
  walk(from, "SELECT key, value FROM {omniq_meta} WHERE key <> 'schema_version'", (row) => {
    to.run(floor, String(row["key"]), int(row["value"]));
    return true;
  });
  const highest = to.get("SELECT max(coalesce((SELECT max(fence) FROM {tasks}), 0), coalesce((SELECT max(fence) FROM {results}), 0)) AS n");
  to.run(floor, "fence_floor", int(highest?.["n"] ?? 0));
}
