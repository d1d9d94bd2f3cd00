/** Rows of schedules: read, shown as models, and changed over what others write meanwhile. */
import { ConflictError, ScheduleBrokenError, ScheduleNotFoundError } from "../core/errors.ts";
import type { Ms } from "../core/record.ts";
import type { ScheduleRow } from "../core/schedule.ts";
import { readSchedule } from "../models/broken.ts";
import type { Read } from "../models/broken.ts";
import type { Schedule } from "../models/schedule.ts";
import { changeEvents } from "./firing.ts";
import type { Shared } from "./shared.ts";
import type { Stores } from "./stores.ts";

/** A schedule that others change at the same time is tried so often. */
const TRIES = 5;

export async function readRow(stores: Stores, id: string): Promise<ScheduleRow | undefined> {
  const [row] = await stores.main.schedules.list({ ids: [id], limit: 1 });
  return row;
}

/** @throws ScheduleNotFoundError */
export async function rowOf(stores: Stores, id: string): Promise<ScheduleRow> {
  const row = await readRow(stores, id);
  if (row === undefined) throw new ScheduleNotFoundError(id);
  return row;
}

/**
 * Writes a change over what is there now, however often that changes meanwhile, and what the log is told of it. A row that stays the
 * same is not written.
 * @throws ScheduleNotFoundError when it was deleted meanwhile. @throws ConflictError
 */
export async function changeRow(
  stores: Stores,
  naming: Pick<Shared, "newId">,
  row: ScheduleRow,
  change: (row: ScheduleRow) => ScheduleRow,
): Promise<ScheduleRow> {
  let before = row;
  for (let tried = 0; tried < TRIES; tried++) {
    const after = change(before);
    if (after === before) return before;
    const answer = await stores.changeSchedule(after, before.revision, changeEvents(before, after, naming));
    if (answer.is === "put") return answer.row;
    before = await rowOf(stores, row.id);
  }
  throw new ConflictError(`Expected to change schedule ${row.id}, but others changed it each time; nothing was written`);
}

/** A model whose clock is the backend's; of a row that is broken, what can be read of it. */
export function readModel({ clock, newId }: Shared, row: ScheduleRow, now: Ms): Read<Schedule> {
  return readSchedule(row, {
    newId,
    clock: { now: () => now, monotonic: () => clock.monotonic(), after: (ms, fn) => clock.after(ms, fn) },
  });
}

/** The same of one that is to be computed with. @throws ScheduleBrokenError */
export function soundModel(shared: Shared, row: ScheduleRow, now: Ms): Schedule {
  const { model, broken } = readModel(shared, row, now);
  if (broken !== undefined) throw new ScheduleBrokenError(row.id, broken);
  return model;
}
