/** Making a file into an open, current database: permissions, pragmas, version floor, migrations. */
import { StorageError } from "../../core/errors.ts";
import { int, str } from "../shared/values.ts";
import { Db } from "./db.ts";
import { isBusy, storageError } from "./failure.ts";
import { fileSystemAt } from "./file-system.ts";
import type { Connection, Library } from "./library.ts";
import { isCurrent, migrate } from "./migrate.ts";
import { inodeOf, realFile } from "./real-file.ts";
import { refuseSecondName } from "./second-name.ts";

const fs = process.getBuiltinModule("node:fs");
const path = process.getBuiltinModule("node:path");

export type Durability = "full" | "normal";

export interface Place {
  readonly library: Library;
  /** Absolute, or `:memory:`; where it is opened, of the file itself and no link to it. */
  readonly path: string;
  readonly durability: Durability;
  readonly tablePrefix: string;
  /** The folder is made where it is missing. */
  readonly makeFolder: boolean;
  /** Also a network's. */
  readonly anyFileSystem: boolean;
}

/** 3.51.3 is the first with the WAL-reset fix: before it, two connections on one file can lose acknowledged commits. */
const OLDEST_SQLITE = [3, 51, 3] as const;
/** The WAL shrinks back to this when it starts over; a pinned reader once left 240 MiB behind. */
const WAL_LIMIT = 64 * 1_048_576;

/** Creates folder and file (0600: payloads may hold secrets) before SQLite sees it. Never opens a file that is there: closing it would drop SQLite's locks. */
export function makeFile(place: Place): void {
  const folder = path.dirname(place.path);
  try {
    if (place.makeFolder) makeFolder(folder);
  } catch (error) {
    const code = codeOf(error);
    throw cannotMake(place.path, folder, code === "EEXIST" ? "ENOTDIR" : code, error);
  }
  if (!place.anyFileSystem) refuseNetwork(place.path, folder);
  try {
    refuseHollow(place.path);
    fs.closeSync(fs.openSync(place.path, "wx", 0o600));
  } catch (error) {
    if (error instanceof StorageError) throw error;
    const code = codeOf(error);
    if (code === "EEXIST" && fs.statSync(place.path, { throwIfNoEntry: false })?.isFile() === true) {
      refuseSecondName(place.path);
      return;
    }
    throw cannotMake(place.path, folder, code, error);
  }
}

