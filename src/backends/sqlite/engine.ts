/**
 * The engine: one connection on the main thread, and the group commit. Calls that wait at the end of a turn of the event loop share
 * one `BEGIN IMMEDIATE … COMMIT` (a durable commit costs about 100 µs, a row 5): the flush is one synchronous function, so nothing can
 * come between. Whatever a call throws, it alone is rejected: the transaction is rolled back and the others run again without it.
 */
import type { Hint } from "../../core/backend.ts";
import type { Clock, Random } from "../../core/clock.ts";
import { ClosedError, ConnectionError, OmniQError, StorageError } from "../../core/errors.ts";
import type { Db } from "./db.ts";
import { flushEvents } from "./events.ts";
import { busy, isBusy, storageError } from "./failure.ts";

/** Calls of one transaction at most: a flush of 1,000 single enqueues holds the event loop for about 10 ms. */
const LARGEST_GROUP = 1_000;

/** So many times a group runs again without a call that threw; then its calls run each alone, or many that throw would cost their square. */
const MOST_REPLAYS = 3;

/** Milliseconds between two looks whether the file is still there. */
const LOOK_AT_FILE = 1_000;

interface Call {
  readonly write: boolean;
  readonly step: () => unknown;
  resolve(value: unknown): void;
  readonly reject: (error: unknown) => void;
  readonly since: number;
}

export interface EngineOptions {
  readonly db: Db;
  readonly path: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Milliseconds that a call waits for another process's lock before it fails with STORAGE_BUSY. */
  readonly busyTimeout: number;
  /** Whether the path still leads to the file that was opened; asked at most once a second. */
  readonly isStillThere: () => boolean;
  readonly onHints: (hints: ReadonlySet<Hint>) => void;
}

