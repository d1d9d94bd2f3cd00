/**
 * The contract of a backend. A backend stores; it decides nothing: `decide` in lifecycle.ts makes a settlement, and the backend
 * writes it if the fence still holds. Every verb takes a set, is one transaction, and answers per item in the order asked; a
 * refusal is an answer, not an exception. Plain data only; payloads are text already.
 */
import type { EventFilter, EventRow, NewEvent } from "./event.ts";
import type { Fence, Ms, TaskId } from "./record.ts";
import type { NewResult, ResultRow } from "./result.ts";
import type { Fired, Ran } from "./occurrence.ts";
import type { FireAsk, RunAsk, ScheduleQuery, ScheduleRow } from "./schedule.ts";
import type { Final, NewTask, Phase, StoredTask } from "./task.ts";

// ---------------------------------------------------------------- work: what a worker needs

/**
 * `known`: a task with this id and the same func and args is there already, or the holder of the unique key is kept.
 * `replaced`: the holder of the unique key has the new arguments and options now; its id and its schedule stay.
 */
export type Accepted =
  | { readonly is: "added" | "known"; readonly id: TaskId }
  | { readonly is: "replaced"; readonly id: TaskId; readonly scheduleId?: string };
export interface Refused {
  readonly is: "refused";
  readonly why: "unique" | "id-reused" | "unknown-parent";
  /** For people, in the words of the model: a firing keeps it in the log. */
  readonly detail: string;
}
export type Enqueued = Accepted | Refused;

/** One user's call: all or nothing. Its tasks stand parents first; `events` are written only for tasks that were added or replaced. */
export interface EnqueueCall {
  readonly tasks: readonly NewTask[];
  /** Writes one `enqueued` event a task. The façade asks for it, the components do not. */
  readonly announce: boolean;
}

/** The right to run or to end one task. `for` says why it was handed out; all are settled alike. */
export interface Claim {
  readonly task: StoredTask;
  readonly fence: Fence;
  readonly for: "run" | "lost" | "expired" | "cancelled" | "parent-failed";
  /** Milliseconds until the task expires, by the backend's clock at the claim. */
  readonly expiresIn?: Ms;
}

export interface ClaimAsk {
  readonly worker: string;
  readonly limit: number;
  readonly of:
    /** What is due, queue by queue in this order, for these names. `executing` events are written if `announce`. `whole`: never `partial`. */
    | {
        readonly due: true;
        readonly queues: readonly string[];
        readonly names: readonly string[] | "any";
        readonly announce: boolean;
        readonly whole?: boolean;
      }
    /** What waits to be ended: cancelled, expired, without its parent. Marks what has expired meanwhile, first. */
    | { readonly ended: true }
    /** The claims of these workers, if their beat still is the one that was seen; where `marked`, only of what is marked to be ended. */
    | { readonly lost: readonly Beat[]; readonly marked?: boolean }
    /** These tasks, if they are marked and nobody holds them. */
    | { readonly ids: readonly TaskId[] };
}

/**
 * `more`: the budget of the call ended before the work did. `nextDueIn`: when something becomes due, without a hint. `partial`: not all that
 * is due was looked at, to save time; there may be more.
 */
export interface Claims {
  readonly claims: readonly Claim[];
  readonly more: boolean;
  readonly nextDueIn?: Ms;
  readonly partial?: boolean;
}

/** Delays, never dates. Made by lifecycle.ts, obeyed by backends. */
export type Settlement = {
  readonly id: TaskId;
  readonly fence: Fence;
  readonly events: readonly NewEvent[];
  readonly result?: NewResult;
} & (
  | { readonly to: Final; readonly reason?: string; readonly enqueue?: readonly NewTask[]; readonly counts?: "crash" }
  | { readonly to: "again"; readonly after: Ms; readonly counts: "retry" | "snooze" | "give-back" | "crash" }
);
/** `repeated`: this very claim has settled before. `lost`: another claim holds or has ended the task. Neither writes anything. */
export type Settled = "settled" | "repeated" | "lost" | "missing";

export interface Progress {
  readonly id: TaskId;
  readonly fence: Fence;
  readonly event: NewEvent;
}

export interface Work<Tx> {
  /** Calls that share a commit cannot refuse each other. With `tx` the rows are written on the caller's handle before the promise is returned. */
  enqueue(calls: readonly EnqueueCall[], tx?: Tx): Promise<readonly (readonly Enqueued[])[]>;
  /** @throws WorkerUnknownError when the worker has not arrived. */
  claim(ask: ClaimAsk): Promise<Claims>;
  settle(set: readonly Settlement[], thenClaim?: ClaimAsk): Promise<{ readonly settled: readonly Settled[]; readonly next?: Claims }>;
  progress(set: readonly Progress[]): Promise<readonly ("written" | "lost")[]>;
  /** Bounded leftovers of ended parents (settle frees up to 256 dependents itself); true while there is more. */
  release(limit: number): Promise<boolean>;
}

