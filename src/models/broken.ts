/** Rows that make no sound model, since somebody changed them by hand or this Node knows less than another: what of them can be read. */
import { decode } from "../core/codec.ts";
import { OmniQError } from "../core/errors.ts";
import type { ScheduleRow } from "../core/schedule.ts";
import type { StoredTask } from "../core/task.ts";
import { scheduleFields, storedFields, toSchedule, toTask } from "./convert.ts";
import type { ModelTools } from "./defaults.ts";
import { isPlain } from "./fields.ts";
import { Schedule } from "./schedule.ts";
import { Task } from "./task.ts";

/** `broken` says in a sentence what is wrong; then the model holds what could be read, and stand-ins. Absent: nothing is. */
export interface Read<M> {
  readonly model: M;
  readonly broken?: string;
}

/** Never throws for what lies in a row. */
export function readSchedule(row: ScheduleRow, tools?: ModelTools): Read<Schedule> {
  const remains = (): Schedule => Object.assign(new Schedule({ id: "-", status: "paused" }, tools), datesOnly(scheduleFields(row)));
  if (row.unreadable !== undefined) return { model: remains(), broken: unreadableText(row.unreadable) };
  return attempt(() => toSchedule(row, tools), remains);
}

/** Never throws for what lies in a row; payloads that cannot be read are empty. */
export function readTask(row: StoredTask, tools?: ModelTools): Read<Task> {
  return attempt(
    () => toTask(row, tools),
    () => {
      const task = Object.assign(new Task({ func: "-" }, tools), datesOnly({ func: row.func, ...storedFields(row) }));
      task.funcArgs = readable(row.args);
      task.funcKwargs = plainOf(readable(row.kwargs));
      task.callbackArgs = plainOf(readable(row.callback?.args));
      return Task.placed(task, row.phase);
    },
  );
}

/** What is wrong with a schedule of which the store could not read these fields. */
export function unreadableText(fields: readonly string[]): string {
  return `Expected ${fields.map((field) => `\`${field}\``).join(", ")} to be as OmniQ wrote it, got something else`;
}

function attempt<M>(sound: () => M, remains: () => M): Read<M> {
  try {
    return { model: sound() };
  } catch (error) {
    if (!(error instanceof OmniQError)) throw error;
    return { model: remains(), broken: error.message };
  }
}

/** Without dates that no `Date` can hold: what stands in the model instead is a date that can be shown. */
function datesOnly<F extends object>(fields: F): Partial<F> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- fewer fields of the same
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => !(value instanceof Date) || !Number.isNaN(value.getTime())),
  ) as Partial<F>;
}

function readable(payload: string | undefined): unknown {
  try {
    return payload === undefined ? undefined : decode(payload);
  } catch {
    return undefined;
  }
}

function plainOf(value: unknown): Record<string, unknown> {
  return isPlain(value) ? value : {};
}