export class Engine {
  readonly #options: EngineOptions;
  readonly #db: Db;
  #waiting: Call[] = [];
  #flush: NodeJS.Immediate | NodeJS.Timeout | undefined;
  /** In memory the one connection may be lent to the user: the group waits meanwhile. */
  #lent = false;
  #closed = false;
  /** When the file was last seen to be there, by the monotonic clock. */
  #seenAt = performance.now();
  #gone = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#db = options.db;
  }

  get db(): Db {
    return this.#db;
  }

  /** Runs `step` in the group's next transaction; a group of reads alone takes no lock. */
  call<T>(write: boolean, step: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(closed(this.#options.path));
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ write, step, resolve, reject, since: performance.now() });
      this.#schedule();
    });
  }

  /** Runs `step` at once, behind what waits already, so that the order of calls stays their age. */
  callSync<T>(write: boolean, step: () => T): T {
    if (this.#closed) throw closed(this.#options.path);
    if (this.#lent) throw held();
    const deadline = performance.now() + this.#options.busyTimeout;
    while (this.#waiting.length > 0) this.#sleepUnless(this.#tryFlush(), deadline);
    let result: { readonly value: T } | undefined;
    let failure: { readonly error: unknown } | undefined;
    const call: Call = {
      write,
      step: () => {
        const value = step();
        result = { value };
      },
      resolve: () => undefined,
      reject: (error) => {
        failure = { error };
      },
      since: performance.now(),
    };
    while (this.#transact([call]).length > 0) this.#sleepUnless(false, deadline);
    if (failure !== undefined) throw failure.error;
    if (result === undefined) throw closed(this.#options.path);
    return result.value;
  }

  /** The sync twins may block: slices of a few milliseconds until the deadline. */
  #sleepUnless(done: boolean, deadline: number): void {
    if (done) return;
    if (performance.now() > deadline) throw busy(this.#options.path);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1 + this.#options.random() * 4);
  }

  #schedule(): void {
    if (this.#flush !== undefined || this.#lent) return;
    this.#flush = setImmediate(() => {
      this.#turn();
    });
  }

  #turn(): void {
    this.#flush = undefined;
    if (this.#lent || this.#waiting.length === 0) return;
    if (this.#tryFlush()) {
      if (this.#waiting.length > 0) this.#schedule();
      return;
    }
    // Another process holds the lock. SQLite's own waiting would block the event loop, and unfairly: one of four processes got nothing.
    this.#expire();
    if (this.#waiting.length > 0) {
      this.#flush = setTimeout(() => {
        this.#turn();
      }, this.#options.random() * 2);
    }
  }

  /** Rejects the calls that have waited for the lock too long. */
  #expire(): void {
    const oldest = performance.now() - this.#options.busyTimeout;
    const late = this.#waiting.filter((call) => call.since < oldest);
    if (late.length === 0) return;
    this.#waiting = this.#waiting.filter((call) => call.since >= oldest);
    for (const call of late) call.reject(busy(this.#options.path));
  }

  /** True when the group was written or refused; false when the lock was held, and the group still waits. */
  #tryFlush(): boolean {
    const all = this.#waiting;
    const group = all.length <= LARGEST_GROUP ? all : all.slice(0, LARGEST_GROUP);
    this.#waiting = group === all ? [] : all.slice(LARGEST_GROUP);
    const left = this.#transact(group);
    this.#waiting.unshift(...left);
    return left.length === 0;
  }

  /** Answers the calls that still wait, since the lock was held; none when all were written or refused. */
  #transact(group: readonly Call[]): readonly Call[] {
    if (this.#isGone()) {
      for (const call of group) call.reject(gone(this.#options.path));
      return [];
    }
    let left = group;
    for (let refused = 0; refused < MOST_REPLAYS && left.length > 1; refused++) {
      const outcome = this.#attempt(left);
      if (outcome === "busy") return left;
      if (outcome === "done") return [];
      const { guilty, error } = outcome;
      // What fails in the end (the events, the commit) is no call's in particular: that is found out below.
      if (guilty === undefined) break;
      guilty.reject(this.#told(error));
      left = left.filter((call) => call !== guilty);
    }
    return this.#oneByOne(left);
  }

  /** A file that was unlinked still takes writes, but nobody will ever read them: they must not be acknowledged. */
  #isGone(): boolean {
    const now = performance.now();
    if (!this.#gone && now - this.#seenAt >= LOOK_AT_FILE) {
      this.#seenAt = now;
      this.#gone = !this.#options.isStillThere();
    }
    return this.#gone;
  }

  /** Of a file that went away SQLite says anything: that it is damaged, or has no such table. */
  #told(error: unknown): unknown {
    const { path, isStillThere } = this.#options;
    if (error instanceof OmniQError || isStillThere()) return storageError(error, path);
    this.#gone = true;
    return gone(path);
  }

  #oneByOne(calls: readonly Call[]): readonly Call[] {
    for (const [i, call] of calls.entries()) {
      const outcome = this.#attempt([call]);
      if (outcome === "busy") return calls.slice(i);
      if (outcome !== "done") call.reject(this.#told(outcome.error));
    }
    return [];
  }

  /** One transaction over these calls. */
  #attempt(group: readonly Call[]): "done" | "busy" | { readonly guilty: Call | undefined; readonly error: unknown } {
    const db = this.#db;
    const write = group.some((call) => call.write);
    const values: unknown[] = [];
    let current: Call | undefined;
    try {
      db.run(write ? "BEGIN IMMEDIATE" : "BEGIN");
      db.begin(this.#options.clock.now());
      for (const call of group) {
        current = call;
        values.push(call.step());
      }
      current = undefined;
      flushEvents(db);
      db.run("COMMIT");
    } catch (error) {
      // After some errors SQLite has rolled back by itself, and a second ROLLBACK would throw.
      if (db.connection.inTransaction) db.run("ROLLBACK");
      if (isBusy(error)) return "busy";
      return { guilty: current, error };
    }
    this.#answer(group, values);
    return "done";
  }

  #answer(group: readonly Call[], values: readonly unknown[]): void {
    for (let i = 0; i < group.length; i++) group[i]?.resolve(values[i]);
    if (this.#db.hints.size > 0) this.#options.onHints(new Set(this.#db.hints));
  }

  /** Lends the one connection out (in memory): what is called meanwhile waits. */
  lend(): void {
    this.#lent = true;
  }

  giveBack(): void {
    this.#lent = false;
    if (this.#waiting.length > 0) this.#schedule();
  }

  get isLent(): boolean {
    return this.#lent;
  }

  /** Resolves when everything that was called so far is written. */
  async settled(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.call(false, () => undefined);
    } catch (error) {
      // Nothing can be written to a file that is gone; it can be closed.
      if (!this.#gone) throw error;
    }
  }

  /** After this, calls are refused. What still waits is written first. */
  closeSync(): void {
    if (this.#closed) return;
    const deadline = performance.now() + this.#options.busyTimeout;
    while (this.#waiting.length > 0) this.#sleepUnless(this.#tryFlush(), deadline);
    this.#closed = true;
    this.#db.connection.close();
  }
}

function closed(path: string): ClosedError {
  return new ClosedError("CLOSED", `Expected the backend of ${path} to be open, but it is closed`);
}

function gone(path: string): StorageError {
  return new StorageError(
    "STORAGE_FAILED",
    `Expected ${path} to be the file that was opened, but it, its WAL or its -shm was deleted or replaced while open: close the backend and open it again`,
  );
}

export function held(): ConnectionError {
  return new ConnectionError(
    "CONNECTION_HELD",
    "Expected no call from inside withConnection of a database in memory: it has one connection only, and the call would wait for itself",
  );
}