/** How many dependents the settling transaction itself releases. */
export const INLINE_RELEASES = 256;
/** How many due rows one claim moves into the ready set: 500 cost 1.7 to 3.3 ms. */
export const PROMOTIONS = 500;

// ---------------------------------------------------------------- presence: one row a worker, not one a task

export interface Beat {
  readonly worker: string;
  readonly beat: number;
}
export interface WorkerRow extends Beat {
  readonly role: "worker" | "client";
  readonly host: string;
  /** Names this boot of the machine (and the namespaces of process ids and time). */
  readonly boot: string;
  readonly pid: number;
  /** When the process started, in whatever unit its host counts: only ever compared. */
  readonly started: string;
  readonly leaseMs: Ms;
  readonly queues: readonly string[];
  readonly names: readonly string[];
  readonly concurrency: number;
  readonly arrivedAt: Ms;
  readonly seenAt: Ms;
}
/** `next` is given while there may be more, and leads there as `after`. A page may hold fewer than `limit`. */
export interface HoldingPage {
  readonly workers: readonly WorkerRow[];
  readonly next?: string;
}
export interface Presence {
  arrive(row: Omit<WorkerRow, "beat" | "arrivedAt" | "seenAt">): Promise<void>;
  /** Takes the row away, unless it still holds claims: those are found by others when the beat stands still. */
  leave(worker: string): Promise<void>;
  /**
   * Proves life for every claim the worker holds; answers those of `held` that are not plainly held.
   * @throws WorkerUnknownError when the row is gone.
   */
  beat(
    worker: string,
    held: readonly { readonly id: TaskId; readonly fence: Fence }[],
  ): Promise<readonly { readonly id: TaskId; readonly fence: Fence; readonly is: "lost" | "cancel" }[]>;
  /** At most `limit` rows, for people: those last seen first, so that thousands that are long gone hide none that works. */
  workers(limit: number): Promise<readonly WorkerRow[]>;
  /**
   * A page of the workers that hold claims, whatever rows of others there are: the cost is that of the page. Who of them is dead is decided
   * by the observer, on its own monotonic clock.
   */
  holding(limit: number, after?: string): Promise<HoldingPage>;
}

// ---------------------------------------------------------------- desk: what people need

export interface TaskQuery {
  readonly queue?: string;
  readonly phase?: Phase;
  readonly status?: StoredTask["status"];
  readonly func?: string;
  readonly tags?: readonly string[];
  readonly scheduleId?: string;
  readonly createdFrom?: Ms;
  readonly createdTo?: Ms;
  readonly limit: number;
  /** `next` of the page before. */
  readonly after?: string;
}
/** Newest first. A page may hold fewer than `limit`, even none, while there is a `next`: a call reads a bounded window. */
export interface TaskPage {
  readonly items: readonly StoredTask[];
  readonly next?: string;
}
/** `queue` is given for what has not ended. `more`: counting stopped at the bound. */
export interface Count {
  readonly phase: Phase;
  readonly queue?: string;
  readonly tasks: number;
  readonly more: boolean;
  /** Of what is ready: when the first of those counted became due. */
  readonly since?: Ms;
}
/** What may be changed on a task that does not run. `null` takes an optional field away. */
export interface TaskPatch {
  readonly queue?: string;
  readonly priority?: number;
  readonly runAt?: Ms | null;
  readonly ttl?: Ms | null;
  readonly label?: string | null;
  readonly description?: string | null;
  readonly tags?: readonly string[];
  readonly maxRetries?: number;
  readonly retryDelay?: Ms;
  readonly resultTtl?: Ms | null;
  readonly storeResult?: boolean;
  readonly callback?: NewTask["callback"] | null;
}
export interface Edit {
  readonly id: TaskId;
  readonly revision: number;
  readonly patch: TaskPatch;
}
export interface QueueRow {
  readonly name: string;
  readonly pausedAt?: Ms;
}
/** `over`: what the other task keeps it away by. */
export interface RequeueConflict {
  readonly is: "conflict";
  readonly over: "unique" | "overlap";
  readonly taskId: TaskId;
}
export type Requeued = "requeued" | "not-final" | "missing" | RequeueConflict;
export interface Desk {
  get(ids: readonly TaskId[]): Promise<readonly (StoredTask | undefined)[]>;
  find(query: TaskQuery): Promise<TaskPage>;
  /** Each phase is counted up to `upTo`. */
  count(upTo: number): Promise<readonly Count[]>;
  /** How many ready tasks a worker of this queue would claim before this one, up to `upTo`; undefined when it is not ready. */
  ahead(id: TaskId, upTo: number): Promise<number | undefined>;
  /** Marks. Whoever claims { ids } or { ended } then ends it through decide and settle, so that callback, dependents and event are never forgotten. */
  cancel(ids: readonly TaskId[], reason?: string): Promise<readonly ("marked" | "asked" | "final" | "missing")[]>;
  /**
   * From an end back to pending: counts start anew, the fence and the history go on. A completed task is `not-final` for this.
   * It waits again for those of its parents that have not ended; one that has ended, however it did, is done with. It takes its unique
   * key again, or is refused with the task that holds it; likewise where none of its schedule may overlap and one is open. One after
   * the other, as given: a child waits for a parent that comes before it, and of two with one key the first has it.
   */
  requeue(ids: readonly TaskId[]): Promise<readonly Requeued[]>;
  edit(set: readonly Edit[]): Promise<readonly ("edited" | "stale" | "running" | "final" | "missing")[]>;
  /** Takes the row, its result and its edges away; a running task or one with open dependents is kept. */
  remove(ids: readonly TaskId[]): Promise<readonly ("removed" | "running" | "has-dependents" | "missing")[]>;
  /** The ids of up to `limit` tasks of these queues that neither run nor have ended: what `clear` works through. */
  waiting(queues: readonly string[], limit: number): Promise<readonly TaskId[]>;
  /** Every queue that is paused, or was, or has waiting tasks; at most 1,000. */
  queues(): Promise<readonly QueueRow[]>;
  setPaused(queue: string, paused: boolean): Promise<void>;
}

