/** A schedule, as its maker holds it. */
import type { Schedule } from "../models/schedule.ts";
import type { TaskResult } from "../models/result.ts";
import type { ResumeOptions, ScheduleInfo, SchedulesDesk } from "./schedules-desk.ts";
import type { TaskHandle } from "./signatures.ts";

export interface ScheduleHandle<out R = unknown> {
  readonly id: string;
  /** Whether this call made it; false when there was one with this id. */
  readonly created: boolean;
  /** Whether this call changed one that was there. */
  readonly changed: boolean;
  /** The schedule as it is now; undefined when it was deleted. */
  get(): Promise<ScheduleInfo | undefined>;
  /** @throws ScheduleNotFoundError @throws IllegalTransitionError when it is completed. */
  pause(): Promise<Schedule>;
  /** @throws ScheduleNotFoundError @throws IllegalTransitionError when it is completed. */
  resume(options?: ResumeOptions): Promise<Schedule>;
  /**
   * Whether there was one to delete. The tasks that it made stay, and its occurrences that ran are remembered for 30 days: made again
   * under its id it does not run them again.
   */
  delete(): Promise<boolean>;
  /** Runs its task now, beside its times. @throws ScheduleNotFoundError @throws ConflictError where none may overlap and one has not ended. */
  runNow(): Promise<TaskHandle<R>>;
  /** Its next times, at most `count` (default 5, at most 1,000). @throws ScheduleNotFoundError */
  preview(count?: number): Promise<readonly Date[]>;
  /** The newest result of its tasks. */
  latest(): Promise<TaskResult | undefined>;
}

export class ScheduleEntry<R> implements ScheduleHandle<R> {
  readonly id: string;
  readonly created: boolean;
  readonly changed: boolean;
  readonly #desk: SchedulesDesk;

  constructor(desk: SchedulesDesk, id: string, { created, changed }: { readonly created: boolean; readonly changed: boolean }) {
    this.#desk = desk;
    this.id = id;
    this.created = created;
    this.changed = changed;
  }

  get(): Promise<ScheduleInfo | undefined> {
    return this.#desk.get(this.id);
  }

  pause(): Promise<Schedule> {
    return this.#desk.pause(this.id);
  }

  resume(options?: ResumeOptions): Promise<Schedule> {
    return this.#desk.resume(this.id, options);
  }

  delete(): Promise<boolean> {
    return this.#desk.delete(this.id);
  }

  runNow(): Promise<TaskHandle<R>> {
    // As with any handle, the type is the definition's word.
    return this.#desk.runNow(this.id) as Promise<TaskHandle<R>>;
  }

  preview(count?: number): Promise<readonly Date[]> {
    return this.#desk.preview(this.id, count);
  }

  latest(): Promise<TaskResult | undefined> {
    return this.#desk.latest(this.id);
  }
}
