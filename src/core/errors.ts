/** Every error that OmniQ throws on purpose: a class, a stable `code`, and a sentence that says what was expected. */

/** The base of all errors that OmniQ throws. `code` is stable across versions; the message is for people. */
export class OmniQError extends Error {
  /** A stable, machine-readable name of what went wrong, such as `"TASK_NOT_FOUND"`. */
  readonly code: string;

  constructor(code: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.name = new.target.name;
  }
}

/** An option, argument or field is not what it must be. Codes: `INVALID_OPTION`, `UNKNOWN_OPTION`, `NOT_EDITABLE`. */
export class InvalidOptionError extends OmniQError {}

/** A configuration value, file or variable is wrong; the message names where it stands. Codes: `CONFIG_AMBIGUOUS` (several files), `CONFIG_INVALID`, `CONFIG_NOT_FOUND`, `CONFIG_NOT_LOADED`, `CONFIG_SYNTAX`. */
export class ConfigError extends OmniQError {}

/** Arguments or a result that cannot be stored and read back unchanged. Codes: `PAYLOAD_REFUSED`, `PAYLOAD_TOO_LARGE`, `PAYLOAD_UNREADABLE`, `PAYLOAD_DAMAGED` (the disk gives back something else). */
export class PayloadError extends OmniQError {}

/** The arguments do not satisfy the schema of the task. Code: `INPUT_INVALID`. */
export class InputInvalidError extends OmniQError {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super("INPUT_INVALID", message, options);
  }
}

/** A change of status that the life of a task or schedule does not know. Code: `ILLEGAL_TRANSITION`. */
export class IllegalTransitionError extends OmniQError {
  constructor(id: string, from: string, to: string, what = "task") {
    super("ILLEGAL_TRANSITION", `Expected ${what} ${id} to be able to become ${to}, but it is ${from}`);
  }
}

/** The claim that would have allowed this write is no longer the current one; nothing was written. Code: `LEASE_LOST`. */
export class LeaseLostError extends OmniQError {
  constructor(message: string) {
    super("LEASE_LOST", message);
  }
}

/** Somebody changed the row since it was read; nothing was written. Code: `CONFLICT`. */
export class ConflictError extends OmniQError {
  constructor(message: string) {
    super("CONFLICT", message);
  }
}

/** An enqueue that was refused whole: nothing of its call was written. Codes: `UNIQUE_CONFLICT`, `ID_REUSED`, `UNKNOWN_PARENT`, `DEPENDENCY_CYCLE`, `QUEUE_MISMATCH`. */
export class EnqueueRefusedError extends OmniQError {}

/** No task has this id (any more). Code: `TASK_NOT_FOUND`. */
export class TaskNotFoundError extends OmniQError {
  constructor(id: string, more = "") {
    super("TASK_NOT_FOUND", `Expected a task with the id ${id}, but there is none${more}`);
  }
}

/** No schedule has this id (any more). Code: `SCHEDULE_NOT_FOUND`. */
export class ScheduleNotFoundError extends OmniQError {
  constructor(id: string) {
    super("SCHEDULE_NOT_FOUND", `Expected a schedule with the id ${id}, but there is none`);
  }
}

/**
 * A schedule that cannot be worked with as it lies there: somebody changed its row by hand, or this Node does not know its time zone.
 * It can be paused, deleted, and made again with the same id. Code: `SCHEDULE_BROKEN`.
 */
export class ScheduleBrokenError extends OmniQError {
  /** @param broken what is wrong, in a sentence without its full stop. */
  constructor(id: string, broken: string) {
    super(
      "SCHEDULE_BROKEN",
      `Expected schedule ${id} to be sound, but it is broken: ${broken}. Make it again with the same id, or delete it`,
    );
  }
}

/** The task failed for good. `failure` is what its handler threw, as stored. Code: `TASK_FAILED`. */
export class TaskFailedError extends OmniQError {
  readonly taskId: string;
  /** What the handler threw: name, message, stack and code as text. */
  readonly failure: { readonly name: string; readonly message: string; readonly stack?: string; readonly code?: string };

  constructor(taskId: string, failure: TaskFailedError["failure"]) {
    super("TASK_FAILED", `Task ${taskId} failed: ${failure.name}: ${failure.message}`);
    this.taskId = taskId;
    this.failure = failure;
  }
}

/** The task was cancelled: by a person, by its handler (`ctx.discard`) or because a parent did not complete. Code: `TASK_CANCELLED`. */
export class TaskCancelledError extends OmniQError {
  readonly taskId: string;

  constructor(taskId: string, reason?: string) {
    super("TASK_CANCELLED", `Task ${taskId} was cancelled${reason === undefined ? "" : `: ${reason}`}`);
    this.taskId = taskId;
  }
}

/** The task's TTL passed before it was started. Code: `TASK_EXPIRED`. */
export class TaskExpiredError extends OmniQError {
  readonly taskId: string;