// ---------------------------------------------------------------- schedules, results, events

export interface Schedules {
  /**
   * With `ifRevision` the row is written only if it still has that revision; without, only if it is new. Answers the row as it is now.
   * `events` are written with it, or not at all. Of a row with `unreadable` only the status, the next time, `pausedAt` and `resumedAt` are
   * written: its stand-ins must not replace what lies there.
   */
  put(
    row: ScheduleRow,
    ifRevision?: number,
    events?: readonly NewEvent[],
  ): Promise<{ readonly is: "put" | "stale"; readonly row: ScheduleRow }>;
  /** Ordered by the next time, then by id; those without one last. */
  list(query: ScheduleQuery): Promise<readonly ScheduleRow[]>;
  /** Whether each was there. No revision of one that was dropped ever comes back, not even under its id. */
  drop(ids: readonly string[]): Promise<readonly boolean[]>;
  /**
   * Advances the schedule, records the occurrences and enqueues their tasks, or does nothing: `stale` when somebody else did.
   * An occurrence that was recorded before is passed over: no task, not counted. One whose task is refused is passed over, too, and
   * not recorded: nobody is there to be told but the log (`toldOf`). Then the step is `ifFewer`, where that is given.
   */
  fire(set: readonly FireAsk[]): Promise<readonly Fired[]>;
  /** Enqueues one task of a schedule beside its occurrences, whatever its status; neither its next time nor its count changes. */
  run(ask: RunAsk): Promise<Ran>;
}

export interface ResultStats {
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  /** Past their TTL, not yet cleaned up. */
  readonly expired: number;
  /** Whether there are more than were counted. */
  readonly more: boolean;
}
export interface Results {
  /** `older`: a row with a higher fence is there, and stays. */
  put(set: readonly NewResult[]): Promise<readonly ("put" | "older")[]>;
  /** A row past its TTL reads as absent. */
  get(ids: readonly TaskId[]): Promise<readonly (ResultRow | undefined)[]>;
  /** The newest result of a schedule's tasks. */
  latest(scheduleId: string): Promise<ResultRow | undefined>;
  remove(ids: readonly TaskId[]): Promise<readonly boolean[]>;
  /** Of the `upTo` results with the highest ids (the newest, where OmniQ made the ids); those past their TTL up to as many, of all. */
  stats(upTo: number): Promise<ResultStats>;
}

export interface EventStats {
  readonly total: number;
  readonly byType: Readonly<Record<string, number>>;
  readonly oldest?: Ms;
  readonly newest?: Ms;
  /** Whether there are more than were counted. */
  readonly more: boolean;
}
export interface Events {
  append(set: readonly NewEvent[]): Promise<void>;
  /** Oldest first, after the cursor (absent: from the beginning). The cursor moves past events that the filter leaves out. */
  read(after: string | undefined, filter: EventFilter): Promise<{ readonly events: readonly EventRow[]; readonly cursor: string }>;
  /** The cursor behind the last event so far: where a tail starts that wants only what comes. */
  tail(): Promise<string>;
  /** Newest first. */
  newest(filter: EventFilter): Promise<readonly EventRow[]>;
  /** Of the newest `upTo`; the bounds in time are those of all. */
  stats(upTo: number): Promise<EventStats>;
}

