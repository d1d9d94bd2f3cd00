/** What happened, as people read it: the seed's `TaskEvent`. */
import type { EventLevel, EventType as Type } from "../core/event.ts";
import { SCHEDULE_EVENTS, TASK_EVENTS } from "../core/event.ts";
import { refuseUnknown } from "../core/nearest.ts";
import { DEFAULTS } from "./defaults.ts";
import type { ModelTools } from "./defaults.ts";
import { date, INSPECT, maybeText, maybeWhole, plain, text, word } from "./fields.ts";
import type { Given } from "./fields.ts";
import { fromBytes, fromJson, keysOf, toBytes, toJson } from "./json.ts";
import { measured } from "./result.ts";

/** The kinds of event. Exactly one of `completed`, `failed`, `cancelled`, `expired` ends a task. */
export type EventType = Type;
export const EventType = Object.freeze({
  Enqueued: "enqueued",
  Executing: "executing",
  Completed: "completed",
  Retrying: "retrying",
  Failed: "failed",
  Cancelled: "cancelled",
  Expired: "expired",
  Snoozed: "snoozed",
  Released: "released",
  Crashed: "crashed",
  Progress: "progress",
  Requeued: "requeued",
  ScheduleFired: "schedule_fired",
  ScheduleSkipped: "schedule_skipped",
  SchedulePaused: "schedule_paused",
  ScheduleResumed: "schedule_resumed",
  ScheduleCompleted: "schedule_completed",
} as const satisfies Record<string, Type>);

const LEVELS: readonly EventLevel[] = ["debug", "info", "warning", "error"];

/** Every field of an event, and how it stands in JSON. */
const EVENT_FIELDS = {
  id: "plain",
  taskId: "plain",
  eventType: "plain",
  timestamp: "time",
  queueName: "plain",
  workerId: "plain",
  scheduleId: "plain",
  message: "plain",
  data: "payload",
  executionTime: "plain",
  retryCount: "plain",
  error: "plain",
  source: "plain",
  level: "plain",
} as const;
type EventField = keyof typeof EVENT_FIELDS;

/** The fields of a new event. `null` counts as absent. */
export type EventInit = { readonly eventType: Type } & Given<TaskEvent, Exclude<EventField, "eventType">, "executionTime">;

/** One event: a plain mutable object. */
export class TaskEvent {
  /** Default: a new UUIDv7. */
  id: string;
  taskId: string | undefined;
  eventType: Type;
  /** Default: now. */
  timestamp: Date;
  queueName: string | undefined;
  workerId: string | undefined;
  scheduleId: string | undefined;
  message: string | undefined;
  /** Whatever belongs to it. Default `{}`. */
  data: Record<string, unknown>;
  /** Milliseconds that the handler ran. */
  executionTime: number | undefined;
  retryCount: number | undefined;
  /** `Name: message`. */
  error: string | undefined;
  source: string | undefined;
  /** Default `info`. */
  level: EventLevel;

  /** @throws InvalidOptionError for a wrong value or an unknown field. */
  constructor(init: EventInit, tools: ModelTools = {}) {
    refuseUnknown(init, keysOf(EVENT_FIELDS), "an event");
    this.id = text(init.id ?? (tools.newId ?? DEFAULTS.newId)(), "id");
    this.taskId = maybeText(init.taskId, "taskId");
    this.eventType = word(init.eventType, "eventType", [...TASK_EVENTS, ...SCHEDULE_EVENTS]);
    this.timestamp = date(init.timestamp ?? new Date((tools.clock ?? DEFAULTS.clock).now()), "timestamp");
    this.queueName = maybeText(init.queueName, "queueName");
    this.workerId = maybeText(init.workerId, "workerId");
    this.scheduleId = maybeText(init.scheduleId, "scheduleId");
    this.message = maybeText(init.message, "message");
    this.data = plain(init.data ?? {}, "data");
    this.executionTime = measured(init.executionTime);
    this.retryCount = maybeWhole(init.retryCount, "retryCount");
    this.error = maybeText(init.error, "error");
    this.source = maybeText(init.source, "source");
    this.level = word(init.level ?? "info", "level", LEVELS);
  }

  /** Plain JSON without absent fields; data that JSON cannot keep stands in the tagged form. */
  toJSON(): Record<string, unknown> {
    return toJson(this, EVENT_FIELDS);
  }

  /**
   * The event that `toJSON` wrote; takes `null` for absent, `Date` for ISO text, and keys in snake_case, too.
   * @throws InvalidOptionError for a wrong value or an unknown key, with the nearest known one.
   */
  static fromJSON(data: unknown, tools?: ModelTools): TaskEvent {
    return new TaskEvent(fromJson<EventField, EventInit>(data, EVENT_FIELDS, "an event").init, tools);
  }

  /** `toJSON` as UTF-8. */
  serialize(): Uint8Array {
    return toBytes(this.toJSON());
  }

  /** @throws PayloadError `PAYLOAD_UNREADABLE` when the bytes are not what `serialize` made. */
  static deserialize(bytes: Uint8Array, tools?: ModelTools): TaskEvent {
    return TaskEvent.fromJSON(fromBytes(bytes), tools);
  }

  /** Whether both are the same event: the ids count, nothing else. */
  equals(other: unknown): boolean {
    return other instanceof TaskEvent && other.id === this.id;
  }

  toString(): string {
    const of = this.taskId ?? this.scheduleId;
    return `TaskEvent(${this.id} ${this.eventType}${of === undefined ? "" : ` of ${of}`})`;
  }

  [INSPECT](): string {
    return this.toString();
  }
}