  constructor(taskId: string) {
    super("TASK_EXPIRED", `Task ${taskId} expired: its TTL passed before a worker started it`);
    this.taskId = taskId;
  }
}

/** The handler ran longer than the task's `timeout`. Code: `TASK_TIMEOUT`. */
export class TaskTimeoutError extends OmniQError {
  constructor(taskId: string, timeout: number) {
    super("TASK_TIMEOUT", `Task ${taskId} ran longer than its timeout of ${timeout} ms`);
  }
}

/** `result({ timeout })` gave up waiting; the task goes on. Code: `RESULT_TIMEOUT`. */
export class ResultTimeoutError extends OmniQError {
  constructor(taskId: string, timeout: number) {
    super("RESULT_TIMEOUT", `Task ${taskId} did not end within ${timeout} ms; it goes on`);
  }
}

/** The task completed, but its result is past its TTL. Code: `RESULT_EXPIRED`. */
export class ResultExpiredError extends OmniQError {
  constructor(taskId: string) {
    super("RESULT_EXPIRED", `The result of task ${taskId} is past its TTL`);
  }
}

/** The task completed, but with `storeResult: false`, or its result was deleted. Code: `RESULT_NOT_STORED`. */
export class ResultNotStoredError extends OmniQError {
  /** @param why in a few words. */
  constructor(taskId: string, why = "storeResult is false") {
    super("RESULT_NOT_STORED", `Task ${taskId} completed, but its result is not stored (${why})`);
  }
}

/**
 * The store cannot do its work. Codes: `STORAGE_NOT_FOUND`, `STORAGE_BUSY`, `STORAGE_FULL`, `STORAGE_READONLY`, `STORAGE_NETWORK`, `STORAGE_TWO_NAMES`, `STORAGE_IO`, `STORAGE_CORRUPT`,
 * `NOT_A_DATABASE`, `FOREIGN_SCHEMA`, `SCHEMA_TOO_NEW`, `SCHEMA_TOO_OLD`, `SQLITE_TOO_OLD`, `STORAGE_FAILED`; of PostgreSQL alone: `STORAGE_UNREACHABLE`,
 * `STORAGE_DENIED`, `STORAGE_POOLED`, `STORAGE_ENCODING`, `DRIVER_MISSING`.
 */
export class StorageError extends OmniQError {}

/** A connection or transaction is used in a way that would lose or block something. Codes: `CONNECTION_HELD`, `TRANSACTION_LEFT_OPEN`, `TX_FOREIGN_LIBRARY`, `TX_OTHER_DATABASE`, `TX_NOT_OPEN`, `TX_ABORTED`, `TX_READONLY`, `TX_UNSUPPORTED`, `TWO_LIBRARIES` (of SQLite on one file in one process). */
export class ConnectionError extends OmniQError {}

/** The object was closed before, or is not open yet. Codes: `CLOSED`, `NOT_OPEN`. */
export class ClosedError extends OmniQError {}

/** The backend has no synchronous form of this call, or the call cannot be synchronous. Code: `SYNC_UNSUPPORTED`. */
export class SyncUnsupportedError extends OmniQError {
  constructor(message: string) {
    super("SYNC_UNSUPPORTED", message);
  }
}

/** This worker's row is gone (it was taken for dead and swept): it must arrive again. Code: `WORKER_UNKNOWN`. */
export class WorkerUnknownError extends OmniQError {
  constructor(worker: string) {
    super("WORKER_UNKNOWN", `Expected worker ${worker} to be registered, but it is not`);
  }
}

/** A module of `modules` cannot be used. Codes: `MODULE_NOT_LOADED`, `MODULE_EMPTY`. */
export class ModuleError extends OmniQError {}

/** Why `ctx.signal` aborts when the worker stops: the task is given back and runs again elsewhere. Code: `WORKER_STOPPING`. */
export class WorkerStoppingError extends OmniQError {
  constructor() {
    super("WORKER_STOPPING", "The worker stops and its grace is over; the task is given back");
  }
}

/** Thrown by a handler to end its task as failed at once, whatever retries are left. */
export class FatalError extends Error {
  override readonly name: string = "FatalError";
}

/** Text for a value in an error message: short, with its type where that helps, never a payload. It never throws. */
export function describe(value: unknown): string {
  try {
    return described(value);
  } catch {
    return "what cannot be looked at";
  }
}

function described(value: unknown): string {
  if (value === null || value === undefined || typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  if (typeof value === "function") return `a function`;
  if (typeof value === "symbol") return "a symbol";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "an invalid Date" : value.toISOString();
  return "an object";
}

/** The error for one wrong value: *Expected `x` to be y, got z*. */
export function expected(name: string, wanted: string, got: unknown): InvalidOptionError {
  return new InvalidOptionError("INVALID_OPTION", `Expected \`${name}\` to be ${wanted}, got ${describe(got)}`);
}
