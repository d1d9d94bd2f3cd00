/** Looking after schedules; `omniq.schedule()` makes them. */
import { refusedError } from "../components/refused.ts";
import { decode } from "../core/codec.ts";
import { ConflictError, expected, ScheduleBrokenError, ScheduleNotFoundError } from "../core/errors.ts";
import type { Ms } from "../core/record.ts";
import { firstOccurrence, upcoming } from "../core/schedule.ts";
import type { ScheduleRow, ScheduleStatus } from "../core/schedule.ts";
import type { Phase } from "../core/task.ts";
import { unreadableText } from "../models/broken.ts";
import { toScheduleRow } from "../models/convert.ts";
import type { TaskResult } from "../models/result.ts";
import type { Schedule } from "../models/schedule.ts";
import { whole } from "./defaults.ts";
import { firedEvent, taskOf } from "./firing.ts";
import { Handle } from "./handle.ts";
import type { HandleHost } from "./handle.ts";
import { checkId, checkObject, dateMs } from "./options.ts";
import type { ResultsDesk } from "./results-desk.ts";
import { paused } from "./schedule-change.ts";
import { checkedTiming } from "./schedule-options.ts";
import type { TimingOptions } from "./schedule-options.ts";
import { changeRow, readModel, readRow, rowOf, soundModel } from "./schedule-rows.ts";
import type { Shared } from "./shared.ts";
import type { AnyHandle } from "./signatures.ts";
import type { Stores } from "./stores.ts";

/** A schedule with what it runs, and what came of its last run. */
export type ScheduleInfo = Schedule & {
  /** The name of the definition. */
  readonly func: string;
  readonly queueName: string;
  /** What the handler is given; undefined where it cannot be read. */
  readonly funcArgs: unknown;
  /** Where the task `lastTaskId` stands; absent where there was none, or none any more. */
  readonly lastPhase: Phase | undefined;
  /**
   * What is wrong with it, in a sentence, where it cannot be worked with: its row was changed by hand, or this Node does not know its
   * time zone. It does not fire. The other fields hold what could be read. Absent: nothing is.
   */
  readonly broken?: string | undefined;
};

export interface ScheduleFind {
  readonly status?: ScheduleStatus | undefined;
  /** Default 100, at most 1,000. */
  readonly limit?: number | undefined;
}

export interface ResumeOptions {
  /**
   * Counts from this time, of 1970 to the end of 9999, instead of now: occurrences since then are taken as `catchUp` says, and none
   * comes before it.
   */
  readonly from?: Date | undefined;
}

/** The most that a preview shows. */
const MOST_SHOWN = 1_000;

export class SchedulesDesk {
  readonly #shared: Shared;
  readonly #results: ResultsDesk;
  readonly #host: HandleHost;

  constructor(shared: Shared, results: ResultsDesk, host: HandleHost) {
    this.#shared = shared;
    this.#results = results;
    this.#host = host;
  }

