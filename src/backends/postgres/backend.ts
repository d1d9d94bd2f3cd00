/** The PostgreSQL backend: one schema of one database, shared by any number of processes on any number of machines. */
import type {
  Backend,
  ClaimAsk,
  Claims,
  Desk,
  Enqueued,
  EnqueueCall,
  Events,
  Hint,
  Presence,
  Results,
  Schedules,
  Settlement,
  SweepAsk,
  Swept,
  Traits,
  Work,
} from "../../core/backend.ts";
import type { Clock, Random } from "../../core/clock.ts";
import type { Duration } from "../../core/duration.ts";
import { ClosedError } from "../../core/errors.ts";
import { EventStorage } from "../../components/event-storage.ts";
import { ResultStorage } from "../../components/result-storage.ts";
import { TaskQueue } from "../../components/task-queue.ts";
import { newId, systemClock, systemRandom } from "../../host.ts";
import type { Db } from "./db.ts";
import * as desk from "./desk.ts";
import { claim, strays } from "./claim.ts";
import { edit } from "./edit.ts";
import { Engine } from "./engine.ts";
import type { Patience } from "./engine.ts";
import * as events from "./events.ts";
import { find } from "./find.ts";
import { Lane } from "./lane.ts";
import { Heads } from "./heads.ts";
import { Ledger } from "./ledger.ts";
import { Listener } from "./listener.ts";
import { migrate } from "./migrate.ts";
import { Names } from "./names.ts";
import { checkOptions, placeOf, poolOf, prepares, queryTimeoutOf } from "./options.ts";
import type { PoolLike } from "./pool.ts";
import * as presence from "./presence.ts";
import { release } from "./release.ts";
import * as results from "./results.ts";
import * as schedules from "./schedules.ts";
import { isPlainEnd, progress, settlePlain, settleWhole } from "./settle.ts";
import type { Answer as Settling } from "./settle.ts";
import { refuseMoved } from "./moved.ts";
import { sweep } from "./sweep.ts";
import { Callers, placeIn } from "./tx.ts";
import type { PostgresTx } from "./tx.ts";

export interface PostgresBackendOptions {
  /** Names the backend to people. Default `omniq`. */
  readonly projectName?: string;
  /** `postgres://user:password@host:port/database`; what it leaves out comes from the variables of PostgreSQL (`PGHOST` …). */
  readonly url?: string;
  /** Your own `Pool` of `pg` instead of `url`: used as it is, and never closed. */
  readonly pool?: PoolLike;
  /** The schema that holds the tables, made where it is missing. Default `omniq`. */
  readonly schema?: string;
  /** Connections of OmniQ's own pool at most. Default 10, or what the URL says by `?connections=4`. */
  readonly connections?: number;
  /**
   * Whether connections keep prepared statements. Default: those of OmniQ's own pool do. Give `false` behind a pooler that hands a
   * connection to others between transactions (PgBouncer in transaction mode, unless it has `max_prepared_statements`), or put
   * `?pgbouncer=true` behind the URL.
   */
  readonly prepare?: boolean;
  /** After so long, at most a day, a statement is given up, and its connection closed. Default 10 s, or what the URL says by `?queryTimeout=30s`. */
  readonly queryTimeout?: Duration;
  /** Told the time instead of the database's own clock: for tests. */
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Everything that exists only while the backend is open. */
interface Opened {
  readonly engine: Engine;
  readonly lane: Lane;
  readonly callers: Callers;
  readonly listener: Listener;
  /** Closes the pool, if it is ours. */
  readonly end: () => Promise<void>;
}

/**
 * Tasks, schedules, results and events in one schema of a PostgreSQL database.
 * The constructor does no I/O: `initialize()` does, and makes schema and tables where they are missing.
 */
export class PostgresBackend implements Backend<PostgresTx> {
  readonly projectName: string;
  readonly schema: string;
  readonly traits: Traits;
  readonly work: Work<PostgresTx>;
  readonly presence: Presence;
  readonly desk: Desk;
  readonly schedules: Schedules;
  readonly results: Results;
  readonly events: Events;
  readonly #options: PostgresBackendOptions;
  readonly #place: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #deadline: number;
  readonly #ledger = new Ledger();
  /** By worker: each looks at its own queues and names. */
  readonly #heads = new Map<string, Heads>();
  readonly #listeners = new Set<(hint: Hint) => void>();
  /** Reads in a row that found events held back. */
  #heldBack = 0;
  #bell: (() => void) | undefined;
  #opened: Opened | undefined;
  #opening: Promise<void> | undefined;

