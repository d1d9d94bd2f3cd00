/** Between the models, which people hold, and the plain records of core, which cross the contract of a backend. */
import { decode, encode } from "../core/codec.ts";
import { refuseDamaged } from "../core/damaged.ts";
import { expected } from "../core/errors.ts";
import type { EventRow, NewEvent } from "../core/event.ts";
import { failureText } from "../core/record.ts";
import type { Failure, Ms } from "../core/record.ts";
import type { NewResult, ResultRow } from "../core/result.ts";
import type { Rule, ScheduleRow, TaskTemplate } from "../core/schedule.ts";
import type { Edge, NewTask, StoredTask } from "../core/task.ts";
import { isStorable, storable } from "../core/text.ts";
import { handlerArguments } from "./arguments.ts";
import type { ModelTools } from "./defaults.ts";
import { TaskEvent } from "./event.ts";
import { isPlain } from "./fields.ts";
import { TaskResult } from "./result.ts";
import { Schedule } from "./schedule.ts";
import { Task } from "./task.ts";
import type { Dependency } from "./task.ts";

/** The fields of an object that are not `undefined`: a record leaves absent ones out. */
type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};
function present<T extends object>(fields: T): Present<T> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what `Present` says is what the filter does
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;
}

const ms = (at: Date | undefined): Ms | undefined => at?.getTime();
const time = (at: Ms | undefined): Date | undefined => (at === undefined ? undefined : new Date(at));

/** A model is a mutable object: what was assigned to it since it was made is checked as its constructor does. */
export function checked<M extends object>(model: M, type: new (init: M) => M, name: string): M {
  if (!(model instanceof type)) throw expected(name, `an instance of ${type.name}`, model);
  return new type({ ...model });
}

/** Refuses text that would come back from a store as another one. What is read is not checked: it is as it is. */
function refuseUnstorable<M extends object>(model: M, names: readonly (keyof M & string)[]): void {
  for (const name of names) {
    const value: unknown = model[name];
    if (typeof value === "string" && !isStorable(value)) throw expected(name, "a text without NUL and halves of surrogate pairs", value);
  }
}

/** Of an error, which nobody chose, what can be stored. */
const errorText = (text: string | undefined): string | undefined => (text === undefined ? undefined : storable(text));

// ---------------------------------------------------------------- tasks

/**
 * The record of a task that is to be enqueued.
 * @throws PayloadError for arguments that cannot be stored. @throws InvalidOptionError when it is not pending, when `funcArgs` and
 * `funcKwargs` do not go together, or when it would expire before its `runAt`.
 */
export function toNewTask(task: Task): NewTask {
  checked(task, Task, "task");
  if (task.status !== "pending") throw expected("status", '"pending" for a task to be enqueued', task.status);
  handlerArguments(task.funcArgs, task.funcKwargs);
  const { runAt, expiresAt } = task;
  if (runAt !== undefined && expiresAt !== undefined && runAt >= expiresAt) {
    throw expected("runAt", `earlier than the task's expiry at ${expiresAt.toISOString()}`, runAt);
  }
  return present({
    id: task.id,
    func: task.func,
    args: encode(task.funcArgs, { name: "funcArgs" }),
    kwargs: maybeEncode(task.funcKwargs, "funcKwargs"),
    queue: task.queueName,
    priority: task.priority,
    label: labelOf(task),
    description: task.description,
    tags: [...task.tags],
    due: runAt === undefined ? undefined : { at: runAt.getTime() },
    ttl: task.ttl,
    createdAt: task.createdAt.getTime(),
    expiresAt: ms(expiresAt),
    dependsOn: task.dependsOn.map(toEdge),
    callback: callbackOf(task),
    scheduleId: task.scheduleId,
    maxRetries: task.maxRetries,
    retryDelay: task.retryDelay,
    backoff: task.backoff,
    timeout: task.timeout,
    atMostOnce: task.atMostOnce,
    maxCrashes: task.maxCrashes,
    resultTtl: task.resultTtl,
    storeResult: task.storeResult,
  });
}

/** The stored label: none where the name says what `func` says. */
export function labelOf(task: Task): string | undefined {
  return task.name === task.func ? undefined : task.name;
}

/** The stored callback of a task made by hand. */
export function callbackOf(task: Task): NewTask["callback"] {
  return task.callback === undefined ? undefined : present({ func: task.callback, args: maybeEncode(task.callbackArgs, "callbackArgs") });
}

/** A text for what is not empty. */
function maybeEncode(value: Record<string, unknown>, name: string): string | undefined {
  return Object.keys(value).length === 0 ? undefined : encode(value, { name });
}

