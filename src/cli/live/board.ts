/** What goes on in a database, told by its events: what runs, what fails, how much happens. */
import type { FollowedEvent, OmniQ, TaskEvent } from "../../index.ts";
import { findTasks } from "../phase.ts";
import { Pulse, SPAN } from "./pulse.ts";

export interface Running {
  readonly id: string;
  readonly queue: string | undefined;
  readonly worker: string | undefined;
  readonly since: Date;
  /** Of what its handler has told. */
  readonly fraction: number | undefined;
  readonly note: string | undefined;
}
export interface Failure {
  readonly taskId: string;
  readonly at: Date;
  /** Whether it was the last attempt. */
  readonly final: boolean;
  readonly error: string;
}

/** Events read at the beginning. */
const HISTORY = 10_000;
/** Running tasks and failures that are kept in mind. */
const RUNNING = 1_000;
const FAILURES = 500;
/** Failures older than this are forgotten. */
const RECENT = 15 * 60_000;

export class Board {
  readonly pulse: Pulse;
  readonly #running = new Map<string, Running>();
  #failures: Failure[] = [];
  /** The name of the definition of each task that was looked at. */
  readonly #funcs = new Map<string, string>();
  readonly #cursor: string | undefined;

  private constructor(pulse: Pulse, cursor: string | undefined) {
    this.pulse = pulse;
    this.#cursor = cursor;
  }

  /** Reads what has happened lately. */
  static async open(omniq: OmniQ): Promise<Board> {
    const now = Date.now();
    const from = new Date(now - SPAN * 1_000);
    const [latest] = await omniq.events.find({ limit: 1 });
    const lately = await omniq.events.find({ from, limit: HISTORY });
    const first = lately.length < HISTORY ? from.getTime() : (lately.at(-1)?.timestamp.getTime() ?? now);
    const board = new Board(new Pulse(first), (lately[0] ?? latest)?.cursor);
    for (const event of lately) board.pulse.note(event);
    await board.#load(omniq, new Date(now - RECENT));
    return board;
  }

  async #load(omniq: OmniQ, from: Date): Promise<void> {
    for (const eventType of ["failed", "retrying"] as const) {
      for (const event of await omniq.events.find({ eventType, from, limit: FAILURES })) this.#noteFailure(event);
    }
    this.#failures.sort((a, b) => a.at.getTime() - b.at.getTime());
    for (const task of await findTasks(omniq, { phase: "running" }, RUNNING)) {
      const since = task.startedAt ?? task.createdAt;
      this.#funcs.set(task.id, task.func);
      this.#running.set(task.id, { id: task.id, queue: task.queueName, worker: undefined, since, fraction: undefined, note: undefined });
    }
  }

  /** Takes in every event that is written, until the signal aborts. */
  async follow(omniq: OmniQ, signal: AbortSignal): Promise<void> {
    for await (const event of omniq.events.follow({ after: this.#cursor, signal })) this.note(event);
  }

  note(event: FollowedEvent): void {
    const { taskId, eventType, queueName: queue, workerId: worker, timestamp: since } = event;
    this.pulse.note(event);
    if (taskId === undefined || eventType === "enqueued") return;
    if (eventType === "progress") this.#noteProgress(taskId, event);
    else this.#running.delete(taskId);
    if (eventType === "executing" && this.#running.size < RUNNING)
      this.#running.set(taskId, { id: taskId, queue, worker, since, fraction: undefined, note: undefined });
    this.#noteFailure(event);
  }

  #noteProgress(taskId: string, { data, message }: TaskEvent): void {
    const running = this.#running.get(taskId);
    const fraction = data["fraction"];
    if (running === undefined) return;
    this.#running.set(taskId, { ...running, note: message, fraction: typeof fraction === "number" ? fraction : undefined });
  }

  #noteFailure({ taskId, eventType, timestamp, error, message }: TaskEvent): void {
    if (taskId === undefined || (eventType !== "failed" && eventType !== "retrying")) return;
    this.#failures.push({ taskId, at: timestamp, final: eventType === "failed", error: error ?? message ?? "" });
    if (this.#failures.length > 2 * FAILURES) this.#failures = this.#failures.slice(-FAILURES);
  }

  /** The longest first. */
  get running(): readonly Running[] {
    return [...this.#running.values()].toSorted((a, b) => a.since.getTime() - b.since.getTime());
  }

  /** Of the last quarter of an hour, oldest first. */
  failures(now: number): readonly Failure[] {
    return this.#failures.filter(({ at }) => at.getTime() > now - RECENT);
  }

  /** Names the definitions of tasks, where they are still there. */
  async funcsOf(omniq: OmniQ, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const unknown = [...new Set(ids)].filter((id) => !this.#funcs.has(id));
    const tasks = await Promise.all(unknown.map((id) => omniq.tasks.get(id)));
    unknown.forEach((id, i) => this.#funcs.set(id, tasks[i]?.func ?? "?"));
    const wanted = new Map(ids.map((id) => [id, this.#funcs.get(id) ?? "?"]));
    // Only what is looked at now is worth remembering.
    for (const id of this.#funcs.keys()) if (!wanted.has(id) && this.#funcs.size > 4 * RUNNING) this.#funcs.delete(id);
    return wanted;
  }
}