  /** @throws InvalidOptionError for a wrong or unknown option. */
  constructor(options: PostgresBackendOptions = {}) {
    checkOptions(options);
    this.#options = options;
    this.projectName = options.projectName ?? "omniq";
    this.schema = options.schema ?? "omniq";
    this.#place = placeOf(options, this.schema);
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#deadline = queryTimeoutOf(options);
    this.traits = { name: "postgres", clock: options.clock === undefined ? "own" : "handed", tx: true, sync: false, processes: "many" };
    this.work = this.#workForm();
    this.presence = {
      arrive: (row) => this.#single((db) => presence.arrive(db, row), "harmless"),
      leave: async (worker) => {
        // What it still holds it knows of, should it go on after all: forgotten, it would be answered again.
        if (await this.#single((db) => presence.leave(db, worker), "harmless")) this.#ledger.forget(worker);
        this.#heads.delete(worker);
      },
      beat: async (worker, held) => {
        const { trouble, rows } = await this.#single((db) => presence.beat(db, worker, held), "harmless");
        this.#ledger.heldBy(worker, rows);
        return trouble;
      },
      workers: (limit) => this.#look((db) => presence.workers(db, limit)),
      holding: (limit, after) => this.#look((db) => presence.holding(db, limit, after)),
    };
    this.desk = this.#deskForm();
    this.schedules = {
      put: (row, ifRevision, told) => this.#whole((db) => schedules.put(db, row, ifRevision, told)),
      list: (query) => this.#look((db) => schedules.list(db, query)),
      drop: (ids) => this.#whole((db) => schedules.drop(db, ids)),
      fire: (set) => this.#whole((db) => schedules.fire(db, set)),
      run: (ask) => this.#whole((db) => schedules.run(db, ask)),
    };
    this.results = {
      put: (set) => this.#whole((db) => results.put(db, set)),
      get: (ids) => this.#look((db) => results.get(db, ids)),
      latest: (scheduleId) => this.#look((db) => results.latest(db, scheduleId)),
      remove: (ids) => this.#single((db) => results.remove(db, ids)),
      stats: (upTo) => this.#look((db) => results.stats(db, upTo)),
    };
    this.events = {
      append: (set) => this.#single((db) => events.append(db, set)),
      read: async (after, filter) => {
        const { events: found, cursor, isHeldBack } = await this.#look((db) => events.read(db, after, filter));
        this.#lookAgain(isHeldBack);
        return { events: found, cursor };
      },
      tail: () => this.#look((db) => events.tail(db)),
      newest: (filter) => this.#look((db) => events.newest(db, filter)),
      stats: (upTo) => this.#look((db) => events.stats(db, upTo)),
    };
  }

  #workForm(): Work<PostgresTx> {
    return {
      enqueue: (calls, tx) => this.#enqueue(calls, tx),
      claim: (ask) =>
        this.#claim(ask, () =>
          "due" in ask.of ? this.#single((db) => claim(db, ask, this.#headsOf(ask))) : this.#whole((db) => claim(db, ask)),
        ),
      settle: (set, thenClaim) => this.#settle(set, thenClaim),
      progress: (set) => this.#single((db) => progress(db, set)),
      release: (limit) => release(this.#open().engine, limit),
    };
  }

  async #claim(ask: ClaimAsk, claims: () => Promise<Claims>): Promise<Claims> {
    const { worker, limit } = ask;
    return await this.#ledger.claim(worker, claims, (known) => this.#whole((db) => strays(db, worker, known, limit), "harmless"));
  }

  async #settle(set: readonly Settlement[], thenClaim?: ClaimAsk): Promise<Settling> {
    const heads = thenClaim === undefined ? undefined : this.#headsOf(thenClaim);
    const settling = isPlainEnd(set, thenClaim) ? settlePlain : settleWhole;
    let answer: Settling | undefined;
    const next = async (): Promise<Claims> => {
      answer = await settling(this.#open().engine, set, thenClaim, heads);
      return answer.next ?? { claims: [], more: false };
    };
    const claims = thenClaim === undefined ? await next() : await this.#claim(thenClaim, next);
    // What was found again came instead: the set has still to be settled.
    answer ??= { ...(await this.#settle(set)), next: claims };
    this.#ledger.settled(set, answer.settled);
    return answer;
  }

  #headsOf({ worker }: ClaimAsk): Heads {
    let heads = this.#heads.get(worker);
    if (heads === undefined) this.#heads.set(worker, (heads = new Heads(this.#clock)));
    return heads;
  }

  #deskForm(): Desk {
    return {
      get: (ids) => this.#look((db) => desk.get(db, ids)),
      find: (query) => this.#whole((db) => find(db, query), "harmless"),
      count: (upTo) => this.#look((db) => desk.count(db, upTo)),
      ahead: (id, upTo) => this.#look((db) => desk.ahead(db, id, upTo)),
      cancel: (ids, reason) => this.#whole((db) => desk.cancel(db, ids, reason)),
      requeue: (ids) => this.#whole((db) => desk.requeue(db, ids)),
      edit: (set) => this.#whole((db) => edit(db, set)),
      remove: (ids) => this.#whole((db) => desk.remove(db, ids)),
      waiting: (queues, limit) => this.#look((db) => desk.waiting(db, queues, limit)),
      queues: () => this.#look((db) => desk.queues(db)),
      setPaused: (queue, paused) => this.#single((db) => desk.setPaused(db, queue, paused)),
    };
  }

