/** Task ↔ row: the columns that are read. */
import type { StoredTask } from "../../core/task.ts";
import { storedTask } from "../shared/task-row.ts";
import type { Row } from "./link.ts";
import { STAGE } from "../shared/stage.ts";
import { json } from "../shared/values.ts";

/** Every column that a reader needs. */
export const TASK_COLUMNS = `rid, id, func, queue_name, stage, status, priority, due_at, revision, fence, attempt, retry_count, crash_count,
  worker AS holder, mark, reason, open_parents, max_retries, retry_delay, backoff, timeout, at_most_once, max_crashes, result_ttl, store_result,
  created_at, run_at, started_at, completed_at, next_retry_at, expires_at, ttl, name, description, array_to_json(tags)::text AS tags, depends_on,
  callback, schedule_id, args, kwargs`;

const SELDOM = [
  "mark",
  "reason",
  "expires_at",
  "ttl",
  "timeout",
  "backoff",
  "at_most_once",
  "result_ttl",
  "run_at",
  "completed_at",
  "name",
];
const SELDOM_TOO = ["description", "depends_on", "callback", "schedule_id", "kwargs"];
const COLUMNS = [...SELDOM, ...SELDOM_TOO];

const PLAIN = [
  "rid",
  "id",
  "func",
  "queue_name",
  "stage",
  "args",
  "priority",
  "due_at",
  "revision",
  "fence",
  "attempt",
  "retry_count",
  "crash_count",
];
const POLICY = ["max_retries", "retry_delay", "max_crashes", "store_result", "created_at"];

/** What a claim reads of a row `t`. Most tasks have nothing in the columns that are seldom used: these come as one text, or NULL. */
export const CLAIMED_COLUMNS = `${[...PLAIN, ...POLICY].map((column) => `t.${column}`).join(", ")},
  CASE WHEN num_nonnulls(${COLUMNS.map((column) => `t.${column}`).join(", ")}, t.tags) > 0 THEN
  json_build_object(${COLUMNS.map((column) => `'${column}', t.${column}`).join(", ")}, 'tags', array_to_json(t.tags)::text)::text END AS seldom, t.schedule_id`;

/** A task that was claimed to be run at `now`, of a row of CLAIMED_COLUMNS. With a `mark` it was not, and its status is not told. */
export function claimedTask(row: Row, queue: string, worker: string, now: number): StoredTask {
  const seldom = json(row["seldom"]);
  const rest = typeof seldom === "object" && seldom !== null ? seldom : {};
  const given = { stage: STAGE.running, status: "running", open_parents: 0, queue_name: queue, holder: worker, started_at: now };
  return storedTask({ ...row, ...rest, ...given }, now);
}
