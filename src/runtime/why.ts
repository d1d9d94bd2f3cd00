/** Why a task is not running: one sentence for people, one typed object for programs. */
import { isForMove } from "../core/transfer.ts";
import type { WorkerRow } from "../core/backend.ts";
import { formatDuration } from "../core/duration.ts";
import type { Ms, TaskId } from "../core/record.ts";
import { isFinal } from "../core/task.ts";
import type { Final, Phase, StoredTask } from "../core/task.ts";
import { lifeOf } from "./life.ts";
import type { Life } from "./life.ts";
import type { IsGone } from "./lookout.ts";
import type { Stores } from "./stores.ts";

/** A parent that has not let its child go. `phase` is absent when it is gone. */
export interface OpenParent {
  readonly taskId: TaskId;
  readonly phase: Phase | undefined;
}

/** Each reason with what belongs to it. */
export type WhyCase =
  | { readonly reason: "missing"; readonly details: Readonly<Record<string, never>> }
  | {
      readonly reason: "final";
      readonly details: { readonly status: Final; readonly endedAt: Date | undefined; readonly because: string | undefined };
    }
  | {
      readonly reason: "running";
      readonly details: {
        readonly worker: string | undefined;
        readonly since: Date | undefined;
        /** Not seen within its lease, or gone. */
        readonly workerIsSilent: boolean;
        /** This machine knows that its process has ended. */
        readonly workerIsGone: boolean;
      };
    }
  /** It runs and was asked to stop. */
  | {
      readonly reason: "cancelling";
      readonly details: {
        readonly worker: string | undefined;
        /** Not seen within its lease, or gone. */
        readonly workerIsSilent: boolean;
        /** This machine knows that its process has ended. */
        readonly workerIsGone: boolean;
      };
    }
  /** It will not run: it was cancelled, its TTL passed or a parent did not complete, and a worker is to write that down. */
  | { readonly reason: "ending"; readonly details: { readonly as: "cancelled" | "expired"; readonly because: string | undefined } }
  | { readonly reason: "blocked"; readonly details: { readonly openParents: number; readonly parents: readonly OpenParent[] } }
  | { readonly reason: "retry"; readonly details: { readonly at: Date; readonly retryCount: number; readonly maxRetries: number } }
  | { readonly reason: "not-due"; readonly details: { readonly at: Date } }
  | { readonly reason: "queue-paused"; readonly details: { readonly queueName: string; readonly pausedAt: Date } }
  | { readonly reason: "no-worker-for-queue"; readonly details: { readonly queueName: string; readonly workers: number } }
  | {
      readonly reason: "no-worker-for-task";
      readonly details: { readonly func: string; readonly queueName: string; readonly workers: number };
    }
  /** `ahead`: how many would be claimed before, counted up to 1,000; absent while it is just becoming ready. */
  | {
      readonly reason: "waiting";
      readonly details: { readonly queueName: string; readonly ahead: number | undefined; readonly workers: number };
    };

export type WhyReason = WhyCase["reason"];
export type Why = WhyCase & {
  readonly taskId: TaskId;
  readonly phase: Phase | undefined;
  /** One sentence. */
  readonly text: string;
};

/** Parents that are named. */
const NAMED = 20;
const COUNTED = 1_000;
/** The last time that a `Date` holds. */
const LAST_TIME: Ms = 8_640_000_000_000_000;
const WORKERS = 1_000;

export async function whyOf(stores: Stores, id: TaskId, isGone: IsGone): Promise<Why> {
  const [task] = await stores.main.desk.get([id]);
  if (task === undefined)
    return { taskId: id, phase: undefined, reason: "missing", details: {}, text: `There is no task with the id ${id} (any more).` };
  const now = await stores.main.now();
  const found = await caseOf(stores, task, (worker) => lifeOf(worker, now, isGone), now);
  return { taskId: id, phase: task.phase, ...found, text: sentence(found, now) };
}

type LifeOf = (worker: WorkerRow) => Life;

async function caseOf(stores: Stores, task: StoredTask, life: LifeOf, now: Ms): Promise<WhyCase> {
  if (isFinal(task)) return ended(task);
  if (task.status === "running") return running(stores, task, life);
  if (task.mark !== undefined) {
    return { reason: "ending", details: { as: task.mark === "expired" ? "expired" : "cancelled", because: task.reason } };
  }
  if (task.expiresAt !== undefined && task.expiresAt <= now) return { reason: "ending", details: { as: "expired", because: undefined } };
  if (task.openParents > 0)
    return { reason: "blocked", details: { openParents: task.openParents, parents: await openParents(stores, task) } };
  if (task.dueAt > now) return later(task);
  return ready(stores, task, life);
}

function ended(task: StoredTask): WhyCase {
  const status = task.status === "pending" || task.status === "running" ? "failed" : task.status;
  return { reason: "final", details: { status, endedAt: date(task.completedAt), because: task.reason } };
}

async function running(stores: Stores, task: StoredTask, life: LifeOf): Promise<WhyCase> {
  const workers = await stores.main.presence.workers(WORKERS);
  const worker = workers.find((row) => row.worker === task.worker);
  const is = worker === undefined ? "silent" : life(worker);
  const told = { workerIsSilent: is !== "alive", workerIsGone: is === "gone" };
  if (task.mark !== undefined) return { reason: "cancelling", details: { worker: task.worker, ...told } };
  return { reason: "running", details: { worker: task.worker, since: date(task.startedAt), ...told } };
}

