/** Findings about what is in the file: damage, schema, WAL. */
import { SCHEMA_VERSION } from "../../backends/sqlite/examine.ts";
import type { DatabaseFacts } from "../../backends/sqlite/examine.ts";
import { formatDuration } from "../../core/duration.ts";
import { bytes, count } from "../text.ts";
import { note, ok, problem, warning } from "./finding.ts";
import type { Finding } from "./finding.ts";

/** So much of the WAL is moved into the file by and by; more means that something keeps it from that. */
const PINNED = 33_554_432;
/** Free pages are used again; only when most of a large file is free it is worth a word. */
const LARGE = 100_000_000;
/** Names in one line. */
const NAMED = 5;

export function databaseFindings(facts: DatabaseFacts, full: boolean): readonly Finding[] {
  return [damageFinding(facts, full), schemaFinding(facts), ...driftFindings(facts), ...rowFindings(facts), ...shapeFindings(facts)];
}

/** The lock was held for as long as a write waits for it. */
export function lockFinding(waited: number): Finding {
  return problem(
    "lock",
    `Another program has held the lock of the file for more than ${formatDuration(waited)}: nothing can be written meanwhile`,
    "look for one that holds a transaction open (fuser or lsof name those that have the file open), and let it commit, or end it",
  );
}

function damageFinding({ damage }: DatabaseFacts, full: boolean): Finding {
  if (damage.length === 0)
    return ok("integrity", full ? "Nothing is damaged (checked whole)" : "Nothing is damaged, as far as the quick check sees");
  return problem(
    "integrity",
    `The file is damaged: ${damage.slice(0, NAMED).join("; ")}`,
    "stop the workers and keep the file; omniq doctor --repair builds indexes anew, for more restore a backup, or omniq doctor --salvage FILE",
  );
}

function schemaFinding({ version }: DatabaseFacts): Finding {
  if (version === SCHEMA_VERSION) return ok("schema", `Schema version ${version}, this version's`);
  if (version === 0) return problem("schema", "It has no tables of OmniQ", "omniq migrate makes them, if this is the right file");
  if (version > SCHEMA_VERSION)
    return problem(
      "schema",
      `It has schema version ${version}: a newer OmniQ wrote it, and this one knows ${SCHEMA_VERSION}`,
      "npm install omniq@latest",
    );
  return problem("schema", `It has schema version ${version} of ${SCHEMA_VERSION}`, "omniq migrate");
}

function driftFindings({ drift }: DatabaseFacts): readonly Finding[] {
  const named = (is: string): string => {
    const names = drift.filter((each) => each.is === is).map(({ type, name }) => `${type} ${name}`);
    return names.length > NAMED ? `${names.slice(0, NAMED).join(", ")} and ${names.length - NAMED} more` : names.join(", ");
  };
  const [missing, changed, unknown] = [named("missing"), named("changed"), named("unknown")];
  return [
    ...(missing === ""
      ? []
      : [
          problem(
            "drift",
            `Missing from the schema: ${missing}`,
            "omniq doctor --repair makes indexes and triggers again; for a table restore a backup",
          ),
        ]),
    ...(changed === ""
      ? []
      : [problem("drift", `Not as this version makes it: ${changed}`, "undo the change that was made by hand, or omniq doctor --repair")]),
    ...(unknown === ""
      ? []
      : [warning("drift", `Not made by OmniQ, on its tables: ${unknown}`, "drop it if it is not meant: each write pays for it")]),
  ];
}

function rowFindings({ misfits, payloads }: DatabaseFacts): readonly Finding[] {
  const named = payloads.slice(0, NAMED).join(", ");
  const more = payloads.length > NAMED ? ` and ${payloads.length - NAMED} more` : "";
  return [
    ...misfits.map(({ rows, table, says }) =>
      problem("rows", `${count(rows, table === "tasks" ? "task" : "edge")}: ${says}`, "omniq doctor --repair"),
    ),
    ...(payloads.length === 0
      ? []
      : [
          problem(
            "payloads",
            `Not what was written, by its checksum: ${named}${more}`,
            "delete it, or restore a backup; and look at the disk",
          ),
        ]),
  ];
}

function shapeFindings({ journalMode, pendingWal = 0, bytes: size, freeBytes, version }: DatabaseFacts): readonly Finding[] {
  return [
    ...(journalMode === "wal" || version === 0
      ? []
      : [note("journal", `Its journal mode is ${journalMode}; it becomes WAL when it is opened`)]),
    ...(pendingWal < PINNED
      ? []
      : [
          warning(
            "checkpoint",
            `${bytes(pendingWal)} of the WAL have not been moved into the file`,
            "look for a program that holds a read transaction open, and end it",
          ),
        ]),
    ...(size < LARGE || freeBytes < size / 2
      ? []
      : [
          note(
            "space",
            `${bytes(freeBytes)} of ${bytes(size)} are free pages, used again by what comes`,
            "omniq backup FILE writes a copy without them",
          ),
        ]),
  ];
}
