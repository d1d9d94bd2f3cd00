/** One step of a schedule, made of what is due: the tasks of its occurrences, and what the log is told. */
import { encode } from "../core/codec.ts";
import type { Random } from "../core/clock.ts";
import type { Due, Passed } from "../core/due.ts";
import type { EventType, NewEvent } from "../core/event.ts";
import type { Ms } from "../core/record.ts";
import type { FireAsk, ScheduleRow } from "../core/schedule.ts";
import type { NewTask } from "../core/task.ts";

interface Naming {
  readonly newId: () => string;
}
interface Making extends Naming {
  readonly random: Random;
}

/** The task of an occurrence is due at its nominal time, and later by chance where the schedule has a jitter. */
export function firingOf(row: ScheduleRow, due: Due, making: Making): FireAsk {
  const { occurrences, passed, nextAt, nextAtIfFewer } = due;
  const enqueue = occurrences.map((at) => taskOf(row, making, at + lateness(row.policy.jitter, making.random)));
  const fired = enqueue.map(({ id }, i) => firedEvent(row, making, id, { occurrence: iso(occurrences[i] ?? 0) }));
  const told = [...missedEvents(row, making, passed), ...fired];
  const fewer = completedEvents(row, making, nextAtIfFewer);
  const ifFewer = { nextAt: nextAtIfFewer, events: [...told, ...fewer] };
  const ifOpen = { nextAt: nextAtIfFewer, events: [...overlapEvents(row, making, due), ...fewer] };
  return {
    id: row.id,
    revision: row.revision,
    occurrences,
    enqueue,
    nextAt,
    events: [...told, ...completedEvents(row, making, nextAt)],
    ...(nextAt === nextAtIfFewer ? {} : { ifFewer }),
    ...(row.policy.overlap === "skip" && occurrences.length > 0 ? { ifOpen } : {}),
  };
}

/** A task of the schedule; `at` absent: due at once. */
export function taskOf(row: ScheduleRow, { newId }: Naming, at?: Ms): NewTask {
  const { covered: _, ...template } = row.template;
  return { ...template, id: newId(), scheduleId: row.id, dependsOn: [], ...(at === undefined ? {} : { due: { at } }) };
}

export function firedEvent(row: ScheduleRow, naming: Naming, taskId: string, data: object): NewEvent {
  return { ...about(row, naming), type: "schedule_fired", taskId, data: encode(data) };
}

function lateness(jitter: Ms | undefined, random: Random): Ms {
  return jitter === undefined ? 0 : Math.floor(random() * (jitter + 1));
}

/** What a change that nobody fired is told as: that of its status. */
export function changeEvents(before: ScheduleRow, after: ScheduleRow, naming: Naming): readonly NewEvent[] {
  if (before.status === after.status) return [];
  const types: readonly EventType[] = [
    ...(before.status === "paused" ? (["schedule_resumed"] as const) : []),
    ...(after.status === "paused" ? (["schedule_paused"] as const) : []),
    ...(after.status === "completed" ? (["schedule_completed"] as const) : []),
  ];
  return types.map((type) => Object.assign(about(after, naming), { type }));
}

/** Its id is made by who writes it, so that it can be appended again where the log lies elsewhere. */
function about(row: ScheduleRow, { newId }: Naming) {
  return { id: newId(), scheduleId: row.id, queue: row.template.queue };
}

function missedEvents(row: ScheduleRow, naming: Naming, passed: Passed): readonly NewEvent[] {
  return passed.count === 0 ? [] : [skippedEvent(row, naming, passed, "missed")];
}

function overlapEvents(row: ScheduleRow, naming: Naming, { occurrences, passed }: Due): readonly NewEvent[] {
  return [skippedEvent(row, naming, { ...passed, count: passed.count + occurrences.length }, "overlap")];
}

const WHY = { missed: "nobody fired in time", overlap: "came while an earlier task had not ended" } as const;
/** Missed ones tell of trouble; that none overlap was asked for. */
const LEVEL = { missed: "warning", overlap: "info" } as const;

function skippedEvent(row: ScheduleRow, naming: Naming, { count, more }: Passed, reason: keyof typeof WHY): NewEvent {
  const many = `${more ? "at least " : ""}${count} ${count === 1 ? "occurrence" : "occurrences"}`;
  return {
    ...about(row, naming),
    type: "schedule_skipped",
    level: LEVEL[reason],
    message: `${many} that ${WHY[reason]} ${count === 1 ? "was" : "were"} skipped`,
    data: encode({ skipped: count, ...(more ? { more } : {}), reason, from: iso(row.nextRunAt ?? 0) }),
  };
}

function completedEvents(row: ScheduleRow, naming: Naming, nextAt: Ms | null): readonly NewEvent[] {
  return nextAt === null ? [{ ...about(row, naming), type: "schedule_completed" }] : [];
}

function iso(ms: Ms): string {
  return new Date(ms).toISOString();
}
