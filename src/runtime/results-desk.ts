/** Reading results without waiting. */
import { expected } from "../core/errors.ts";
import type { TaskId } from "../core/record.ts";
import type { ResultRow } from "../core/result.ts";
import { toResult } from "../models/convert.ts";
import type { TaskResult } from "../models/result.ts";
import type { Shared } from "./shared.ts";

export class ResultsDesk {
  readonly #shared: Shared;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** What the last attempt of a task came to, also a failure that will be retried; undefined when nothing is stored, or no longer. */
  async get(taskId: TaskId): Promise<TaskResult | undefined> {
    checkId(taskId, "taskId", "the id of a task");
    const [row] = await this.#shared.access.use((stores) => stores.results.results.get([taskId]));
    return this.#toResult(row);
  }

  /** The newest result of a schedule's tasks. */
  async latest(scheduleId: string): Promise<TaskResult | undefined> {
    checkId(scheduleId, "scheduleId", "the id of a schedule");
    return this.#toResult(await this.#shared.access.use((stores) => stores.results.results.latest(scheduleId)));
  }

  #toResult(row: ResultRow | undefined): TaskResult | undefined {
    return row === undefined ? undefined : toResult(row, this.#shared);
  }
}

function checkId(id: unknown, name: string, what: string): void {
  if (typeof id !== "string" || id === "") throw expected(name, what, id);
}
