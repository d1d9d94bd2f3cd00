/** `omniq doctor --salvage FILE`: what can still be read of a damaged database, in a new one. */
import { resolve } from "node:path";
import { refuseTarget } from "../../backends/sqlite/backup.ts";
import { salvage } from "../../backends/sqlite/salvage.ts";
import type { Salvaged, SalvagedTable } from "../../backends/sqlite/salvage.ts";
import { EXIT } from "../command.ts";
import type { ExitCode, Given } from "../command.ts";
import { copyOf } from "../places.ts";
import type { FilePlace } from "../places.ts";
import type { Terminal } from "../terminal.ts";
import { bytes, count, plain } from "../text.ts";

/** 1 when something is missing in the new files. @throws StorageError before anything is written. */
export async function salvageAll(
  places: readonly FilePlace[],
  target: string,
  { given, terminal }: { readonly given: Given; readonly terminal: Terminal },
): Promise<ExitCode> {
  const file = resolve(target);
  for (const place of places) refuseTarget(place.path, copyOf(file, place), false);
  let isWhole = true;
  for (const place of places) {
    const saved = await salvage(place, copyOf(file, place));
    isWhole &&= saved.tables.every((table) => isComplete(table));
    if (given.flag("json")) terminal.json({ ...saved, from: place.path });
    else tell(terminal, saved);
  }
  return isWhole ? EXIT.fine : EXIT.failed;
}

function isComplete({ lost, isTorn, damaged }: SalvagedTable): boolean {
  return lost === 0 && !isTorn && damaged === 0;
}

function tell(terminal: Terminal, { file, bytes: size, tables }: Salvaged): void {
  for (const table of tables)
    if (table.rows > 0 || !isComplete(table)) terminal.line(`${table.table}: ${count(table.rows, "row")}${lossOf(table)}`);
  terminal.line(
    `${plain(file)}: ${bytes(size)}. The database itself was only read; put the new file in its place when no program uses it.`,
  );
}

function lossOf({ lost, names, isTorn, damaged }: SalvagedTable): string {
  const more = names.length < lost ? ", …" : "";
  return [
    lost === 0 ? "" : `, ${lost} lost (${plain(names.join(", "))}${more})`,
    isTorn ? ", from a table with pages that cannot be read: there may have been more" : "",
    damaged === 0 ? "" : `, ${damaged} with a payload that has changed`,
  ].join("");
}
