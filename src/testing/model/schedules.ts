import type { NewEvent } from "../../core/event.ts";
import type { TaskId } from "../../core/record.ts";
import type { Advance, Fired, FireAsk, Ran, RunAsk, ScheduleQuery, ScheduleRow } from "../../core/schedule.ts";
import { insert } from "./enqueue.ts";
import { append } from "./events.ts";
import type { Moment } from "./state.ts";
import { defined } from "./state.ts";

/** The revision of a new row is the backend's to choose; a changed one has the next. */
export function putSchedule(moment: Moment, row: ScheduleRow, ifRevision?: number): { is: "put" | "stale"; row: ScheduleRow } {
  const there = moment.state.schedules.get(row.id);
  if (there?.revision !== ifRevision) return { is: "stale", row: there ?? row };
  const { unreadable, ...whole } = row;
  const written = defined<ScheduleRow>({
    ...(there === undefined || unreadable === undefined ? whole : { ...there, ...standingOf(row) }),
    revision: (ifRevision ?? 0) + 1,
  });
  moment.state.schedules.set(row.id, written);
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
  moment.hints.add("schedule");
  return moment.state.schedules.delete(id);
}

/** All of it, or nothing when somebody else was there first. */
export function fire(moment: Moment, ask: FireAsk): Fired {
  const row = moment.state.schedules.get(ask.id);
  if (row?.revision !== ask.revision || row.status !== "active") return "stale";
  const open = ask.ifOpen === undefined ? undefined : openTask(moment, ask.id);
  const made = open === undefined ? occur(moment, ask) : new Map<TaskId, TaskId | undefined>();
  advance(moment, row, open === undefined || ask.ifOpen === undefined ? ask : ask.ifOpen, made);
  return open === undefined ? "fired" : "open";
}

function openTask({ state }: Moment, scheduleId: string): TaskId | undefined {
  return [...state.tasks.values()]
    .filter((row) => row.scheduleId === scheduleId && row.stage !== "finished")
    .toSorted((a, b) => a.order - b.order)[0]?.id;
}

/** Each task that was to be made, with the one that there is for it. An occurrence that was recorded before has had its task. */
function occur(moment: Moment, { id, occurrences, enqueue }: FireAsk): Map<TaskId, TaskId | undefined> {
  const { state, now } = moment;
  const made = new Map<TaskId, TaskId | undefined>();
  for (const [i, at] of occurrences.entries()) {
    const key = JSON.stringify([id, at]);
    const task = enqueue[i];
    if (task === undefined || state.occurrences.has(key)) continue;
    state.occurrences.set(key, { scheduleId: id, firedAt: now });
    const answer = insert(moment, task, true);
    made.set(task.id, answer.is === "refused" ? undefined : answer.id);
  }
  return made;
}

function advance(moment: Moment, row: ScheduleRow, { nextAt, events }: Advance, made: ReadonlyMap<TaskId, TaskId | undefined>): void {
  const lastTaskId = [...made.values()].findLast((id) => id !== undefined) ?? row.lastTaskId;
  const after = defined<ScheduleRow>({
    ...row,
    revision: row.revision + 1,
    runCount: row.runCount + made.size,
    lastRunAt: made.size === 0 ? row.lastRunAt : moment.now,
    lastTaskId,
    nextRunAt: nextAt ?? undefined,
    status: nextAt === null ? "completed" : row.status,
  });
  moment.state.schedules.set(row.id, after);
  tell(moment, events, made);
  moment.hints.add("schedule");
}

/** Events name the task that there is; those of an occurrence that was passed over are left out. */
function tell(moment: Moment, events: readonly NewEvent[], made: ReadonlyMap<TaskId, TaskId | undefined>): void {
  for (const event of events) {
    if (event.taskId === undefined) append(moment, event);
    else if (made.has(event.taskId)) append(moment, { ...event, taskId: made.get(event.taskId) ?? event.taskId });
  }
}

export function run(moment: Moment, { id, task, events, unlessOpen }: RunAsk): Ran {
  const row = moment.state.schedules.get(id);
  if (row === undefined) return { is: "missing" };
  const open = unlessOpen ? openTask(moment, id) : undefined;
  if (open !== undefined) return { is: "open", taskId: open };
  const answer = insert(moment, task, true);
  if (answer.is === "refused") return answer;
  const lastTaskId = answer.id;
  moment.state.schedules.set(id, { ...row, revision: row.revision + 1, lastRunAt: moment.now, lastTaskId });
  tell(moment, events, new Map([[task.id, lastTaskId]]));
  moment.hints.add("schedule");
  return { is: "fired", taskId: lastTaskId };
}
