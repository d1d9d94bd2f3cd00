/**
 * A verb written once, run both ways: its steps yield what the backend answered, which is a promise in the asynchronous form and the
 * answer itself in the synchronous one. `try` and loops work across steps.
 */
import type { Backend, Events, Presence, Results, Schedules, SweepAsk, Swept, Work, Desk } from "../core/backend.ts";
import { SyncUnsupportedError } from "../core/errors.ts";
import type { Ms } from "../core/record.ts";

export type Later<T> = T | Promise<T>;

/** The steps of one verb; they return what the verb returns. */
export type Steps<T> = Generator<unknown, T, unknown>;

/** A slice whose verbs answer at once or later. */
type Either<S> = { readonly [K in keyof S]: S[K] extends (...args: infer A) => Promise<infer R> ? (...args: A) => Later<R> : S[K] };

/** What a backend and its synchronous twin have in common. */
export interface Store {
  now(): Later<Ms>;
  sweep(ask: SweepAsk): Later<Swept>;
  readonly work: Either<Work<never>>;
  readonly presence: Either<Presence>;
  readonly desk: Either<Desk>;
  readonly schedules: Either<Schedules>;
  readonly results: Either<Results>;
  readonly events: Either<Events>;
}

/** One step: `yield* step(store.desk.get(ids))` is the answer, in both forms. */
export function* step<T>(answer: Later<T>): Steps<T> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both drivers send back what was yielded, awaited
  return (yield answer) as T;
}

/** Runs the steps, awaiting each answer. */
export async function later<T>(steps: Steps<T>): Promise<T> {
  let at = steps.next();
  while (at.done !== true) {
    let answer: unknown;
    try {
      answer = await at.value;
    } catch (error) {
      at = steps.throw(error);
      continue;
    }
    at = steps.next(answer);
  }
  return at.value;
}

/** Runs the steps over answers that are there at once. */
export function atOnce<T>(steps: Steps<T>): T {
  let at = steps.next();
  while (at.done !== true) at = steps.next(at.value);
  return at.value;
}

/** @throws SyncUnsupportedError when the backend has no synchronous verbs. */
export function syncStore(backend: Backend): Store {
  if (backend.sync !== undefined) return backend.sync;
  throw new SyncUnsupportedError(
    `Expected a backend with synchronous verbs, but "${backend.traits.name}" has none: use the form without Sync and await it`,
  );
}
