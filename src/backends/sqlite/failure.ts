/** What SQLite says went wrong, as typed errors. One place, both libraries. */
import { OmniQError, StorageError } from "../../core/errors.ts";
import { moveError } from "../shared/moved.ts";
import { tableGone } from "../shared/table-gone.ts";

/** SQLite's primary result codes (sqlite.org/rescode.html). */
const BUSY = 5;
const LOCKED = 6;
const NAMES: Readonly<Record<string, number>> = {
  SQLITE_BUSY: BUSY,
  SQLITE_LOCKED: LOCKED,
  SQLITE_PERM: 3,
  SQLITE_READONLY: 8,
  SQLITE_IOERR: 10,
  SQLITE_CORRUPT: 11,
  SQLITE_FULL: 13,
  SQLITE_CANTOPEN: 14,
  SQLITE_NOTADB: 26,
};

/** Any error of SQLite that says nothing which a person could act on. */
const ERROR = 1;

/** The primary code of an SQLite error: the low byte of `errcode`, or by its name; 0 when it is none of SQLite's. */
function primaryCode(error: unknown): number {
  if (!(error instanceof Error)) return 0;
  if ("errcode" in error && typeof error.errcode === "number") return error.errcode & 0xff;
  if (!("code" in error) || typeof error.code !== "string") return 0;
  const name = /^SQLITE_[A-Z]+/.exec(error.code)?.[0];
  return name === undefined ? 0 : (NAMES[name] ?? ERROR);
}

/** Somebody else holds the lock: trying again later may help. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === BUSY || code === LOCKED;
}

/** The error of a call that has waited for the lock as long as it may. */
export function busy(path: string): StorageError {
  const [, text] = explain(BUSY, path);
  return new StorageError("STORAGE_BUSY", text);
}

/** An SQLite error as a StorageError that says what to do; any other error as it is. */
export function storageError(error: unknown, path: string): unknown {
  if (error instanceof OmniQError) return error;
  const moved = moveError(error, path);
  if (moved !== undefined) return moved;
  const [code, text] = isWithoutTable(error) ? tableGone(path) : explain(primaryCode(error), path);
  return code === undefined
    ? error
    : new StorageError(code, `${text} (${error instanceof Error ? error.message : "unknown"})`, { cause: error });
}

/** The only thing that its code does not tell. */
function isWithoutTable(error: unknown): boolean {
  return error instanceof Error && primaryCode(error) === ERROR && error.message.startsWith("no such table: ");
}

function explain(code: number, path: string): readonly [string | undefined, string] {
  switch (code) {
    case BUSY:
    case LOCKED:
      return ["STORAGE_BUSY", `Expected ${path} to be free for writing within the busy timeout, but another connection held its lock`];
    case 3:
    case 8:
      return ["STORAGE_READONLY", `Expected ${path} to be writable, but the file, its folder or its file system is read-only`];
    case 10:
      return ["STORAGE_IO", `The file system failed while ${path} was read or written`];
    case 11:
      return ["STORAGE_CORRUPT", `Expected ${path} to be a whole database, but it is damaged`];
    case 13:
      return ["STORAGE_FULL", `Expected room to write ${path}, but the file system (or its limit) is full`];
    case 14:
      return ["STORAGE_FAILED", `Expected to be able to open ${path}: is its folder there, and may this user read and write it?`];
    case 26:
      return ["NOT_A_DATABASE", `Expected ${path} to be an SQLite database, but it is some other file`];
    case 0:
      return [undefined, ""];
    default:
      return ["STORAGE_FAILED", `SQLite refused a statement on ${path}: if rows were changed by hand, \`omniq doctor\` says which`];
  }
}
