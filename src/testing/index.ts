/// <reference lib="esnext.disposable" preserve="true" />
/** The door `omniq/testing`. */
export { conformance, equivalence } from "./conformance/index.ts";
export type { ConformanceOptions, EquivalenceOptions, Expect, Expectation, Open, Skip, Tools } from "./conformance/index.ts";
export { TestClock } from "./clock.ts";
export {
  createConfig,
  createEvent,
  createEventSequence,
  createResult,
  createSchedule,
  createScheduleSequence,
  createTask,
  createTaskSequence,
} from "./factories.ts";
export type { ConfigOptions, EventOptions, ResultOptions, ScheduleOptions, TaskOptions } from "./factories.ts";
export { drain, testOmniQ, TestOmniQ } from "./harness.ts";
export type { Partly, TestOmniQOptions } from "./harness.ts";
export { ModelBackend } from "./model.ts";
export type { ModelOptions } from "./model.ts";
export { OutcomeError, runTask } from "./run-task.ts";
export type { RunTaskOptions } from "./run-task.ts";
