/**
 * Models for tests, whole and valid without an argument. Whatever is given wins by presence: `{}`, `[]`, `0`, `""` and `undefined`
 * replace a default, too.
 */
import { milliseconds } from "../core/duration.ts";
import type { Duration } from "../core/duration.ts";
import { OmniQConfig } from "../models/config.ts";
import { DEFAULTS } from "../models/defaults.ts";
import type { ModelTools } from "../models/defaults.ts";
import { TaskEvent } from "../models/event.ts";
import type { EventInit, EventType } from "../models/event.ts";
import { TaskResult } from "../models/result.ts";
import type { ResultInit } from "../models/result.ts";
import { Schedule } from "../models/schedule.ts";
import type { ScheduleInit } from "../models/schedule.ts";
import { Task } from "../models/task.ts";
import type { TaskInit } from "../models/task.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** What `createTask` takes: any field of a task, and `taskId` for its `id`. */
export type TaskOptions = Partial<TaskInit> & { readonly taskId?: string };
/** What `createSchedule` takes: any field of a schedule, and `scheduleId` for its `id`. */
export type ScheduleOptions = ScheduleInit & { readonly scheduleId?: string };
export type ResultOptions = Partial<ResultInit>;
export type EventOptions = Partial<EventInit>;

/**
 * A pending task. Defaults: func `"test-task"`, funcArgs `{ x: 5, y: 10 }`, queueName `"test"`, name `"Test Task"`, description
 * `"A test task"`, tags `["test"]`, ttl 1 h, resultTtl 30 min; the rest as of `new Task`.
 * @param tools clock and maker of ids; default the machine's.
 */
export function createTask({ taskId, ...given }: TaskOptions = {}, tools?: ModelTools): Task {
  return new Task(
    {
      func: "test-task",
      funcArgs: { x: 5, y: 10 },
      queueName: "test",
      name: "Test Task",
      description: "A test task",
      tags: ["test"],
      ttl: HOUR,
      resultTtl: 30 * MINUTE,
      ...(taskId === undefined ? {} : { id: taskId }),
      ...given,
    },
    tools,
  );
}

/**
 * An active schedule. Defaults: of the type that goes with the trigger that is given, else an `interval` of 5 min; a new taskId,
 * name `"Test Schedule"`, description `"A test schedule"`, tags `["test", "schedule"]`; nextRunAt its first occurrence.
 * @param tools clock and maker of ids; default the machine's.
 */
export function createSchedule({ scheduleId, ...given }: ScheduleOptions = {}, tools?: ModelTools): Schedule {
  const trigger = given.cronExpression ?? given.runAt ?? undefined;
  const interval = given.scheduleType === "interval" || (!("scheduleType" in given) && trigger === undefined);
  return new Schedule(
    {
      taskId: anId(tools),
      ...(interval ? { scheduleType: "interval", interval: 5 * MINUTE } : {}),
      name: "Test Schedule",
      description: "A test schedule",
      tags: ["test", "schedule"],
      ...(scheduleId === undefined ? {} : { id: scheduleId }),
      ...given,
    },
    tools,
  );
}

/**
 * A result. Defaults: a new taskId, status `completed`, result 15, executionTime 100 ms, workerId `"test-worker"`, retryCount 0,
 * ttl 30 min, created, started and completed now.
 * @param tools clock and maker of ids; default the machine's.
 */
export function createResult(given: ResultOptions = {}, tools?: ModelTools): TaskResult {
  const now = new Date((tools?.clock ?? DEFAULTS.clock).now());
  return new TaskResult(
    {
      taskId: anId(tools),
      status: "completed",
      result: 15,
      createdAt: now,
      startedAt: now,
      completedAt: now,
      ttl: 30 * MINUTE,
      executionTime: 100,
      workerId: "test-worker",
      retryCount: 0,
      ...given,
    },
    tools,
  );
}

/**
 * An event. Defaults: a new taskId, eventType `enqueued`, queueName `"test"`, message `"Test event"`, source `"test"`, level `info`,
 * data `{}`, now.
 * @param tools clock and maker of ids; default the machine's.
 */
export function createEvent(given: EventOptions = {}, tools?: ModelTools): TaskEvent {
  return new TaskEvent(
    {
      taskId: anId(tools),
      eventType: "enqueued",
      queueName: "test",
      message: "Test event",
      data: {},
      source: "test",
      level: "info",
      ...given,
    },
    tools,
  );
}

type ConfigInit = NonNullable<ConstructorParameters<typeof OmniQConfig>[0]>;
type PartOf<P extends "taskQueue" | "resultStore" | "eventStore" | "worker"> = NonNullable<ConfigInit[P]>;

/** What `createConfig` takes: types and settings of the four parts; settings are added to the defaults, key by key. */
export interface ConfigOptions {
  readonly projectName?: ConfigInit["projectName"];
  readonly taskQueueType?: PartOf<"taskQueue">["type"];
  readonly resultStoreType?: PartOf<"resultStore">["type"];
  readonly eventStoreType?: PartOf<"eventStore">["type"];
  readonly workerType?: PartOf<"worker">["type"];
  readonly taskQueueConfig?: PartOf<"taskQueue">["config"];
  readonly resultStoreConfig?: PartOf<"resultStore">["config"];
  readonly eventStoreConfig?: PartOf<"eventStore">["config"];
  readonly workerConfig?: PartOf<"worker">["config"];
}

/**
 * A configuration. Defaults: projectName `"test_project"`, all three stores `sqlite` in `./test_data`, queues `high`, `medium`,
 * `low`, an `async` worker with `maxWorkers` 2.
 */
export function createConfig(given: ConfigOptions = {}): OmniQConfig {
  const types = {
    projectName: "test_project",
    taskQueueType: "sqlite",
    resultStoreType: "sqlite",
    eventStoreType: "sqlite",
    workerType: "async",
  };
  const { projectName, taskQueueType, resultStoreType, eventStoreType, workerType, ...config } = { ...types, ...given };
  const baseDir = "./test_data";
  return OmniQConfig.fromJSON({
    projectName,
    taskQueue: { type: taskQueueType, config: { baseDir, queues: ["high", "medium", "low"], ...config.taskQueueConfig } },
    resultStore: { type: resultStoreType, config: { baseDir, ...config.resultStoreConfig } },
    eventStore: { type: eventStoreType, config: { baseDir, ...config.eventStoreConfig } },
    worker: { type: workerType, config: { maxWorkers: 2, ...config.workerConfig } },
  });
}

/** `count` tasks of one queue (default `"test"`), named `Task 0`, `Task 1` … */
export function createTaskSequence(count: number, queueName = "test", tools?: ModelTools): Task[] {
  return Array.from({ length: count }, (_, i) => createTask({ queueName, name: `Task ${i}` }, tools));
}

/** `count` interval schedules, named `Schedule 0` …: the i-th has `interval × (i + 1)` (default 5 min). */
export function createScheduleSequence(count: number, interval: Duration = 5 * MINUTE, tools?: ModelTools): Schedule[] {
  const every = milliseconds(interval, "interval");
  return Array.from({ length: count }, (_, i) => createSchedule({ interval: every * (i + 1), name: `Schedule ${i}` }, tools));
}

/** One event of a task for each type, in the order given. */
export function createEventSequence(taskId: string, eventTypes: readonly EventType[], tools?: ModelTools): TaskEvent[] {
  return eventTypes.map((eventType) => createEvent({ taskId, eventType }, tools));
}

function anId(tools: ModelTools | undefined): string {
  return (tools?.newId ?? DEFAULTS.newId)();
}
