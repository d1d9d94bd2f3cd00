/** The SQLite backend: one file (or memory), one engine connection, every verb once as a synchronous step that the engine groups. */
import type {
  BackedUp,
  Backend,
  BackupOptions,
  Deputy,
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
  SyncBackend,
  Traits,
  Work,
} from "../../core/backend.ts";
import type { Clock, Random } from "../../core/clock.ts";
import { milliseconds } from "../../core/duration.ts";
import type { Duration } from "../../core/duration.ts";
import { ClosedError, StorageError } from "../../core/errors.ts";
import { refuseUnknown } from "../../core/nearest.ts";
import { EventStorage } from "../../components/event-storage.ts";
import { ResultStorage } from "../../components/result-storage.ts";
import { TaskQueue } from "../../components/task-queue.ts";
import { systemClock, systemRandom } from "../../host.ts";
import { backUp } from "./backup.ts";
import type { Db } from "./db.ts";
import { startDeputy } from "./deputy.ts";
import { Doorbell } from "./doorbell.ts";
import { Engine, held } from "./engine.ts";
import { busy } from "./failure.ts";
import { Guest } from "./guest.ts";
import type { LentConnection } from "./guest.ts";
import { libraryOf, nodeLibrary } from "./library.ts";
import { useOneLibrary } from "./one-library.ts";
import { connect, dataVersion, identityOf, makeFile, tryOpen } from "./open.ts";
import type { Durability, Place } from "./open.ts";
import { checkOptions, pathOf } from "./options.ts";
import { realFile } from "./real-file.ts";
import { CallerHandles } from "./tx.ts";
import { refuseMoved } from "./moved.ts";
import { bothForms } from "./verbs.ts";
import type { BothForms } from "./verbs.ts";

export interface SQLiteBackendOptions {
  /** Names the file: `<baseDir>/<projectName>.db`. Default `omniq`. */
  readonly projectName?: string;
  /** The folder of the file, made where it is missing. Default `./omniq_data`. */
  readonly baseDir?: string;
  /** The file itself instead of `baseDir` and `projectName` (its folder must be there), or `:memory:`. */
  readonly path?: string;
  /** `full` (default): an acknowledged write survives a power cut. `normal`: it survives the end of the process. */
  readonly durability?: Durability;
  /** Put before every table's name, so that the file may be your own. Letters, digits and `_`. Default none. */
  readonly tablePrefix?: string;
  /** An open handle of `node:sqlite` or `better-sqlite3`: its file is used, through its library. It is never closed by OmniQ. */
  readonly connection?: object;
  /** How long a call waits for another process's lock. Default 5 s. */
  readonly busyTimeout?: Duration;
  /**
   * Opens the file also on a network file system (NFS, SMB, 9p, …), which is refused otherwise: you vouch that one machine alone does so,
   * and that locks and shared memory work there. Default false.
   */
  readonly anyFileSystem?: boolean;
  readonly clock?: Clock;
  readonly random?: Random;
}

const OPTIONS = [
  "projectName",
  "baseDir",
  "path",
  "durability",
  "tablePrefix",
  "connection",
  "busyTimeout",
  "anyFileSystem",
  "clock",
  "random",
];

/** Everything that exists only while the backend is open. */
interface Opened {
  readonly engine: Engine;
  readonly guest: Guest;
  readonly handles: CallerHandles;
  /** Where WAL and shared memory lie beside it. */
  readonly file: string;
  /** Takes the note back that this library has the file open. */
  readonly leave: () => void;
}

/**
 * Tasks, schedules, results and events in one SQLite file, shared by any number of processes on one machine.
 * The constructor does no I/O: `initialize()` does, and makes folder, file and tables where they are missing.
 */
export class SQLiteBackend implements Backend {
  readonly projectName: string;
  /** The file, absolute, or `:memory:`. */
  readonly path: string;
  readonly traits: Traits;
  readonly work: Work<unknown>;
  readonly presence: Presence;
  readonly desk: Desk;
  readonly schedules: Schedules;
  readonly results: Results;
  readonly events: Events;
  /** The synchronous twin of every verb. */
  readonly sync: SyncBackend<unknown>;
  readonly #forms: BothForms;
  readonly #place: Place;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #busyTimeout: number;
  readonly #listeners = new Set<(hint: Hint) => void>();
  #opened: Opened | undefined;
  #opening: Promise<void> | undefined;
  #doorbell: Doorbell | undefined;

