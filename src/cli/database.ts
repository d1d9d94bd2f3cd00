/** Which database a command means; opened only if it is there, is one of ours and needs no change. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Db } from "../backends/sqlite/db.ts";
import { storageError } from "../backends/sqlite/failure.ts";
import { nodeLibrary } from "../backends/sqlite/library.ts";
import { schemaVersion } from "../backends/sqlite/migrate.ts";
import { MIGRATIONS } from "../backends/sqlite/schema.ts";
import { settingsOf } from "../config/settings.ts";
import type { StoreSettings } from "../config/settings.ts";
import { StorageError } from "../core/errors.ts";
import { OmniQ } from "../index.ts";
import type { ExitCode, Given } from "./command.ts";
import { configured } from "./configured.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Lets `read` look into the database that options, variables and the configuration file name.
 * @throws StorageError `STORAGE_NOT_FOUND` when there is none: a command that only reads never makes or changes one.
 */
export async function withDatabase(given: Given, terminal: Terminal, read: (omniq: OmniQ) => Promise<ExitCode>): Promise<ExitCode> {
  const { config, origins } = await configured(given, terminal);
  const { projectName, ...stores } = settingsOf(config, origins);
  const places = [stores.taskQueue, stores.resultStore, stores.eventStore];
  const files = new Map(places.map((place) => [`${fileOf(place, projectName)}#${place.tablePrefix}`, place]));
  for (const place of files.values()) checkFile(fileOf(place, projectName), place.tablePrefix);
  const omniq = OmniQ.fromConfig(config);
  try {
    return await read(omniq);
  } finally {
    await omniq.close();
  }
}

/**
 * The same database for a command that works with it. It is made where it is missing, and brought up to date, when it is first used.
 * Whoever calls this closes it.
 */
export async function openConfigured(given: Given, terminal: Terminal): Promise<OmniQ> {
  const { config, origins } = await configured(given, terminal);
  // Only so that stores that contradict each other are told with their places.
  settingsOf(config, origins);
  return OmniQ.fromConfig(config);
}

function fileOf({ path, baseDir = "" }: StoreSettings, projectName: string): string {
  return path === ":memory:" ? path : resolve(path ?? join(baseDir, `${projectName}.db`));
}

function checkFile(path: string, tablePrefix: string): void {
  if (path === ":memory:" || !existsSync(path)) throw notFound(path);
  const { size } = statSync(path);
  // SQLite would delete the WAL of an empty file, also when it only reads.
  const version = size === 0 ? 0 : versionOf(path, tablePrefix);
  if (version === 0) throw new StorageError("FOREIGN_SCHEMA", `Expected ${path} to be a database of OmniQ, but it has no tables of ours`);
  if (version < MIGRATIONS.length) {
    throw new StorageError(
      "SCHEMA_TOO_OLD",
      `Expected ${path} to have schema version ${MIGRATIONS.length}, got ${version}: a worker of this version brings it up to date when it starts`,
    );
  }
}

/** Read without writing: opening it the usual way would make the tables. */
function versionOf(path: string, tablePrefix: string): number {
  try {
    const connection = nodeLibrary.open(path, { readOnly: true, wait: 5_000 });
    try {
      return schemaVersion(new Db(connection, tablePrefix));
    } finally {
      connection.close();
    }
  } catch (error) {
    throw storageError(error, path);
  }
}

function notFound(path: string): StorageError {
  const others = projectsIn(dirname(path));
  const hint =
    others.length === 0
      ? "; `omniq demo` makes one to look at"
      : `; in the same folder: ${others.map((name) => `--project ${name}`).join(", ")}`;
  return new StorageError(
    "STORAGE_NOT_FOUND",
    `Expected a database at ${path}, but there is none. Name it with --project, --base-dir or --url${hint}`,
  );
}

/** A few projects that lie in a folder. */
function projectsIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".db"))
    .map((name) => name.slice(0, -".db".length))
    .toSorted()
    .slice(0, 5);
}