/** A text that `maybeEncode` wrote. */
function maybeDecode(text: string | undefined): Record<string, unknown> {
  const value = text === undefined ? {} : decode(text);
  return isPlain(value) ? value : {};
}

function toEdge(parent: Dependency): Edge {
  return typeof parent === "string" ? { id: parent, ifFailed: "cancel" } : { id: parent.on, ifFailed: parent.ifFailed };
}

/** The stored task as a model, without a claim: `fence` belongs to whoever claimed it. */
export function toTask(row: StoredTask, tools?: ModelTools): Task {
  refuseDamaged(row, `the arguments of task ${row.id}`);
  const task = new Task({ func: row.func, ...storedFields(row) }, tools);
  task.funcArgs = decode(row.args);
  task.funcKwargs = maybeDecode(row.kwargs);
  task.callbackArgs = maybeDecode(row.callback?.args);
  return Task.placed(task, row.phase);
}

/** The fields of a stored task but for its payloads and its fence, also those that are absent. */
export function storedFields(row: StoredTask) {
  return {
    id: row.id,
    queueName: row.queue,
    name: row.label ?? row.func,
    description: row.description,
    tags: [...row.tags],
    priority: row.priority,
    status: row.status,
    runAt: time(row.runAt),
    createdAt: new Date(row.createdAt),
    startedAt: time(row.startedAt),
    completedAt: time(row.completedAt),
    ttl: row.ttl,
    expiresAt: time(row.expiresAt),
    dependsOn: row.dependsOn.map((edge): Dependency => (edge.ifFailed === "cancel" ? edge.id : { on: edge.id, ifFailed: edge.ifFailed })),
    callback: row.callback?.func,
    retryCount: row.retryCount,
    maxRetries: row.maxRetries,
    retryDelay: row.retryDelay,
    nextRetryAt: time(row.nextRetryAt),
    resultTtl: row.resultTtl,
    storeResult: row.storeResult,
    timeout: row.timeout,
    backoff: row.backoff,
    atMostOnce: row.atMostOnce,
    maxCrashes: row.maxCrashes,
    attempt: row.attempt,
    crashCount: row.crashCount,
    scheduleId: row.scheduleId,
    revision: row.revision,
    reason: row.reason,
  };
}

// ---------------------------------------------------------------- results

/** @throws InvalidOptionError for a wrong value. @throws PayloadError for a result that cannot be stored. */
export function toNewResult(result: TaskResult): NewResult {
  checked(result, TaskResult, "result");
  refuseUnstorable(result, ["workerId", "scheduleId"]);
  return present({
    taskId: result.taskId,
    fence: result.fence,
    status: result.status,
    value: result.result === undefined ? undefined : encode(result.result, { name: "result" }),
    error: toFailure(errorText(result.error), errorText(result.errorTraceback)),
    ttl: result.ttl,
    expiresAt: ms(result.expiresAt),
    scheduleId: result.scheduleId,
    worker: result.workerId,
    executionMs: result.executionTime,
    retryCount: result.retryCount,
    createdAt: result.createdAt.getTime(),
    startedAt: ms(result.startedAt),
    completedAt: ms(result.completedAt),
  });
}

/** `Name: message` taken apart again; a text of another form is all name, so that it reads back as it was. */
export function toFailure(error: string | undefined, stack?: string): Failure | undefined {
  if (error === undefined && stack === undefined) return undefined;
  const parts = /^(?<name>[A-Za-z_$][\w$.]*): (?<message>.+)$/s.exec(error ?? "")?.groups;
  return present({ name: parts?.["name"] ?? error ?? "", message: parts?.["message"] ?? "", stack });
}

/** @throws PayloadError when it cannot be read, or is not what was written. */
export function toResult(row: ResultRow, tools?: ModelTools): TaskResult {
  refuseDamaged(row, `result and error of task ${row.taskId}`);
  const error = row.error === undefined ? "" : failureText(row.error);
  return new TaskResult(
    {
      taskId: row.taskId,
      status: row.status,
      result: row.value === undefined ? undefined : decode(row.value),
      error: error === "" ? undefined : error,
      errorTraceback: row.error?.stack,
      createdAt: new Date(row.createdAt),
      startedAt: time(row.startedAt),
      completedAt: time(row.completedAt),
      ttl: row.ttl,
      expiresAt: time(row.expiresAt),
      executionTime: row.executionMs,
      workerId: row.worker,
      retryCount: row.retryCount,
      scheduleId: row.scheduleId,
      fence: row.fence,
    },
    tools,
  );
}

// ---------------------------------------------------------------- events

