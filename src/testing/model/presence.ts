import type { HoldingPage, WorkerRow } from "../../core/backend.ts";
import { WorkerUnknownError } from "../../core/errors.ts";
import type { Fence, TaskId } from "../../core/record.ts";
import type { Moment, Row } from "./state.ts";
import { isHeld } from "./state.ts";

/** A worker that arrives again is alive: its beat goes on, so that who saw the old one takes nothing. */
export function arrive(moment: Moment, row: Omit<WorkerRow, "beat" | "arrivedAt" | "seenAt">): void {
  const { state, now } = moment;
  const before = state.workers.get(row.worker);
  state.workers.set(row.worker, { ...row, beat: (before?.beat ?? 0) + 1, arrivedAt: before?.arrivedAt ?? now, seenAt: now });
}

export function leave(moment: Moment, worker: string): void {
  if (!holdsSomething(moment, worker)) moment.state.workers.delete(worker);
}

export interface Held {
  readonly id: TaskId;
  readonly fence: Fence;
}

export function beat(moment: Moment, worker: string, held: readonly Held[]): readonly (Held & { readonly is: "lost" | "cancel" })[] {
  const { state, now } = moment;
  const there = state.workers.get(worker);
  if (there === undefined) throw new WorkerUnknownError(worker);
  state.workers.set(worker, { ...there, beat: there.beat + 1, seenAt: now });
  return held.flatMap(({ id, fence }) => {
    const is = standing(state.tasks.get(id), fence);
    return is === undefined ? [] : [{ id, fence, is }];
  });
}

function standing(row: Row | undefined, fence: Fence): "lost" | "cancel" | undefined {
  if (row === undefined || !isHeld(row) || row.fence !== fence) return "lost";
  return row.stage === "running" && row.mark === "cancelled" ? "cancel" : undefined;
}

export function workers({ state }: Moment, limit: number): readonly WorkerRow[] {
  return [...state.workers.values()].toSorted((a, b) => b.seenAt - a.seenAt).slice(0, limit);
}

export function holding(moment: Moment, limit: number, after = ""): HoldingPage {
  const holders = [...moment.state.workers.values()].filter((row) => row.worker > after && holdsSomething(moment, row.worker));
  const page = holders.toSorted((a, b) => (a.worker < b.worker ? -1 : 1)).slice(0, limit);
  const last = page.length < limit ? undefined : page.at(-1);
  return { workers: page, ...(last === undefined ? {} : { next: last.worker }) };
}

export function holdsSomething(moment: Moment, worker: string): boolean {
  return [...moment.state.tasks.values()].some((row) => row.worker === worker);
}
