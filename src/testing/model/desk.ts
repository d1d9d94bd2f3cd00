import type { Count, Edit, QueueRow, Requeued, TaskPage, TaskPatch, TaskQuery } from "../../core/backend.ts";
import { pageOf, placeAfter, wayOf } from "../../core/find.ts";
import type { Place } from "../../core/find.ts";
import type { Ms, TaskId } from "../../core/record.ts";
import type { Edge, Phase } from "../../core/task.ts";
import { holderOf } from "./enqueue.ts";
import { tell } from "./events.ts";
import { openTask } from "./schedules.ts";
import type { Moment, Row } from "./state.ts";
import { change, claimOrder, defined, forget, hasDependents, isHeld, phaseOf, stageAt, taskOf } from "./state.ts";

/** Marks what waits, and asks what runs to stop. Ending it is for whoever claims it. */
export function cancel(moment: Moment, id: TaskId, reason: string | undefined): "marked" | "asked" | "final" | "missing" {
  const row = moment.state.tasks.get(id);
  if (row === undefined) return "missing";
  if (row.stage === "finished") return "final";
  if (row.stage === "doomed") return "marked";
  if (row.mark === undefined) change(moment, row, { mark: "cancelled", reason, stage: row.stage === "running" ? "running" : "doomed" });
  moment.hints.add(row.stage === "running" ? "cancel" : "task");
  return row.stage === "running" ? "asked" : "marked";
}

/** Counts start anew; fence, creation and history go on. Its key is taken again; parents that are open are waited for again. */
export function requeue(moment: Moment, id: TaskId): Requeued {
  const { now } = moment;
  const row = moment.state.tasks.get(id);
  if (row === undefined) return "missing";
  if (row.stage !== "finished" || row.status === "completed") return "not-final";
  const obstacle = obstacleTo(moment, row);
  if (obstacle !== undefined) return obstacle;
  const dueAt = Math.max(now, row.runAt ?? now);
  const open = openParentsOf(moment, row);
  const holds = retaken(row, now);
  const requeued = change(moment, row, {
    holds,
    asked: holds,
    stage: open.length > 0 ? "blocked" : stageAt(dueAt, now),
    openParents: open.length,
    status: "pending",
    dueAt,
    attempt: 0,
    retryCount: 0,
    crashCount: 0,
    reason: undefined,
    startedAt: undefined,
    completedAt: undefined,
    expiresAt: row.ttl === undefined ? undefined : now + row.ttl,
    revision: row.revision + 1,
  });
  for (const edge of open) moment.state.dependencies.set(JSON.stringify([edge.id, id]), { ...edge, child: id });
  tell(moment, "requeued", requeued);
  moment.hints.add("task");
  return "requeued";
}

function obstacleTo(moment: Moment, row: Row): Requeued | undefined {
  const exclusive = moment.state.schedules.get(row.scheduleId ?? "")?.policy.overlap === "skip";
  const open = exclusive && row.scheduleId !== undefined ? openTask(moment, row.scheduleId) : undefined;
  if (open !== undefined) return { is: "conflict", over: "overlap", taskId: open };
  const holder = row.asked === undefined || row.holds !== undefined ? undefined : holderOf(moment, row.asked.key);
  return holder === undefined ? undefined : { is: "conflict", over: "unique", taskId: holder.id };
}

/** For the rest of a length of time that is not over, else until its end. */
function retaken({ asked }: Row, now: Ms): Row["asked"] {
  const isOver = typeof asked?.until === "number" && asked.since + asked.until <= now;
  return asked !== undefined && isOver ? { ...asked, until: "finished" } : asked;
}

/** A younger task under a parent's id is not the one that was meant: that one is gone. So no cycle can arise either. */
function openParentsOf({ state }: Moment, row: Row): readonly Edge[] {
  const edges = [...new Map(row.dependsOn.map((edge) => [edge.id, edge])).values()];
  return edges.filter((edge) => {
    const parent = state.tasks.get(edge.id);
    return parent !== undefined && parent.order < row.order && parent.stage !== "finished";
  });
}

export function edit(moment: Moment, { id, revision, patch }: Edit): "edited" | "stale" | "running" | "final" | "missing" {
  const row = moment.state.tasks.get(id);
  if (row === undefined) return "missing";
  if (isHeld(row)) return "running";
  if (row.stage === "finished" || row.stage === "doomed") return "final";
  if (row.revision !== revision) return "stale";
  change(moment, row, { ...patched(patch), ...timesAfter(row, patch, moment.now), revision: revision + 1 });
  moment.hints.add("task");
  return "edited";
}

/** The plain fields of a patch; `null` takes one away. */
function patched({ runAt: _runAt, ttl: _ttl, ...patch }: TaskPatch): Partial<Row> {
  return Object.fromEntries(Object.entries(patch).map(([field, value]) => [field, value ?? undefined]));
}

