/**
 * The places where a worker's tasks, results and events lie, and the verbs that touch more than one of them. Where all three are the
 * same backend object a verb is one transaction there. Else the order is: result (fenced), settlement, events (with ids of their own),
 * so that a crash between two of them loses no end of a task and repeating any of them does no harm.
 */
import type {
  Backend,
  Claim,
  ClaimAsk,
  Claims,
  EnqueueCall,
  Enqueued,
  Progress,
  Schedules,
  Settled,
  Settlement,
  SweepAsk,
  Swept,
} from "../core/backend.ts";
import type { NewEvent } from "../core/event.ts";
import { toldOf } from "../core/occurrence.ts";
import type { Fired, Occurred, Ran } from "../core/occurrence.ts";
import type { FireAsk, RunAsk, ScheduleRow } from "../core/schedule.ts";
import type { NewTask } from "../core/task.ts";

/** Events that could not be written yet, at most; older ones are given up, since a log that is down must not fill the memory. */
const MOST_OWED = 10_000;

/** What a settle came to. */
export interface Settles {
  readonly settled: readonly Settled[];
  readonly next?: Claims;
}

export class Stores {
  readonly main: Backend;
  readonly results: Backend;
  readonly events: Backend;
  /** Events elsewhere whose change is written, but which are not: tried again before the next ones. */
  #owed: NewEvent[] = [];

  /** @param results default: where the tasks lie. @param events default: where the tasks lie. */
  constructor(main: Backend, results: Backend = main, events: Backend = main) {
    this.main = main;
    this.results = results;
    this.events = events;
  }

  /** Each place once. */
  get places(): readonly Backend[] {
    return [...new Set([this.main, this.results, this.events])];
  }

  /** Opens every place that is not open. */
  async open(): Promise<void> {
    for (const place of this.places) if (!place.isOpen) await place.open();
  }

  async enqueue(calls: readonly EnqueueCall[], tx?: unknown): Promise<readonly (readonly Enqueued[])[]> {
    if (this.events === this.main) return this.main.work.enqueue(calls, tx);
    const answers = await this.main.work.enqueue(
      calls.map((call) => ({ ...call, announce: false })),
      tx,
    );
    await this.append(
      calls.flatMap(({ tasks, announce }, i) => (announce ? tasks.flatMap((task, j) => announced(task, answers[i]?.[j])) : [])),
    );
    return answers;
  }

  async claim(ask: ClaimAsk): Promise<Claims> {
    if (this.events === this.main) return this.main.work.claim(ask);
    const claims = await this.main.work.claim(silent(ask));
    await this.append(executingEvents(ask, claims));
    return claims;
  }

  /** Never rejects once the settlements are written: claims that came with them must not be lost because the event log is down. */
  async settle(set: readonly Settlement[], ask?: ClaimAsk): Promise<Settles> {
    const { main, results, events } = this;
    if (results === main && events === main) return main.work.settle(set, ask);
    if (results !== main) {
      const values = set.flatMap(({ result }) => (result === undefined ? [] : [result]));
      if (values.length > 0) await results.results.put(values);
    }
    const bare = set.map((settlement) => this.#withoutElsewhere(settlement));
    const answer = await main.work.settle(bare, events === main || ask === undefined ? ask : silent(ask));
    if (events !== main) {
      // A repeated settlement is one whose first answer was lost, perhaps with its events: their ids make them once.
      const told = set.filter((_, i) => answer.settled[i] === "settled" || answer.settled[i] === "repeated");
      const executing = ask === undefined || answer.next === undefined ? [] : executingEvents(ask, answer.next);
      await this.append([...told.flatMap(eventsOf), ...executing]);
    }
    return answer;
  }

  async progress(set: readonly Progress[]): Promise<readonly ("written" | "lost")[]> {
    if (this.events === this.main) return this.main.work.progress(set);
    const rows = await this.main.desk.get(set.map(({ id }) => id));
    const answers = set.map(({ fence }, i) => {
      const row = rows[i];
      return row?.status === "running" && row.fence === fence ? ("written" as const) : ("lost" as const);
    });
    await this.append(set.filter((_, i) => answers[i] === "written").map(({ event }) => event));
    return answers;
  }

  async fire(set: readonly FireAsk[]): Promise<readonly Fired[]> {
    if (this.events === this.main) return this.main.schedules.fire(set);
    const answers = await this.main.schedules.fire(set.map((ask) => withoutEvents(ask)));
    await this.append(set.flatMap((ask, i) => firingEvents(ask, answers[i])));
    return answers;
  }

  async runSchedule(ask: RunAsk): Promise<Ran> {
    if (this.events === this.main) return this.main.schedules.run(ask);
    const ran = await this.main.schedules.run({ ...ask, events: [] });
    if (ran.is === "fired") {
      const { task } = ask;
      await this.append([...announced(task, ran.task), ...toldOf(ask.events, [{ at: 0, asked: task.id, ...ran.task }])]);
    }
    return ran;
  }

  /** `put` of a schedule that is there, with the events of the change. */
  async changeSchedule(row: ScheduleRow, revision: number, events: readonly NewEvent[]): ReturnType<Schedules["put"]> {
    if (this.events === this.main) return this.main.schedules.put(row, revision, events);
    const answer = await this.main.schedules.put(row, revision);
    if (answer.is === "put") await this.append(events);
    return answer;
  }

  /** One step of housekeeping, where the thing lies; the results of swept tasks go with them. */
  async sweep(ask: SweepAsk): Promise<Swept> {
    if (ask.what === "results") return this.results.sweep(ask);
    if (ask.what === "events") return this.#sweepEvents(ask);
    const swept = await this.main.sweep(ask);
    if (this.results !== this.main && swept.ids !== undefined && swept.ids.length > 0) await this.results.results.remove(swept.ids);
    return swept;
  }

  /** The backend of the tasks writes some events itself, also where the log lies elsewhere. */
  async #sweepEvents(ask: SweepAsk): Promise<Swept> {
    const swept = await this.events.sweep(ask);
    if (this.events === this.main) return swept;
    const own = await this.main.sweep(ask);
    return { removed: swept.removed + own.removed, more: swept.more || own.more };
  }

