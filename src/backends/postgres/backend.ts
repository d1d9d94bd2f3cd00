/** The PostgreSQL backend: one schema of one database, shared by any number of processes on any number of machines. */
import type {
  Backend,
  Desk,
  Enqueued,
  EnqueueCall,
  Events,
  Hint,
  Presence,
  Results,
  Schedules,
  SweepAsk,
  Swept,
  Traits,
  Work,
} from "../../core/backend.ts";
import type { Clock, Random } from "../../core/clock.ts";
import { milliseconds } from "../../core/duration.ts";
import type { Duration } from "../../core/duration.ts";
import { ClosedError } from "../../core/errors.ts";
import { EventStorage } from "../../components/event-storage.ts";
import { ResultStorage } from "../../components/result-storage.ts";
import { TaskQueue } from "../../components/task-queue.ts";
import { newId, systemClock, systemRandom } from "../../host.ts";
import type { Db } from "./db.ts";
import * as desk from "./desk.ts";
import { claim } from "./claim.ts";
import { edit } from "./edit.ts";
import { Engine } from "./engine.ts";
import * as events from "./events.ts";
import { Lane } from "./lane.ts";
import { Listener } from "./listener.ts";
import { migrate } from "./migrate.ts";
import { Names } from "./names.ts";
import { checkOptions, placeOf, poolOf } from "./options.ts";
import type { PoolLike } from "./pool.ts";
import * as presence from "./presence.ts";
import { release } from "./release.ts";
import * as results from "./results.ts";
import * as schedules from "./schedules.ts";
import { isPlainEnd, progress, settle, settlePlain } from "./settle.ts";
import { sweep } from "./sweep.ts";
import { enqueueInTx } from "./tx.ts";
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
  /** Connections of OmniQ's own pool at most. Default 10. */
  readonly connections?: number;
  /**
   * Whether connections keep prepared statements. Default: those of OmniQ's own pool do. Give `false` behind a pooler that hands a
   * connection to others between transactions (PgBouncer in transaction mode, unless it has `max_prepared_statements`).
   */
  readonly prepare?: boolean;
  /** After so long a statement is given up, and its connection closed. Default 10 s. */
  readonly queryTimeout?: Duration;
  /** Told the time instead of the database's own clock: for tests. */
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Everything that exists only while the backend is open. */
interface Opened {
  readonly engine: Engine;
  readonly lane: Lane;
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
  readonly #listeners = new Set<(hint: Hint) => void>();
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
    this.#deadline = milliseconds(options.queryTimeout ?? 10_000, "queryTimeout");
    this.traits = { name: "postgres", clock: options.clock === undefined ? "own" : "handed", tx: true, sync: false, processes: "many" };
    this.work = this.#workForm();
    this.presence = {
      arrive: (row) => this.#single((db) => presence.arrive(db, row)),
      leave: (worker) => this.#single((db) => presence.leave(db, worker)),
      beat: (worker, held) => this.#single((db) => presence.beat(db, worker, held)),
      workers: (limit) => this.#single((db) => presence.workers(db, limit)),
    };
    this.desk = this.#deskForm();
    this.schedules = {
      put: (row, ifRevision, told) => this.#whole((db) => schedules.put(db, row, ifRevision, told)),
      list: (query) => this.#single((db) => schedules.list(db, query)),
      drop: (ids) => this.#whole((db) => schedules.drop(db, ids)),
      fire: (set) => this.#whole((db) => schedules.fire(db, set)),
      run: (ask) => this.#whole((db) => schedules.run(db, ask)),
    };
    this.results = {
      put: (set) => this.#whole((db) => results.put(db, set)),
      get: (ids) => this.#single((db) => results.get(db, ids)),
      latest: (scheduleId) => this.#single((db) => results.latest(db, scheduleId)),
      remove: (ids) => this.#single((db) => results.remove(db, ids)),
      stats: () => this.#single((db) => results.stats(db)),
    };
    this.events = {
      append: (set) => this.#single((db) => events.append(db, set)),
      read: (after, filter) => this.#single((db) => events.read(db, after, filter)),
      tail: () => this.#single((db) => events.tail(db)),
      newest: (filter) => this.#single((db) => events.newest(db, filter)),
      stats: () => this.#single((db) => events.stats(db)),
    };
  }

  #workForm(): Work<PostgresTx> {
    return {
      enqueue: (calls, tx) => this.#enqueue(calls, tx),
      claim: (ask) => ("due" in ask.of ? this.#single((db) => claim(db, ask)) : this.#whole((db) => claim(db, ask))),
      settle: async (set, thenClaim) =>
        isPlainEnd(set, thenClaim) ? settlePlain(this.#open().engine, set, thenClaim) : this.#whole((db) => settle(db, set, thenClaim)),
      progress: (set) => this.#single((db) => progress(db, set)),
      release: (limit) => this.#whole((db) => release(db, limit)),
    };
  }

  #deskForm(): Desk {
    return {
      get: (ids) => this.#single((db) => desk.get(db, ids)),
      find: (query) => this.#single((db) => desk.find(db, query)),
      count: (upTo) => this.#single((db) => desk.count(db, upTo)),
      ahead: (id, upTo) => this.#single((db) => desk.ahead(db, id, upTo)),
      cancel: (ids, reason) => this.#whole((db) => desk.cancel(db, ids, reason)),
      requeue: (ids) => this.#whole((db) => desk.requeue(db, ids)),
      edit: (set) => this.#whole((db) => edit(db, set)),
      remove: (ids) => this.#whole((db) => desk.remove(db, ids)),
      waiting: (queues, limit) => this.#single((db) => desk.waiting(db, queues, limit)),
      queues: () => this.#single((db) => desk.queues(db)),
      setPaused: (queue, paused) => this.#single((db) => desk.setPaused(db, queue, paused)),
    };
  }

  get isOpen(): boolean {
    return this.#opened !== undefined;
  }

  /**
   * Connects, and makes the schema and its tables where they are missing. A second call is a no-op.
   * @throws StorageError `STORAGE_UNREACHABLE`, `STORAGE_DENIED`, `STORAGE_NOT_FOUND`, `SCHEMA_TOO_NEW`, `FOREIGN_SCHEMA`.
   */
  async initialize(): Promise<void> {
    if (this.#opened !== undefined) return;
    this.#opening ??= this.#initialize().finally(() => {
      this.#opening = undefined;
    });
    await this.#opening;
  }

  async #initialize(): Promise<void> {
    const { pool, end } = await poolOf(this.#options);
    const names = new Names(this.schema, this.#options.clock);
    const common = { pool, names, random: this.#random, deadline: this.#deadline };
    const sender = newId();
    const listener = new Listener({ ...common, clock: systemClock, sender, onHint: (hint) => this.#tell(hint) });
    const engine = new Engine({
      ...common,
      prepare: this.#options.prepare ?? this.#options.pool === undefined,
      place: this.#place,
      onHints: (hints) => {
        for (const hint of hints) this.#tell(hint);
        listener.tell(hints);
      },
    });
    try {
      await migrate(engine, names, this.#place);
    } catch (error) {
      await end();
      throw error;
    }
    this.#opened = { engine, lane: new Lane(engine), listener, end };
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
    if (opened === undefined) return;
    await opened.engine.close();
    await opened.listener.stop();
    await opened.end();
  }

  /** The database's time, in milliseconds since 1970. */
  now(): Promise<number> {
    return this.#single(async (db) => Number((await db.get("SELECT {now} AS now"))?.["now"]));
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

  #tell(hint: Hint): void {
    for (const listener of this.#listeners) listener(hint);
  }

  #open(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw new ClosedError("NOT_OPEN", `Expected the backend of ${this.#place} to be open; call initialize() first`);
  }

  async #single<R>(step: (db: Db) => Promise<R>): Promise<R> {
    return await this.#open().engine.single(step);
  }

  async #whole<R>(step: (db: Db) => Promise<R>): Promise<R> {
    return await this.#open().engine.transact(step);
  }

  async #enqueue(calls: readonly EnqueueCall[], tx?: PostgresTx): Promise<readonly (readonly Enqueued[])[]> {
    const { lane } = this.#open();
    if (tx !== undefined) return await enqueueInTx(tx, new Names(this.schema, this.#options.clock, true), this.#place, calls);
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
