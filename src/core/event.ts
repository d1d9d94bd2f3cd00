/** What happened, as it is written beside the change that it tells of. */
import type { Ms, TaskId, Text } from "./record.ts";

export const TASK_EVENTS = [
  "enqueued",
  "executing",
  "completed",
  "retrying",
  "failed",
  "cancelled",
  "expired",
  "snoozed",
  "released",
  "crashed",
  "progress",
  "requeued",
] as const;
export const SCHEDULE_EVENTS = ["schedule_fired", "schedule_skipped", "schedule_paused", "schedule_resumed", "schedule_completed"] as const;

/** The kinds of event. Exactly one of `completed`, `failed`, `cancelled`, `expired` ends a task. */
export type EventType = (typeof TASK_EVENTS)[number] | (typeof SCHEDULE_EVENTS)[number];
export type EventLevel = "debug" | "info" | "warning" | "error";

export interface NewEvent {
  /** Made by the caller where the event may be written twice (another backend, a hand-made event); appending it again does nothing. */
  readonly id?: string;
  readonly type: EventType;
  readonly taskId?: TaskId;
  readonly scheduleId?: string;
  readonly queue?: string;
  readonly worker?: string;
  /** Default `info`. */
  readonly level?: EventLevel;
  readonly message?: string;
  readonly data?: Text;
  readonly executionMs?: Ms;
  readonly retryCount?: number;
  readonly error?: string;
  readonly source?: string;
  /** Given only with an event made by hand; else the backend's clock. */
  readonly at?: Ms;
}

export interface EventRow extends Omit<NewEvent, "id" | "at" | "level"> {
  readonly id: string;
  /** Opaque and ordered as written: the cursor of this event. */
  readonly seq: string;
  readonly at: Ms;
  readonly level: EventLevel;
}

export interface EventFilter {
  readonly taskId?: TaskId;
  readonly type?: EventType;
  readonly scheduleId?: string;
  /** Not before, in milliseconds since 1970. */
  readonly from?: Ms;
  /** Not after. */
  readonly to?: Ms;
  readonly limit: number;
}
