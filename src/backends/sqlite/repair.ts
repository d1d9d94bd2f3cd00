/** What can be set right in a file that is damaged in its indexes alone, or whose rows fit together no longer. */
import { StorageError } from "../../core/errors.ts";
import { int, str } from "../shared/values.ts";
import { Db } from "./db.ts";
import { driftOf, freshSchema } from "./drift.ts";
import type { Drift } from "./drift.ts";
import type { Where } from "./examine.ts";
import { READ_WAIT } from "./examine.ts";
import { storageError } from "./failure.ts";
import { nodeLibrary } from "./library.ts";
import { mend, misfits } from "./mend.ts";
import type { Misfits } from "./mend.ts";

export interface Repairs {
  /** Lines of the integrity check that tell of indexes; making them again helps. */
  readonly indexes: readonly string[];
  /** Indexes and triggers that are missing or not as this version makes them. */
  readonly schema: readonly Drift[];
  readonly rows: readonly Misfits[];
  /** Damage that no repair helps: of tables, or of the file. */
  readonly beyond: readonly string[];
}

/** Lines of the check: enough to tell what kinds there are. */
const LINES = 1_000;
const OF_INDEX = /(?:missing from|entries in|entry in) index /;
const REMADE = new Set(["index", "trigger"]);

export const isNothing = ({ indexes, schema, rows }: Repairs): boolean => indexes.length + schema.length + rows.length === 0;

/** Looks only. @throws StorageError when it cannot be read. */
export function repairsOf(place: Where): Repairs {
  return withFile(place, true, (db) => lookFor(db, place.tablePrefix));
}

/**
 * Does all of it in one transaction, or nothing. Workers may go on meanwhile.
 * @throws StorageError `STORAGE_CORRUPT` when the file is damaged still: then nothing was changed.
 */
export function repair(place: Where): void {
  withFile(place, false, (db) => {
    db.connection.exec("BEGIN IMMEDIATE");
    try {
      const { indexes, schema } = lookFor(db, place.tablePrefix);
      const fresh = freshSchema(place.tablePrefix);
      for (const { is, type, name } of schema) {
        if (is === "changed") db.connection.exec(`DROP ${type.toUpperCase()} "${name}"`);
        db.connection.exec(fresh.get(name)?.text ?? "");
      }
      if (indexes.length > 0) db.connection.exec("REINDEX");
      mend(db);
      const left = damageOf(db);
      if (left.length > 0)
        throw new StorageError(
          "STORAGE_CORRUPT",
          `Expected ${place.path} to be whole when it was repaired, got: ${left.slice(0, 3).join("; ")}`,
        );
      db.connection.exec("COMMIT");
    } catch (error) {
      if (db.connection.inTransaction) db.connection.exec("ROLLBACK");
      throw error;
    }
  });
}

function lookFor(db: Db, tablePrefix: string): Repairs {
  const drift = driftOf(db, tablePrefix);
  const damage = damageOf(db);
  const roots = indexRoots(db);
  const isOfIndex = (line: string): boolean => OF_INDEX.test(line) || roots.has(Number(/^Tree (\d+) /.exec(line)?.[1]));
  const beyond = [
    ...damage.filter((line) => !isOfIndex(line)),
    ...drift.filter(({ is, type }) => is !== "unknown" && !REMADE.has(type)).map(({ is, type, name }) => `${type} ${name} is ${is}`),
  ];
  return {
    indexes: damage.filter((line) => isOfIndex(line)),
    schema: drift.filter(({ is, type }) => is !== "unknown" && REMADE.has(type)),
    rows: beyond.length === 0 ? misfits(db) : [],
    beyond,
  };
}

/** Of some damage the check does not tell: it ends with an error. */
function damageOf(db: Db): readonly string[] {
  const lines: string[] = [];
  try {
    for (const row of db.connection.prepare(`PRAGMA integrity_check(${LINES})`).iterate()) lines.push(str(row["integrity_check"]));
  } catch (error) {
    const known = storageError(error, "the database");
    if (!(known instanceof StorageError && known.code === "STORAGE_CORRUPT")) throw error;
    lines.push(known.message);
  }
  return lines.filter((line) => line !== "ok");
}

function indexRoots(db: Db): ReadonlySet<number> {
  const rows = db.connection.prepare("SELECT rootpage FROM sqlite_schema WHERE type = 'index'").all();
  return new Set(rows.map((row) => int(row["rootpage"])));
}

function withFile<R>({ path, tablePrefix }: Where, readOnly: boolean, work: (db: Db) => R): R {
  try {
    const connection = nodeLibrary.open(path, { readOnly, wait: READ_WAIT });
    try {
      return work(new Db(connection, tablePrefix));
    } finally {
      connection.close();
    }
  } catch (error) {
    throw storageError(error, path);
  }
}
