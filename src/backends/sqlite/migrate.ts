/** Brings a database to this version of the schema, one transaction a step; refuses what is not ours or newer. */
import { StorageError } from "../../core/errors.ts";
import { int, str } from "../shared/values.ts";
import type { Db } from "./db.ts";
import { MIGRATIONS, TABLES, within } from "./schema.ts";

/** An own table instead of `user_version`: the file may be the user's own, with migrations of theirs. */
const META = `CREATE TABLE IF NOT EXISTS {omniq_meta} (key TEXT PRIMARY KEY, value INTEGER NOT NULL, ${within("value")}) STRICT, WITHOUT ROWID`;

/** The version of the schema in the file; 0 when there is none yet. */
export function schemaVersion(db: Db): number {
  const meta = db.connection.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(nameOf(db, "omniq_meta"));
  if (meta === undefined) return 0;
  return int(db.connection.prepare(db.named("SELECT value FROM {omniq_meta} WHERE key = 'schema_version'")).get()?.["value"] ?? 0);
}

function nameOf(db: Db, table: string): string {
  return db.named(`{${table}}`).slice(1, -1);
}

/** Whether `migrate` would write. */
export function isCurrent(db: Db, path: string): boolean {
  const version = schemaVersion(db);
  if (version > MIGRATIONS.length) throw tooNew(path, version);
  return version === MIGRATIONS.length;
}

function tooNew(path: string, version: number): StorageError {
  return new StorageError(
    "SCHEMA_TOO_NEW",
    `Expected ${path} to have schema version ${MIGRATIONS.length} or older, got ${version}: it was written by a newer OmniQ; update this one`,
  );
}

/** Runs the missing steps inside the caller's `BEGIN IMMEDIATE`: of several processes that start at once, one does each step. */
export function migrate(db: Db, path: string): void {
  const version = schemaVersion(db);
  if (version > MIGRATIONS.length) throw tooNew(path, version);
  if (version === 0) refuseStrangers(db, path);
  db.connection.exec(db.named(META));
  for (const step of MIGRATIONS.slice(version)) db.connection.exec(db.named(step));
  const set = db.connection.prepare(
    db.named("INSERT INTO {omniq_meta}(key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = max(value, excluded.value)"),
  );
  set.run("fence_floor", 0);
  set.run("schema_version", MIGRATIONS.length);
}

function refuseStrangers(db: Db, path: string): void {
  const names = db.connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const ours = new Set(TABLES.map((table) => nameOf(db, table)));
  const clash = names.map((row) => str(row["name"])).find((name) => ours.has(name));
  if (clash === undefined) return;
  throw new StorageError(
    "FOREIGN_SCHEMA",
    `Expected ${path} to hold no table called ${clash} before OmniQ makes its own; choose another file, or a \`tablePrefix\``,
  );
}
