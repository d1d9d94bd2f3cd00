/** Rows of the event log as records. */
import { SCHEDULE_EVENTS, TASK_EVENTS } from "../../core/event.ts";
import type { EventStats } from "../../core/backend.ts";
import type { EventLevel, EventRow, EventType } from "../../core/event.ts";
import { int, optionalInt, optionalStr, str } from "./values.ts";
import type { Row } from "./values.ts";

function isType(value: string): value is EventType {
  return [...TASK_EVENTS, ...SCHEDULE_EVENTS].some((type) => type === value);
}

function isLevel(value: unknown): value is EventLevel {
  return value === "debug" || value === "info" || value === "warning" || value === "error";
}

export function eventRow(row: Row): EventRow {
  const seq = str(row["seq"]);
  const type = str(row["event_type"]);
  const out: { -readonly [K in keyof EventRow]: EventRow[K] } = {
    id: optionalStr(row["id"]) ?? `event-${seq}`,
    seq,
    at: int(row["timestamp"]),
    type: isType(type) ? type : "progress",
    level: isLevel(row["level"]) ? row["level"] : "info",
  };
  const text = (column: string, set: (value: string) => void): void => {
    const value = optionalStr(row[column]);
    if (value !== undefined) set(value);
  };
  text("task_id", (v) => (out.taskId = v));
  text("queue_name", (v) => (out.queue = v));
  text("worker_id", (v) => (out.worker = v));
  text("schedule_id", (v) => (out.scheduleId = v));
  text("message", (v) => (out.message = v));
  text("data", (v) => (out.data = v));
  text("error", (v) => (out.error = v));
  text("source", (v) => (out.source = v));
  const ran = optionalInt(row["execution_time"]);
  if (ran !== undefined) out.executionMs = ran;
  const retries = optionalInt(row["retry_count"]);
  if (retries !== undefined) out.retryCount = retries;
  return out;
}

/** What was counted, a row for each type, and what there is beside it. */
export function eventStats(types: readonly Row[], all: Row | undefined): EventStats {
  const byType = Object.fromEntries(types.map((row) => [str(row["type"]), int(row["n"])]));
  const total = Object.values(byType).reduce((sum, n) => sum + n, 0);
  const oldest = optionalInt(all?.["oldest"]);
  const newest = optionalInt(all?.["newest"]);
  const bounds = { ...(oldest === undefined ? {} : { oldest }), ...(newest === undefined ? {} : { newest }) };
  return { total, byType, ...bounds, more: int(all?.["more"]) === 1 };
}
