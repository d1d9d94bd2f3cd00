import type { Enqueued, EnqueueCall } from "../../core/backend.ts";
import { expected } from "../../core/errors.ts";
import type { Ms, TaskId } from "../../core/record.ts";
import type { Edge, NewTask } from "../../core/task.ts";
import { tell } from "./events.ts";
import type { Moment, Row } from "./state.ts";
import { change, copyOf, defined, expire, isExpired, isWaiting, stageAt } from "./state.ts";

/** Ids of this call's tasks that became the holder of their unique key instead: a child of one is a child of the holder. */
type Aliases = Map<TaskId, TaskId>;

/** Each call is all or nothing; one that is refused answers its reason for each of its tasks. */
export function enqueue(moment: Moment, calls: readonly EnqueueCall[]): readonly (readonly Enqueued[])[] {
  return calls.map((call) => {
    const before = moment.state;
    moment.state = copyOf(before);
    const aliases: Aliases = new Map();
    const answers = call.tasks.map((task) => insert(moment, task, call.announce, aliases));
    const refusal = answers.find((answer) => answer.is === "refused");
    if (refusal === undefined) return answers;
    moment.state = before;
    return call.tasks.map(() => refusal);
  });
}

/** Adds one task, or says why it is not added. */
export function insert(moment: Moment, given: NewTask, announce: boolean, aliases: Aliases = new Map()): Enqueued {
  const task = { ...given, dependsOn: given.dependsOn.map((edge) => ({ ...edge, id: aliases.get(edge.id) ?? edge.id })) };
  if (typeof task.args !== "string") throw expected("args", "text", task.args);
  const same = moment.state.tasks.get(task.id);
  if (same !== undefined) {
    const equal = same.func === task.func && same.args === task.args && same.kwargs === task.kwargs;
    return equal ? { is: "known", id: task.id } : refused("id-reused", `task ${task.id} is there already, with another func or arguments`);
  }
  const holder = task.unique === undefined ? undefined : holderOf(moment, task.unique.key);
  const answer = holder === undefined ? add(moment, task) : meetHolder(moment, holder, task);
  if (answer.is === "refused") return answer;
  aliases.set(task.id, answer.id);
  const row = moment.state.tasks.get(answer.id);
  if (answer.is !== "known" && row !== undefined) {
    moment.hints.add("task");
    if (announce) tell(moment, "enqueued", row);
  }
  return answer;
}

function refused(why: "unique" | "id-reused" | "unknown-parent", detail: string): Enqueued {
  return { is: "refused", why, detail };
}

/** Who holds the key; a holder that has outlived its window, or was not started before it expired, is freed of it. */
export function holderOf(moment: Moment, key: string): Row | undefined {
  const holder = [...moment.state.tasks.values()].find((row) => row.holds?.key === key);
  if (holder?.holds === undefined) return undefined;
  if (isExpired(holder, moment.now) && isWaiting(holder)) {
    expire(moment, holder);
    return undefined;
  }
  const { since, until } = holder.holds;
  if (typeof until === "string" || moment.now < since + until) return holder;
  change(moment, holder, { holds: undefined });
  return undefined;
}

function meetHolder(moment: Moment, holder: Row, task: NewTask): Enqueued {
  const conflict = task.unique?.onConflict;
  if (conflict === "keep") return { is: "known", id: holder.id };
  if (conflict === "refuse" || !isWaiting(holder)) {
    const over = conflict === "refuse" ? "" : " and can no longer be replaced";
    return refused("unique", `task ${holder.id} holds the unique key ${task.unique?.key}${over}`);
  }
  if (task.dependsOn.length > 0 && !sameEdges(task.dependsOn, holder.dependsOn)) {
    const why = "a replaced task keeps what it waits for: it takes no other `dependsOn`";
    return refused("unique", `task ${holder.id} holds the unique key ${task.unique?.key}, and ${why}`);
  }
  replace(moment, holder, task);
  return defined<Enqueued>({ is: "replaced", id: holder.id, scheduleId: holder.scheduleId });
}

function sameEdges(some: readonly Edge[], others: readonly Edge[]): boolean {
  const [these, those] = [some, others].map((edges) => JSON.stringify(edges.map(({ id, ifFailed }) => [id, ifFailed])));
  return these === those;
}