  /** @throws InvalidOptionError for a wrong or unknown option. */
  constructor(options: SQLiteBackendOptions = {}) {
    refuseUnknown(options, OPTIONS, "the options of SQLiteBackend");
    checkOptions(options);
    this.projectName = options.projectName ?? "omniq";
    this.path = pathOf(options, this.projectName);
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#busyTimeout = milliseconds(options.busyTimeout ?? 5_000, "busyTimeout");
    const inMemory = this.path === ":memory:";
    this.traits = { name: "sqlite", clock: "handed", tx: !inMemory, sync: true, processes: inMemory ? "one" : "host" };
    this.#place = {
      path: this.path,
      library: options.connection === undefined ? nodeLibrary : libraryOf(options.connection),
      durability: options.durability ?? "full",
      tablePrefix: options.tablePrefix ?? "",
      makeFolder: options.path === undefined && options.connection === undefined,
      anyFileSystem: options.anyFileSystem ?? false,
    };
    this.#forms = bothForms({
      later: (write, step) => this.#later(write, step),
      atOnce: (write, step) => this.#atOnce(write, step),
      inTx: (handle, calls) => this.#inTx(handle, calls),
    });
    ({ work: this.work, presence: this.presence, desk: this.desk, schedules: this.schedules } = this.#forms.later);
    ({ results: this.results, events: this.events } = this.#forms.later);
    this.sync = this.#syncForm();
  }

  #syncForm(): SyncBackend<unknown> {
    const open = (): void => {
      this.initializeSync();
    };
    const close = (): void => {
      this.closeSync();
    };
    return { ...this.#forms.atOnce, open, close, now: () => this.#clock.now() };
  }

  get isOpen(): boolean {
    return this.#opened !== undefined;
  }

  /** How a thread opens the same place again; `undefined` in memory, which no thread can reach. */
  get threadOptions():
    | {
        readonly path: string;
        readonly projectName: string;
        readonly durability: Durability;
        readonly tablePrefix: string;
        readonly busyTimeout: number;
        readonly anyFileSystem: boolean;
      }
    | undefined {
    if (this.path === ":memory:" || this.#place.library !== nodeLibrary) return undefined;
    const { path, durability, tablePrefix, anyFileSystem } = this.#place;
    return { path, projectName: this.projectName, durability, tablePrefix, busyTimeout: this.#busyTimeout, anyFileSystem };
  }

  /**
   * Opens the file, and makes it and its tables where they are missing. A second call is a no-op.
   * @throws StorageError `NOT_A_DATABASE`, `SCHEMA_TOO_NEW`, `FOREIGN_SCHEMA`, `STORAGE_READONLY`, `STORAGE_NETWORK`, `STORAGE_TWO_NAMES`, `STORAGE_BUSY`, `SQLITE_TOO_OLD`, `STORAGE_FAILED`. @throws ConnectionError `TWO_LIBRARIES`.
   */
  async initialize(): Promise<void> {
    if (this.#opened !== undefined) return;
    this.#opening ??= this.#initialize().finally(() => {
      this.#opening = undefined;
    });
    await this.#opening;
  }

  async #initialize(): Promise<void> {
    const attempt = this.#startOpening();
    const deadline = performance.now() + this.#busyTimeout;
    while (!attempt(performance.now() > deadline)) await new Promise((resolve) => setTimeout(resolve, this.#random() * 10));
  }

  /** The synchronous form of `initialize`: waits for another process's lock by blocking. */
  initializeSync(): void {
    if (this.#opened !== undefined) return;
    const attempt = this.#startOpening();
    const deadline = performance.now() + this.#busyTimeout;
    while (!attempt(performance.now() > deadline)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1 + this.#random() * 9);
  }

  /** Answers the step to repeat until it is true: false is "another process holds the lock", which is an error the last time. */
  #startOpening(): (last: boolean) => boolean {
    const place = { ...this.#place, path: realFile(this.path) };
    if (place.path !== ":memory:") makeFile(place);
    const leave = useOneLibrary(place.path, place.library);
    return (last) => {
      try {
        const db = tryOpen(place, this.#clock.now());
        if (db !== undefined) this.#become(db, place, leave);
        else if (last) throw busy(place.path);
        return db !== undefined;
      } catch (error) {
        leave();
        throw error;
      }
    };
  }

  #become(db: Db, place: Place, leave: () => void): void {
    if (this.#opened !== undefined) {
      // Opened meanwhile by the synchronous twin: one engine is enough.
      db.connection.close();
      leave();
      return;
    }
    const engine = new Engine({
      db,
      path: this.path,
      clock: this.#clock,
      random: this.#random,
      busyTimeout: this.#busyTimeout,
      isStillThere: identityOf(this.path, place.path),
      onHints: (hints) => {
        for (const hint of hints) this.#tell(hint);
      },
    });
    const guest = new Guest({ engine, inMemory: this.path === ":memory:", open: () => connect(place, 5_000) });
    this.#opened = { engine, guest, leave, file: place.path, handles: new CallerHandles(place) };
    if (this.#listeners.size > 0) this.#startDoorbell();
  }

  /** Writes what waits and closes. A second call is a no-op; `initialize()` opens it again. */
  async close(): Promise<void> {
    await this.#opening?.catch(() => undefined);
    this.#opened?.guest.refuseInside();
    await this.#opened?.engine.settled();
    this.closeSync();
  }

  /** @throws ConnectionError `CONNECTION_HELD` in memory while `withConnection` has lent the one connection. */
  closeSync(): void {
    const opened = this.#opened;
    if (opened === undefined) return;
    // The transaction of whoever has it would be rolled back without a word.
    if (opened.engine.isLent) throw held();
    this.#doorbell?.stop();
    this.#doorbell = undefined;
    opened.guest.close();
    opened.engine.closeSync();
    opened.leave();
    this.#opened = undefined;
  }

  /** The contract's name for `initialize`. */
  open(): Promise<void> {
    return this.initialize();
  }

  now(): Promise<number> {
    return Promise.resolve(this.#clock.now());
  }

  refuseMoved(): Promise<void> {
    return this.#later(true, refuseMoved);
  }

  sweep(ask: SweepAsk): Promise<Swept> {
    return this.#forms.later.sweep(ask);
  }

  listen(onHint: (hint: Hint) => void): () => void {
    this.#listeners.add(onHint);
    if (this.#opened !== undefined) this.#startDoorbell();
    return () => {
      this.#listeners.delete(onHint);
      if (this.#listeners.size > 0) return;
      this.#doorbell?.stop();
      this.#doorbell = undefined;
    };
  }

  #tell(hint: Hint): void {
    for (const listener of this.#listeners) listener(hint);
  }

  #startDoorbell(): void {
    if (this.#opened === undefined || this.#doorbell !== undefined || this.path === ":memory:") return;
    const { engine, file } = this.#opened;
    this.#doorbell = new Doorbell({
      walPath: `${file}-wal`,
      clock: this.#clock,
      version: () => dataVersion(engine.db),
      onRing: () => {
        this.#tell("any");
      },
    });
    this.#doorbell.start();
  }

  #open(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw new ClosedError("NOT_OPEN", `Expected the backend of ${this.path} to be open; call initialize() first`);
  }

  #later<R>(write: boolean, step: (db: Db) => R): Promise<R> {
    try {
      const { engine, guest } = this.#open();
      guest.refuseInside();
      return engine.call(write, () => step(engine.db));
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #atOnce<R>(write: boolean, step: (db: Db) => R): R {
    const { engine } = this.#open();
    return engine.callSync(write, () => step(engine.db));
  }

  #inTx(handle: unknown, calls: readonly EnqueueCall[]): readonly (readonly Enqueued[])[] {
    return this.#open().handles.enqueue(handle, calls, this.#clock.now());
  }

  /**
   * Lends a connection to `fn`, exclusively and always the same one: another than the engine's, so OmniQ's own calls work inside.
   * A transaction left open is rolled back and is an error. In memory there is one connection only: a call from inside is refused.
   * @throws ConnectionError `TRANSACTION_LEFT_OPEN`, `CONNECTION_HELD`.
   */
  withConnection<T>(fn: (connection: LentConnection) => T | Promise<T>): Promise<T> {
    return this.#open().guest.use(fn);
  }

  /** The synchronous form of `withConnection`; refuses a function that returns a promise. */
  withConnectionSync<T>(fn: (connection: LentConnection) => T): T {
    return this.#open().guest.useSync(fn);
  }

  /**
   * Writes a whole copy into a new file (mode 0600) while any number of processes write, on a thread of its own: to a name beside it,
   * brought to disk and checked, then renamed. The backend need not be open.
   * @throws StorageError `BACKUP_REFUSED` when the file is there (without `overwrite`) or is the database; `BACKUP_UNSUPPORTED` in memory
   * and over a connection of yours of another library than `node:sqlite`; `STORAGE_FULL`, `STORAGE_CORRUPT`.
   */
  async backup(file: string, options: BackupOptions = {}): Promise<BackedUp> {
    const source = this.threadOptions;
    if (source !== undefined) return backUp(source, file, options);
    throw new StorageError(
      "BACKUP_UNSUPPORTED",
      `Expected a database file opened through node:sqlite to back up, got ${this.path}: run VACUUM INTO on your own connection`,
    );
  }

  /** On a thread of its own, for a file that `node:sqlite` opened; not beside a clock that was handed in. */
  deputy(worker: string, leaseMs: number): Deputy | undefined {
    const place = this.threadOptions;
    if (place === undefined || this.#clock !== systemClock) return undefined;
    const { path, tablePrefix } = place;
    return startDeputy({ path, tablePrefix, worker, leaseMs });
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
