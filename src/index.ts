/// <reference lib="esnext.disposable" preserve="true" />
/** The door `omniq`. Importing it opens nothing, starts nothing and loads no driver. */
// oxlint-disable-next-line import/no-unassigned-import -- it throws on a Node that is too old, before anything else is evaluated
import "./node-version.ts";

export { OmniQ } from "./omniq.ts";
export type { InCode } from "./config-setup.ts";
export { Worker } from "./worker.ts";
export type { ComponentWorkerOptions, OmniQWorkerOptions, Runnable } from "./worker.ts";
export { defineTask } from "./runtime/definition.ts";
export type { DefinitionBase } from "./runtime/definition.ts";
export type {
  AnyHandle,
  BackoffFunction,
  CallOf,
  Cancelled,
  Context,
  Dependency,
  Ended,
  EnqueueOptions,
  InOf,
  Logger,
  OutOf,
  ParentResult,
  SQLiteHandle,
  TaskDefaults,
  TaskDefinition,
  TaskHandle,
  TaskReference,
  TaskStub,
  TxOption,
  UniqueOptions,
} from "./runtime/signatures.ts";

export type { Ran, WorkerEvent, WorkerEvents } from "./runtime/emitter.ts";
export type { EventsDesk, FollowedEvent, FollowOptions } from "./runtime/events-desk.ts";
export type { EventFind, TaskFilter, TaskFind } from "./runtime/filter.ts";
export type { WorkerOptions } from "./runtime/parts.ts";
export type { QueueInfo, QueuesDesk, WorkerInfo, WorkersDesk } from "./runtime/queues-desk.ts";
export type { ResultsDesk } from "./runtime/results-desk.ts";
export type { Retention } from "./runtime/retention.ts";
export type { ScheduleHandle } from "./runtime/schedule-handle.ts";
export type { ScheduleOptions, TimingOptions } from "./runtime/schedule-options.ts";
export type { ResumeOptions, ScheduleFind, ScheduleInfo, SchedulesDesk } from "./runtime/schedules-desk.ts";
export type { OmniQOptions } from "./runtime/setup.ts";
export type { CleanedUp, CleanupOptions, Stats } from "./runtime/stats.ts";
export type { Counts, Deleted, Found, Retried, RetryConflict, TaskInfo, TasksDesk } from "./runtime/tasks-desk.ts";
export type { WaitOptions } from "./runtime/waiter.ts";
export type { OpenParent, Why, WhyCase, WhyReason } from "./runtime/why.ts";
export type { RunOptions, StopOptions } from "./runtime/worker.ts";

export { Task, TaskStatus } from "./models/task.ts";
export type { TaskInit } from "./models/task.ts";
export { Schedule, ScheduleStatus, ScheduleType } from "./models/schedule.ts";
export type { ScheduleInit } from "./models/schedule.ts";
export { ResultStatus, TaskResult } from "./models/result.ts";
export type { ResultInit } from "./models/result.ts";
export { EventType, TaskEvent } from "./models/event.ts";
export type { EventInit } from "./models/event.ts";
export { EventStorageConfig, OmniQConfig, ResultStorageConfig, TaskQueueConfig, WorkerConfig } from "./models/config.ts";
export type { ConfigContext, ConfigExport } from "./config/module.ts";
export type { ConfigInput } from "./config/options.ts";

export type { EventStorage } from "./components/event-storage.ts";
export type { ResultStorage } from "./components/result-storage.ts";
export type { TaskQueue } from "./components/task-queue.ts";
export type { BackedUp, Backend, BackupOptions } from "./core/backend.ts";
export type { Clock } from "./core/clock.ts";
export type { Duration } from "./core/duration.ts";
export type { EventLevel } from "./core/event.ts";
export type { Failure, TaskId } from "./core/record.ts";
export type { CatchUp, Overlap } from "./core/schedule.ts";
export type { Backoff, Final, Phase } from "./core/task.ts";

export {
  ClosedError,
  ConfigError,
  ConflictError,
  ConnectionError,
  EnqueueRefusedError,
  FatalError,
  IllegalTransitionError,
  InputInvalidError,
  InvalidOptionError,
  LeaseLostError,
  ModuleError,
  OmniQError,
  PayloadError,
  ResultExpiredError,
  ResultNotStoredError,
  ResultTimeoutError,
  ScheduleBrokenError,
  ScheduleNotFoundError,
  StorageError,
  SyncUnsupportedError,
  TaskCancelledError,
  TaskExpiredError,
  TaskFailedError,
  TaskNotFoundError,
  TaskTimeoutError,
  WorkerStoppingError,
  WorkerUnknownError,
} from "./core/errors.ts";
