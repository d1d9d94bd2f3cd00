/** `omniq health`: one line, and the exit code, for those who ask often. */
import { fileFacts, isHollow, proveWritable, SCHEMA_VERSION, versionAt } from "../../backends/sqlite/examine.ts";
import { refuseSecondName } from "../../backends/sqlite/second-name.ts";
import { StorageError } from "../../core/errors.ts";
import { OmniQ } from "../../index.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { configured } from "../configured.ts";
import { isServer, nameOf, placesOf } from "../places.ts";
import type { FilePlace } from "../places.ts";
import { serverTrouble } from "../server.ts";
import { systemSentence } from "../system-error.ts";
import { bytes, count, plain } from "../text.ts";

/** Less room than this, and the next commit may fail. */
const LEAST_FREE = 16_000_000;

export const run: Run = async (given, terminal) => {
  const { config, origins } = await configured(given, terminal);
  const places = placesOf(config, origins);
  const [first] = places;
  const database = first === undefined ? "" : nameOf(first);
  let wrong: string | undefined;
  for (const place of places) wrong ??= isServer(place) ? await serverTrouble(place) : troubleOf(place);
  const workers = wrong === undefined ? await liveWorkers(OmniQ.fromConfig(config)) : undefined;
  const reason = wrong ?? (given.flag("worker") && workers === 0 ? "no live worker" : undefined);
  if (given.flag("json")) terminal.json({ healthy: reason === undefined, reason: reason ?? null, database, workers: workers ?? null });
  else if (reason === undefined) terminal.line(`healthy: ${plain(database)}, ${count(workers ?? 0, "live worker")}`);
  else terminal.line(`unhealthy: ${plain(reason)}`);
  return reason === undefined ? EXIT.fine : EXIT.failed;
};

/** Why a place cannot be worked with, if anything. */
function troubleOf(place: FilePlace): string | undefined {
  const { path } = place;
  if (path === ":memory:") return "the database lies in the memory of another process";
  try {
    const facts = fileFacts(path);
    if (facts.is === "missing") return `there is no database at ${path}`;
    refuseSecondName(path);
    if (isHollow(facts)) return `${path} is empty, and the WAL beside it is not`;
    const version = facts.bytes === 0 ? 0 : versionAt(place);
    if (version === 0) return `${path} is no database of OmniQ`;
    if (version !== SCHEMA_VERSION) return `${path} has schema version ${version}, and this version of OmniQ works with ${SCHEMA_VERSION}`;
    proveWritable(place, place.busyTimeout);
    const { free } = facts.fileSystem;
    return free !== undefined && free < LEAST_FREE ? `the file system of ${path} has only ${bytes(free)} left` : undefined;
  } catch (error) {
    const why = error instanceof StorageError ? error.message : systemSentence(error);
    if (why === undefined) throw error;
    return why;
  }
}

async function liveWorkers(omniq: OmniQ): Promise<number> {
  try {
    return (await omniq.workers.list()).filter(({ alive }) => alive).length;
  } finally {
    await omniq.close();
  }
}
