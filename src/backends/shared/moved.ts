/** The columns that both engines have, and in which form what is being moved waits: no index of a worker's or scheduler's has it. */
import { StorageError } from "../../core/errors.ts";
import { COMPARED_TABLES } from "../../core/transfer.ts";
import type { Cell, MovedRow, MovedTable } from "../../core/transfer.ts";
import { storable } from "../../core/text.ts";
import { STAGE } from "./stage.ts";

type Type = "int" | "real" | "text";
interface Shape {
  readonly key: readonly string[];
  readonly columns: Readonly<Record<string, Type>>;
}
const columns = (ints: string, texts: string, reals = ""): Shape["columns"] =>
  Object.fromEntries(
    [
      [ints, "int"],
      [texts, "text"],
      [reals, "real"],
    ].flatMap(([names = "", type]) => names.split(" ").flatMap((name) => (name === "" ? [] : [[name, type]]))),
  ) as Shape["columns"];

export const SHAPES: Readonly<Record<MovedTable, Shape>> = {
  workers: { key: ["id"], columns: columns("beat pid lease_ms concurrency arrived_at seen_at", "id role host boot started queues names") },
  queues: { key: ["name"], columns: columns("paused_at", "name") },
  schedules: {
    key: ["id"],
    columns: columns(
      "revision max_runs run_count created_at next_run_at last_run_at paused_at resumed_at",
      "id status rule policy template task_id last_task_id name description tags",
    ),
  },
  occurrences: { key: ["schedule_id", "at"], columns: columns("at fired_at", "schedule_id task_id") },
  releases: { key: ["parent"], columns: columns("", "parent status") },
  dependencies: { key: ["parent", "child"], columns: columns("child policy", "parent") },
  dependents: { key: ["parent", "child"], columns: columns("child", "parent") },
  results: {
    key: ["task_id"],
    columns: columns(
      "fence created_at started_at completed_at expires_at ttl retry_count",
      "task_id status result error_name error error_code error_traceback worker_id schedule_id",
      "execution_time",
    ),
  },
  events: {
    // The index that both engines have; ids of most events are made of their number, which is kept.
    key: ["timestamp", "seq"],
    columns: columns(
      "seq timestamp retry_count",
      "id task_id event_type queue_name worker_id schedule_id level message data error source",
      "execution_time",
    ),
  },
  tasks: {
    key: ["rid"],
    columns: columns(
      `rid stage priority due_at revision fence attempt retry_count crash_count mark open_parents max_retries retry_delay timeout at_most_once
       max_crashes result_ttl store_result unique_until created_at run_at started_at completed_at next_retry_at expires_at ttl`.replaceAll(
        /\s+/g,
        " ",
      ),
      "id func queue_name status worker reason backoff unique_key asked_key limit_key name description tags depends_on callback schedule_id args kwargs",
    ),
  },
};

/** A waiting row's stage, the beginning of a waiting schedule's status, and what the lease of a waiting worker is longer by: nobody takes it for lost. */
export const WAITING_STAGE = 100;
export const WAITING_STATUS = "moving ";
const WAITING_LEASE = 1_000_000_000_000;
/** Bytes of one batch, and rows at most. */
const BATCH_BYTES = 4_000_000;
export const BATCH_ROWS = 1_000;

/** From the moment that all counts: each worker's whole lease is waited for anew, since it may be running its handlers for as long. */
export const WORKERS_COUNT = `UPDATE {workers} SET lease_ms = lease_ms - ${WAITING_LEASE}, beat = beat + 1 WHERE lease_ms >= ${WAITING_LEASE}`;

/** How many of some rows, told by their sizes, go in one batch: one at least. */
export function batchOf(sizes: readonly number[]): number {
  let sum = 0;
  const most = sizes.findIndex((size) => (sum += size) > BATCH_BYTES);
  return most < 0 ? sizes.length : Math.max(1, most);
}

/** As it is written: what is open waits. */
export function waiting(table: MovedTable, row: MovedRow): MovedRow {
  if (table === "tasks" && typeof row["stage"] === "number" && row["stage"] < STAGE.finished)
    return { ...row, stage: row["stage"] + WAITING_STAGE };
  if (table === "workers") return { ...row, lease_ms: Number(row["lease_ms"]) + WAITING_LEASE };
  if (table === "schedules") return { ...row, status: `${WAITING_STATUS}${String(row["status"])}` };
  return row;
}

/** As it is read, waiting or not. */
export function told(table: MovedTable, row: MovedRow): MovedRow {
  if (table === "tasks" && typeof row["stage"] === "number" && row["stage"] >= WAITING_STAGE)
    return { ...row, stage: row["stage"] - WAITING_STAGE };
  if (table === "workers" && Number(row["lease_ms"]) >= WAITING_LEASE) return { ...row, lease_ms: Number(row["lease_ms"]) - WAITING_LEASE };
  if (table === "schedules" && String(row["status"]).startsWith(WAITING_STATUS))
    return { ...row, status: String(row["status"]).slice(WAITING_STATUS.length) };
  return row;
}

export const keyOf = (table: MovedTable, row: MovedRow): readonly Cell[] => SHAPES[table].key.map((column) => row[column] ?? null);

/** A row as one text, the same on both engines. */
export function canonical(table: MovedTable, row: MovedRow): string {
  return JSON.stringify(
    Object.keys(SHAPES[table].columns).map((column) => {
      const cell = row[column] ?? null;
      return typeof cell === "string" ? storable(cell) : cell;
    }),
  );
}

/** What a statement is refused with that would write where nothing is written any more, or where a move has not arrived yet. */
export const MOVED_TEXT = "omniq: moved to ";
export const ARRIVING_TEXT = "omniq: arriving from ";

/** The error of a statement that was refused for a move. */
export function moveError(error: unknown, place: string): StorageError | undefined {
  const message = error instanceof Error ? error.message : "";
  const behind = (text: string): string | undefined =>
    message.includes(text) ? message.slice(message.indexOf(text) + text.length) : undefined;
  const [to, from] = [behind(MOVED_TEXT), behind(ARRIVING_TEXT)];
  if (to !== undefined)
    return new StorageError(
      "STORAGE_MOVED",
      `Expected ${place} to hold the tasks still, but they have moved to ${to}: start programs and workers with its URL`,
      { cause: error },
    );
  if (from === undefined) return undefined;
  return new StorageError(
    "STORAGE_ARRIVING",
    `Expected ${place} to be ready, but the move from ${from} to it is not finished: nothing is written here until it is`,
    { cause: error },
  );
}

/** @throws StorageError `TRANSFER_REFUSED`: whoever takes a database for moved deletes it. */
export function expectClosed(name: string, isClosed: boolean): void {
  if (isClosed) return;
  throw new StorageError(
    "TRANSFER_REFUSED",
    `Expected ${name} to refuse every write since it was closed for the move, but its triggers are not there any more: what was written since has not moved`,
  );
}

const ONE: Readonly<Partial<Record<MovedTable, string>>> = { dependencies: "dependency" };

/** @throws StorageError `TARGET_NOT_EMPTY`, unless nothing is there. */
export function expectEmpty(name: string, counts: Readonly<Record<MovedTable, number>>): void {
  const held = COMPARED_TABLES.filter((table) => counts[table] > 0).map(
    (table) => `${counts[table]} ${counts[table] === 1 ? (ONE[table] ?? table.slice(0, -1)) : table}`,
  );
  if (held.length > 0)
    throw new StorageError("TARGET_NOT_EMPTY", `Expected ${name} to be empty, got ${held.join(", ")}; --replace takes them away`);
}
