/** A PostgreSQL server that a command means. Its code and driver are loaded by the first call, and not before. */
import { StorageError } from "../core/errors.ts";
import type { ServerPlace } from "./places.ts";

const examining = () => import("../backends/postgres/examine.ts");

/** The schema version there, 0 for no tables, and the one that this OmniQ works with. @throws StorageError */
export async function versionsAt(place: ServerPlace): Promise<{ readonly there: number; readonly ours: number }> {
  const { schemaVersionAt, SCHEMA_VERSION } = await examining();
  return { there: await schemaVersionAt(place), ours: SCHEMA_VERSION };
}

/** @throws StorageError unless a command can work with what is there: it makes nothing and changes nothing. */
export async function checkServer(place: ServerPlace): Promise<void> {
  const { there, ours } = await versionsAt(place);
  if (there === 0) {
    throw new StorageError(
      "STORAGE_NOT_FOUND",
      `Expected the tables of OmniQ at ${place.name}, but there are none. Name them with --url and --schema`,
    );
  }
  if (there < ours) {
    throw new StorageError(
      "SCHEMA_TOO_OLD",
      `Expected ${place.name} to have schema version ${ours}, got ${there}: omniq migrate brings it up to date, as a worker of this version does when it starts`,
    );
  }
}

/** Why a place cannot be worked with, if anything. */
export async function serverTrouble(place: ServerPlace): Promise<string | undefined> {
  const { proveWritable, SCHEMA_VERSION } = await examining();
  try {
    const version = await proveWritable(place);
    if (version === 0) return `there are no tables of OmniQ at ${place.name}`;
    if (version === SCHEMA_VERSION) return undefined;
    return `${place.name} has schema version ${version}, and this version of OmniQ works with ${SCHEMA_VERSION}`;
  } catch (error) {
    if (error instanceof StorageError) return error.message;
    throw error;
  }
}

/** A copy is made by PostgreSQL's own program: what to type, without a password. */
export function dumpCommand({ url, schema }: ServerPlace): string {
  const bare = new URL(url);
  bare.password = "";
  bare.searchParams.delete("password");
  return `pg_dump --format=custom --schema='"${schema}"' --file=FILE '${bare.href.replaceAll("'", "%27")}'`;
}
