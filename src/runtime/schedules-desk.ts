/** Schedules: made by `schedule()` in code, looked after here. */
import { milliseconds } from "../core/duration.ts";
import type { Duration } from "../core/duration.ts";
import { ConflictError, expected, ScheduleNotFoundError } from "../core/errors.ts";
import type { EventType } from "../core/event.ts";
import { refuseUnknown } from "../core/nearest.ts";
import type { Ms, TaskId } from "../core/record.ts";
import { checkCron } from "../core/schedule.ts";
import type { Rule, ScheduleRow, ScheduleStatus, TaskTemplate } from "../core/schedule.ts";
import { toSchedule, toScheduleRow } from "../models/convert.ts";
import type { Schedule } from "../models/schedule.ts";
import { tags, text, whole } from "./defaults.ts";
import { isTaskReference } from "./definition.ts";
import { checkId, checkOptions, dateMs, encodeArgs, resolveTemplate, TEMPLATE_KEYS } from "./options.ts";
import { changed, created } from "./schedule-change.ts";
import type { Wanted } from "./schedule-change.ts";
import { parseWith } from "./schema.ts";
import type { Shared } from "./shared.ts";
import type { EnqueueOptions } from "./signatures.ts";
import type { Stores } from "./stores.ts";

/** When, and as what, a task is to be run again and again. Exactly one of `cron`, `every`, `at` and `once`. */
export interface ScheduleOptions extends Omit<EnqueueOptions, "id" | "runAt" | "runIn" | "dependsOn"> {
  /** The same id again changes the schedule in place, or nothing. Default: a new one. */
  readonly id?: string | undefined;
  /** 5 or 6 fields, or a nickname such as `@daily`. */
  readonly cron?: string | undefined;
  /** An IANA time zone for `cron`. Default `"UTC"`. */
  readonly timezone?: string | undefined;
  /** So long after one another; the first after so long. */
  readonly every?: Duration | undefined;
  /** Once, at this time. */
  readonly at?: Date | undefined;
  /** Once, as soon as possible. */
  readonly once?: true | undefined;
  /** Runs after which it is completed. Default: no limit. */
  readonly maxRuns?: number | undefined;
  /** A name for people. */
  readonly name?: string | undefined;
}

const KEYS = [...TEMPLATE_KEYS, "id", "cron", "timezone", "every", "at", "once", "maxRuns", "name"];
const TRIGGERS = ["cron", "every", "at", "once"] as const;
/** A schedule that others change at the same time is tried so often. */
const TRIES = 5;

export class SchedulesDesk {
  readonly #shared: Shared;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** Makes or changes one: see `OmniQ.schedule`. */
  async put(task: unknown, args: unknown, options: ScheduleOptions): Promise<Schedule> {
    if (!isTaskReference(task)) throw expected("task", "a task made by defineTask()", task);
    checkOptions(options, KEYS);
    const template = resolveTemplate(this.#shared, task, encodeArgs(this.#shared, args), options);
    const wanted = wantedOf(options, template, this.#shared.clock.now());
    if (task.input !== undefined) await parseWith(task.input, args, `the arguments of "${task.name}"`);
    const id = options.id === undefined ? this.#shared.newId() : checkId(options.id, "id");
    return this.#shared.access.use(async (stores) => {
      const now = await stores.main.now();
      const { is, row } = await stores.main.schedules.put(created(id, wanted, now));
      if (is === "put") return this.#model(row, now);
      return this.#model(await this.#change(stores, row, (before) => changed(before, wanted, now)), now);
    });
  }