function later(task: StoredTask): WhyCase {
  const at = new Date(Math.min(task.dueAt, LAST_TIME));
  if (task.status !== "failed") return { reason: "not-due", details: { at } };
  return { reason: "retry", details: { at, retryCount: task.retryCount, maxRetries: task.maxRetries } };
}

async function ready(stores: Stores, task: StoredTask, life: LifeOf): Promise<WhyCase> {
  const { queue: queueName, func } = task;
  const queues = await stores.main.desk.queues();
  const pausedAt = date(queues.find((queue) => queue.name === queueName)?.pausedAt);
  if (pausedAt !== undefined) return { reason: "queue-paused", details: { queueName, pausedAt } };
  const alive = (await stores.main.presence.workers(WORKERS)).filter((row) => row.role === "worker" && life(row) === "alive");
  const serving = alive.filter((row) => row.queues.includes(queueName));
  if (serving.length === 0) return { reason: "no-worker-for-queue", details: { queueName, workers: alive.length } };
  const knowing = serving.filter((row) => row.names.includes(func));
  if (knowing.length === 0) return { reason: "no-worker-for-task", details: { func, queueName, workers: serving.length } };
  const ahead = await stores.main.desk.ahead(task.id, COUNTED);
  return { reason: "waiting", details: { queueName, ahead, workers: knowing.length } };
}

async function openParents(stores: Stores, task: StoredTask): Promise<readonly OpenParent[]> {
  const open: OpenParent[] = [];
  for (let i = 0; i < task.dependsOn.length && open.length < NAMED; i += COUNTED) {
    const ids = task.dependsOn.slice(i, i + COUNTED).map((edge) => edge.id);
    const rows = await stores.main.desk.get(ids);
    ids.forEach((taskId, k) => {
      const row = rows[k];
      if (row === undefined || !isFinal(row)) open.push({ taskId, phase: row?.phase });
    });
  }
  return open.slice(0, NAMED);
}

function sentence({ reason, details }: WhyCase, now: Ms): string {
  const at = (time: Date): string => `${time.toISOString()} (in ${formatDuration(Math.max(0, time.getTime() - now))})`;
  switch (reason) {
    case "missing":
      return "There is no such task (any more).";
    case "final":
      return `It has ended: ${details.status}${details.endedAt === undefined ? "" : ` at ${details.endedAt.toISOString()}`}${because(details.because)}.`;
    case "running":
      return runningText(details);
    case "cancelling":
      return cancellingText(details);
    case "ending":
      return `It will not run: it is ${details.as}${because(details.because)}, and the next worker or client writes that down.`;
    case "blocked":
      return `It waits for ${details.openParents} ${details.openParents === 1 ? "task" : "tasks"} that it depends on: ${parentsText(details)}.`;
    case "retry":
      return `It failed and is tried again at ${at(details.at)}, retry ${details.retryCount} of ${details.maxRetries}.`;
    case "not-due":
      return `It is not due before ${at(details.at)}.`;
    case "queue-paused":
      return isForMove(details.pausedAt)
        ? `Its queue "${details.queueName}" is paused while everything is moved to another database.`
        : `Its queue "${details.queueName}" is paused since ${details.pausedAt.toISOString()}.`;
    case "no-worker-for-queue":
      return `No live worker serves its queue "${details.queueName}" (${details.workers} ${details.workers === 1 ? "serves" : "serve"} others).`;
    case "no-worker-for-task":
      return `No live worker of its queue "${details.queueName}" knows the task "${details.func}".`;
    case "waiting":
      return waitingText(details);
  }
}

function runningText({ worker, since, workerIsSilent, workerIsGone }: Extract<WhyCase, { reason: "running" }>["details"]): string {
  const where = `${since === undefined ? "" : ` since ${since.toISOString()}`} on worker ${worker}`;
  if (workerIsGone) return `It ran${where}, whose process has ended: the next worker takes it over.`;
  return `It runs${where}${workerIsSilent ? ", which has not been heard of for longer than its lease" : ""}.`;
}

function cancellingText({ worker, workerIsSilent, workerIsGone }: Extract<WhyCase, { reason: "cancelling" }>["details"]): string {
  if (workerIsGone)
    return `It ran on worker ${worker}, whose process has ended, and was asked to stop: the next worker, or whoever waits for its result, ends it.`;
  return `It runs on worker ${worker}${workerIsSilent ? ", which has not been heard of for longer than its lease," : ""} and was asked to stop.`;
}

function because(why: string | undefined): string {
  return why === undefined ? "" : `: ${why}`;
}

function parentsText({ openParents, parents }: Extract<WhyCase, { reason: "blocked" }>["details"]): string {
  const named = parents.slice(0, 3).map((parent) => `${parent.taskId} (${parent.phase ?? "gone"})`);
  return openParents > named.length ? `${named.join(", ")} and ${openParents - named.length} more` : named.join(", ");
}

function waitingText({ queueName, ahead, workers }: Extract<WhyCase, { reason: "waiting" }>["details"]): string {
  const who = `${workers} ${workers === 1 ? "worker serves" : "workers serve"} it`;
  if (ahead === undefined) return `It is due in queue "${queueName}" and becomes ready with the next claim; ${who}.`;
  if (ahead === 0) return `It is the next in queue "${queueName}"; ${who}.`;
  return `It waits in queue "${queueName}" behind ${ahead}${ahead >= COUNTED ? " or more" : ""} other ${ahead === 1 ? "task" : "tasks"}; ${who}.`;
}

/** One that no `Date` holds, since somebody changed it by hand, is absent. */
function date(ms: Ms | undefined): Date | undefined {
  return ms === undefined || Math.abs(ms) > LAST_TIME ? undefined : new Date(ms);
}
