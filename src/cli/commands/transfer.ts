/** `omniq transfer`: everything of one database into another, while its workers run. */
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { fileFacts, isHollow, SCHEMA_VERSION, versionAt } from "../../backends/sqlite/examine.ts";
import { sqliteMover, sqliteName } from "../../backends/sqlite/transfer.ts";
import { canonical, keyOf } from "../../backends/shared/moved.ts";
import { schemaName, storeUrl, tablePrefix } from "../../config/kinds.ts";
import { sqlitePathOf } from "../../config/url.ts";
import { isPostgresUrl } from "../../core/url.ts";
import { formatDuration } from "../../core/duration.ts";
import { StorageError } from "../../core/errors.ts";
import type { MovedRow, MovedTable, Mover } from "../../core/transfer.ts";
import { backendAt, newId, systemClock } from "../../host.ts";
import { abort, expectMovable, transfer } from "../../runtime/transfer.ts";
import type { TransferStep } from "../../runtime/transfer.ts";
import { EXIT, UsageError } from "../command.ts";
import type { Given, Run } from "../command.ts";
import { Interrupted, listenForInterrupts } from "../interrupt.ts";
import { openProgress } from "../progress.ts";
import { statusLine } from "../status-line.ts";
import type { Terminal } from "../terminal.ts";
import { count, plain } from "../text.ts";

/** Running tasks are waited for so long. */
const WAIT = 30_000;

export const run: Run = async (given, terminal) => {
  const [from, to] = [placeOf(given, "from"), placeOf(given, "to")];
  const source = await sourceAt(from);
  let target: Mover | undefined;
  const interrupt = listenForInterrupts(() => {});
  try {
    await expectMovable(source, await nameOf(to), given.flag("abort"));
    target = await targetAt(to);
    if (given.flag("abort")) {
      await abort({ source, target });
      if (given.flag("json")) terminal.json({ aborted: true, from: source.name, to: target.name });
      else terminal.line(`Given up: ${plain(source.name)} works on, and nothing of it is in ${plain(target.name)}.`);
      return EXIT.fine;
    }
    await move(given, terminal, source, target, interrupt.signal);
    return EXIT.fine;
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    terminal.note("Interrupted. Go on with the same command; or give it up with the same and --abort.");
    throw new Interrupted();
  } finally {
    interrupt.end();
    await target?.close();
    await source.close();
  }
};

async function move(given: Given, terminal: Terminal, source: Mover, target: Mover, signal: AbortSignal): Promise<void> {
  const began = performance.now();
  const told = await progressOf(terminal, source);
  const { rows, running, already } = await transfer({
    source,
    target,
    wait: given.duration("wait") ?? WAIT,
    replace: given.flag("replace"),
    clock: systemClock,
    newId,
    signal,
    keyOf,
    digest,
    onStep: (step) => {
      told.show(step);
    },
  }).finally(() => {
    told.end();
  });
  const took = Math.round(performance.now() - began);
  if (given.flag("json")) {
    terminal.json({ from: source.name, to: target.name, already, running, rows, took });
    return;
  }
  if (already) terminal.line(`${plain(source.name)} had moved to ${plain(target.name)} already.`);
  else
    terminal.line(
      `Moved ${count(rows.tasks, "task")}, ${count(rows.results, "result")}, ${count(rows.events, "event")} and ${count(rows.schedules, "schedule")} to ${plain(target.name)} in ${formatDuration(took)}; all of it compared.`,
    );
  if (running > 0)
    terminal.line(`${count(running, "task")} still ran: another worker takes them over there when the lease of theirs has ended.`);
  if (!already) terminal.line("Start programs and workers with its URL now: nothing is written to the old one any more.");
}

/** A line while what runs is waited for, then a bar for the copy and one for the comparison. */
async function progressOf(terminal: Terminal, source: Mover): Promise<{ show(step: TransferStep): void; end(): void }> {
  const rows = Object.values(await source.counts()).reduce((sum, each) => sum + each, 0);
  const line = statusLine(terminal);
  const bars = {
    copying: await openProgress(terminal, rows, "rows copied"),
    verifying: await openProgress(terminal, 2 * rows, "rows compared"),
  };
  let last: TransferStep["is"] | undefined;
  const end = (): void => {
    if (last === "draining") line.end();
    else if (last !== undefined) bars[last].stop();
    last = undefined;
  };
  return {
    show(step) {
      if (step.is !== last) end();
      last = step.is;
      if (step.is === "draining") line.say(`Nothing new is started; ${count(step.running, "task")} still run …`);
      else bars[step.is].update(step.done);
    },
    end,
  };
}

