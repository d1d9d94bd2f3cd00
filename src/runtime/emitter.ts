/** Who wants to hear what a worker does: a typed map of listeners. A listener that throws never breaks the worker. */
import type { Failure, Ms, TaskId } from "../core/record.ts";
import { errorFields } from "./logger.ts";
import type { Logger } from "./signatures.ts";

/** A run of a task whose end is written. */
export interface Ran {
  readonly id: TaskId;
  /** The name of its definition. */
  readonly func: string;
  readonly queueName: string;
  /** Which run it was, from 1. */
  readonly attempt: number;
  /** Milliseconds that the handler ran; absent when none did. */
  readonly executionTime?: Ms;
}

/** What each event's listener gets. */
export interface WorkerEvents {
  /** Something that is not the fault of a handler: a claim that was lost, a store that cannot be reached. */
  readonly error: readonly [error: Error, task?: { readonly id: TaskId; readonly func: string }];
  readonly completed: readonly [run: Ran];
  /** Failed for good. */
  readonly failed: readonly [run: Ran & { readonly error: Failure }];
  /** Failed, and runs again `after` so many milliseconds. */
  readonly retrying: readonly [run: Ran & { readonly error: Failure; readonly after: Ms }];
  /** Nothing runs and nothing is due. */
  readonly idle: readonly [];
}
export type WorkerEvent = keyof WorkerEvents;
type Listener<E extends WorkerEvent> = (...args: WorkerEvents[E]) => void;

export const WORKER_EVENTS: readonly WorkerEvent[] = ["error", "completed", "failed", "retrying", "idle"];

export class Emitter {
  readonly #logger: Logger;
  readonly #listeners: { readonly [E in WorkerEvent]: Set<Listener<E>> } = {
    error: new Set(),
    completed: new Set(),
    failed: new Set(),
    retrying: new Set(),
    idle: new Set(),
  };

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Returns the function that ends the subscription. */
  on<E extends WorkerEvent>(event: E, listener: Listener<E>): () => void {
    const own: Listener<E> = (...args) => listener(...args);
    this.#listeners[event].add(own);
    return () => {
      this.#listeners[event].delete(own);
    };
  }

  /** Whether anybody listens: what nobody hears need not be put together. */
  has(event: WorkerEvent): boolean {
    return this.#listeners[event].size > 0;
  }

  emit<E extends WorkerEvent>(event: E, ...args: WorkerEvents[E]): void {
    for (const listener of this.#listeners[event]) {
      try {
        const late: unknown = listener(...args);
        if (late instanceof Promise) late.catch((error: unknown) => this.#failed(event, error));
      } catch (error) {
        this.#failed(event, error);
      }
    }
  }

  #failed(event: WorkerEvent, error: unknown): void {
    this.#logger.error("A listener of the worker threw", { event, ...errorFields(error) });
  }
}