  async get(id: string): Promise<Schedule | undefined> {
    checkId(id, "id");
    return this.#shared.access.use(async (stores) => {
      const row = await read(stores, id);
      return row === undefined ? undefined : this.#model(row, await stores.main.now());
    });
  }

  /** By the next time, at most `limit` (default 100, at most 1,000). */
  async list(
    filter: { readonly status?: ScheduleStatus | undefined; readonly limit?: number | undefined } = {},
  ): Promise<readonly Schedule[]> {
    refuseUnknown(filter, ["status", "limit"], "the filter");
    const { status } = filter;
    if (status !== undefined && status !== "active" && status !== "paused" && status !== "completed") {
      throw expected("status", "one of active, paused, completed", status);
    }
    const limit = Math.min(1_000, whole(filter.limit ?? 100, "limit", 1));
    return this.#shared.access.use(async (stores) => {
      const now = await stores.main.now();
      const rows = await stores.main.schedules.list({ limit, ...(status === undefined ? {} : { status }) });
      return rows.map((row) => this.#model(row, now));
    });
  }

  /** Stops it; one that is paused stays so. @throws ScheduleNotFoundError @throws IllegalTransitionError when it is completed. */
  async pause(id: string): Promise<Schedule> {
    return this.#turn(id, "schedule_paused", (schedule) => schedule.pause());
  }

  /**
   * Lets it go on: what was missed meanwhile is not made up for, but a single run still to come is due.
   * @throws ScheduleNotFoundError @throws IllegalTransitionError when it is completed.
   */
  async resume(id: string): Promise<Schedule> {
    return this.#turn(id, "schedule_resumed", (schedule) => schedule.resume());
  }

  /** Whether there was one to delete. The tasks that it made stay. */
  async delete(id: string): Promise<boolean> {
    checkId(id, "id");
    const [dropped = false] = await this.#shared.access.use((stores) => stores.main.schedules.drop([id]));
    return dropped;
  }

  async #turn(id: TaskId, type: EventType, turn: (schedule: Schedule) => void): Promise<Schedule> {
    checkId(id, "id");
    return this.#shared.access.use(async (stores) => {
      const now = await stores.main.now();
      const before = await read(stores, id);
      if (before === undefined) throw new ScheduleNotFoundError(id);
      const row = await this.#change(stores, before, (present) => {
        const schedule = this.#model(present, now);
        turn(schedule);
        return schedule.status === present.status ? present : toScheduleRow(schedule, present.template);
      });
      if (row.revision !== before.revision) await stores.append([{ id: `${id}.${row.revision}.${type}`, type, scheduleId: id }]);
      return this.#model(row, now);
    });
  }

  /** Writes a change over what is there now, however often that changes meanwhile. A row that stays the same is not written. */
  async #change(stores: Stores, row: ScheduleRow, change: (row: ScheduleRow) => ScheduleRow): Promise<ScheduleRow> {
    let before = row;
    for (let tried = 0; tried < TRIES; tried++) {
      const after = change(before);
      if (after === before) return before;
      const answer = await stores.main.schedules.put(after, before.revision);
      if (answer.is === "put") return answer.row;
      const present = await read(stores, row.id);
      if (present === undefined) throw new ScheduleNotFoundError(row.id);
      before = present;
    }
    throw new ConflictError(`Expected to change schedule ${row.id}, but others changed it each time; nothing was written`);
  }

  /** A model whose clock is the backend's. */
  #model(row: ScheduleRow, now: Ms): Schedule {
    const { clock, newId } = this.#shared;
    return toSchedule(row, {
      newId,
      clock: { now: () => now, monotonic: () => clock.monotonic(), after: (ms, fn) => clock.after(ms, fn) },
    });
  }
}

async function read(stores: Stores, id: string): Promise<ScheduleRow | undefined> {
  const [row] = await stores.main.schedules.list({ ids: [id], limit: 1 });
  return row;
}

function wantedOf(options: ScheduleOptions, template: TaskTemplate, now: Ms): Wanted {
  const { maxRuns, name } = options;
  return {
    rule: ruleOf(options, now),
    template,
    tags: options.tags === undefined ? [] : tags(options.tags, "tags"),
    maxRuns: maxRuns === undefined ? undefined : whole(maxRuns, "maxRuns", 1),
    name: name === undefined ? undefined : text(name, "name", 500),
    description: template.description,
  };
}

function ruleOf(options: ScheduleOptions, now: Ms): Rule {
  const given = TRIGGERS.filter((key) => options[key] !== undefined);
  const { cron, every, at, once, timezone } = options;
  if (given.length !== 1)
    throw expected("options", "an object with exactly one of `cron`, `every`, `at` and `once`", given.join(", ") || options);
  if (timezone !== undefined && cron === undefined) throw expected("timezone", "absent where there is no `cron`", timezone);
  if (cron !== undefined) {
    checkCron(cron, timezone ?? "UTC", now);
    return { type: "cron", cron, timezone: timezone ?? "UTC" };
  }
  if (every !== undefined) {
    const ms = milliseconds(every, "every");
    if (ms < 1) throw expected("every", "a duration longer than 0", every);
    return { type: "interval", every: ms };
  }
  if (at !== undefined) return { type: "timestamp", at: dateMs(at, "at") };
  if (once !== true) throw expected("once", "true or absent", once);
  return { type: "once" };
}
