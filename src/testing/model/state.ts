/** What the model remembers: maps of records that are replaced, never changed, so that a copy of the maps is a snapshot. */
import type { Hint, QueueRow, WorkerRow } from "../../core/backend.ts";
import type { EventRow } from "../../core/event.ts";
import type { Ms, TaskId } from "../../core/record.ts";
import type { ResultRow } from "../../core/result.ts";
import type { ScheduleRow } from "../../core/schedule.ts";
import type { Edge, Phase, StoredTask, Unique } from "../../core/task.ts";

/** Where a row lies. `doomed`: marked, out of the ready set, waits to be ended (held while somebody ends it). */
export type Stage = "ready" | "timed" | "blocked" | "running" | "doomed" | "finished";

/** The same record, whose optional fields may also be set to `undefined`: so a change can take one away. */
type Loose<T> = { readonly [K in keyof T]: undefined extends T[K] ? T[K] | undefined : T[K] };

interface Hold {
  readonly key: string;
  readonly since: Ms;
  readonly until: Unique["until"];
}

/** A task and what people do not see of it. */
export interface Row extends Loose<Omit<StoredTask, "phase">> {
  /** Grows with each task added. */
  readonly order: number;
  readonly stage: Stage;
  /** The unique key it holds, from when on, and until when. */
  readonly holds: Hold | undefined;
  /** What it took when it was enqueued, or requeued, also when it has let go of it. */
  readonly asked: Hold | undefined;
}

export interface Dependency extends Edge {
  readonly child: TaskId;
}

export interface State {
  /** In the order they were added. */
  readonly tasks: Map<TaskId, Row>;
  /** What open children wait for, in the order they were added. An edge goes when it is released or its child ends. */
  readonly dependencies: Map<string, Dependency>;
  readonly queues: Map<string, QueueRow>;
  readonly workers: Map<string, WorkerRow>;
  readonly schedules: Map<string, ScheduleRow>;
  readonly occurrences: Map<string, { readonly scheduleId: string; readonly firedAt: Ms }>;
  readonly results: Map<TaskId, ResultRow>;
  /** By id, in the order they were written. */
  readonly events: Map<string, EventRow>;
  /** The highest fence of the tasks that are gone: every claim's is higher, so that no fence ever comes back. */
  fenceFloor: number;
  /** The highest revision of the schedules that are gone: those of new ones are higher, so that no revision ever comes back. */
  revisionFloor: number;
  /** Numbers given to tasks and events so far. */
  counted: number;
}

/** One transaction: a copy of the state that becomes the state when the verb returns. */
export interface Moment {
  state: State;
  readonly now: Ms;
  /** What listeners are told afterwards. */
  readonly hints: Set<Hint>;
}

export function emptyState(): State {
  return {
    tasks: new Map(),
    dependencies: new Map(),
    queues: new Map(),
    workers: new Map(),
    schedules: new Map(),
    occurrences: new Map(),
    results: new Map(),
    events: new Map(),
    fenceFloor: 0,
    revisionFloor: 0,
    counted: 0,
  };
}

export function copyOf(state: State): State {
  return {
    tasks: new Map(state.tasks),
    dependencies: new Map(state.dependencies),
    queues: new Map(state.queues),
    workers: new Map(state.workers),
    schedules: new Map(state.schedules),
    occurrences: new Map(state.occurrences),
    results: new Map(state.results),
    events: new Map(state.events),
    fenceFloor: state.fenceFloor,
    revisionFloor: state.revisionFloor,
    counted: state.counted,
  };
}

/** Replaces a row by a changed one. */
export function change(moment: Moment, row: Row, to: Partial<Row>): Row {
  const changed: Row = { ...row, ...to };
  moment.state.tasks.set(row.id, changed);
  return changed;
}

export function isHeld(row: Row): boolean {
  return row.worker !== undefined;
}

/** Ready when its time has come, else timed. */
export function stageAt(dueAt: Ms, now: Ms): "ready" | "timed" {
  return dueAt <= now ? "ready" : "timed";
}

/** Whether the task may not start any more. */
export function isExpired(row: Row, now: Ms): boolean {
  return row.expiresAt !== undefined && row.expiresAt <= now;
}

export function isWaiting(row: Row): boolean {
  return row.stage === "ready" || row.stage === "timed" || row.stage === "blocked";
}

/** It will not start any more: it waits to be ended, and keeps no other away. */
export function expire(moment: Moment, row: Row): Row {
  return change(moment, row, { stage: "doomed", mark: "expired", holds: undefined });
}

export function phaseOf(row: Row, now: Ms): Phase {
  if (row.stage === "doomed") return row.mark === "expired" ? "expired" : "cancelled";
  if (row.stage === "timed" && row.dueAt > now) return row.status === "failed" ? "retrying" : "delayed";
  if (row.stage === "timed") return "ready";
  if (row.stage === "finished" && row.status !== "pending") return row.status;
  return row.stage === "finished" ? "ready" : row.stage;
}

/** The order of the claims of one queue: priority, due time, age. */
export function claimOrder(a: Row, b: Row): number {
  return b.priority - a.priority || a.dueAt - b.dueAt || a.order - b.order;
}

/** A row as the contract shows it. */
export function taskOf(row: Row, now: Ms): StoredTask {
  const { order: _order, stage: _stage, holds: _holds, asked: _asked, ...task } = row;
  return defined<StoredTask>({ ...task, phase: phaseOf(row, now) });
}

/** The record without the fields that are `undefined`. */
export function defined<T extends object>(record: Loose<T>): T {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T;
}

/** Takes tasks away with their results and edges, and remembers their fences. */
export function forget(moment: Moment, row: Row): void {
  const { state } = moment;
  state.tasks.delete(row.id);
  state.results.delete(row.id);
  forgetEdgesOf(state, row.id);
  state.fenceFloor = Math.max(state.fenceFloor, row.fence);
}

/** Takes the edges away that make this task wait. */
export function forgetEdgesOf(state: State, child: TaskId): void {
  for (const [key, edge] of state.dependencies) if (edge.child === child) state.dependencies.delete(key);
}

/** Whether a child of it waits, or may still run and ask what it came to. A younger task under a parent's id is not the one that was meant. */
export function hasDependents(state: State, parent: TaskId): boolean {
  const order = state.tasks.get(parent)?.order ?? 0;
  const mayAsk = (row: Row): boolean => row.stage !== "finished" && row.stage !== "doomed" && row.order > order;
  return (
    [...state.dependencies.values()].some((edge) => edge.id === parent) ||
    [...state.tasks.values()].some((row) => mayAsk(row) && row.dependsOn.some((edge) => edge.id === parent))
  );
}
