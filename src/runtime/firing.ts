/** One step of a schedule, made of what is due: the tasks of its occurrences, and what the log is told. */
import { encode } from "../core/codec.ts";
import type { Random } from "../core/clock.ts";
import type { Due, Passed } from "../core/due.ts";
import type { NewEvent } from "../core/event.ts";
import type { Ms } from "../core/record.ts";
import type { FireAsk, ScheduleRow } from "../core/schedule.ts";
import type { NewTask } from "../core/task.ts";

interface Making {
  readonly newId: () => string;
  readonly random: Random;
}

/** The task of an occurrence is due at its nominal time, and later by chance where the schedule has a jitter. */
export function firingOf(row: ScheduleRow, due: Due, making: Making): FireAsk {
  const { occurrences, passed, nextAt, nextAtIfOpen } = due;
  const enqueue = occurrences.map((at) => taskOf(row, making, at + lateness(row.policy.jitter, making.random)));
  const fired = enqueue.map(({ id }, i) => firedEvent(row, id, { occurrence: iso(occurrences[i] ?? 0) }));
  const ifOpen = { nextAt: nextAtIfOpen, events: [...overlapEvents(row, due), ...completedEvents(row, nextAtIfOpen)] };
  return {
    id: row.id,
    revision: row.revision,
    occurrences,
    enqueue,
    nextAt,
    events: [...missedEvents(row, passed), ...fired, ...completedEvents(row, nextAt)],
    ...(row.policy.overlap === "skip" && occurrences.length > 0 ? { ifOpen } : {}),
  };
}

/** A task of the schedule; `at` absent: due at once. */
export function taskOf(row: ScheduleRow, { newId }: Pick<Making, "newId">, at?: Ms): NewTask {
  const { covered: _, ...template } = row.template;
  return { ...template, id: newId(), scheduleId: row.id, dependsOn: [], ...(at === undefined ? {} : { due: { at } }) };
}

export function firedEvent(row: ScheduleRow, taskId: string, data: object): NewEvent {
  return { ...about(row), type: "schedule_fired", taskId, data: encode(data) };
}

function lateness(jitter: Ms | undefined, random: Random): Ms {
  return jitter === undefined ? 0 : Math.floor(random() * (jitter + 1));
}

function about(row: ScheduleRow) {
  return { scheduleId: row.id, queue: row.template.queue };
}

function missedEvents(row: ScheduleRow, passed: Passed): readonly NewEvent[] {
  return passed.count === 0 ? [] : [skippedEvent(row, passed, "missed")];
}

function overlapEvents(row: ScheduleRow, { occurrences, passed }: Due): readonly NewEvent[] {
  return [skippedEvent(row, { ...passed, count: passed.count + occurrences.length }, "overlap")];
}

const WHY = { missed: "nobody fired in time", overlap: "came while an earlier task had not ended" } as const;
/** Missed ones tell of trouble; that none overlap was asked for. */
const LEVEL = { missed: "warning", overlap: "info" } as const;

function skippedEvent(row: ScheduleRow, { count, more }: Passed, reason: keyof typeof WHY): NewEvent {
  const many = `${more ? "at least " : ""}${count} ${count === 1 ? "occurrence" : "occurrences"}`;
  return {
    ...about(row),
    type: "schedule_skipped",
    level: LEVEL[reason],
    message: `${many} that ${WHY[reason]} ${count === 1 ? "was" : "were"} skipped`,
    data: encode({ skipped: count, ...(more ? { more } : {}), reason, from: iso(row.nextRunAt ?? 0) }),
  };
}

function completedEvents(row: ScheduleRow, nextAt: Ms | null): readonly NewEvent[] {
  return nextAt === null ? [{ ...about(row), type: "schedule_completed" }] : [];
}

function iso(ms: Ms): string {
  return new Date(ms).toISOString();
}
