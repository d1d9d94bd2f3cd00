import type { Claim, ClaimAsk, Claims } from "../../core/backend.ts";
import { PROMOTIONS } from "../../core/backend.ts";
import { WorkerUnknownError } from "../../core/errors.ts";
import type { TaskId } from "../../core/record.ts";
import { tell } from "./events.ts";
import type { Moment, Row } from "./state.ts";
import { change, claimOrder, defined, expire, isExpired, isHeld, taskOf } from "./state.ts";

/** Hands out claims. `more`: the limit (or the bound of promotions or marks) was reached, so there may be more. */
export function claim(moment: Moment, ask: ClaimAsk): Claims {
  if (!moment.state.workers.has(ask.worker)) throw new WorkerUnknownError(ask.worker);
  const { of } = ask;
  if ("due" in of) return claimDue(moment, ask, of);
  if ("ended" in of) return claimEnded(moment, ask);
  const rows = "lost" in of ? heldBy(moment, of, ask.worker) : of.ids.flatMap((id) => waitingToBeEnded(moment, id));
  const claims = rows.slice(0, ask.limit).map((row) => handOut(moment, row, ask.worker));
  return { claims, more: claims.length >= ask.limit };
}

type DueAsk = Extract<ClaimAsk["of"], { due: true }>;

function claimDue(moment: Moment, { worker, limit }: ClaimAsk, { queues, names, announce }: DueAsk): Claims {
  const { state } = moment;
  const promoted = promote(moment);
  const claims: Claim[] = [];
  for (const queue of queues) {
    if (state.queues.get(queue)?.pausedAt !== undefined) continue;
    const ready = [...state.tasks.values()]
      .filter((row) => row.stage === "ready" && row.queue === queue && (names === "any" || names.includes(row.func)))
      .toSorted(claimOrder)
      .slice(0, limit - claims.length);
    for (const row of ready) claims.push(start(moment, row, worker, announce));
  }
  const nextDueIn = untilNextDue(moment);
  return defined<Claims>({ claims, more: claims.length >= limit || promoted === PROMOTIONS, nextDueIn });
}

/** Timed rows whose time has come become ready, the oldest first, in a bounded batch. */
function promote(moment: Moment): number {
  const due = [...moment.state.tasks.values()]
    .filter((row) => row.stage === "timed" && row.dueAt <= moment.now)
    .toSorted((a, b) => a.dueAt - b.dueAt || a.order - b.order)
    .slice(0, PROMOTIONS);
  for (const row of due) change(moment, row, { stage: "ready" });
  return due.length;
}

function untilNextDue(moment: Moment): number | undefined {
  const times = [...moment.state.tasks.values()].filter((row) => row.stage === "timed").map((row) => row.dueAt);
  return times.length === 0 ? undefined : Math.max(0, Math.min(...times) - moment.now);
}

/** No claim has a fence that was given out before, not even for an id whose row is gone. */
function nextFence({ state }: Moment, row: Row): number {
  return Math.max(row.fence, state.fenceFloor) + 1;
}

/** A ready row is started, or handed out to be ended when its TTL has passed: it is never started late. */
function start(moment: Moment, row: Row, worker: string, announce: boolean): Claim {
  if (isExpired(row, moment.now)) return handOut(moment, expire(moment, row), worker);
  const running = change(moment, row, {
    stage: "running",
    status: "running",
    fence: nextFence(moment, row),
    attempt: row.attempt + 1,
    revision: row.revision + 1,
    worker,
    startedAt: moment.now,
    nextRetryAt: undefined,
    holds: row.holds?.until === "started" ? undefined : row.holds,
  });
  if (announce) tell(moment, "executing", running, worker);
  return claimOf(moment, running, "run");
}

function claimEnded(moment: Moment, { worker, limit }: ClaimAsk): Claims {
  const all = (): readonly Row[] => [...moment.state.tasks.values()];
  const expired = all()
    .filter((row) => (row.stage === "ready" || row.stage === "timed" || row.stage === "blocked") && isExpired(row, moment.now))
    .toSorted((a, b) => (a.expiresAt ?? 0) - (b.expiresAt ?? 0) || a.order - b.order)
    .slice(0, limit);
  for (const row of expired) expire(moment, row);
  const claims = all()
    .filter((row) => row.stage === "doomed" && !isHeld(row))
    .slice(0, limit)
    .map((row) => handOut(moment, row, worker));
  return { claims, more: claims.length >= limit || expired.length >= limit };
}

function waitingToBeEnded(moment: Moment, id: TaskId): readonly Row[] {
  const row = moment.state.tasks.get(id);
  return row === undefined || row.stage !== "doomed" || isHeld(row) ? [] : [row];
}

type LostAsk = Extract<ClaimAsk["of"], { lost: unknown }>;

/** What these workers hold, if their beat still is the one that was seen. */
function heldBy(moment: Moment, of: LostAsk, asker: string): readonly Row[] {
  const lost = of.lost.filter(({ worker, beat }) => worker !== asker && moment.state.workers.get(worker)?.beat === beat);
  return lost.flatMap(({ worker }) =>
    [...moment.state.tasks.values()].filter((row) => row.worker === worker && (of.marked !== true || row.mark !== undefined)),
  );
}

/** Hands out a row to be ended or, when its holder was lost, to be decided about. */
function handOut(moment: Moment, row: Row, worker: string): Claim {
  const held = change(moment, row, { fence: nextFence(moment, row), revision: row.revision + 1, worker });
  return claimOf(moment, held, held.stage === "running" || held.mark === undefined ? "lost" : held.mark);
}

function claimOf(moment: Moment, row: Row, why: Claim["for"]): Claim {
  const expiresIn = row.expiresAt === undefined ? undefined : row.expiresAt - moment.now;
  return defined<Claim>({ task: taskOf(row, moment.now), fence: row.fence, for: why, expiresIn });
}
