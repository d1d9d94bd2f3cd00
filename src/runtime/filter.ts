/** What people ask for, checked: a typo must not become a question that means something else. */
import type { TaskQuery } from "../core/backend.ts";
import { expected, InvalidOptionError } from "../core/errors.ts";
import { SCHEDULE_EVENTS, TASK_EVENTS } from "../core/event.ts";
import type { EventFilter, EventType } from "../core/event.ts";
import { refuseUnknown } from "../core/nearest.ts";
import type { TaskId } from "../core/record.ts";
import { PHASES } from "../core/task.ts";
import type { Phase, TaskStatus } from "../core/task.ts";
import { queueName, tags, text, whole } from "./defaults.ts";
import { dateMs } from "./options.ts";

/** Which tasks are meant: all that is given must hold. */
export interface TaskFilter {
  readonly status?: TaskStatus | undefined;
  readonly phase?: Phase | undefined;
  /** The name of the definition. */
  readonly func?: string | undefined;
  readonly queueName?: string | undefined;
  /** All of them. */
  readonly tags?: readonly string[] | undefined;
  readonly scheduleId?: string | undefined;
  /** Not created before. */
  readonly createdFrom?: Date | undefined;
  /** Not created after. */
  readonly createdTo?: Date | undefined;
}

/** A page of tasks, newest first. */
export interface TaskFind extends TaskFilter {
  /** Default 50, at most 1,000. */
  readonly limit?: number | undefined;
  /** `next` of the page before. */
  readonly after?: string | undefined;
}

/** Which events are meant: all that is given must hold. */
export interface EventFind {
  readonly taskId?: TaskId | undefined;
  readonly eventType?: EventType | undefined;
  readonly scheduleId?: string | undefined;
  /** Not before. */
  readonly from?: Date | undefined;
  /** Not after. */
  readonly to?: Date | undefined;
  /** Default 100, at most 10,000. */
  readonly limit?: number | undefined;
}

const STATUSES: readonly TaskStatus[] = ["pending", "running", "completed", "failed", "cancelled", "expired"];
const TASK_KEYS = ["status", "phase", "func", "queueName", "tags", "scheduleId", "createdFrom", "createdTo"];
const EVENT_KEYS = ["taskId", "eventType", "scheduleId", "from", "to"];

/** @throws InvalidOptionError for an unknown or wrong part. */
export function taskQuery(filter: TaskFind): TaskQuery {
  checkObject(filter, "filter");
  refuseUnknown(filter, [...TASK_KEYS, "limit", "after"], "the filter");
  return {
    ...criteria(filter),
    limit: upTo(filter.limit ?? 50, 1_000),
    ...(filter.after === undefined ? {} : { after: text(filter.after, "after", 1_000) }),
  };
}

/**
 * The filter of a verb that changes what it finds, which must not mean everything by mistake.
 * @throws InvalidOptionError for an unknown or wrong part, and when it is empty.
 */
export function targetQuery(filter: TaskFilter): Omit<TaskQuery, "limit" | "after"> {
  checkObject(filter, "filter");
  refuseUnknown(filter, TASK_KEYS, "the filter");
  const query = criteria(filter);
  if (Object.keys(query).length === 0) {
    throw new InvalidOptionError("INVALID_OPTION", "Expected the filter to say which tasks are meant, got an empty one");
  }
  return query;
}

function criteria(filter: TaskFilter): Omit<TaskQuery, "limit" | "after"> {
  const { status, phase, func, scheduleId, createdFrom, createdTo } = filter;
  return {
    ...(status === undefined ? {} : { status: word(status, "status", STATUSES) }),
    ...(phase === undefined ? {} : { phase: word(phase, "phase", PHASES) }),
    ...(func === undefined ? {} : { func: text(func, "func", 200) }),
    ...(filter.queueName === undefined ? {} : { queue: queueName(filter.queueName, "queueName") }),
    ...(filter.tags === undefined ? {} : { tags: tags(filter.tags, "tags") }),
    ...(scheduleId === undefined ? {} : { scheduleId: text(scheduleId, "scheduleId", 300) }),
    ...(createdFrom === undefined ? {} : { createdFrom: dateMs(createdFrom, "createdFrom") }),
    ...(createdTo === undefined ? {} : { createdTo: dateMs(createdTo, "createdTo") }),
  };
}

/**
 * @param known what else it may hold; a page may say its `limit`, a tail has none.
 * @throws InvalidOptionError for an unknown or wrong part.
 */
export function eventFilter(filter: EventFind, known: readonly string[] = ["limit"]): EventFilter {
  checkObject(filter, "filter");
  refuseUnknown(filter, [...EVENT_KEYS, ...known], "the filter");
  const { taskId, eventType, scheduleId, from, to } = filter;
  return {
    limit: upTo(filter.limit ?? 100, 10_000),
    ...(taskId === undefined ? {} : { taskId: text(taskId, "taskId", 500) }),
    ...(eventType === undefined ? {} : { type: word(eventType, "eventType", [...TASK_EVENTS, ...SCHEDULE_EVENTS]) }),
    ...(scheduleId === undefined ? {} : { scheduleId: text(scheduleId, "scheduleId", 300) }),
    ...(from === undefined ? {} : { from: dateMs(from, "from") }),
    ...(to === undefined ? {} : { to: dateMs(to, "to") }),
  };
}

function word<T extends string>(value: T, name: string, words: readonly T[]): T {
  if (!words.includes(value)) throw expected(name, `one of ${words.join(", ")}`, value);
  return value;
}

function upTo(value: unknown, most: number): number {
  const limit = whole(value, "limit", 1);
  if (limit > most) throw expected("limit", `at most ${most}`, value);
  return limit;
}

function checkObject(value: unknown, name: string): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw expected(name, "an object", value);
}