  get isOpen(): boolean {
    return this.#opened !== undefined;
  }

  /**
   * Connects, and makes the schema and its tables where they are missing. A second call is a no-op.
   * @throws StorageError `STORAGE_UNREACHABLE`, `STORAGE_DENIED`, `STORAGE_NOT_FOUND`, `STORAGE_ENCODING`, `SCHEMA_TOO_NEW`, `FOREIGN_SCHEMA`.
   */
  async initialize(): Promise<void> {
    if (this.#opened !== undefined) return;
    this.#opening ??= this.#initialize().finally(() => {
      this.#opening = undefined;
    });
    await this.#opening;
  }

  async #initialize(): Promise<void> {
    const { pool, end } = await poolOf(this.#options, this.#deadline);
    const names = new Names(this.schema, this.#options.clock);
    const common = { pool, names, random: this.#random, deadline: this.#deadline };
    const sender = newId();
    const listener = new Listener({ ...common, clock: systemClock, sender, onHint: (hint) => this.#tell(hint) });
    const engine = new Engine({
      ...common,
      prepare: prepares(this.#options),
      place: this.#place,
      onHints: (hints) => {
        for (const hint of hints) this.#tell(hint);
        listener.tell(hints);
      },
    });
    const callers = new Callers(names, this.#place, () => engine.single(placeIn, "harmless"));
    try {
      await migrate(engine, names, this.#place);
      await engine.single(events.adopt, "harmless");
      await callers.open();
    } catch (error) {
      await end();
      throw error;
    }
    this.#opened = { engine, lane: new Lane(engine), callers, listener, end };
    if (this.#listeners.size > 0) listener.start();
  }

  /** The contract's name for `initialize`. */
  open(): Promise<void> {
    return this.initialize();
  }

  /** Waits for what is under way and closes OmniQ's own connections. A second call is a no-op; `initialize()` opens it again. */
  async close(): Promise<void> {
    await this.#opening?.catch(() => undefined);
    const opened = this.#opened;
    this.#opened = undefined;
    this.#bell?.();
    this.#bell = undefined;
    if (opened === undefined) return;
    await opened.engine.close();
    await opened.listener.stop();
    await opened.end();
  }

  /** The database's time, in milliseconds since 1970. */
  now(): Promise<number> {
    return this.#look(async (db) => Number((await db.get("SELECT {now} AS now"))?.["now"]));
  }

  refuseMoved(): Promise<void> {
    return this.#look(refuseMoved);
  }

  sweep(ask: SweepAsk): Promise<Swept> {
    return this.#whole((db) => sweep(db, ask));
  }

  listen(onHint: (hint: Hint) => void): () => void {
    this.#listeners.add(onHint);
    this.#opened?.listener.start();
    return () => {
      this.#listeners.delete(onHint);
      if (this.#listeners.size === 0) void this.#opened?.listener.stop();
    };
  }

  /** Rings once more where events are held back by an older transaction, sooner at first and at most each second. */
  #lookAgain(isHeldBack: boolean): void {
    this.#heldBack = isHeldBack ? this.#heldBack + 1 : 0;
    if (!isHeldBack || this.#bell !== undefined || this.#listeners.size === 0) return;
    this.#bell = systemClock.after(Math.min(1_000, 10 * 2 ** Math.min(this.#heldBack, 10)), () => {
      this.#bell = undefined;
      this.#tell("any");
    });
  }

  #tell(hint: Hint): void {
    for (const listener of this.#listeners) listener(hint);
  }

  #open(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw new ClosedError("NOT_OPEN", `Expected the backend of ${this.#place} to be open; call initialize() first`);
  }

  async #single<R>(step: (db: Db) => Promise<R>, patience: Patience = "unsent"): Promise<R> {
    return await this.#open().engine.single(step, patience);
  }

  async #whole<R>(step: (db: Db) => Promise<R>, patience: Patience = "unsent"): Promise<R> {
    return await this.#open().engine.transact(step, patience);
  }

  /** Looking twice does no harm. */
  #look<R>(step: (db: Db) => Promise<R>): Promise<R> {
    return this.#single(step, "harmless");
  }

  async #enqueue(calls: readonly EnqueueCall[], tx?: PostgresTx): Promise<readonly (readonly Enqueued[])[]> {
    const { lane, callers } = this.#open();
    if (tx !== undefined) return await callers.enqueue(tx, calls);
    return await Promise.all(calls.map((call) => lane.enqueue(call)));
  }

  /** The seed's queue over these queue names, in strict order. */
  taskQueue(queues: readonly string[] = ["default"]): TaskQueue {
    return new TaskQueue({ backend: this, projectName: this.projectName, queues, clock: this.#clock, random: this.#random });
  }

  resultStorage(): ResultStorage {
    return new ResultStorage({ backend: this, projectName: this.projectName, clock: this.#clock });
  }

  eventStorage(): EventStorage {
    return new EventStorage({ backend: this, projectName: this.projectName, clock: this.#clock });
  }
}
