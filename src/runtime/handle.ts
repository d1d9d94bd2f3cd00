/** A task that was enqueued, as its caller holds it. */
import type { TaskId } from "../core/record.ts";
import type { TaskEvent } from "../models/event.ts";
import type { Task } from "../models/task.ts";
import type { Cancelled, TaskHandle } from "./signatures.ts";
import type { WaitOptions } from "./waiter.ts";

/** What a handle asks of the OmniQ that made it. */
export interface HandleHost {
  wait(id: TaskId, options?: WaitOptions): Promise<unknown>;
  get(id: TaskId): Promise<Task | undefined>;
  cancel(id: TaskId, reason?: string): Promise<Cancelled>;
  eventsOf(id: TaskId): Promise<readonly TaskEvent[]>;
}

export class Handle<R> implements TaskHandle<R> {
  readonly id: TaskId;
  readonly created: boolean;
  readonly #host: HandleHost;

  constructor(host: HandleHost, id: TaskId, created: boolean) {
    this.#host = host;
    this.id = id;
    this.created = created;
  }

  result(options?: WaitOptions): Promise<R> {
    // What the handler returns is the definition's word; nothing that is stored can prove it.
    return this.#host.wait(this.id, options) as Promise<R>;
  }

  get(): Promise<Task | undefined> {
    return this.#host.get(this.id);
  }

  cancel(reason?: string): Promise<Cancelled> {
    return this.#host.cancel(this.id, reason);
  }

  events(): Promise<readonly TaskEvent[]> {
    return this.#host.eventsOf(this.id);
  }
}
