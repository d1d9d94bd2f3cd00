/** What can be said of a database file without changing it: also where it is missing, broken or newer. */
import { StorageError } from "../../core/errors.ts";
import type { Backlog } from "../shared/backlog.ts";
import { STAGE } from "../shared/stage.ts";
import { int, str } from "../shared/values.ts";
import { CHECKED, isRowDamaged } from "./checksum.ts";
import { Db } from "./db.ts";
import { driftOf } from "./drift.ts";
import type { Drift } from "./drift.ts";
import { isBusy, storageError } from "./failure.ts";
import { fileSystemAt } from "./file-system.ts";
import type { FileSystem } from "./file-system.ts";
import { nodeLibrary } from "./library.ts";
import type { Connection } from "./library.ts";
import { misfits } from "./mend.ts";
import type { Misfits } from "./mend.ts";
import { schemaVersion } from "./migrate.ts";
import { realFile } from "./real-file.ts";
import { MIGRATIONS } from "./schema.ts";
import { secondNameOf } from "./second-name.ts";
import type { SecondName } from "./second-name.ts";

const fs = process.getBuiltinModule("node:fs");
const path = process.getBuiltinModule("node:path");

/** What the folder tells: nothing is opened. */
export interface FileFacts {
  readonly path: string;
  readonly is: "file" | "missing" | "other";
  readonly bytes: number;
  readonly walBytes: number;
  /** Where it is the same file as another one that SQLite takes for a different one. */
  readonly secondName?: SecondName;
  /** Permission bits of the file, where the system has them. */
  readonly mode?: number;
  readonly folderMode?: number;
  /** What this user may not write: the file, its WAL, the folder that WAL and locks are made in. */
  readonly readOnly: readonly string[];
  readonly fileSystem: FileSystem;
}

/** What SQLite tells. */
export interface DatabaseFacts {
  readonly journalMode: string;
  /** 0: no tables of ours. */
  readonly version: number;
  readonly bytes: number;
  /** Of them on the list of free pages: the file does not shrink. */
  readonly freeBytes: number;
  /** Bytes of the WAL that no checkpoint has moved into the file; absent where it cannot be told. */
  readonly pendingWal?: number;
  /** What the check found; empty is whole. */
  readonly damage: readonly string[];
  /** Looked for in a full check only, where the version is this one's and nothing is damaged: rows that fit together no longer. */
  readonly misfits: readonly Misfits[];
  /** Likewise: rows whose payload is not what was written, such as `task 4711`. */
  readonly payloads: readonly string[];
  /** Only where the version is this one's. */
  readonly drift: readonly Drift[];
  /** Empty where the version is another's. */
  readonly backlog: Backlog;
}

export interface Where {
  readonly path: string;
  readonly tablePrefix: string;
}

/** Milliseconds that a look waits for a lock that keeps off readers. */
export const READ_WAIT = 5_000;
export const SCHEMA_VERSION = MIGRATIONS.length;

export function sqliteVersion(): string {
  const connection = nodeLibrary.open(":memory:");
  try {
    return str(connection.prepare("SELECT sqlite_version() AS v").get()?.["v"]);
  } finally {
    connection.close();
  }
}

export function fileFacts(name: string): FileFacts {
  const file = realFile(name);
  const [found, wal] = [file, `${file}-wal`].map((each) => fs.statSync(each, { throwIfNoEntry: false }));
  const secondName = found?.isFile() === true ? secondNameOf(file) : undefined;
  const folder = nearestFolder(path.dirname(file));
  const folderMode = fs.statSync(folder).mode;
  return {
    path: name,
    is: found === undefined ? "missing" : found.isFile() ? "file" : "other",
    bytes: found?.size ?? 0,
    walBytes: wal?.size ?? 0,
    ...(secondName === undefined ? {} : { secondName }),
    ...(process.platform === "win32" || found === undefined ? {} : { mode: found.mode & 0o777, folderMode: folderMode & 0o1777 }),
    readOnly: [folder, file, `${file}-wal`].filter((each) => fs.existsSync(each) && !isWritable(each)),
    fileSystem: fileSystemAt(folder),
  };
}

/** The folder itself, or the nearest above it that is there. */
function nearestFolder(folder: string): string {
  return fs.existsSync(folder) || path.dirname(folder) === folder ? folder : nearestFolder(path.dirname(folder));
}

function isWritable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.R_OK | fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether opening it would make SQLite delete a WAL with commits in it. */
export function isHollow({ is, bytes, walBytes }: FileFacts): boolean {
  return is === "file" && bytes === 0 && walBytes > 0;
}

/**
 * Reads the file through a connection that cannot write.
 * @param full check everything instead of what is quick. @throws StorageError when it cannot be read.
 */
export function examine({ path: file, tablePrefix }: Where, full = false): DatabaseFacts {
  try {
    const connection = nodeLibrary.open(file, { readOnly: true, wait: READ_WAIT });
    try {
      return read(new Db(connection, tablePrefix), tablePrefix, full);
    } finally {
      connection.close();
    }
  } catch (error) {
    throw storageError(error, file);
  }
}