/** Step by step: Node's own recursive form never returns where a file system refuses new folders with ENOENT, as /proc does. */
function makeFolder(folder: string): void {
  if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return;
  if (path.dirname(folder) !== folder) makeFolder(path.dirname(folder));
  try {
    fs.mkdirSync(folder);
  } catch (error) {
    // Another process may have been faster.
    if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function cannotMake(file: string, folder: string, code: unknown, cause: unknown): StorageError {
  if (code === "EROFS" || code === "EACCES" || code === "EPERM") {
    return new StorageError(
      "STORAGE_READONLY",
      `Expected to be able to write ${file}, but its folder is read-only for this user (${String(code)})`,
      { cause },
    );
  }
  if (code === "ENOENT") return new StorageError("STORAGE_FAILED", `Expected the folder ${folder} to exist, but it does not`, { cause });
  if (code === "ENOTDIR")
    return new StorageError("STORAGE_FAILED", `Expected ${folder} to be a folder, but it, or one above it, is a file`, { cause });
  if (code === "EEXIST" || code === "EISDIR")
    return new StorageError("NOT_A_DATABASE", `Expected ${file} to be a database file, but it is a folder`, { cause });
  if (code === "ENOSPC") return new StorageError("STORAGE_FULL", `Expected room to make ${file}, but the file system is full`, { cause });
  return new StorageError("STORAGE_FAILED", `Expected to be able to make ${file} (${String(code)})`, { cause });
}

/** Two machines would each have their own shared memory of one WAL, and many a network's locks keep nobody out: such files break within minutes. */
function refuseNetwork(file: string, folder: string): void {
  const { name, kind } = fileSystemAt(folder);
  if (kind !== "network") return;
  throw new StorageError(
    "STORAGE_NETWORK",
    `Expected ${file} to lie on a local disk, but it lies on ${name}, where SQLite's locks and shared memory cannot be trusted. ` +
      "Move it to a local disk (a named volume), or use PostgreSQL; `anyFileSystem: true` of SQLiteBackend opens it all the same",
  );
}

/**
 * An empty file beside a WAL with data in it, or none at all: SQLite would delete the WAL and start empty, and its commits would be gone
 * without a word.
 */
export function refuseHollow(name: string): void {
  const file = realFile(name);
  const wal = fs.statSync(`${file}-wal`, { throwIfNoEntry: false });
  if (wal === undefined || wal.size === 0) return;
  const found = fs.statSync(file, { throwIfNoEntry: false });
  if (found !== undefined && found.size > 0) return;
  const is = found === undefined ? "missing" : "empty";
  throw new StorageError(
    "STORAGE_CORRUPT",
    `Expected ${file} to hold data, but it is ${is} while ${file}-wal is not: opening it would delete what the WAL holds. Restore the file, or remove both`,
  );
}

/** Opens one more connection with the settings that live with a connection. */
export function connect(place: Place, wait = 0): Connection {
  const connection = place.library.open(place.path, { wait });
  try {
    configure(connection, place);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

function configure(connection: Connection, { durability }: Place): void {
  connection.exec(`PRAGMA synchronous = ${durability === "full" ? "FULL" : "NORMAL"}`);
  connection.exec(`PRAGMA journal_size_limit = ${WAL_LIMIT}`);
  connection.exec("PRAGMA cache_size = -8000; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0");
  connection.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
  // Without these, macOS keeps a "durable" commit in the drive's cache.
  if (process.platform === "darwin" && durability === "full") connection.exec("PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1");
}

function refuseOldSqlite(connection: Connection): void {
  const version = str(connection.prepare("SELECT sqlite_version() AS v").get()?.["v"]);
  const parts = version.split(".").map(Number);
  for (const [i, floor] of OLDEST_SQLITE.entries()) {
    const part = parts[i] ?? 0;
    if (part > floor) return;
    if (part < floor) {
      const text = `Expected SQLite ${OLDEST_SQLITE.join(".")} or newer, got ${version}: older ones can lose commits when several connections write (use Node 22.23.3 or 24.15)`;
      throw new StorageError("SQLITE_TOO_OLD", text);
    }
  }
}

/**
 * One attempt to open the file in WAL mode with the current schema. `undefined` when another process holds the lock (also the very
 * first statement of a connection may find it): then it is tried again.
 * @throws StorageError for everything else.
 */
export function tryOpen(place: Place, now: number): Db | undefined {
  let connection: Connection | undefined;
  try {
    connection = connect(place);
    const db = new Db(connection, place.tablePrefix);
    prepare(db, place, now);
    return db;
  } catch (error) {
    if (connection?.inTransaction === true) connection.exec("ROLLBACK");
    connection?.close();
    if (isBusy(error)) return undefined;
    throw storageError(error, place.path);
  }
}

function prepare(db: Db, place: Place, now: number): void {
  const { connection } = db;
  refuseOldSqlite(connection);
  if (place.path !== ":memory:") {
    const mode = str(connection.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"]);
    if (mode !== "wal")
      throw new StorageError("STORAGE_FAILED", `Expected ${place.path} to accept WAL mode, got ${mode}: is it on a network file system?`);
  }
  if (isCurrent(db, place.path)) return;
  connection.exec("BEGIN IMMEDIATE");
  db.begin(now);
  migrate(db, place.path);
  connection.exec("COMMIT");
}

/** The file behind the main database of a connection; empty in memory. */
export function fileOf(connection: Connection): string {
  const row = connection
    .prepare("PRAGMA database_list")
    .all()
    .find((each) => each["name"] === "main");
  return row === undefined ? "" : str(row["file"] ?? "");
}

/**
 * Tells whether the name still leads to the file that it leads to now, with its WAL and its shared memory: what is written into one that was
 * deleted, nobody else reads, and without the same memory two programs see neither each other's locks nor commits. Looks only: to open and
 * close the file would drop SQLite's locks.
 */
export function identityOf(name: string, file: string): () => boolean {
  if (file === ":memory:") return () => true;
  const looks = [name, `${file}-wal`, `${file}-shm`].map((each) => sameness(each));
  return () => looks.every((isSame) => isSame());
}

function sameness(file: string): () => boolean {
  let before = inodeOf(file);
  return () => {
    try {
      const now = inodeOf(file);
      // WAL and shared memory are made by the first who reads.
      before ??= now;
      return now === before;
    } catch {
      // Not known: the folder cannot be read at the moment.
      return true;
    }
  };
}

/** Changes when another connection has committed. */
export function dataVersion(db: Db): number | undefined {
  try {
    return int(db.get("PRAGMA data_version")?.["data_version"]);
  } catch {
    return undefined;
  }
}