  /** Appends events; those that cannot be written now are kept for the next time. */
  async append(events: readonly NewEvent[]): Promise<void> {
    const set = [...this.#owed, ...events];
    if (set.length === 0) return;
    this.#owed = [];
    try {
      await this.events.events.append(set);
    } catch {
      this.#owed = [...set, ...this.#owed].slice(-MOST_OWED);
    }
  }

  /** How many events could not be written yet. */
  get owed(): number {
    return this.#owed.length;
  }

  #withoutElsewhere(settlement: Settlement): Settlement {
    const bare = { ...settlement };
    if (this.results !== this.main) delete bare.result;
    return this.events === this.main ? bare : { ...bare, events: [] };
  }
}

function silent(ask: ClaimAsk): ClaimAsk {
  return "due" in ask.of ? { ...ask, of: { ...ask.of, announce: false } } : ask;
}

function eventsOf(settlement: Settlement): readonly NewEvent[] {
  const { id, fence, events } = settlement;
  const callbacks = settlement.to === "again" ? [] : (settlement.enqueue ?? []);
  // A claim writes one event of a type.
  const told = events.map((event) => Object.assign({}, event, { id: `${id}.${fence}.${event.type}` }));
  return [...told, ...callbacks.map((task) => enqueuedEvent(task))];
}

function withoutEvents({ ifFewer, ifOpen, ...ask }: FireAsk): FireAsk {
  return {
    ...ask,
    events: [],
    ...(ifFewer === undefined ? {} : { ifFewer: { ...ifFewer, events: [] } }),
    ...(ifOpen === undefined ? {} : { ifOpen: { ...ifOpen, events: [] } }),
  };
}

/** In the order in which one place writes them. */
function firingEvents({ enqueue, events, ifFewer, ifOpen }: FireAsk, fired: Fired = { is: "stale" }): readonly NewEvent[] {
  if (!("occurrences" in fired)) return fired.is === "open" ? (ifOpen?.events ?? []) : [];
  const { is, occurrences } = fired;
  const became = new Map(occurrences.map((each) => [each.asked, each]));
  return enqueue
    .flatMap((task) => announced(task, became.get(task.id)))
    .concat(toldOf(is === "fewer" ? (ifFewer?.events ?? []) : events, occurrences));
}

function executingEvents(ask: ClaimAsk, { claims }: Claims): readonly NewEvent[] {
  if (!("due" in ask.of) || !ask.of.announce) return [];
  return claims.filter((claim) => claim.for === "run").map((claim) => executingEvent(claim, ask.worker));
}

function executingEvent({ task, fence }: Claim, worker: string): NewEvent {
  return {
    id: `${task.id}.${fence}.executing`,
    type: "executing",
    taskId: task.id,
    queue: task.queue,
    worker,
    ...(task.scheduleId === undefined ? {} : { scheduleId: task.scheduleId }),
  };
}

/** The event of what an enqueue added or changed: it names the holder of the unique key where that was replaced. */
function announced(task: NewTask, became: Occurred | undefined): NewEvent[] {
  if (became?.is === "added") return [enqueuedEvent(task)];
  if (became?.is !== "replaced") return [];
  const { id, scheduleId } = became;
  const { scheduleId: _, ...event } = enqueuedEvent(task);
  return [{ ...event, taskId: id, ...(scheduleId === undefined ? {} : { scheduleId }) }];
}

/** The event of a new task, with an id of its own so that it can be appended again. */
function enqueuedEvent(task: { readonly id: string; readonly queue: string; readonly scheduleId?: string }): NewEvent {
  return {
    id: `${task.id}.0.enqueued`,
    type: "enqueued",
    taskId: task.id,
    queue: task.queue,
    ...(task.scheduleId === undefined ? {} : { scheduleId: task.scheduleId }),
  };
}