  /** @throws ScheduleBrokenError saying what is wrong with it; `list` shows what of it can be read. */
  async get(id: string): Promise<ScheduleInfo | undefined> {
    checkId(id, "id");
    return this.#shared.access.use(async (stores) => {
      const row = await readRow(stores, id);
      const [info] = row === undefined ? [] : await this.#infosOf(stores, [row]);
      if (info?.broken !== undefined) throw new ScheduleBrokenError(id, info.broken);
      return info;
    });
  }

  /** By the next time, those without one last. Those that are broken are among them and say so: `broken`. */
  async list(filter: ScheduleFind = {}): Promise<readonly ScheduleInfo[]> {
    checkObject(filter, "filter", "an object", ["status", "limit"]);
    const { status, limit = 100 } = filter;
    if (status !== undefined && status !== "active" && status !== "paused" && status !== "completed") {
      throw expected("status", "one of active, paused, completed", status);
    }
    if (whole(limit, "limit", 1) > 1_000) throw expected("limit", "at most 1000", limit);
    return this.#shared.access.use(async (stores) =>
      this.#infosOf(stores, await stores.main.schedules.list({ limit, ...(status === undefined ? {} : { status }) })),
    );
  }

  /** Stops it, also where it is broken; one that is paused stays so. @throws ScheduleNotFoundError @throws IllegalTransitionError when it is completed. */
  async pause(id: string): Promise<Schedule> {
    return this.#turn(id, paused);
  }

  /**
   * Lets it go on: what was missed meanwhile is not made up for, unless `from` says since when; a single run still to come is due.
   * @throws ScheduleNotFoundError @throws ScheduleBrokenError @throws IllegalTransitionError when it is completed.
   */
  async resume(id: string, options: ResumeOptions = {}): Promise<Schedule> {
    checkObject(options, "options", "an object such as { from: date }", ["from"]);
    if (options.from !== undefined) dateMs(options.from, "from");
    return this.#turn(id, (row, now) => {
      const schedule = soundModel(this.#shared, row, now);
      schedule.resume(options);
      return schedule.status === row.status ? row : toScheduleRow(schedule, row.template);
    });
  }

  /**
   * Whether there was one to delete. The tasks that it made stay, and its occurrences that ran are remembered for 30 days: made again
   * under its id it does not run them again.
   */
  async delete(id: string): Promise<boolean> {
    checkId(id, "id");
    const [dropped = false] = await this.#shared.access.use((stores) => stores.main.schedules.drop([id]));
    return dropped;
  }

  /**
   * Runs its task now, beside its times, whatever its status: neither its next time nor its count of runs changes.
   * @throws ScheduleNotFoundError @throws ScheduleBrokenError where its row cannot be read @throws EnqueueRefusedError where its unique key is held and `onConflict` is `"throw"` @throws ConflictError where `overlap` is `"skip"` and a task of it has not ended.
   */
  async runNow(id: string): Promise<AnyHandle> {
    checkId(id, "id");
    return this.#shared.access.use(async (stores) => {
      const row = await rowOf(stores, id);
      if (row.unreadable !== undefined) throw new ScheduleBrokenError(id, unreadableText(row.unreadable));
      const task = taskOf(row, this.#shared);
      const events = [firedEvent(row, this.#shared, task.id, { byHand: true })];
      const ran = await stores.runSchedule({ id, task, events, unlessOpen: row.policy.overlap === "skip" });
      if (ran.is === "refused") throw refusedError(ran);
      if (ran.is === "missing") throw new ScheduleNotFoundError(id);
      if (ran.is === "open") {
        throw new ConflictError(`Expected no task of schedule ${id} to be open, since none may overlap, but ${ran.taskId} has not ended`);
      }
      return new Handle(this.#host, ran.task.id, ran.task.id === task.id);
    });
  }

  /**
   * The next times of a schedule, those that are due already too; of a paused one the times that a resume now would bring. Or the
   * times of one that is not made yet: `preview({ cron: "0 3 * * *" })`.
   * @param count at most so many. Default 5, at most 1,000.
   * @throws ScheduleNotFoundError @throws ScheduleBrokenError @throws InvalidOptionError
   */
  async preview(of: string | TimingOptions, count = 5): Promise<readonly Date[]> {
    if (whole(count, "count", 1) > MOST_SHOWN) throw expected("count", `at most ${MOST_SHOWN}`, count);
    if (typeof of !== "string") return dates(this.#upcoming(of, count));
    checkId(of, "id");
    return this.#shared.access.use(async (stores) => {
      const [row, now] = [await rowOf(stores, of), await stores.main.now()];
      soundModel(this.#shared, row, now);
      return dates(upcoming(row, now, count));
    });
  }

  /** The newest result of its tasks. */
  async latest(id: string): Promise<TaskResult | undefined> {
    return this.#results.latest(checkId(id, "id"));
  }

  #upcoming(options: TimingOptions, count: number): readonly Ms[] {
    const now = this.#shared.now();
    const timing = checkedTiming(options, now);
    const first = firstOccurrence(timing, now);
    return first === null ? [] : upcoming({ ...timing, status: "active", nextRunAt: first, runCount: 0 }, now, count);
  }

  async #infosOf(stores: Stores, rows: readonly ScheduleRow[]): Promise<readonly ScheduleInfo[]> {
    const now = await stores.main.now();
    const ids = rows.flatMap(({ lastTaskId }) => lastTaskId ?? []);
    const tasks = ids.length === 0 ? [] : await stores.main.desk.get(ids);
    const phases = new Map(tasks.flatMap((task) => (task === undefined ? [] : [[task.id, task.phase] as const])));
    return rows.map((row) => {
      const { func, queue: queueName } = row.template;
      const lastPhase = phases.get(row.lastTaskId ?? "");
      const { model, broken } = readModel(this.#shared, row, now);
      const info = { func, queueName, funcArgs: argsOf(row), lastPhase };
      return Object.assign(model, info, broken === undefined ? {} : { broken });
    });
  }

  async #turn(id: string, change: (row: ScheduleRow, now: Ms) => ScheduleRow): Promise<Schedule> {
    checkId(id, "id");
    return this.#shared.access.use(async (stores) => {
      const now = await stores.main.now();
      const row = await changeRow(stores, this.#shared, await rowOf(stores, id), (present) => change(present, now));
      return readModel(this.#shared, row, now).model;
    });
  }
}

/** A payload that somebody broke by hand must not hide its schedule. */
function argsOf({ template }: ScheduleRow): unknown {
  try {
    return decode(template.args);
  } catch {
    return undefined;
  }
}

function dates(times: readonly Ms[]): readonly Date[] {
  return times.map((time) => new Date(time));
}
