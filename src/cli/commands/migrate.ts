/** `omniq migrate`: the schema, brought up to date before workers do it. */
import { fileFacts, isHollow, SCHEMA_VERSION, versionAt } from "../../backends/sqlite/examine.ts";
import { StorageError } from "../../core/errors.ts";
import { OmniQ } from "../../index.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { configured } from "../configured.ts";
import { placesOf, refuseMemory } from "../places.ts";
import type { FilePlace } from "../places.ts";
import { plain } from "../text.ts";

export const run: Run = async (given, terminal) => {
  const { config, origins } = await configured(given, terminal);
  const places = placesOf(config, origins);
  refuseMemory(places);
  const stood = places.map((place) => ({ file: place.path, from: versionOf(place) }));
  const pending = stood.some(({ from }) => from !== SCHEMA_VERSION);
  const only = given.flag("check");
  if (pending && !only) {
    const omniq = OmniQ.fromConfig(config);
    try {
      await omniq.open();
    } finally {
      await omniq.close();
    }
  }
  for (const { file, from } of stood) {
    if (given.flag("json")) terminal.json({ file, from: from ?? null, to: SCHEMA_VERSION, current: !only || from === SCHEMA_VERSION });
    else terminal.line(`${plain(file)} ${only ? foundOf(from) : doneOf(from)}`);
  }
  return pending && only ? EXIT.failed : EXIT.fine;
};

/** `undefined`: there is no database yet. @throws StorageError for what cannot be read, or is newer. */
function versionOf({ path, tablePrefix }: FilePlace): number | undefined {
  const facts = fileFacts(path);
  // What is hollow is refused when it is opened; only to look would take its WAL away.
  if (facts.is === "missing" || facts.bytes === 0 || isHollow(facts)) return undefined;
  const version = versionAt({ path, tablePrefix });
  if (version <= SCHEMA_VERSION) return version === 0 ? undefined : version;
  throw new StorageError(
    "SCHEMA_TOO_NEW",
    `Expected ${path} to have schema version ${SCHEMA_VERSION} or older, got ${version}: it was written by a newer OmniQ; update this one`,
  );
}

function foundOf(from: number | undefined): string {
  if (from === SCHEMA_VERSION) return `is current (schema version ${SCHEMA_VERSION}).`;
  return from === undefined
    ? "is not there yet: omniq migrate makes it."
    : `has schema version ${from} of ${SCHEMA_VERSION}: run omniq migrate.`;
}

function doneOf(from: number | undefined): string {
  if (from === SCHEMA_VERSION) return `was current already (schema version ${SCHEMA_VERSION}).`;
  return from === undefined ? `was made (schema version ${SCHEMA_VERSION}).` : `went from schema version ${from} to ${SCHEMA_VERSION}.`;
}
