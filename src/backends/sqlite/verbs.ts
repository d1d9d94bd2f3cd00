/** Each verb once, as a step over the connection; its asynchronous form is the same step handed to the group. */
import type { Enqueued, EnqueueCall, Slices, SyncBackend } from "../../core/backend.ts";
import { claim } from "./claim.ts";
import type { Db } from "./db.ts";
import * as desk from "./desk.ts";
import { edit } from "./edit.ts";
import { enqueue } from "./enqueue.ts";
import * as events from "./events.ts";
import { find } from "./find.ts";
import * as presence from "./presence.ts";
import * as results from "./results.ts";
import * as schedules from "./schedules.ts";
import { progress, release, settle } from "./settle.ts";
import { sweep } from "./sweep.ts";

/** How a step is run: with the group of this turn, at once, or on the caller's handle. */
export interface Runner {
  later<R>(write: boolean, step: (db: Db) => R): Promise<R>;
  atOnce<R>(write: boolean, step: (db: Db) => R): R;
  inTx(handle: unknown, calls: readonly EnqueueCall[]): readonly (readonly Enqueued[])[];
}

export interface BothForms {
  readonly later: Slices<unknown> & { sweep: (ask: Parameters<typeof sweep>[1]) => Promise<ReturnType<typeof sweep>> };
  readonly atOnce: Omit<SyncBackend<unknown>, "open" | "close" | "now">;
}

interface Twins<A extends readonly unknown[], R> {
  readonly later: (...args: A) => Promise<R>;
  readonly atOnce: (...args: A) => R;
}

const READ = false;
const WRITE = true;

export function bothForms(runner: Runner): BothForms {
  const twins = <A extends readonly unknown[], R>(write: boolean, step: (db: Db, ...args: A) => R): Twins<A, R> => ({
    later: (...args) => runner.later(write, (db) => step(db, ...args)),
    atOnce: (...args) => runner.atOnce(write, (db) => step(db, ...args)),
  });
  const slices = {
    work: { claim: twins(WRITE, claim), settle: twins(WRITE, settle), progress: twins(WRITE, progress), release: twins(WRITE, release) },
    presence: {
      arrive: twins(WRITE, presence.arrive),
      leave: twins(WRITE, presence.leave),
      beat: twins(WRITE, presence.beat),
      workers: twins(READ, presence.workers),
      holding: twins(READ, presence.holding),
    },
    desk: {
      get: twins(READ, desk.get),
      find: twins(READ, find),
      count: twins(READ, desk.count),
      ahead: twins(READ, desk.ahead),
      cancel: twins(WRITE, desk.cancel),
      requeue: twins(WRITE, desk.requeue),
      edit: twins(WRITE, edit),
      remove: twins(WRITE, desk.remove),
      waiting: twins(READ, desk.waiting),
      queues: twins(READ, desk.queues),
      setPaused: twins(WRITE, desk.setPaused),
    },
    schedules: {
      put: twins(WRITE, schedules.put),
      list: twins(READ, schedules.list),
      drop: twins(WRITE, schedules.drop),
      fire: twins(WRITE, schedules.fire),
      run: twins(WRITE, schedules.run),
    },
    results: {
      put: twins(WRITE, results.put),
      get: twins(READ, results.get),
      latest: twins(READ, results.latest),
      remove: twins(WRITE, results.remove),
      stats: twins(READ, results.stats),
    },
    events: {
      append: twins(WRITE, events.append),
      read: twins(READ, events.read),
      tail: twins(READ, events.tail),
      newest: twins(READ, events.newest),
      stats: twins(READ, events.stats),
    },
  };
  const write = twins(WRITE, enqueue);
  const sweeps = twins(WRITE, sweep);
  return {
    later: {
      work: {
        ...form(slices.work, "later"),
        // Not `async`: with `tx` the rows are written before the promise is returned.
        enqueue: (calls, tx) => {
          if (tx === undefined) return write.later(calls);
          try {
            return Promise.resolve(runner.inTx(tx, calls));
          } catch (error) {
            return Promise.reject(error instanceof Error ? error : new Error(String(error)));
          }
        },
      },
      presence: form(slices.presence, "later"),
      desk: form(slices.desk, "later"),
      schedules: form(slices.schedules, "later"),
      results: form(slices.results, "later"),
      events: form(slices.events, "later"),
      sweep: sweeps.later,
    },
    atOnce: {
      work: { ...form(slices.work, "atOnce"), enqueue: (calls, tx) => (tx === undefined ? write.atOnce(calls) : runner.inTx(tx, calls)) },
      presence: form(slices.presence, "atOnce"),
      desk: form(slices.desk, "atOnce"),
      schedules: form(slices.schedules, "atOnce"),
      results: form(slices.results, "atOnce"),
      events: form(slices.events, "atOnce"),
      sweep: sweeps.atOnce,
    },
  };
}

type FormOf<S, F extends "later" | "atOnce"> = { [K in keyof S]: S[K] extends Twins<infer A, infer R> ? Twins<A, R>[F] : never };

/** One form of each twin of a slice. */
function form<S extends Record<string, Twins<never, unknown>>, F extends "later" | "atOnce">(slice: S, which: F): FormOf<S, F> {
  // The keys stay and each value is one of its own twins: `Object.fromEntries` cannot say so.
  return Object.fromEntries(Object.entries(slice).map(([name, twin]) => [name, twin[which]])) as FormOf<S, F>;
}
