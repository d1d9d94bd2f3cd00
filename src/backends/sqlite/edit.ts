/** Changing a task that does not run: only if its revision is still the one that was read. */
import type { Desk, Sync, TaskPatch } from "../../core/backend.ts";
import { expiryAfter } from "../shared/expiry.ts";
import { STAGE } from "../shared/stage.ts";
import { int, optionalInt } from "../shared/values.ts";
import type { Row } from "../shared/values.ts";
import { checksumOf, isRowDamaged } from "./checksum.ts";
import type { Db } from "./db.ts";
import type { Param } from "./library.ts";
import { callbackText } from "./task-row.ts";

type SyncDesk = Sync<Desk>;
type Answer = ReturnType<SyncDesk["edit"]>[number];

const ROW = `SELECT rid, stage, status, worker, revision, created_at, due_at, expires_at, ttl, func, args, kwargs, callback, checksum
  FROM {tasks} WHERE id = ?`;

export function edit(db: Db, set: Parameters<SyncDesk["edit"]>[0]): readonly Answer[] {
  return set.map(({ id, revision, patch }) => {
    const row = db.get(ROW, id);
    if (row === undefined) return "missing";
    if (row["worker"] !== null) return "running";
    if (int(row["stage"]) >= STAGE.doomed) return "final";
    if (row["revision"] !== revision) return "stale";
    write(db, row, patch);
    db.hints.add("task");
    return "edited";
  });
}

/** Columns that are set to what the patch says, as it stands. */
const PLAIN: readonly (readonly [keyof TaskPatch, string])[] = [
  ["queue", "queue_name"],
  ["priority", "priority"],
  ["label", "name"],
  ["description", "description"],
  ["maxRetries", "max_retries"],
  ["retryDelay", "retry_delay"],
  ["resultTtl", "result_ttl"],
  ["ttl", "ttl"],
];

function write(db: Db, row: Row, patch: TaskPatch): void {
  const columns: string[] = [];
  const values: Param[] = [];
  const assign = (column: string, value: Param): void => {
    columns.push(`${column} = ?`);
    values.push(value);
  };
  for (const [key, column] of PLAIN) {
    const value = patch[key];
    if (typeof value === "string" || typeof value === "number" || value === null) assign(column, value);
  }
  if (patch.tags !== undefined) assign("tags", patch.tags.length === 0 ? null : JSON.stringify(patch.tags));
  if (patch.storeResult !== undefined) assign("store_result", patch.storeResult ? 1 : 0);
  if (patch.callback !== undefined) {
    const callback = callbackText(patch.callback);
    assign("callback", callback);
    const sum = checksumOf(row["func"], row["args"], row["kwargs"], callback);
    // One that does not hold now must not be made to hold by this.
    assign("checksum", isRowDamaged("tasks", row) ? ~sum : sum);
  }
  if (patch.ttl !== undefined) assign("expires_at", expiryAfter(row, patch.ttl));
  if (patch.runAt !== undefined) {
    const due = patch.runAt ?? db.now;
    assign("run_at", patch.runAt);
    assign("due_at", due);
    // What waits for a retry goes on waiting for it, until the new time.
    assign("next_retry_at", row["status"] === "failed" ? due : null);
    if (optionalInt(row["stage"]) !== STAGE.blocked) assign("stage", due > db.now ? STAGE.timed : STAGE.ready);
  }
  const sql = `UPDATE {tasks} SET ${[...columns, "revision = revision + 1"].join(", ")} WHERE rid = ?`;
  db.connection.prepare(db.named(sql)).run(...values, int(row["rid"]));
}
