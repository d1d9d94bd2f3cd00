import type { TaskId } from "../../core/record.ts";
import type { FireAsk, ScheduleQuery, ScheduleRow } from "../../core/schedule.ts";
import { insert } from "./enqueue.ts";
import { append } from "./events.ts";
import type { Moment } from "./state.ts";
import { defined } from "./state.ts";

/** The revision of a new row is the backend's to choose; a changed one has the next. */
export function putSchedule(moment: Moment, row: ScheduleRow, ifRevision?: number): { is: "put" | "stale"; row: ScheduleRow } {
  const there = moment.state.schedules.get(row.id);
  if (there?.revision !== ifRevision) return { is: "stale", row: there ?? row };
  const written = { ...row, revision: (ifRevision ?? 0) + 1 };
  moment.state.schedules.set(row.id, written);
  moment.hints.add("schedule");
  return { is: "put", row: written };
}

const next = (row: ScheduleRow): number => row.nextRunAt ?? Number.POSITIVE_INFINITY;

/** By the next time, then by id; those without one last. */
export function listSchedules(moment: Moment, { ids, dueBy, status, limit }: ScheduleQuery): readonly ScheduleRow[] {
  return [...moment.state.schedules.values()]
    .filter(
      (row) =>
        (ids === undefined || ids.includes(row.id)) &&
        (status === undefined || row.status === status) &&
        (dueBy === undefined || (row.status === "active" && next(row) <= dueBy)),
    )
    .toSorted((a, b) => (next(a) === next(b) ? (a.id < b.id ? -1 : 1) : next(a) - next(b)))
    .slice(0, limit);
}

/** Takes the schedule alone away: its tasks and the memory of its occurrences stay. */
export function dropSchedule(moment: Moment, id: string): boolean {
  moment.hints.add("schedule");
  return moment.state.schedules.delete(id);
}

/** All of it, or nothing when somebody else was there first. An occurrence that was recorded before has had its task. */
export function fire(moment: Moment, { id, revision, occurrences, nextAt, enqueue, events }: FireAsk): "fired" | "stale" {
  const { state, now } = moment;
  const row = state.schedules.get(id);
  if (row?.revision !== revision || row.status !== "active") return "stale";
  let fired = 0;
  // Tasks that became the holder of their unique key.
  const merged = new Map<TaskId, TaskId>();
  for (const [i, at] of occurrences.entries()) {
    const key = JSON.stringify([id, at]);
    const task = enqueue[i];
    if (state.occurrences.has(key)) continue;
    fired++;
    state.occurrences.set(key, { scheduleId: id, firedAt: now });
    const answer = task === undefined ? undefined : insert(moment, task, true);
    if (task !== undefined && answer !== undefined && answer.is !== "refused") merged.set(task.id, answer.id);
  }
  state.schedules.set(
    id,
    defined<ScheduleRow>({
      ...row,
      revision: revision + 1,
      runCount: row.runCount + fired,
      lastRunAt: fired === 0 ? row.lastRunAt : now,
      nextRunAt: nextAt ?? undefined,
      status: nextAt === null ? "completed" : row.status,
    }),
  );
  for (const event of events) {
    const taskId = event.taskId === undefined ? undefined : merged.get(event.taskId);
    append(moment, taskId === undefined ? event : { ...event, taskId });
  }
  moment.hints.add("schedule");
  return "fired";
}