/** 128 bits of a row. */
function digest(table: MovedTable, row: MovedRow): bigint {
  return BigInt(`0x${createHash("sha256").update(canonical(table, row)).digest("hex").slice(0, 32)}`);
}

type Place = { readonly path: string; readonly tablePrefix: string } | { readonly url: string; readonly schema: string };

/** @throws UsageError */
function placeOf(given: Given, side: "from" | "to"): Place {
  const url = given.text(side);
  if (url === undefined) throw new UsageError(`Expected --${side} with the URL of a database, such as sqlite:./data/shop.db`);
  if (storeUrl.read(url) === undefined)
    throw new UsageError(`Expected --${side} to be ${storeUrl.wanted}, got a text of ${url.length} characters that is not shown`);
  const [schema, prefix] = [given.text(`${side}Schema`), given.text(`${side}Prefix`)];
  if (isPostgresUrl(url)) {
    if (prefix !== undefined) throw new UsageError(`Expected --${side}-prefix with an SQLite file, got a server`);
    if (schema !== undefined && schemaName.read(schema) === undefined)
      throw new UsageError(`Expected --${side}-schema to be ${schemaName.wanted}, got ${JSON.stringify(schema)}`);
    return { url, schema: schema ?? "omniq" };
  }
  if (schema !== undefined) throw new UsageError(`Expected --${side}-schema with a server, got an SQLite file`);
  if (prefix !== undefined && tablePrefix.read(prefix) === undefined)
    throw new UsageError(`Expected --${side}-prefix to be ${tablePrefix.wanted}, got ${JSON.stringify(prefix)}`);
  const path = sqlitePathOf(url) ?? "";
  if (path === ":memory:")
    throw new UsageError(`Expected --${side} to be a file or a server, got what lies in the memory of another process`);
  return { path: resolve(path), tablePrefix: prefix ?? "" };
}

async function nameOf(place: Place): Promise<string> {
  if ("path" in place) return sqliteName(place.path, place.tablePrefix);
  const { placeOf: nameOfServer } = await import("../../backends/postgres/options.ts");
  return nameOfServer(place, place.schema);
}

async function moverAt(place: Place): Promise<Mover> {
  if ("path" in place) return sqliteMover(place.path, place.tablePrefix);
  const { postgresMover } = await import("../../backends/postgres/transfer.ts");
  return await postgresMover(place);
}

/** Makes nothing: a typo is an error. @throws StorageError */
async function sourceAt(place: Place): Promise<Mover> {
  if ("path" in place) {
    const facts = fileFacts(place.path);
    const version = facts.is !== "file" || facts.bytes === 0 || isHollow(facts) ? 0 : versionAt(place);
    refuseVersion(place.path, version, SCHEMA_VERSION);
  } else {
    const { schemaVersionAt, SCHEMA_VERSION: ours } = await import("../../backends/postgres/examine.ts");
    refuseVersion(`schema ${place.schema} of ${new URL(place.url).host}`, await schemaVersionAt(place), ours);
  }
  return await moverAt(place);
}

function refuseVersion(name: string, there: number, ours: number): void {
  if (there === ours) return;
  if (there === 0) throw new StorageError("STORAGE_NOT_FOUND", `Expected a database of OmniQ at ${name}, but there is none`);
  const [code, remedy] = there < ours ? ["SCHEMA_TOO_OLD", "omniq migrate brings it up to date"] : ["SCHEMA_TOO_NEW", "update this OmniQ"];
  throw new StorageError(code, `Expected ${name} to have schema version ${ours}, got ${there}: ${remedy}`);
}

/** Its tables are made where they are missing. */
async function targetAt(place: Place): Promise<Mover> {
  const backend = await backendAt(place);
  await backend.open();
  await backend.close();
  return await moverAt(place);
}
