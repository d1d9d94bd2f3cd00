import type { NewEvent } from "../../core/event.ts";
import { runsOf, toldOf } from "../../core/occurrence.ts";
import type { Fired, Occurrence, Ran } from "../../core/occurrence.ts";
import type { TaskId } from "../../core/record.ts";
import type { Advance, FireAsk, RunAsk, ScheduleQuery, ScheduleRow } from "../../core/schedule.ts";
import { insert } from "./enqueue.ts";
import { append } from "./events.ts";
import type { Moment } from "./state.ts";
import { defined } from "./state.ts";

/** The revision of a new row is the backend's to choose; a changed one has the next. */
export function putSchedule(
  moment: Moment,
  row: ScheduleRow,
  ifRevision?: number,
  events: readonly NewEvent[] = [],
): { is: "put" | "stale"; row: ScheduleRow } {
  const there = moment.state.schedules.get(row.id);
  if (there?.revision !== ifRevision) return { is: "stale", row: there ?? row };
  const { unreadable, ...whole } = row;
  const written = defined<ScheduleRow>({
    ...(there === undefined || unreadable === undefined ? whole : { ...there, ...standingOf(row) }),
    revision: (ifRevision ?? moment.state.revisionFloor) + 1,
  });
  moment.state.schedules.set(row.id, written);
  tell(moment, events, []);
  moment.hints.add("schedule");
  return { is: "put", row: written };
}

function standingOf({ status, nextRunAt, pausedAt, resumedAt }: ScheduleRow) {
  return { status, nextRunAt, pausedAt, resumedAt };
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
  const { state, hints } = moment;
  hints.add("schedule");
  state.revisionFloor = Math.max(state.revisionFloor, state.schedules.get(id)?.revision ?? 0);
  return state.schedules.delete(id);
}

/** All of it, or nothing when somebody else was there first. */
export function fire(moment: Moment, ask: FireAsk): Fired {
  const row = moment.state.schedules.get(ask.id);
  if (row?.revision !== ask.revision || row.status !== "active") return { is: "stale" };
  if (ask.ifOpen !== undefined && openTask(moment, ask.id) !== undefined) {
    advance(moment, row, ask.ifOpen, []);
    return { is: "open" };
  }
  const occurrences = occur(moment, ask);
  const fewer = runsOf(occurrences).length < ask.occurrences.length ? ask.ifFewer : undefined;
  advance(moment, row, fewer ?? ask, occurrences);
  return { is: fewer === undefined ? "fired" : "fewer", occurrences };
}

export function openTask({ state }: Moment, scheduleId: string): TaskId | undefined {
  return [...state.tasks.values()]
    .filter((row) => row.scheduleId === scheduleId && row.stage !== "finished")
    .toSorted((a, b) => a.order - b.order)[0]?.id;
}

/** Remembers those that have a task now. */
function occur(moment: Moment, { id, occurrences, enqueue }: FireAsk): readonly Occurrence[] {
  const { state, now } = moment;
  return occurrences.flatMap((at, i): readonly Occurrence[] => {
    const key = JSON.stringify([id, at]);
    const task = enqueue[i];
    if (task === undefined) return [];
    if (state.occurrences.has(key)) return [{ at, asked: task.id, is: "recorded" }];
    const answer = insert(moment, task, true);
    if (answer.is !== "refused") state.occurrences.set(key, { scheduleId: id, firedAt: now });
    return [{ at, asked: task.id, ...answer }];
  });
}

function advance(moment: Moment, row: ScheduleRow, { nextAt, events }: Advance, occurrences: readonly Occurrence[]): void {
  const runs = runsOf(occurrences);
  const after = defined<ScheduleRow>({
    ...row,
    revision: row.revision + 1,
    runCount: row.runCount + runs.length,
    lastRunAt: runs.length === 0 ? row.lastRunAt : moment.now,
    lastTaskId: runs.at(-1) ?? row.lastTaskId,
    nextRunAt: nextAt ?? undefined,
    status: nextAt === null ? "completed" : row.status,
  });
  moment.state.schedules.set(row.id, after);
  tell(moment, events, occurrences);
  moment.hints.add("schedule");
}

function tell(moment: Moment, events: readonly NewEvent[], occurrences: readonly Occurrence[]): void {
  for (const event of toldOf(events, occurrences)) append(moment, event);
}

export function run(moment: Moment, { id, task, events, unlessOpen }: RunAsk): Ran {
  const row = moment.state.schedules.get(id);
  if (row === undefined) return { is: "missing" };
  const open = unlessOpen ? openTask(moment, id) : undefined;
  if (open !== undefined) return { is: "open", taskId: open };
  const answer = insert(moment, task, true);
  if (answer.is === "refused") return answer;
  moment.state.schedules.set(id, { ...row, revision: row.revision + 1, lastRunAt: moment.now, lastTaskId: answer.id });
  tell(moment, events, [{ at: moment.now, asked: task.id, ...answer }]);
  moment.hints.add("schedule");
  return { is: "fired", task: answer };
}