/** The holder is the new task now, but for its id, creation, fence and parents; a wait for a retry is over, counts and a window begin anew. */
function replace(moment: Moment, holder: Row, task: NewTask): void {
  const { now } = moment;
  const { due: _due, unique, dependsOn: _dependsOn, scheduleId: _scheduleId, id: _id, createdAt: _createdAt, ...given } = task;
  const due = dueOf(task, now, task.createdAt ?? now);
  const holds = unique === undefined ? holder.holds : { key: unique.key, since: now, until: unique.until };
  change(moment, holder, {
    ...NO_OPTIONS,
    ...given,
    ...due,
    stage: holder.stage === "blocked" ? "blocked" : stageAt(due.dueAt, now),
    status: "pending",
    nextRetryAt: undefined,
    startedAt: undefined,
    attempt: 0,
    retryCount: 0,
    crashCount: 0,
    expiresAt: expiryOf(task, task.createdAt ?? now),
    holds,
    asked: holds,
    revision: holder.revision + 1,
  });
}

const NO_OPTIONS = {
  kwargs: undefined,
  label: undefined,
  description: undefined,
  ttl: undefined,
  timeout: undefined,
  resultTtl: undefined,
  callback: undefined,
} satisfies Partial<Row>;

function add(moment: Moment, task: NewTask): Enqueued {
  const { state, now } = moment;
  const { dependsOn } = task;
  const missing = dependsOn.find((edge) => !state.tasks.has(edge.id));
  if (missing !== undefined) {
    return refused("unknown-parent", `task ${missing.id} is not there; it may have been deleted or cleaned up after its end`);
  }
  // Named twice, a parent counts once.
  const edges: readonly Edge[] = [...new Map(dependsOn.map((edge) => [edge.id, edge])).values()];
  const { due: _due, unique, ...given } = task;
  const createdAt = task.createdAt ?? now;
  const due = dueOf(task, now, createdAt);
  const open = edges.filter((edge) => state.tasks.get(edge.id)?.stage !== "finished");
  const failed = edges.find((edge) => edge.ifFailed === "cancel" && hasFailed(state.tasks.get(edge.id)));
  for (const edge of open) state.dependencies.set(JSON.stringify([edge.id, task.id]), { ...edge, child: task.id });
  const holds = unique === undefined ? undefined : { key: unique.key, since: now, until: unique.until };
  const waiting = open.length > 0 ? "blocked" : stageAt(due.dueAt, now);
  state.tasks.set(task.id, {
    ...given,
    ...due,
    order: ++state.counted,
    stage: failed === undefined ? waiting : "doomed",
    holds,
    asked: holds,
    status: "pending",
    mark: failed === undefined ? undefined : "parent-failed",
    reason: failed === undefined ? undefined : parentReason(failed.id, state.tasks.get(failed.id)),
    fence: 0,
    revision: 0,
    attempt: 0,
    retryCount: 0,
    crashCount: 0,
    createdAt,
    expiresAt: expiryOf(task, createdAt),
    openParents: open.length,
  });
  return { is: "added", id: task.id };
}

function hasFailed(parent: Row | undefined): boolean {
  return parent !== undefined && parent.stage === "finished" && parent.status !== "completed";
}

export function parentReason(id: TaskId, parent: Pick<Row, "status"> | undefined): string {
  return `parent ${id} ${parent?.status}`;
}

/** `runAt` is kept only where the user gave a due time. */
function dueOf(task: NewTask, now: Ms, otherwise: Ms): { readonly runAt: Ms | undefined; readonly dueAt: Ms } {
  if (task.due === undefined) return { runAt: undefined, dueAt: otherwise };
  const at = "at" in task.due ? task.due.at : now + task.due.in;
  return { runAt: at, dueAt: at };
}

function expiryOf(task: NewTask, createdAt: Ms): Ms | undefined {
  return task.expiresAt ?? (task.ttl === undefined ? undefined : createdAt + task.ttl);
}

/** What an ended task leaves behind: its key, unless that is held for a length of time. */
export function keptHold(row: Row): Row["holds"] {
  return typeof row.holds?.until === "number" ? row.holds : undefined;
}
