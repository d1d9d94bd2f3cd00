/** `omniq migrate`: the schema, brought up to date before workers do it. */
import { fileFacts, isHollow, SCHEMA_VERSION, versionAt } from "../../backends/sqlite/examine.ts";
import { StorageError } from "../../core/errors.ts";
import { OmniQ } from "../../index.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { configured } from "../configured.ts";
import { isServer, placesOf, refuseMemory } from "../places.ts";
import type { FilePlace, ServerPlace } from "../places.ts";
import { versionsAt } from "../server.ts";
import { plain } from "../text.ts";

/** A place, by the word that JSON calls it, and its schema version: `undefined` where nothing is there yet. */
interface Stood {
  readonly called: "file" | "database";
  readonly name: string;
  readonly from: number | undefined;
  readonly to: number;
}

export const run: Run = async (given, terminal) => {
  const { config, origins } = await configured(given, terminal);
  const places = placesOf(config, origins);
  refuseMemory(places);
  const stood: Stood[] = [];
  for (const place of places) stood.push(isServer(place) ? await serverStood(place) : fileStood(place));
  const pending = stood.some(({ from, to }) => from !== to);
  const only = given.flag("check");
  if (pending && !only) {
    const omniq = OmniQ.fromConfig(config);
    try {
      await omniq.open();
    } finally {
      await omniq.close();
    }
  }
  for (const each of stood) {
    const { called, name, from, to } = each;
    if (given.flag("json")) terminal.json({ [called]: name, from: from ?? null, to, current: !only || from === to });
    else terminal.line(`${plain(name)} ${only ? foundOf(each) : doneOf(each)}`);
  }
  return pending && only ? EXIT.failed : EXIT.fine;
};

/** @throws StorageError for what cannot be read, or is newer. */
async function serverStood(place: ServerPlace): Promise<Stood> {
  const { there, ours } = await versionsAt(place);
  if (there > ours) throw tooNew(place.name, there, ours);
  return { called: "database", name: place.name, from: there === 0 ? undefined : there, to: ours };
}

/** @throws StorageError for what cannot be read, or is newer. */
function fileStood({ path, tablePrefix }: FilePlace): Stood {
  const stood = { called: "file", name: path, to: SCHEMA_VERSION } as const;
  const facts = fileFacts(path);
  // What is hollow is refused when it is opened; only to look would take its WAL away.
  if (facts.is === "missing" || facts.bytes === 0 || isHollow(facts)) return { ...stood, from: undefined };
  const version = versionAt({ path, tablePrefix });
  if (version > SCHEMA_VERSION) throw tooNew(path, version, SCHEMA_VERSION);
  return { ...stood, from: version === 0 ? undefined : version };
}

function tooNew(name: string, version: number, ours: number): StorageError {
  return new StorageError(
    "SCHEMA_TOO_NEW",
    `Expected ${name} to have schema version ${ours} or older, got ${version}: it was written by a newer OmniQ; update this one`,
  );
}

function foundOf({ from, to }: Stood): string {
  if (from === to) return `is current (schema version ${to}).`;
  return from === undefined ? "is not there yet: omniq migrate makes it." : `has schema version ${from} of ${to}: run omniq migrate.`;
}

function doneOf({ from, to }: Stood): string {
  if (from === to) return `was current already (schema version ${to}).`;
  return from === undefined ? `was made (schema version ${to}).` : `went from schema version ${from} to ${to}.`;
}
