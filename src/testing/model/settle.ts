import type { ClaimAsk, Claims, Progress, Settled, Settlement } from "../../core/backend.ts";
import { INLINE_RELEASES } from "../../core/backend.ts";
import type { TaskId } from "../../core/record.ts";
import type { NewTask } from "../../core/task.ts";
import { claim } from "./claim.ts";
import { insert, keptHold, parentReason } from "./enqueue.ts";
import { append } from "./events.ts";
import { put } from "./results.ts";
import type { Dependency, Moment, Row } from "./state.ts";
import { change, forgetEdgesOf, isHeld, stageAt } from "./state.ts";

export interface SettleAnswer {
  readonly settled: readonly Settled[];
  readonly next?: Claims;
}

/** Writes each settlement whose fence holds, whole; the refused ones write nothing and disturb nobody. */
export function settle(moment: Moment, set: readonly Settlement[], thenClaim?: ClaimAsk): SettleAnswer {
  const settled = set.map((settlement) => settleOne(moment, settlement));
  return thenClaim === undefined ? { settled } : { settled, next: claim(moment, thenClaim) };
}

function settleOne(moment: Moment, settlement: Settlement): Settled {
  const row = moment.state.tasks.get(settlement.id);
  if (row === undefined) return "missing";
  if (!isHeld(row)) return row.fence === settlement.fence ? "repeated" : "lost";
  if (row.fence !== settlement.fence) return "lost";
  if (settlement.result !== undefined) put(moment, settlement.result);
  for (const event of settlement.events) append(moment, event);
  if (settlement.to === "again") again(moment, row, settlement);
  else end(moment, row, settlement);
  return "settled";
}

type Ending = Exclude<Settlement, { to: "again" }>;

function end(moment: Moment, row: Row, { to, reason, enqueue = [], counts }: Ending): void {
  change(moment, row, {
    stage: "finished",
    status: to,
    completedAt: moment.now,
    reason,
    worker: undefined,
    mark: undefined,
    nextRetryAt: undefined,
    openParents: 0,
    crashCount: row.crashCount + (counts === "crash" ? 1 : 0),
    revision: row.revision + 1,
    holds: keptHold(row),
  });
  // A child that has ended waits for nobody: its open parents can be deleted.
  forgetEdgesOf(moment.state, row.id);
  for (const task of enqueue) addCallback(moment, task);
  releaseFrom(moment, [row.id], INLINE_RELEASES);
  moment.hints.add("end");
}

/** Another task may have its id, which anybody can give: the callback is run under the next free one, never forgotten. */
function addCallback(moment: Moment, task: NewTask): void {
  let answer = insert(moment, task, true);
  for (let n = 2; answer.is === "refused" && answer.why === "id-reused"; n++) {
    answer = insert(moment, { ...task, id: `${task.id}.${n}` }, true);
  }
}

function again(moment: Moment, row: Row, { after, counts }: Extract<Settlement, { to: "again" }>): void {
  const { now } = moment;
  // Nothing ran: whoever was to end it gives it back to be ended by another.
  if (row.stage === "doomed") return void change(moment, row, { worker: undefined, revision: row.revision + 1 });
  const retry = counts === "retry";
  const returned = counts === "snooze" || counts === "give-back";
  const dueAt = now + Math.max(0, after);
  // A task whose cancellation was asked does not run again: it waits to be ended.
  const marked = row.mark !== undefined;
  change(moment, row, {
    stage: marked ? "doomed" : stageAt(dueAt, now),
    status: retry ? "failed" : "pending",
    dueAt,
    nextRetryAt: retry ? dueAt : undefined,
    startedAt: retry ? row.startedAt : undefined,
    attempt: row.attempt - (returned ? 1 : 0),
    retryCount: row.retryCount + (retry ? 1 : 0),
    crashCount: row.crashCount + (counts === "crash" ? 1 : 0),
    worker: undefined,
    revision: row.revision + 1,
  });
  moment.hints.add("task");
}

/** The event is written only while the task runs under this very claim. */
export function progress(moment: Moment, { id, fence, event }: Progress): "written" | "lost" {
  const row = moment.state.tasks.get(id);
  if (row === undefined || row.stage !== "running" || row.fence !== fence) return "lost";
  append(moment, event);
  return "written";
}

/** Releases up to `limit` edges of ended parents; true while there are more. */
export function release(moment: Moment, limit: number): boolean {
  const ended = [...moment.state.tasks.values()].filter((row) => row.stage === "finished").map((row) => row.id);
  releaseFrom(moment, ended, limit);
  return [...moment.state.dependencies.values()].some((edge) => ended.includes(edge.id));
}

function releaseFrom(moment: Moment, parents: readonly TaskId[], limit: number): void {
  const edges = [...moment.state.dependencies].filter(([, edge]) => parents.includes(edge.id)).slice(0, limit);
  for (const [key, edge] of edges) {
    moment.state.dependencies.delete(key);
    releaseEdge(moment, edge);
  }
  if (edges.length > 0) moment.hints.add("task");
}

function releaseEdge(moment: Moment, edge: Dependency): void {
  const child = moment.state.tasks.get(edge.child);
  const parent = moment.state.tasks.get(edge.id);
  if (child === undefined || parent === undefined) return;
  const openParents = child.openParents - 1;
  if (parent.status !== "completed" && edge.ifFailed === "cancel" && child.stage === "blocked") {
    change(moment, child, { openParents, stage: "doomed", mark: "parent-failed", reason: parentReason(parent.id, parent) });
  } else {
    const freed = openParents === 0 && child.stage === "blocked";
    change(moment, child, { openParents, stage: freed ? stageAt(child.dueAt, moment.now) : child.stage });
  }
}
