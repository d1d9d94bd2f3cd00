/** Schedules made in code: the same call again changes nothing, another one changes the schedule in place. */
import { expected, ScheduleNotFoundError, TaskNotFoundError } from "../core/errors.ts";
import type { Ms, TaskId, Text } from "../core/record.ts";
import { checkFires } from "../core/schedule.ts";
import type { ScheduleTemplate, TaskTemplate } from "../core/schedule.ts";
import { toTemplate } from "../models/convert.ts";
import { isTaskReference } from "./definition.ts";
import { checkId, checkOptions, encodeArgs, resolveTemplate } from "./options.ts";
import type { Named } from "./options.ts";
import { changed, created } from "./schedule-change.ts";
import type { Wanted } from "./schedule-change.ts";
import { ScheduleEntry } from "./schedule-handle.ts";
import type { ScheduleHandle } from "./schedule-handle.ts";
import { SCHEDULE_KEYS, wantedOf } from "./schedule-options.ts";
import type { ScheduleOptions } from "./schedule-options.ts";
import { changeRow, readRow } from "./schedule-rows.ts";
import type { SchedulesDesk } from "./schedules-desk.ts";
import { parseWith } from "./schema.ts";
import type { Shared } from "./shared.ts";
import type { Stores } from "./stores.ts";

export class ScheduleMaker {
  readonly #shared: Shared;
  readonly #desk: SchedulesDesk;

  constructor(shared: Shared, desk: SchedulesDesk) {
    this.#shared = shared;
    this.#desk = desk;
  }

  /** See `OmniQ.schedule`. */
  async put(task: unknown, args: unknown, options: ScheduleOptions): Promise<ScheduleHandle> {
    if (!isTaskReference(task)) throw expected("task", "a task made by defineTask()", task);
    const put = this.#prepare(task, args, options);
    if (task.input !== undefined) await parseWith(task.input, args, `the arguments of "${task.name}"`);
    return put();
  }

  /** See `OmniQ.scheduleNamed`. */
  async putNamed(name: string, args: unknown, options: ScheduleOptions): Promise<ScheduleHandle> {
    return this.#prepare({ name }, args, options)();
  }

  /** See `OmniQ.scheduleTask`. */
  async putTask(task: unknown, options: ScheduleOptions): Promise<ScheduleHandle> {
    const given: unknown = typeof task === "object" && task !== null && "id" in task ? task.id : task;
    const taskId = checkId(given, "task");
    checkOptions(options, SCHEDULE_KEYS);
    const id = this.#idOf(options);
    return this.#shared.access.use(async (stores) => {
      const template = this.#overlaid(await templateOf(stores, taskId, id), options);
      const now = await stores.main.now();
      return this.#write(stores, id, { ...wantedOf(options, template, now), taskId }, now);
    });
  }

  /** Checks everything now; what it answers writes. */
  #prepare(task: Named, args: unknown, options: ScheduleOptions): () => Promise<ScheduleHandle> {
    checkOptions(options, SCHEDULE_KEYS);
    const encoded: Text = encodeArgs(this.#shared, args);
    const template = resolveTemplate(this.#shared, task, encoded, options);
    const wanted = wantedOf(options, template, this.#shared.now());
    const id = this.#idOf(options);
    return () => this.#shared.access.use(async (stores) => this.#write(stores, id, wanted, await stores.main.now()));
  }

  #idOf({ id }: ScheduleOptions): string {
    return id === undefined ? this.#shared.newId() : checkId(id, "id");
  }

  async #write(stores: Stores, id: string, wanted: Wanted, now: Ms): Promise<ScheduleHandle> {
    const made = created(id, wanted, now);
    // One that is there may be over by now: the code that made it still runs at each start.
    if (made.status === "completed" && (await readRow(stores, id)) === undefined) checkFires(wanted, now);
    const { is, row: before } = await stores.main.schedules.put(made);
    if (is === "put") return new ScheduleEntry(this.#desk, id, { created: true, changed: false });
    const after = await changeRow(stores, this.#shared, before, (row) => changed(row, wanted, now)).catch(notFound);
    // Deleted meanwhile: then it is to be made after all.
    if (after === undefined) return this.#write(stores, id, wanted, now);
    return new ScheduleEntry(this.#desk, id, { created: false, changed: after !== before });
  }

  /** The template of a task, with what the options say over it, and what they say it over. */
  #overlaid(base: TaskTemplate, options: ScheduleOptions): ScheduleTemplate {
    const { newId, now } = this.#shared;
    const asked = resolveTemplate({ newId, now, defaults: {} }, { name: base.func }, base.args, options);
    const given = new Set(
      Object.entries(options).flatMap(([key, value]) => (value === undefined ? [] : [key === "queueName" ? "queue" : key])),
    );
    const over = Object.entries(asked).filter(([key]) => given.has(key));
    const covered = over.map(([key]): [string, unknown] => [key, Reflect.get(base, key) ?? null]);
    return { ...base, ...Object.fromEntries(over), ...(over.length === 0 ? {} : { covered: Object.fromEntries(covered) }) };
  }
}

function notFound(error: unknown): undefined {
  if (!(error instanceof ScheduleNotFoundError)) throw error;
}

/** Of the task, or where it is gone by now, of the schedule that was made for it: as the task had it. @throws TaskNotFoundError */
async function templateOf(stores: Stores, taskId: TaskId, id: string): Promise<TaskTemplate> {
  const [task] = await stores.main.desk.get([taskId]);
  if (task !== undefined) return toTemplate(task);
  const made = await readRow(stores, id);
  // Of a template that cannot be read nothing is left to copy.
  if (made?.taskId !== taskId || made.unreadable?.includes("template") === true) throw new TaskNotFoundError(taskId);
  const { covered = {}, ...template } = made.template;
  for (const [field, value] of Object.entries(covered)) {
    if (value === null) Reflect.deleteProperty(template, field);
    else Reflect.set(template, field, value);
  }
  return template;
}
