/** Running one handler by itself: no queue, no worker, nothing stored. */
import { encode } from "../core/codec.ts";
import { OmniQError } from "../core/errors.ts";
import type { Outcome } from "../core/lifecycle.ts";
import type { TaskId } from "../core/record.ts";
import type { StoredTask } from "../core/task.ts";
import { newId, systemClock } from "../host.ts";
import { toTask } from "../models/convert.ts";
import { HandlerContext } from "../runtime/context.ts";
import type { RunView } from "../runtime/context.ts";
import { Handle } from "../runtime/handle.ts";
import { safeLogger, silentLogger } from "../runtime/logger.ts";
import { encodeArgs, resolveTask } from "../runtime/options.ts";
import { parseWith } from "../runtime/schema.ts";
import type { EnqueueOptions, InOf, Logger, OutOf, ParentResult, TaskDefinition, TaskReference } from "../runtime/signatures.ts";

/** What the handler finds in its context, and who is told what it does with it. */
export interface RunTaskOptions {
  /** Default: a new one. */
  readonly id?: TaskId | undefined;
  /** Default 1. */
  readonly attempt?: number | undefined;
  /** Default 1. */
  readonly fence?: number | undefined;
  /** Default: one that never aborts. */
  readonly signal?: AbortSignal | undefined;
  /** What `ctx.parentResults()` answers. Default: none. */
  readonly parentResults?: readonly ParentResult[] | undefined;
  /** Default: says nothing. */
  readonly logger?: Logger | undefined;
  readonly onProgress?: ((fraction: number, note: string | undefined) => void) | undefined;
  /** A task that the handler enqueues; it is not run, and whoever waits for its result gets an error. */
  readonly onEnqueue?: ((task: TaskReference, args: unknown, options: EnqueueOptions | undefined) => void) | undefined;
}

/** What `runTask` rejects with when the handler asked for something else than an end. */
export class OutcomeError extends OmniQError {
  readonly outcome: "retry" | "snooze" | "discard";
  /** Milliseconds; of a retry or a snooze. */
  readonly after: number | undefined;
  /** Of a discard. */
  readonly reason: string | undefined;

  constructor(asked: Extract<Outcome, { kind: "retry" | "snooze" | "discard" }>) {
    super("OUTCOME_ASKED", `The handler asked for ${asked.kind}`);
    this.outcome = asked.kind;
    this.after = asked.kind === "discard" ? undefined : asked.after;
    this.reason = asked.kind === "discard" ? asked.reason : undefined;
  }
}

/**
 * Runs a task's handler as a worker would: the arguments make the round trip through the store's text and the schema, the value
 * through the output schema. Answers the value, or rejects with what the handler throws.
 * @throws OutcomeError when it asked for a retry, a snooze or a discard. @throws InputInvalidError, PayloadError for the arguments.
 */
export async function runTask<T extends TaskDefinition>(
  task: T,
  ...rest: [InOf<T>] extends [void] ? [args?: undefined, options?: RunTaskOptions] : [args: InOf<T>, options?: RunTaskOptions]
): Promise<OutOf<T>> {
  const [args, options = {}] = rest;
  const row = rowOf(task, args, options);
  const view = viewOf(row, options);
  const parsed =
    task.input === undefined ? toTask(row).funcArgs : await parseWith(task.input, toTask(row).funcArgs, `the arguments of "${task.name}"`);
  let value: unknown;
  try {
    value = await task.handler(parsed as never, contextOf(view, options));
  } catch (error) {
    if (view.asked === undefined) throw error;
  }
  if (view.asked !== undefined) throw new OutcomeError(view.asked);
  if (task.output !== undefined) value = await parseWith(task.output, value, `the result of "${task.name}"`);
  if (value !== undefined) encode(value, { name: "result" });
  return value as OutOf<T>;
}

interface View extends RunView {
  asked: ConstructorParameters<typeof OutcomeError>[0] | undefined;
}

function rowOf(task: TaskDefinition, args: unknown, options: RunTaskOptions): StoredTask {
  const by = { newId, now: () => systemClock.now(), defaults: {} };
  const { due: _due, unique: _unique, ...record } = resolveTask(by, task, encodeArgs(by, args), { id: options.id });
  const now = systemClock.now();
  const { attempt = 1, fence = 1 } = options;
  return {
    ...record,
    status: "running",
    phase: "running",
    fence,
    attempt,
    revision: 1,
    retryCount: attempt - 1,
    crashCount: 0,
    createdAt: now,
    startedAt: now,
    dueAt: now,
    openParents: 0,
  };
}

function viewOf(task: StoredTask, options: RunTaskOptions): View {
  const view: View = {
    claim: { task, fence: task.fence, for: "run" },
    signal: options.signal ?? new AbortController().signal,
    over: false,
    progress: undefined,
    asked: undefined,
    ask(outcome) {
      if (outcome.kind === "retry" || outcome.kind === "snooze" || outcome.kind === "discard") view.asked ??= outcome;
    },
  };
  return view;
}

function contextOf(view: View, options: RunTaskOptions): HandlerContext {
  const nowhere = (): Promise<never> => Promise.reject(new Error("Expected a queue behind the task, but runTask() has none"));
  const host = { wait: nowhere, get: nowhere, cancel: nowhere, eventsOf: nowhere };
  return new HandlerContext(view, {
    taskLogger: safeLogger(options.logger ?? silentLogger),
    taskOf: (row) => toTask(row),
    parentResults: () => Promise.resolve(options.parentResults ?? []),
    report: (_, fraction, note) => options.onProgress?.(fraction, note),
    enqueueChild: (parent, call, task, args, given) => {
      options.onEnqueue?.(task, args, given);
      return Promise.resolve(new Handle(host, given?.id ?? `${parent}.${call}`, true));
    },
  });
}
