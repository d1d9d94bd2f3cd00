/** The queue's verbs for schedules. */
import {
  ConflictError,
  expected,
  InvalidOptionError,
  ScheduleBrokenError,
  ScheduleNotFoundError,
  TaskNotFoundError,
} from "../core/errors.ts";
import { checkFires, firstOccurrence, sameTiming } from "../core/schedule.ts";
import type { ScheduleRow } from "../core/schedule.ts";
import { readSchedule, unreadableText } from "../models/broken.ts";
import { checked, toScheduleRow, toTemplate } from "../models/convert.ts";
import type { ModelTools } from "../models/defaults.ts";
import { Schedule } from "../models/schedule.ts";
import { step } from "./steps.ts";
import type { Steps, Store } from "./steps.ts";

/** How many schedules one call reads. */
const READ = 1_000;

export function* addSchedule(store: Store, schedule: Schedule): Steps<string> {
  const { taskId, id } = checked(schedule, Schedule, "schedule");
  if (taskId === undefined) throw expected("taskId", "the id of the task that is to be scheduled", taskId);
  const [task] = yield* step(store.desk.get([taskId]));
  if (task === undefined) throw new TaskNotFoundError(taskId);
  const made = toScheduleRow(schedule, toTemplate(task));
  if (made.status === "active" && made.nextRunAt === undefined) checkFires(made, made.createdAt);
  const { is, row } = yield* step(store.schedules.put(made));
  if (is === "stale") throw new ConflictError(`Expected schedule ${id} to be new, but there is one with this id; nothing was written`);
  schedule.revision = row.revision;
  return id;
}

export function* findSchedule(store: Store, id: string, tools: ModelTools): Steps<Schedule | undefined> {
  const [row] = yield* step(store.schedules.list({ ids: [id], limit: 1 }));
  if (row === undefined) return undefined;
  const { model, broken } = readSchedule(row, tools);
  if (broken !== undefined) throw new ScheduleBrokenError(id, broken);
  return model;
}

export function* dropSchedule(store: Store, id: string): Steps<boolean> {
  const [dropped = false] = yield* step(store.schedules.drop([id]));
  return dropped;
}

export function* readySchedules(store: Store, tools: ModelTools): Steps<Schedule[]> {
  const now = yield* step(store.now());
  const rows = yield* step(store.schedules.list({ dueBy: now, limit: READ }));
  // Those that are broken cannot be run, and must not hide the others.
  return rows.flatMap((row) => {
    const { model, broken } = readSchedule(row, tools);
    return broken === undefined ? [model] : [];
  });
}

/** Fields that only the firing of a schedule changes, or nobody. */
const FIXED = ["taskId", "createdAt", "runCount", "lastRunAt", "lastTaskId"] as const;

export function* changeSchedule(store: Store, schedule: Schedule): Steps<void> {
  const { id } = checked(schedule, Schedule, "schedule");
  const [before] = yield* step(store.schedules.list({ ids: [id], limit: 1 }));
  if (before === undefined) throw new ScheduleNotFoundError(id);
  if (schedule.revision !== before.revision) throw stale(id);
  if (before.unreadable !== undefined) throw new ScheduleBrokenError(id, unreadableText(before.unreadable));
  const after = toScheduleRow(schedule, before.template);
  const fixed = FIXED.find((field) => before[field] !== after[field]);
  if (fixed !== undefined) throw notEditable(fixed, "a schedule's own task, creation and counts stay");
  if (before.status === "completed" && after.status !== "completed") throw notEditable("status", "a completed schedule does not go on");
  const row = withNext(before, after, yield* step(store.now()));
  const { is, row: written } = yield* step(store.schedules.put(row, before.revision));
  if (is === "stale") throw stale(id);
  schedule.revision = written.revision;
  schedule.status = written.status;
  schedule.nextRunAt = written.nextRunAt === undefined ? undefined : new Date(written.nextRunAt);
}

/** A new trigger counts from now, unless the next time was given, too. One without a time left is completed. */
function withNext(before: ScheduleRow, after: ScheduleRow, now: number): ScheduleRow {
  if (sameTiming(before, after) || after.status !== "active" || after.nextRunAt !== before.nextRunAt) return after;
  const next = firstOccurrence(after, now);
  const { nextRunAt: _, ...rest } = after;
  return next === null ? { ...rest, status: "completed" } : { ...rest, nextRunAt: next };
}

function notEditable(field: string, rule: string): InvalidOptionError {
  return new InvalidOptionError("NOT_EDITABLE", `Expected \`${field}\` to be unchanged: ${rule}`);
}

function stale(id: string): ConflictError {
  return new ConflictError(
    `Expected to edit schedule ${id} as it is now, but it was changed meanwhile: read it again; nothing was written`,
  );
}
