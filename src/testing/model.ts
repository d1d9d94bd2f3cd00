/**
 * A queue in plain JavaScript, in memory: the oracle of what the contract of a backend means. Clarity before speed; nothing is kept
 * when the process ends. Every verb works on a copy of the state, which becomes the state when the verb returns: one that throws
 * has changed nothing.
 */
import type { Backend, Hint, SyncBackend, Traits } from "../core/backend.ts";
import type { Clock } from "../core/clock.ts";
import { ClosedError, ConnectionError } from "../core/errors.ts";
import { claim } from "./model/claim.ts";
import * as desk from "./model/desk.ts";
import { asynchronous } from "./model/asynchronous.ts";
import { enqueue } from "./model/enqueue.ts";
import * as events from "./model/events.ts";
import * as presence from "./model/presence.ts";
import * as results from "./model/results.ts";
import * as schedules from "./model/schedules.ts";
import { progress, release, settle } from "./model/settle.ts";
import type { Moment } from "./model/state.ts";
import { copyOf, emptyState, taskOf } from "./model/state.ts";
import { sweep } from "./model/sweep.ts";

export interface ModelOptions {
  /** Default `"model"`. */
  readonly projectName?: string;
  readonly clock: Clock;
}

/** The oracle: see the head of this file. Has no transactions of the caller's own (`tx`). */
export class ModelBackend implements Backend<never> {
  readonly traits: Traits = { name: "model", clock: "handed", tx: false, sync: true, processes: "one" };
  readonly projectName: string;
  readonly #clock: Clock;
  #state = emptyState();
  #isOpen = false;
  #wasOpen = false;
  readonly #listeners = new Set<(hint: Hint) => void>();

  constructor({ projectName = "model", clock }: ModelOptions) {
    this.projectName = projectName;
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  readonly sync: SyncBackend<never> = {
    open: () => {
      this.#isOpen = true;
      this.#wasOpen = true;
    },
    close: () => {
      this.#isOpen = false;
    },
    now: () => this.#run(({ now }) => now),
    sweep: (ask) => this.#run((moment) => sweep(moment, ask)),
    work: {
      enqueue: (calls, tx) => {
        if (tx !== undefined)
          throw new ConnectionError("TX_UNSUPPORTED", "Expected no `tx`: the model has no transactions of the caller's");
        return this.#run((moment) => enqueue(moment, calls));
      },
      claim: (ask) => this.#run((moment) => claim(moment, ask)),
      settle: (set, thenClaim) => this.#run((moment) => settle(moment, set, thenClaim)),
      progress: (set) => this.#run((moment) => set.map((each) => progress(moment, each))),
      release: (limit) => this.#run((moment) => release(moment, limit)),
    },
    presence: {
      arrive: (row) => this.#run((moment) => presence.arrive(moment, row)),
      leave: (worker) => this.#run((moment) => presence.leave(moment, worker)),
      beat: (worker, held) => this.#run((moment) => presence.beat(moment, worker, held)),
      workers: (limit) => this.#run((moment) => presence.workers(moment, limit)),
      holding: (limit, after) => this.#run((moment) => presence.holding(moment, limit, after)),
    },
    desk: {
      get: (ids) =>
        this.#run(({ state, now }) =>
          ids.map((id) => {
            const row = state.tasks.get(id);
            return row === undefined ? undefined : taskOf(row, now);
          }),
        ),
      find: (query) => this.#run((moment) => desk.find(moment, query)),
      count: (upTo) => this.#run((moment) => desk.count(moment, upTo)),
      ahead: (id, upTo) => this.#run((moment) => desk.ahead(moment, id, upTo)),
      cancel: (ids, reason) => this.#run((moment) => ids.map((id) => desk.cancel(moment, id, reason))),
      requeue: (ids) => this.#run((moment) => ids.map((id) => desk.requeue(moment, id))),
      edit: (set) => this.#run((moment) => set.map((each) => desk.edit(moment, each))),
      remove: (ids) => this.#run((moment) => ids.map((id) => desk.remove(moment, id))),
      waiting: (queues, limit) => this.#run((moment) => desk.waiting(moment, queues, limit)),
      queues: () => this.#run((moment) => desk.queues(moment)),
      setPaused: (queue, paused) => this.#run((moment) => desk.setPaused(moment, queue, paused)),
    },
    schedules: {
      put: (row, ifRevision, events) => this.#run((moment) => schedules.putSchedule(moment, row, ifRevision, events)),
      list: (query) => this.#run((moment) => schedules.listSchedules(moment, query)),
      drop: (ids) => this.#run((moment) => ids.map((id) => schedules.dropSchedule(moment, id))),
      fire: (set) => this.#run((moment) => set.map((ask) => schedules.fire(moment, ask))),
      run: (ask) => this.#run((moment) => schedules.run(moment, ask)),
    },
    results: {
      put: (set) => this.#run((moment) => set.map((result) => results.put(moment, result))),
      get: (ids) => this.#run((moment) => ids.map((id) => results.getResult(moment, id))),
      latest: (scheduleId) => this.#run((moment) => results.latest(moment, scheduleId)),
      remove: (ids) => this.#run(({ state }) => ids.map((id) => state.results.delete(id))),
      stats: (upTo) => this.#run((moment) => results.resultStats(moment, upTo)),
    },
    events: {
      append: (set) =>
        this.#run((moment) => {
          for (const event of set) events.append(moment, event);
        }),
      read: (after, filter) => this.#run((moment) => events.read(moment, after, filter)),
      tail: () => this.#run((moment) => events.tail(moment)),
      newest: (filter) => this.#run((moment) => events.newest(moment, filter)),
      stats: (upTo) => this.#run((moment) => events.eventStats(moment, upTo)),
    },
  };

  readonly #later = asynchronous(this.sync);
  readonly open = this.#later.open;
  readonly close = this.#later.close;
  readonly now = this.#later.now;
  readonly sweep = this.#later.sweep;
  readonly work = this.#later.work;
  readonly presence = this.#later.presence;
  readonly desk = this.#later.desk;
  readonly schedules = this.#later.schedules;
  readonly results = this.#later.results;
  readonly events = this.#later.events;

  listen(onHint: (hint: Hint) => void): () => void {
    this.#listeners.add(onHint);
    return () => {
      this.#listeners.delete(onHint);
    };
  }

  /** One transaction. */
  #run<R>(verb: (moment: Moment) => R): R {
    if (!this.#isOpen) {
      throw this.#wasOpen
        ? new ClosedError("CLOSED", "Expected the backend to be open, but it was closed")
        : new ClosedError("NOT_OPEN", "Expected the backend to be open: call `open()` first");
    }
    const moment: Moment = { state: copyOf(this.#state), now: this.#clock.now(), hints: new Set() };
    const answer = verb(moment);
    this.#state = moment.state;
    for (const hint of moment.hints) for (const listener of this.#listeners) listener(hint);
    return answer;
  }
}
