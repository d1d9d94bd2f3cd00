/** Making a file into an open, current database: permissions, pragmas, version floor, migrations. */
import { StorageError } from "../../core/errors.ts";
import { int, str } from "./db.ts";
import type { Db } from "./db.ts";
import { isBusy, storageError } from "./failure.ts";
import type { Connection, Library } from "./library.ts";
import { isCurrent, migrate } from "./migrate.ts";

const fs = process.getBuiltinModule("node:fs");
const path = process.getBuiltinModule("node:path");

export type Durability = "full" | "normal";

export interface Place {
  readonly library: Library;
  /** Absolute, or `:memory:`. */
  readonly path: string;
  readonly durability: Durability;
  readonly tablePrefix: string;
  /** The folder is made where it is missing. */
  readonly makeFolder: boolean;
}

/** 3.51.3 is the first with the WAL-reset fix: before it, two connections on one file can lose acknowledged commits. */
const OLDEST_SQLITE = [3, 51, 3] as const;
/** The WAL shrinks back to this when it starts over; a pinned reader once left 240 MiB behind. */
const WAL_LIMIT = 64 * 1_048_576;

/** Creates folder and file (0600: payloads may hold secrets) before SQLite sees it. Never opens a file that is there: closing it would drop SQLite's locks. */
export function makeFile(place: Place): void {
  const folder = path.dirname(place.path);
  try {
    if (place.makeFolder) fs.mkdirSync(folder, { recursive: true });
    fs.closeSync(fs.openSync(place.path, "wx", 0o600));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST" && fs.statSync(place.path, { throwIfNoEntry: false })?.isFile() === true) return refuseHollow(place);
    throw cannotMake(place.path, folder, code, error);
  }
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

/** An empty file beside a WAL with data in it: SQLite would delete the WAL and start empty, and its commits would be gone without a word. */
function refuseHollow(place: Place): void {
  const wal = fs.statSync(`${place.path}-wal`, { throwIfNoEntry: false });
  if (wal === undefined || wal.size === 0 || fs.statSync(place.path).size > 0) return;
  throw new StorageError(
    "STORAGE_CORRUPT",
    `Expected ${place.path} to hold data, but it is empty while ${place.path}-wal is not: opening it would delete what the WAL holds. Restore the file, or remove both`,
  );
}

/** Opens one more connection with the settings that live with a connection. */
export function connect(place: Place, wait = 0): Connection {
  const connection = place.library.open(place.path, { wait });
  const synchronous = place.durability === "full" ? "FULL" : "NORMAL";
  connection.exec(`PRAGMA synchronous = ${synchronous}`);
  connection.exec(`PRAGMA journal_size_limit = ${WAL_LIMIT}`);
  connection.exec("PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0");
  connection.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
  // Without these, macOS keeps a "durable" commit in the drive's cache.
  if (process.platform === "darwin" && place.durability === "full")
    connection.exec("PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1");
  return connection;
}

export function refuseOldSqlite(connection: Connection): void {
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
 * One attempt to bring the file to WAL and to the current schema. False when another process holds the lock: then it is tried again.
 * @throws StorageError for everything else; the connection is left to the caller to close.
 */
export function tryPrepare(db: Db, place: Place, now: number): boolean {
  const { connection } = db;
  try {
    refuseOldSqlite(connection);
    if (place.path !== ":memory:") {
      const mode = str(connection.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"]);
      if (mode !== "wal")
        throw new StorageError("STORAGE_FAILED", `Expected ${place.path} to accept WAL mode, got ${mode}: is it on a network file system?`);
    }
    if (isCurrent(db, place.path)) return true;
    connection.exec("BEGIN IMMEDIATE");
    db.begin(now);
    migrate(db, place.path);
    connection.exec("COMMIT");
    return true;
  } catch (error) {
    if (connection.inTransaction) connection.exec("ROLLBACK");
    if (isBusy(error)) return false;
    throw storageError(error, place.path);
  }
}

/** The file behind the main database of a connection; empty in memory. */
export function fileOf(connection: Connection): string {
  const row = connection
    .prepare("PRAGMA database_list")
    .all()
    .find((each) => each["name"] === "main");
  return row === undefined ? "" : str(row["file"] ?? "");
}

/** Whether two paths are one file, whatever they are called. */
export function isSameFile(a: string, b: string): boolean {
  const [first, second] = [fs.statSync(a, { throwIfNoEntry: false }), fs.statSync(b, { throwIfNoEntry: false })];
  return first !== undefined && second !== undefined && first.ino === second.ino && first.dev === second.dev;
}

/** Changes when another connection has committed. */
export function dataVersion(db: Db): number | undefined {
  try {
    return int(db.get("PRAGMA data_version")?.["data_version"]);
  } catch {
    return undefined;
  }
}
