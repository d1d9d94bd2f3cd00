import type { ResultStats } from "../../core/backend.ts";
import type { TaskId } from "../../core/record.ts";
import type { NewResult, ResultRow } from "../../core/result.ts";
import type { Moment } from "./state.ts";
import { defined } from "./state.ts";

/** Replaces the task's row, unless that is of a later claim, or of the current one and what comes has no fence. A replaced row keeps its place. */
export function put(moment: Moment, result: NewResult): "put" | "older" {
  const { state, now } = moment;
  const there = state.results.get(result.taskId);
  if (there?.fence !== undefined && !mayReplace(moment, result, there.fence)) return "older";
  const createdAt = result.createdAt ?? now;
  const expiresAt = result.expiresAt ?? (result.ttl === undefined ? undefined : createdAt + result.ttl);
  const completedAt = result.completedAt ?? now;
  state.results.set(result.taskId, defined<ResultRow>({ ...result, createdAt, completedAt, expiresAt }));
  return "put";
}

function mayReplace({ state }: Moment, { taskId, fence }: NewResult, there: number): boolean {
  return fence === undefined ? (state.tasks.get(taskId)?.fence ?? 0) > there : fence >= there;
}

export function getResult(moment: Moment, id: TaskId): ResultRow | undefined {
  const row = moment.state.results.get(id);
  return row === undefined || isPast(row, moment.now) ? undefined : row;
}

/** The newest by creation, then by age of the row. */
export function latest(moment: Moment, scheduleId: string): ResultRow | undefined {
  return [...moment.state.results.values()]
    .filter((row) => row.scheduleId === scheduleId && !isPast(row, moment.now))
    .reduce<ResultRow | undefined>((best, row) => (best === undefined || row.createdAt >= best.createdAt ? row : best), undefined);
}

export function resultStats(moment: Moment, upTo: number): ResultStats {
  const all = [...moment.state.results.values()];
  const rows = all.toSorted((one, other) => (one.taskId < other.taskId ? 1 : -1)).slice(0, upTo);
  const completed = rows.filter((row) => row.status === "completed").length;
  const expired = Math.min(all.filter((row) => isPast(row, moment.now)).length, upTo);
  return { total: rows.length, completed, failed: rows.length - completed, expired, more: all.length > rows.length };
}

export function isPast(row: ResultRow, now: number): boolean {
  return row.expiresAt !== undefined && row.expiresAt <= now;
}
