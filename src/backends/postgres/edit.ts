/** Changing a task that does not run: only if its revision is still the one that was read. */
import type { Desk, TaskPatch } from "../../core/backend.ts";
import { LIST, list } from "./db.ts";
import type { Db } from "./db.ts";
import type { Param, Row } from "./link.ts";
import { expiryAfter } from "../shared/expiry.ts";
import { STAGE } from "../shared/stage.ts";
import { int } from "../shared/values.ts";

type Answer = Awaited<ReturnType<Desk["edit"]>>[number];

export async function edit(db: Db, set: Parameters<Desk["edit"]>[0]): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  // Locked in one order, so that two such calls never wait for each other.
  if (set.length > 1) await db.run(LOCK, list(set.map(({ id }) => id)));
  for (const { id, revision, patch } of set) answers.push(await editOne(db, id, revision, patch));
  return answers;
}

const LOCK = `SELECT rid FROM {tasks} WHERE id = ANY(${LIST(1)}) ORDER BY id FOR UPDATE`;
const ROW = "SELECT rid, stage, status, worker, revision, created_at, expires_at, ttl, {now} AS now FROM {tasks} WHERE id = $1 FOR UPDATE";

async function editOne(db: Db, id: string, revision: number, patch: TaskPatch): Promise<Answer> {
  const row = await db.get(ROW, id);
  if (row === undefined) return "missing";
  if (row["worker"] !== null) return "running";
  if (int(row["stage"]) >= STAGE.doomed) return "final";
  if (int(row["revision"]) !== revision) return "stale";
  await write(db, row, patch);
  db.hints.add("task");
  return "edited";
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

async function write(db: Db, row: Row, patch: TaskPatch): Promise<void> {
  const params: Param[] = [int(row["rid"])];
  const columns: string[] = [];
  const assign = (column: string, value: Param, as = (param: string): string => param): void => {
    params.push(value);
    columns.push(`${column} = ${as(`$${params.length}`)}`);
  };
  for (const [key, column] of PLAIN) {
    const value = patch[key];
    if (typeof value === "string" || typeof value === "number" || value === null) assign(column, value);
  }
  if (patch.tags !== undefined) {
    const tags = patch.tags.length === 0 ? null : JSON.stringify(patch.tags);
    assign("tags", tags, (param) => `CASE WHEN ${param}::json IS NOT NULL THEN ARRAY(SELECT json_array_elements_text(${param}::json)) END`);
  }
  if (patch.storeResult !== undefined) assign("store_result", patch.storeResult ? 1 : 0);
  if (patch.callback !== undefined) assign("callback", patch.callback === null ? null : JSON.stringify(patch.callback));
  if (patch.ttl !== undefined) assign("expires_at", expiryAfter(row, patch.ttl));
  if (patch.runAt !== undefined) {
    const now = int(row["now"]);
    const due = patch.runAt ?? now;
    assign("run_at", patch.runAt);
    assign("due_at", due);
    // What waits for a retry goes on waiting for it, until the new time.
    assign("next_retry_at", row["status"] === "failed" ? due : null);
    if (row["stage"] !== STAGE.blocked) assign("stage", due > now ? STAGE.timed : STAGE.ready);
  }
  await db.run(`UPDATE {tasks} SET ${[...columns, "revision = revision + 1"].join(", ")} WHERE rid = $1`, ...params);
}