// ---------------------------------------------------------------- the whole

/** One bounded step of housekeeping. */
export type SweepAsk = { readonly limit: number } &
  /** Tasks that ended so long ago, with their results, unless a dependent is open. */
  (
    | { readonly what: "tasks"; readonly status: Final; readonly olderThan: Ms }
    /** Results past their TTL. */
    | { readonly what: "results" }
    | { readonly what: "events"; readonly olderThan: Ms }
    /** Rows of workers that hold nothing and were not seen for so long. */
    | { readonly what: "workers"; readonly olderThan: Ms }
    | { readonly what: "occurrences"; readonly olderThan: Ms }
  );
export interface Swept {
  readonly removed: number;
  readonly more: boolean;
  /** Of tasks: their ids, for results that lie elsewhere. */
  readonly ids?: readonly TaskId[];
}

/** What may have changed: `task` something may be due, `end` a task has ended, `event` the log has grown, `any` not known which. */
export type Hint = "task" | "end" | "cancel" | "schedule" | "any";

export interface Traits {
  readonly name: string;
  /** Can it be told the time, or does only its own count. */
  readonly clock: "handed" | "own";
  readonly tx: boolean;
  readonly sync: boolean;
  readonly processes: "one" | "host" | "many";
}

export interface Slices<Tx> {
  readonly work: Work<Tx>;
  readonly presence: Presence;
  readonly desk: Desk;
  readonly schedules: Schedules;
  readonly results: Results;
  readonly events: Events;
}

export interface BackupOptions {
  /** Whether a file that is there may be replaced. Default false. */
  readonly overwrite?: boolean | undefined;
  /** Told the bytes written so far, now and then. What it throws gives the backup up, and is what it rejects with. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  /** Gives up and takes away what was written. */
  readonly signal?: AbortSignal | undefined;
}
export interface BackedUp {
  /** Absolute. */
  readonly file: string;
  readonly bytes: number;
  /** How many tasks it holds. */
  readonly tasks: number;
  readonly took: Ms;
}

/**
 * Beats for a worker while a handler blocks the thread of its event loop. Not for ever: a handler that is stuck for good must not keep its
 * tasks from others.
 */
export interface Deputy {
  /** The worker's thread turns: there is nothing to do for a while. */
  awake(): void;
  /** How long ago it began its last beat; undefined where it has not needed to. */
  beatAgo(): Ms | undefined;
  stop(): Promise<void>;
}

/** A place where tasks, schedules, results and events lie. Several objects may open the same place. */
export interface Backend<Tx = unknown> extends Slices<Tx> {
  readonly traits: Traits;
  readonly projectName: string;
  readonly isOpen: boolean;
  /** Idempotent; makes the place and its tables where they are missing. */
  open(): Promise<void>;
  /** Idempotent; waits for what is under way. Calls after it reject with ClosedError. */
  close(): Promise<void>;
  now(): Promise<Ms>;
  sweep(ask: SweepAsk): Promise<Swept>;
  /** Writes nothing, but rejects as a write would where all has moved away: who only reads would else wait for ever. Absent where nothing moves. */
  refuseMoved?(): Promise<void>;
  /** A wake-up that may be lost without harm. Returns the function that ends it. */
  listen(onHint: (hint: Hint) => void): () => void;
  /** Writes a whole copy of the place into a new file while others write, without blocking this thread. Absent where there is no such copy. */
  backup?(file: string, options?: BackupOptions): Promise<BackedUp>;
  /** Absent, or undefined, where nobody can beat while this thread is blocked. */
  deputy?(worker: string, leaseMs: Ms): Deputy | undefined;
  /** The synchronous twins, where the place can be reached without waiting. */
  readonly sync?: SyncBackend<Tx>;
}

/** A slice with every promise taken off: derived, never written by hand. */
export type Sync<S> = { readonly [K in keyof S]: S[K] extends (...args: infer A) => Promise<infer R> ? (...args: A) => R : S[K] };

export interface SyncBackend<Tx> {
  open(): void;
  close(): void;
  now(): Ms;
  sweep(ask: SweepAsk): Swept;
  readonly work: Sync<Work<Tx>>;
  readonly presence: Sync<Presence>;
  readonly desk: Sync<Desk>;
  readonly schedules: Sync<Schedules>;
  readonly results: Sync<Results>;
  readonly events: Sync<Events>;
}
