/** Which database a command means; opened only if it is there, is one of ours and needs no change. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Db } from "../backends/sqlite/db.ts";
import { storageError } from "../backends/sqlite/failure.ts";
import { nodeLibrary } from "../backends/sqlite/library.ts";
import { schemaVersion } from "../backends/sqlite/migrate.ts";
import { MIGRATIONS } from "../backends/sqlite/schema.ts";
import { resolveConfig } from "../config/load.ts";
import type { ConfigInput } from "../config/options.ts";
import { settingsOf } from "../config/settings.ts";
import type { StoreSettings } from "../config/settings.ts";
import { ConfigError, StorageError } from "../core/errors.ts";
import { OmniQ } from "../index.ts";
import { UsageError } from "./command.ts";
import type { ExitCode, Given } from "./command.ts";
import type { Terminal } from "./terminal.ts";

type Env = Terminal["env"];

/**
 * Lets `read` look into the database that options and variables name.
 * @throws StorageError `STORAGE_NOT_FOUND` when there is none: a command that only reads never makes or changes one.
 */
export async function withDatabase(given: Given, { env }: Terminal, read: (omniq: OmniQ) => Promise<ExitCode>): Promise<ExitCode> {
  const overrides = overridesOf(given, env);
  const { projectName, ...stores } = settingsOf(resolveConfig({ env, object: overrides }).config);
  const places = [stores.taskQueue, stores.resultStore, stores.eventStore];
  const files = new Map(places.map((place) => [`${fileOf(place, projectName)}#${place.tablePrefix}`, place]));
  for (const place of files.values()) checkFile(fileOf(place, projectName), place.tablePrefix);
  const omniq = OmniQ.fromEnv(overrides);
  try {
    return await read(omniq);
  } finally {
    await omniq.close();
  }
}

/** Options name one database in which everything lies, whatever the variables say. */
function overridesOf(given: Given, env: Env): ConfigInput {
  const [url, projectName, baseDir] = [given.text("url"), given.text("project"), given.text("baseDir")];
  if (url === undefined && projectName === undefined && baseDir === undefined) return {};
  if (url !== undefined && (projectName ?? baseDir) !== undefined) {
    throw new UsageError("Expected --url to be given alone, got --project or --base-dir too: each says where the database is");
  }
  const folder = baseDir ?? (env["OMNIQ_BASE_DIR"] === "" ? undefined : env["OMNIQ_BASE_DIR"]) ?? "omniq_data";
  const config = url === undefined ? { baseDir: folder } : { url };
  const overrides: ConfigInput = {
    ...(projectName === undefined ? {} : { projectName }),
    taskQueue: { config },
    resultStore: { config },
    eventStore: { config },
  };
  try {
    resolveConfig({ object: overrides });
  } catch (error) {
    throw error instanceof ConfigError ? new UsageError(error.message) : error;
  }
  return overrides;
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
