/** Every verb with a promise around it. */
import type { Backend, Slices, SyncBackend } from "../../core/backend.ts";

const later =
  <A extends readonly unknown[], R>(verb: (...args: A) => R) =>
  async (...args: A): Promise<R> => {
    await Promise.resolve();
    return verb(...args);
  };

/** The asynchronous form of synchronous verbs: what they do, they do when the caller has gone on. */
export function asynchronous<Tx>(sync: SyncBackend<Tx>): Slices<Tx> & Pick<Backend<Tx>, "open" | "close" | "now" | "sweep"> {
  const { work, presence, desk, schedules, results, events } = sync;
  return {
    open: later(() => sync.open()),
    close: later(() => sync.close()),
    now: later(() => sync.now()),
    sweep: later((ask) => sync.sweep(ask)),
    work: {
      enqueue: later(work.enqueue),
      claim: later(work.claim),
      settle: later(work.settle),
      progress: later(work.progress),
      release: later(work.release),
    },
    presence: {
      arrive: later(presence.arrive),
      leave: later(presence.leave),
      beat: later(presence.beat),
      workers: later(presence.workers),
      holding: later(presence.holding),
    },
    desk: {
      get: later(desk.get),
      find: later(desk.find),
      count: later(desk.count),
      ahead: later(desk.ahead),
      cancel: later(desk.cancel),
      requeue: later(desk.requeue),
      edit: later(desk.edit),
      remove: later(desk.remove),
      waiting: later(desk.waiting),
      queues: later(desk.queues),
      setPaused: later(desk.setPaused),
    },
    schedules: {
      put: later(schedules.put),
      list: later(schedules.list),
      drop: later(schedules.drop),
      fire: later(schedules.fire),
      run: later(schedules.run),
    },
    results: {
      put: later(results.put),
      get: later(results.get),
      latest: later(results.latest),
      remove: later(results.remove),
      stats: later(results.stats),
    },
    events: {
      append: later(events.append),
      read: later(events.read),
      tail: later(events.tail),
      newest: later(events.newest),
      stats: later(events.stats),
    },
  };
}