/** What a new `runAt` or `ttl` changes. A task that waits for a retry goes on waiting for it, until the new time. */
function timesAfter(row: Row, { runAt, ttl }: TaskPatch, now: Ms): Partial<Row> {
  const due = runAt === undefined ? {} : dueAfter(row, runAt, now);
  if (ttl === undefined) return due;
  if (ttl === null) return { ...due, ttl: undefined, expiresAt: undefined };
  // A replacement and a retry move the expiry: the longer TTL goes on from there.
  const moved = row.expiresAt === undefined || row.ttl === undefined ? row.createdAt : row.expiresAt - row.ttl;
  return { ...due, ttl, expiresAt: Math.max(row.createdAt, moved) + ttl };
}

function dueAfter(row: Row, runAt: Ms | null, now: Ms): Partial<Row> {
  const dueAt = runAt ?? now;
  return {
    runAt: runAt ?? undefined,
    dueAt,
    stage: row.stage === "blocked" ? "blocked" : stageAt(dueAt, now),
    nextRetryAt: row.status === "failed" ? dueAt : undefined,
  };
}

export function remove(moment: Moment, id: TaskId): "removed" | "running" | "has-dependents" | "missing" {
  const row = moment.state.tasks.get(id);
  if (row === undefined) return "missing";
  if (isHeld(row)) return "running";
  if (hasDependents(moment.state, id)) return "has-dependents";
  forget(moment, row);
  return "removed";
}

export function waiting(moment: Moment, queues: readonly string[], limit: number): readonly TaskId[] {
  return [...moment.state.tasks.values()]
    .filter((row) => queues.includes(row.queue) && row.stage !== "finished" && !isHeld(row))
    .slice(0, limit)
    .map((row) => row.id);
}

/** Newest first: by creation where an index leads, else by arrival. */
export function find(moment: Moment, query: TaskQuery): TaskPage {
  const { now } = moment;
  const way = wayOf(query);
  const from = placeAfter(query, way);
  const found = [...moment.state.tasks.values()]
    .map((row) => ({ row, createdAt: way.by === "none" ? from.createdAt : row.createdAt, arrived: row.order }))
    .filter((each) => isOlder(each, from) && isAskedFor(each.row, query, now))
    .toSorted((a, b) => (isOlder(a, b) ? 1 : -1));
  const page = found.slice(0, query.limit);
  return pageOf(
    page.map(({ row }) => taskOf(row, now)),
    found.length > page.length ? page.at(-1) : undefined,
    way,
  );
}

function isOlder(a: Place, b: Place): boolean {
  return a.createdAt < b.createdAt || (a.createdAt === b.createdAt && a.arrived < b.arrived);
}

function isAskedFor(row: Row, query: TaskQuery, now: Ms): boolean {
  return (
    (query.queue === undefined || row.queue === query.queue) &&
    (query.phase === undefined || phaseOf(row, now) === query.phase) &&
    (query.status === undefined || row.status === query.status) &&
    (query.func === undefined || row.func === query.func) &&
    (query.tags ?? []).every((tag) => row.tags.includes(tag)) &&
    (query.scheduleId === undefined || row.scheduleId === query.scheduleId) &&
    (query.createdFrom === undefined || row.createdAt >= query.createdFrom) &&
    (query.createdTo === undefined || row.createdAt <= query.createdTo)
  );
}

/** By phase, and by queue what has not ended (nor waits to be ended). */
export function count(moment: Moment, upTo: number): readonly Count[] {
  const counts = new Map<string, Count>();
  for (const row of moment.state.tasks.values()) {
    const phase: Phase = phaseOf(row, moment.now);
    const queue = row.stage === "doomed" || row.stage === "finished" ? undefined : row.queue;
    const key = JSON.stringify([phase, queue]);
    const tasks = (counts.get(key)?.tasks ?? 0) + 1;
    const since = phase === "ready" ? Math.min(row.dueAt, counts.get(key)?.since ?? row.dueAt) : undefined;
    counts.set(key, defined<Count>({ phase, queue, tasks: Math.min(tasks, upTo), more: tasks > upTo, since }));
  }
  return [...counts.values()];
}

export function ahead(moment: Moment, id: TaskId, upTo: number): number | undefined {
  const row = moment.state.tasks.get(id);
  if (row?.stage !== "ready") return undefined;
  const before = [...moment.state.tasks.values()].filter(
    (other) => other.stage === "ready" && other.queue === row.queue && claimOrder(other, row) < 0,
  );
  return Math.min(before.length, upTo);
}

/** Queues that are paused or were, and those with tasks that have not ended, by name. */
export function queues(moment: Moment): readonly QueueRow[] {
  const { state } = moment;
  const named = new Map(state.queues);
  for (const row of state.tasks.values()) if (row.stage !== "finished" && !named.has(row.queue)) named.set(row.queue, { name: row.queue });
  return [...named.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)).slice(0, 1_000);
}

export function setPaused(moment: Moment, name: string, paused: boolean): void {
  const { state, now } = moment;
  const pausedAt = state.queues.get(name)?.pausedAt ?? now;
  state.queues.set(name, paused ? { name, pausedAt } : { name });
  if (!paused) moment.hints.add("task");
}
