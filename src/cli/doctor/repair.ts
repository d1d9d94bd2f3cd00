/** `omniq doctor --repair`: says what it would set right, asks, writes a backup, and then does it. */
import { basename, dirname, extname, join } from "node:path";
import { backUp } from "../../backends/sqlite/backup.ts";
import { isNothing, repair, repairsOf } from "../../backends/sqlite/repair.ts";
import type { Repairs } from "../../backends/sqlite/repair.ts";
import { wanted } from "../change.ts";
import { EXIT } from "../command.ts";
import type { ExitCode, Given } from "../command.ts";
import { checkFile } from "../database.ts";
import type { FilePlace } from "../places.ts";
import type { Terminal } from "../terminal.ts";
import { bytes, count, plain } from "../text.ts";

interface Asked {
  readonly given: Given;
  readonly terminal: Terminal;
}

/** @throws StorageError for a place that is no current database of ours, or that cannot be written; UsageError where nobody can be asked. */
export async function repairAll(places: readonly FilePlace[], asked: Asked): Promise<ExitCode> {
  for (const place of places) checkFile(place);
  let code: ExitCode = EXIT.fine;
  for (const place of places) if ((await repairOne(place, asked)) !== EXIT.fine) code = EXIT.failed;
  return code;
}

async function repairOne(place: FilePlace, { given, terminal }: Asked): Promise<ExitCode> {
  const { path } = place;
  const json = given.flag("json");
  const found = repairsOf(place);
  const lines = linesOf(found);
  const tell = (done: boolean, backup?: string): void => {
    if (json) terminal.json({ file: path, repairs: lines, beyond: found.beyond, done, backup: backup ?? null });
  };
  if (!json) for (const line of lines) terminal.line(plain(line));
  if (found.beyond.length > 0) {
    tell(false);
    const what = found.beyond.slice(0, 3).join("; ");
    terminal.note(
      `${plain(path)} is damaged where no repair helps: ${plain(what)}. Nothing was done; omniq doctor --salvage FILE saves what can be read.`,
    );
    return EXIT.failed;
  }
  if (isNothing(found) || given.flag("dryRun")) {
    tell(false);
    if (!json && isNothing(found)) terminal.line(`${plain(path)}: there is nothing to repair.`);
    return EXIT.fine;
  }
  const backup = backupOf(path, new Date());
  if (!(await wanted({ given, terminal }, `Do this in ${path}? A backup is written to ${backup} before.`))) return EXIT.failed;
  const { bytes: size } = await backUp(place, backup);
  repair(place);
  tell(true, backup);
  if (!json) terminal.line(`${plain(path)} is repaired, and whole. What it was before: ${plain(backup)} (${bytes(size)}).`);
  return EXIT.fine;
}

/** What would be done, a line each. */
function linesOf({ indexes, schema, rows }: Repairs): readonly string[] {
  return [
    ...(indexes.length === 0 ? [] : [`The indexes are built anew: they lack or misplace rows in ${count(indexes.length, "place")}`]),
    ...schema.map(({ is, type, name }) => `The ${type} ${name}, which is ${is}, is made again`),
    ...rows.map(({ rows: n, table, says, becomes }) => `${count(n, table === "tasks" ? "task" : "edge")}: ${says}; they ${becomes}`),
  ];
}

/** Beside it, with the time in its name. */
function backupOf(path: string, now: Date): string {
  const ending = extname(path);
  return join(dirname(path), `${basename(path, ending)}.before-repair-${now.toISOString().replaceAll(/[-:]|\.\d+Z/g, "")}${ending}`);
}
