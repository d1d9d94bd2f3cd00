/** Which database a command means; opened only if it is there, is one of ours and needs no change. */
import { readdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { SCHEMA_VERSION, versionAt } from "../backends/sqlite/examine.ts";
import { refuseHollow } from "../backends/sqlite/open.ts";
import { refuseSecondName } from "../backends/sqlite/second-name.ts";
import { StorageError } from "../core/errors.ts";
import { OmniQ } from "../index.ts";
import type { ExitCode, Given } from "./command.ts";
import { configured } from "./configured.ts";
import { isServer, placesOf } from "./places.ts";
import type { FilePlace } from "./places.ts";
import { checkServer } from "./server.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Lets `read` look into the database that options, variables and the configuration file name.
 * @throws StorageError `STORAGE_NOT_FOUND` when there is none: a command that only reads never makes or changes one.
 */
export async function withDatabase(given: Given, terminal: Terminal, read: (omniq: OmniQ) => Promise<ExitCode>): Promise<ExitCode> {
  const { config, origins } = await configured(given, terminal);
  for (const place of placesOf(config, origins)) {
    if (isServer(place)) await checkServer(place);
    else checkFile(place);
  }
  const omniq = OmniQ.fromConfig(config);
  try {
    return await read(omniq);
  } finally {
    await omniq.close();
  }
}

/** The same for a command that fills it: says what makes one where there is none. This does not, lest a typo makes a database. */
export async function withDatabaseToFill(given: Given, terminal: Terminal, fill: (omniq: OmniQ) => Promise<ExitCode>): Promise<ExitCode> {
  try {
    return await withDatabase(given, terminal, fill);
  } catch (error) {
    if (!(error instanceof StorageError && error.code === "STORAGE_NOT_FOUND")) throw error;
    const more = `${error.message}. \`omniq worker\` and \`omniq migrate\` make a database; this command makes none, lest a typo does`;
    throw new StorageError(error.code, more);
  }
}

/** @throws StorageError for a place that is no database of ours, or of an older schema. */
export function checkFile(place: FilePlace): void {
  const { path } = place;
  if (path !== ":memory:") refuseHollow(path);
  const there = path === ":memory:" ? undefined : statSync(path, { throwIfNoEntry: false });
  if (there === undefined) throw notFound(path);
  if (there.isDirectory()) throw new StorageError("STORAGE_NOT_FOUND", `Expected a database at ${path}, but it is a folder`);
  refuseSecondName(path);
  // SQLite would delete the WAL of an empty file, also when it only reads.
  const version = there.size === 0 ? 0 : versionAt(place);
  if (version === 0) throw new StorageError("FOREIGN_SCHEMA", `Expected ${path} to be a database of OmniQ, but it has no tables of ours`);
  if (version < SCHEMA_VERSION) {
    throw new StorageError(
      "SCHEMA_TOO_OLD",
      `Expected ${path} to have schema version ${SCHEMA_VERSION}, got ${version}: omniq migrate brings it up to date, as a worker of this version does when it starts`,
    );
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
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".db"))
    .map((name) => name.slice(0, -".db".length))
    .toSorted()
    .slice(0, 5);
}
