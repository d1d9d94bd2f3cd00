/** What became of the occurrences of one step of a schedule, and what the log is told of them. */
import type { Accepted, Enqueued, Refused } from "./backend.ts";
import { encode } from "./codec.ts";
import type { NewEvent } from "./event.ts";
import type { Ms, TaskId } from "./record.ts";

/**
 * What became of one occurrence: what an enqueue of its task came to, or `recorded`: it had its task before, in a schedule that was
 * deleted and made again. Only one that has a task now is a run; one that was refused is passed over like one that overlaps.
 */
export type Occurred = Enqueued | { readonly is: "recorded" };

/** An occurrence and the task that was asked for it. */
export type Occurrence = { readonly at: Ms; readonly asked: TaskId } & Occurred;

/**
 * `fewer`: fired, but fewer runs were made than asked for, and the step was `ifFewer`. `open`: a task of the schedule
 * has not ended, and the step was `ifOpen`. `stale`: somebody else was there first.
 */
export type Fired = { readonly is: "fired" | "fewer"; readonly occurrences: readonly Occurrence[] } | { readonly is: "open" | "stale" };

/** What a run by hand came to: `open` names the task that has not ended. */
export type Ran =
  | { readonly is: "fired"; readonly task: Accepted }
  | { readonly is: "open"; readonly taskId: TaskId }
  | { readonly is: "missing" }
  | Refused;

/** The tasks that the occurrences have, oldest first: so many runs are counted, and the last one is the schedule's last. */
export function runsOf(occurrences: readonly Occurrence[]): readonly TaskId[] {
  return occurrences.flatMap((each) => ("id" in each ? [each.id] : []));
}

/**
 * What the log is told of them: an event names the task that there is, that of a refused occurrence says that it was skipped and why,
 * and that of a recorded one is left out. Events of no task stay as they are.
 */
export function toldOf(events: readonly NewEvent[], occurrences: readonly Occurrence[]): readonly NewEvent[] {
  return events.flatMap((event) => {
    if (event.taskId === undefined) return [event];
    const of = occurrences.find(({ asked }) => asked === event.taskId);
    if (of === undefined || of.is === "recorded") return [];
    return [of.is === "refused" ? skipped(event, of.at, of) : { ...event, taskId: of.id }];
  });
}

function skipped(event: NewEvent, at: Ms, { why, detail }: Refused): NewEvent {
  const { taskId: _, ...rest } = event;
  return {
    ...rest,
    type: "schedule_skipped",
    level: "warning",
    message: `1 occurrence was skipped: ${detail}`,
    data: encode({ skipped: 1, reason: why, from: new Date(at).toISOString() }),
  };
}
