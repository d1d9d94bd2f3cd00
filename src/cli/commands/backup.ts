/** `omniq backup`: a copy while others write. */
import { resolve } from "node:path";
import { backUp, refuseTarget } from "../../backends/sqlite/backup.ts";
import { fileFacts, isHollow, versionAt } from "../../backends/sqlite/examine.ts";
import type { BackedUp } from "../../core/backend.ts";
import { formatDuration } from "../../core/duration.ts";
import { StorageError } from "../../core/errors.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { configured } from "../configured.ts";
import { endNow, Interrupted, listenForInterrupts } from "../interrupt.ts";
import { copyOf, filesOf, isServer, placesOf, refuseMemory } from "../places.ts";
import type { FilePlace, Place } from "../places.ts";
import { dumpCommand } from "../server.ts";
import { statusLine } from "../status-line.ts";
import { bytes, count, plain } from "../text.ts";

export const run: Run = async (given, terminal) => {
  const file = resolve(given.argument(0) ?? "");
  const { config, origins } = await configured(given, terminal);
  const places = placesOf(config, origins);
  refuseMemory(places);
  refuseServers(places);
  const files = filesOf(places);
  const sizes = files.map((place) => sizeOf(place));
  // All of them before the first is written: half a set would be copies of two moments.
  for (const place of files) refuseTarget(place.path, copyOf(file, place), given.flag("force"));
  const line = statusLine(terminal);
  const interrupt = listenForInterrupts(endNow);
  try {
    // Tasks first: of what has ended in their copy, the results were written before.
    for (const [i, place] of files.entries()) {
      const made = await backUp(place, copyOf(file, place), {
        overwrite: given.flag("force"),
        signal: interrupt.signal,
        onProgress: (written) => {
          line.say(`${bytes(written)} of about ${bytes(sizes[i] ?? 0)}`);
        },
      }).finally(() => {
        line.end();
      });
      if (given.flag("json")) terminal.json({ ...made, holds: place.holds });
      else terminal.line(sentence(made, place));
    }
  } catch (error) {
    if (interrupt.signal.aborted) endNow();
    throw interrupt.signal.aborted ? new Interrupted() : error;
  } finally {
    interrupt.end();
  }
  return EXIT.fine;
};

/** @throws StorageError that says what copies a schema: PostgreSQL's own program does it better than we could. */
function refuseServers(places: readonly Place[]): void {
  const server = places.find((place) => isServer(place));
  if (server === undefined) return;
  const what = server.holds.join(", ");
  throw new StorageError(
    "BACKUP_ELSEWHERE",
    `Expected a database in a file, got ${server.name} (${what}): PostgreSQL copies it itself, also while workers run: ${dumpCommand(server)}`,
  );
}

/** @throws StorageError before anything is written. */
function sizeOf(place: FilePlace): number {
  const facts = fileFacts(place.path);
  if (facts.is === "missing") throw new StorageError("STORAGE_NOT_FOUND", `Expected a database at ${place.path}, but there is none`);
  const version = facts.bytes === 0 || isHollow(facts) ? 0 : versionAt(place);
  if (version === 0)
    throw new StorageError("FOREIGN_SCHEMA", `Expected ${place.path} to be a database of OmniQ, but it has no tables of ours`);
  return facts.bytes;
}

function sentence({ file, bytes: size, tasks, took }: BackedUp, { holds }: FilePlace): string {
  const what = holds.includes("tasks") ? count(tasks, "task") : holds.join(" and ");
  return `${plain(file)}: ${what}, ${bytes(size)}, checked, in ${formatDuration(took)}`;
}