/** @throws InvalidOptionError for a wrong value. @throws PayloadError for data that cannot be stored. */
export function toNewEvent(event: TaskEvent): NewEvent {
  checked(event, TaskEvent, "event");
  refuseUnstorable(event, ["taskId", "scheduleId", "queueName", "workerId", "message", "source"]);
  return present({
    id: event.id,
    type: event.eventType,
    taskId: event.taskId,
    scheduleId: event.scheduleId,
    queue: event.queueName,
    worker: event.workerId,
    level: event.level,
    message: event.message,
    data: maybeEncode(event.data, "data"),
    executionMs: event.executionTime,
    retryCount: event.retryCount,
    error: errorText(event.error),
    source: event.source,
    at: event.timestamp.getTime(),
  });
}

export function toEvent(row: EventRow, tools?: ModelTools): TaskEvent {
  return new TaskEvent(
    {
      id: row.id,
      eventType: row.type,
      taskId: row.taskId,
      scheduleId: row.scheduleId,
      queueName: row.queue,
      workerId: row.worker,
      level: row.level,
      message: row.message,
      data: maybeDecode(row.data),
      executionTime: row.executionMs,
      retryCount: row.retryCount,
      error: row.error,
      source: row.source,
      timestamp: new Date(row.at),
    },
    tools,
  );
}

// ---------------------------------------------------------------- schedules

/**
 * The row of a schedule whose occurrences are to be like `template`.
 * @throws InvalidOptionError for a wrong value.
 */
export function toScheduleRow(schedule: Schedule, template: TaskTemplate): ScheduleRow {
  checked(schedule, Schedule, "schedule");
  return present({
    id: schedule.id,
    revision: schedule.revision ?? 0,
    rule: schedule.rule,
    policy: schedule.policy,
    template,
    taskId: schedule.taskId,
    status: schedule.status,
    maxRuns: schedule.maxRuns,
    runCount: schedule.runCount,
    createdAt: schedule.createdAt.getTime(),
    nextRunAt: ms(schedule.nextRunAt),
    lastRunAt: ms(schedule.lastRunAt),
    lastTaskId: schedule.lastTaskId,
    pausedAt: ms(schedule.pausedAt),
    resumedAt: ms(schedule.resumedAt),
    name: schedule.name,
    description: schedule.description,
    tags: [...schedule.tags],
  });
}

export function toSchedule(row: ScheduleRow, tools?: ModelTools): Schedule {
  const schedule = new Schedule(scheduleFields(row), tools);
  // Also where it is absent: the constructor would compute one.
  schedule.nextRunAt = time(row.nextRunAt);
  return schedule;
}

/** The fields of a stored schedule, also those that are absent. */
export function scheduleFields(row: ScheduleRow) {
  const { id, taskId, lastTaskId, status, maxRuns, runCount, name, description, tags, revision } = row;
  const { startAt, endAt, jitter, catchUp, overlap } = row.policy;
  return {
    ...triggerOf(row.rule),
    startAt: time(startAt),
    endAt: time(endAt),
    jitter,
    catchUp,
    overlap,
    lastTaskId,
    id,
    taskId,
    status,
    maxRuns,
    runCount,
    name,
    description,
    tags: [...tags],
    revision,
    createdAt: new Date(row.createdAt),
    nextRunAt: time(row.nextRunAt),
    lastRunAt: time(row.lastRunAt),
    pausedAt: time(row.pausedAt),
    resumedAt: time(row.resumedAt),
  };
}

function triggerOf(rule: Rule) {
  if (rule.type === "cron") return { scheduleType: rule.type, cronExpression: rule.cron, timezone: rule.timezone };
  if (rule.type === "interval") return { scheduleType: rule.type, interval: rule.every };
  return rule.type === "timestamp" ? { scheduleType: rule.type, runAt: new Date(rule.at) } : { scheduleType: rule.type };
}

/** What the occurrences of a schedule take over from a stored task. @throws PayloadError `PAYLOAD_DAMAGED` */
export function toTemplate(row: StoredTask): TaskTemplate {
  refuseDamaged(row, `the arguments of task ${row.id}`);
  return present({
    func: row.func,
    args: row.args,
    kwargs: row.kwargs,
    queue: row.queue,
    priority: row.priority,
    label: row.label,
    description: row.description,
    tags: [...row.tags],
    ttl: row.ttl,
    callback: row.callback,
    maxRetries: row.maxRetries,
    retryDelay: row.retryDelay,
    backoff: row.backoff,
    timeout: row.timeout,
    atMostOnce: row.atMostOnce,
    maxCrashes: row.maxCrashes,
    resultTtl: row.resultTtl,
    storeResult: row.storeResult,
  });
}
