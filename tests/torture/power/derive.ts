/**
 * The write log where nothing can be preloaded: after each commit the files are compared with what they were. The writes are those that
 * SQLite has made; when it brought them to the disk is told from `PRAGMA synchronous`, as its documentation has it.
 */
import { existsSync, fstatSync, openSync, readSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { LogWriter } from "./log.ts";

/** A part that changes as a whole, at most. */
const PART = 4_096;
/** A WAL that begins anew gets its header first, by itself: with the old one, some of its older pages would be valid again. */
const HEADER = 32;
const FULL = 2;
const NORMAL = 1;

interface Part {
  readonly offset: number;
  readonly data: Buffer;
}

/** A file whose changes are told. It is opened once and never closed: closing it would drop SQLite's locks. */
class Watched {
  readonly path: string;
  #file: number | undefined;
  #before: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.path = path;
  }

  /**
   * The parts that are no longer what they were, each with the one behind it: a frame of the WAL that begins in one part may end in the next
   * with the very bytes that lay there before. Taken for unwritten, its commit was cut off behind the write-back: once in 20,000 states.
   */
  changes(): readonly Part[] {
    if (this.#file === undefined && !existsSync(this.path)) return [];
    this.#file ??= openSync(this.path, "r");
    const now = Buffer.alloc(fstatSync(this.#file).size);
    readSync(this.#file, now, 0, now.length, 0);
    const before = this.#before;
    this.#before = now;
    const changed = [];
    let isBehind = false;
    for (let offset = 0; offset < now.length; offset += PART) {
      const data = now.subarray(offset, offset + PART);
      const isChanged = !data.equals(before.subarray(offset, offset + PART));
      if (isChanged || isBehind) changed.push({ offset, data });
      isBehind = isChanged;
    }
    return changed;
  }
}

export class Deriver {
  readonly #log: LogWriter;
  readonly #database: Watched;
  readonly #wal: Watched;

  constructor(log: string, database: string) {
    this.#log = new LogWriter(log);
    this.#database = new Watched(database);
    this.#wal = new Watched(`${database}-wal`);
  }

  /** A commit is over, and the checkpoint that may have followed it. */
  look(connection: DatabaseSync): void {
    const synchronous = Number(connection.prepare("PRAGMA synchronous").get()?.["synchronous"]);
    const wal = this.#wal.changes();
    const database = this.#database.changes();
    const [first] = wal;
    if (first?.offset === 0 && synchronous >= NORMAL) {
      this.#log.add("W", this.#wal.path, 0, first.data.subarray(0, HEADER));
      this.#log.add("S", this.#wal.path);
    }
    for (const { offset, data } of wal) this.#log.add("W", this.#wal.path, offset, data);
    if ((wal.length > 0 && synchronous >= FULL) || (database.length > 0 && synchronous >= NORMAL)) this.#log.add("S", this.#wal.path);
    for (const { offset, data } of database) this.#log.add("W", this.#database.path, offset, data);
    if (database.length > 0 && synchronous >= NORMAL) this.#log.add("S", this.#database.path);
  }

  /** What was written to another file. */
  told(path: string, offset: number, text: string): void {
    this.#log.add("W", path, offset, Buffer.from(text));
  }
}
