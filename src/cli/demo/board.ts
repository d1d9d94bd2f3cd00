/** How a run stands, told by its events: also by those of another process that works on it. */
import type { OmniQ, TaskEvent } from "../../index.ts";
import { runTag } from "./runs.ts";
import type { DemoRun } from "./runs.ts";

const PAGE = 1_000;

export class Board {
  readonly total: number;
  readonly #prefix: string;
  readonly #running = new Set<string>();
  readonly #retrying = new Set<string>();
  readonly #failed = new Set<string>();
  readonly #done = new Set<string>();

  constructor(run: DemoRun, total: number) {
    this.total = total;
    this.#prefix = `${runTag(run)}-`;
  }

  /** Completed. */
  get done(): number {
    return this.#done.size;
  }
  /** Failed for good. */
  get failed(): number {
    return this.#failed.size;
  }
  get retrying(): number {
    return this.#retrying.size;
  }
  get ended(): number {
    return this.done + this.failed;
  }
  /** The ids of those that run now. */
  get running(): readonly string[] {
    return [...this.#running];
  }

  /** Takes in what had ended before: this run may have been interrupted. */
  async load(omniq: OmniQ, run: DemoRun): Promise<void> {
    for (const phase of ["completed", "failed"] as const) {
      let after: string | undefined;
      do {
        const page = await omniq.tasks.find({ tags: [runTag(run)], phase, limit: PAGE, after });
        for (const { id } of page.items) (phase === "completed" ? this.#done : this.#failed).add(id);
        after = page.next;
      } while (after !== undefined);
    }
  }

  /** Hearing of an event twice does no harm. */
  note({ taskId, eventType }: TaskEvent): void {
    if (taskId === undefined || !taskId.startsWith(this.#prefix)) return;
    if (eventType === "progress" || eventType === "enqueued") return;
    this.#retrying.delete(taskId);
    this.#running.delete(taskId);
    if (eventType === "executing") this.#running.add(taskId);
    else if (eventType === "retrying") this.#retrying.add(taskId);
    else if (eventType === "completed") this.#done.add(taskId);
    else if (eventType === "failed" || eventType === "cancelled" || eventType === "expired") this.#failed.add(taskId);
  }
}
