/** Brings a schema to this version, one transaction a step; refuses what is not ours or newer. */
import { StorageError } from "../../core/errors.ts";
import { LIST, list } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import type { Engine } from "./engine.ts";
import type { Names } from "./names.ts";
import { MIGRATIONS, TABLES } from "./schema.ts";
import { int, optionalInt, str } from "../shared/values.ts";

/** Of several processes that start at once, one makes the tables while the others wait for this lock. */
const LOCK: Sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
const META: Sql = `CREATE TABLE IF NOT EXISTS {omniq_meta} (key text PRIMARY KEY, value bigint NOT NULL)`;
/** Read as a table: `to_regclass` may answer from what the session knew before it waited for the lock. */
const HAS_META: Sql = `SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'omniq_meta'`;
const VERSION: Sql = "SELECT value FROM {omniq_meta} WHERE key = 'schema_version'";

/** 0: there are no tables of ours. */
export async function versionOf(db: Db, names: Names): Promise<number> {
  if ((await db.get(HAS_META, names.schema)) === undefined) return 0;
  return optionalInt((await db.get(VERSION))?.["value"]) ?? 0;
}

/** A result that the database cannot hold would never be settled. */
async function mustHoldAll(db: Db, place: string): Promise<void> {
  const encoding = str((await db.get("SELECT current_setting('server_encoding') AS encoding"))?.["encoding"]);
  if (encoding === "UTF8") return;
  throw new StorageError(
    "STORAGE_ENCODING",
    `Expected ${place} to have the encoding UTF8, which holds every text, got ${encoding}: make another one by CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`,
  );
}

/** Where the schema is current, nothing is written and no right to make tables is needed. */
export async function migrate(engine: Engine, names: Names, place: string): Promise<void> {
  let version = await engine.single(async (db) => {
    await mustHoldAll(db, place);
    return await versionOf(db, names);
  });
  while (version < MIGRATIONS.length) version = await engine.transact(async (db) => step(db, names, place));
  if (version > MIGRATIONS.length) {
    throw new StorageError(
      "SCHEMA_TOO_NEW",
      `Expected ${place} to have schema version ${MIGRATIONS.length} or older, got ${version}: it was written by a newer OmniQ; update this one`,
    );
  }
}

/** One step, if it is still to be done. Answers the version after it. */
async function step(db: Db, names: Names, place: string): Promise<number> {
  await db.run(LOCK, `omniq ${names.schema}`);
  const version = await versionOf(db, names);
  const text = MIGRATIONS[version];
  if (text === undefined) return version;
  if (version === 0) await makeRoom(db, names, place);
  await db.run(text);
  const set =
    "INSERT INTO {omniq_meta}(key, value) VALUES ($1, $2) ON CONFLICT(key) DO UPDATE SET value = greatest({omniq_meta}.value, excluded.value)";
  for (const floor of ["fence_floor", "revision_floor"]) await db.run(set, floor, 0);
  await db.run(set, "schema_version", version + 1);
  return version + 1;
}

const STRANGERS: Sql = `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND c.relname = ANY(${LIST(2)}) LIMIT 1`;

/** The schema and our meta table, unless somebody else's tables have our names. */
async function makeRoom(db: Db, names: Names, place: string): Promise<void> {
  const there = await db.get("SELECT count(*) AS n FROM pg_namespace WHERE nspname = $1", names.schema);
  // Asked first: `IF NOT EXISTS` needs the right to make schemas even where there is nothing to make.
  if (int(there?.["n"]) === 0) await db.run(`CREATE SCHEMA ${names.quoted(names.schema)}`);
  const clash = await db.get(STRANGERS, names.schema, list(TABLES));
  if (clash !== undefined) {
    throw new StorageError(
      "FOREIGN_SCHEMA",
      `Expected the schema of ${place} to hold no table called ${str(clash["relname"])} before OmniQ makes its own; choose another \`schema\``,
    );
  }
  await db.run(META);
}