/** The version of the schema in a file that is there; 0: none of ours. @throws StorageError when it cannot be read. */
export function versionAt({ path: file, tablePrefix }: Where): number {
  try {
    const connection = nodeLibrary.open(file, { readOnly: true, wait: READ_WAIT });
    try {
      return schemaVersion(new Db(connection, tablePrefix));
    } finally {
      connection.close();
    }
  } catch (error) {
    throw storageError(error, file);
  }
}

function read(db: Db, tablePrefix: string, full: boolean): DatabaseFacts {
  const { connection } = db;
  const version = schemaVersion(db);
  const isCurrent = version === SCHEMA_VERSION;
  const pageSize = pragma(connection, "page_size");
  const pendingWal = pendingPages(connection);
  const damage = damageOf(connection, full);
  const isSound = full && isCurrent && damage.length === 0;
  return {
    journalMode: str(connection.prepare("PRAGMA journal_mode").get()?.["journal_mode"]),
    version,
    bytes: pageSize * pragma(connection, "page_count"),
    freeBytes: pageSize * pragma(connection, "freelist_count"),
    ...(pendingWal === undefined ? {} : { pendingWal: pendingWal * pageSize }),
    damage,
    misfits: isSound ? misfits(db) : [],
    payloads: isSound ? damagedPayloads(db) : [],
    drift: isCurrent ? driftOf(db, tablePrefix) : [],
    backlog: isCurrent ? backlogOf(db) : { ready: [], held: new Map() },
  };
}

function damagedPayloads(db: Db): readonly string[] {
  const tables = [
    ["task", "tasks", "id"],
    ["the result of task", "results", "task_id"],
    ["schedule", "schedules", "id"],
  ] as const;
  return tables.flatMap(([what, table, id]) => {
    const rows = db.connection.prepare(db.named(`SELECT ${id} AS name, checksum, ${CHECKED[table].join(", ")} FROM {${table}}`)).iterate();
    const names: string[] = [];
    for (const row of rows) if (isRowDamaged(table, row)) names.push(`${what} ${str(row["name"])}`);
    return names;
  });
}

function pragma(connection: Connection, name: string): number {
  return int(connection.prepare(`PRAGMA ${name}`).get()?.[name]);
}

/** Counts, and moves nothing. */
function pendingPages(connection: Connection): number | undefined {
  const { log, checkpointed } = connection.prepare("PRAGMA wal_checkpoint(NOOP)").get() ?? {};
  return typeof log === "number" && typeof checkpointed === "number" && log >= 0 ? log - checkpointed : undefined;
}

function damageOf(connection: Connection, full: boolean): readonly string[] {
  try {
    const rows = connection.prepare(`PRAGMA ${full ? "integrity_check" : "quick_check"}(10)`).all();
    return rows.map((row) => String(Object.values(row)[0])).filter((line) => line !== "ok");
  } catch (error) {
    const known = storageError(error, "the database");
    if (known instanceof StorageError && known.code === "STORAGE_CORRUPT") return [known.message];
    throw error;
  }
}

const READY = `SELECT queue_name, count(*) AS n, min(due_at) AS oldest FROM {tasks} INDEXED BY {idx_tasks_queue_status}
  WHERE stage = ${STAGE.ready} GROUP BY queue_name ORDER BY queue_name`;
const HELD = `SELECT w.id, count(*) AS n FROM {tasks} t INDEXED BY {idx_tasks_held} JOIN {workers} w ON w.rid = t.worker
  WHERE t.stage > 3 AND t.stage < 6 AND t.worker IS NOT NULL GROUP BY w.id`;

function backlogOf(db: Db): Backlog {
  try {
    return {
      ready: db.all(READY).map((row) => ({ queue: str(row["queue_name"]), tasks: int(row["n"]), oldest: int(row["oldest"]) })),
      held: new Map(db.all(HELD).map((row) => [str(row["id"]), int(row["n"])])),
    };
  } catch {
    // Damaged, or its indexes are gone: said by the checks for these.
    return { ready: [], held: new Map() };
  }
}

/** Whether another connection kept the write lock for as long as `wait`. Takes it for a moment, and writes nothing. */
export function isLocked({ path: file }: Where, wait: number): boolean {
  try {
    const connection = nodeLibrary.open(file, { wait });
    try {
      connection.exec("BEGIN IMMEDIATE");
      connection.exec("ROLLBACK");
    } finally {
      connection.close();
    }
    return false;
  } catch (error) {
    // Whatever else is wrong with it, other checks say.
    return isBusy(error);
  }
}

/** Takes the lock, writes and takes it back: nothing changes. @throws StorageError when that cannot be. */
export function proveWritable({ path: file, tablePrefix }: Where, wait = 5_000): void {
  try {
    const db = new Db(nodeLibrary.open(file, { wait }), tablePrefix);
    try {
      db.connection.exec("BEGIN IMMEDIATE");
      db.run("UPDATE {omniq_meta} SET value = value");
      // Nor is it written where the database refuses it for a move.
      db.run("INSERT INTO {queues}(name) VALUES ('')");
      db.connection.exec("ROLLBACK");
    } finally {
      db.connection.close();
    }
  } catch (error) {
    throw storageError(error, file);
  }
}
