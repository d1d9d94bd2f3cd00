/**
 * Waiting for the ends of tasks, of all that one OmniQ waits for together: one read a look. What is stored counts; hints only say
 * when to look, and a look a second makes up for those that are lost.
 */
import { milliseconds } from "../core/duration.ts";
import type { Duration } from "../core/duration.ts";
import { expected, StorageError } from "../core/errors.ts";
import { refuseUnknown } from "../core/nearest.ts";
import type { Ms, TaskId } from "../core/record.ts";
import type { StoredTask } from "../core/task.ts";
import { closed } from "./access.ts";
import type { Ender } from "./ender.ts";
import { componentLogger, errorFields } from "./logger.ts";
import { MoveWatch } from "./move-watch.ts";
import { needsResult, toldOf } from "./outcome.ts";
import { awake, Pending } from "./pending.ts";
import type { Shared } from "./shared.ts";
import type { Stores } from "./stores.ts";

export interface WaitOptions {
  /** Default: no limit. */
  readonly timeout?: Duration | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Behind hints, it looks this often. */
const NET: Ms = 1_000;
/** A look that took t is not repeated within this many times t: looking never takes more than a tenth of the time. */
const REST = 10;
/** Tasks read at once, and how long that may take. */
const CHUNK = 500;
const LONGEST: Ms = 100;

export class Waiter {
  readonly #shared: Shared;
  readonly #ender: Ender;
  readonly #waiting = new Map<TaskId, Set<Pending>>();
  /** Those that were never looked at. */
  readonly #fresh = new Set<TaskId>();
  /** Something may have ended: look at all of them. */
  #stale = false;
  #looking = false;
  #restUntil = Number.NEGATIVE_INFINITY;
  readonly #moves: MoveWatch;
  #disarm: (() => void) | undefined;
  #deafen: (() => void) | undefined;

  constructor(shared: Shared, ender: Ender) {
    this.#shared = shared;
    this.#ender = ender;
    this.#moves = new MoveWatch(shared.clock);
    shared.access.onClose((error) => {
      this.#deafen?.();
      this.#rejectAll(error);
    });
  }

  /** The value of a task when it has ended; rejects with the reason why there is none. */
  async wait(id: TaskId, options: WaitOptions = {}): Promise<unknown> {
    refuseUnknown(options, ["timeout", "signal"], "the options of result()");
    const { signal } = options;
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw expected("signal", "an AbortSignal", signal);
    const timeout = options.timeout === undefined ? undefined : milliseconds(options.timeout, "timeout");
    signal?.throwIfAborted();
    const stores = await this.#shared.access.open();
    signal?.throwIfAborted();
    // Closed in the same turn: nobody would tell a caller who begins to wait only now.
    this.#shared.access.refuseClosed();
    this.#deafen ??= stores.main.listen((hint) => {
      if (hint === "end" || hint === "any") this.#hinted();
    });
    const pending = new Pending(id);
    const group = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, group.add(pending));
    pending.watch(this.#shared.clock, timeout, signal);
    this.#fresh.add(id);
    this.#begin();
    try {
      return await pending.promise;
    } finally {
      group.delete(pending);
      if (group.size === 0 && this.#waiting.get(id) === group) this.#waiting.delete(id);
      if (this.#waiting.size === 0) {
        this.#disarm?.();
        this.#moves.rest();
      }
    }
  }

  #hinted(): void {
    if (this.#stale || this.#waiting.size === 0) return;
    this.#stale = true;
    if (!this.#looking) this.#arm();
  }

  /** The next look: at once, when the rest is over, or when the net is due. Keeps the process alive, since somebody waits. */
  #arm(): void {
    this.#disarm?.();
    if (this.#waiting.size === 0) return;
    const { clock } = this.#shared;
    const wait = this.#stale ? this.#restUntil - clock.monotonic() : NET;
    if (wait <= 0) return this.#begin();
    this.#disarm = awake(clock).after(wait, () => {
      this.#stale = true;
      this.#begin();
    });
  }

  /** Looks soon, together with what else is asked in this turn. */
  #begin(): void {
    if (this.#looking) return;
    this.#looking = true;
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    try {
      for (let look = this.#next(); look.ids.length > 0; look = this.#next()) {
        const cost = await this.#lookAt(look.ids);
        // A time out of all proportion is no cost: the clock was moved, or the machine slept.
        const rest = cost < LONGEST * Math.ceil(look.ids.length / CHUNK) ? Math.min(NET, REST * cost) : 0;
        if (look.all) this.#restUntil = this.#shared.clock.monotonic() + rest;
      }
      const main = this.#shared.access.now?.main;
      if (main !== undefined && this.#waiting.size > 0) await this.#moves.look(main);
    } catch (error) {
      // A store that is busy is asked again when the net is due; any other trouble is told to those who wait.
      if (!(error instanceof StorageError && error.code === "STORAGE_BUSY")) this.#rejectAll(error);
    }
    this.#looking = false;
    this.#arm();
  }

  /** Everything when a hint came and the rest is over, else those that are new. */
  #next(): { readonly ids: readonly TaskId[]; readonly all: boolean } {
    const all = this.#stale && this.#shared.clock.monotonic() >= this.#restUntil;
    const ids = all ? [...this.#waiting.keys()] : [...this.#fresh];
    if (all) this.#stale = false;
    this.#fresh.clear();
    return { ids, all };
  }

  /** Answers how long it took. */
  async #lookAt(ids: readonly TaskId[]): Promise<Ms> {
    const { clock, access } = this.#shared;
    const began = clock.monotonic();
    for (let i = 0; i < ids.length; i += CHUNK) {
      const stores = access.now;
      if (stores === undefined) throw closed();
      const chunk = ids.slice(i, i + CHUNK);
      const open = await this.#look(stores, chunk);
      const touched = await this.#endOpen(stores, open);
      if (touched.length > 0) await this.#look(stores, touched);
    }
    return clock.monotonic() - began;
  }

  /** Tells those whose task has ended; answers the tasks that have not. */
  async #look(stores: Stores, ids: readonly TaskId[]): Promise<readonly StoredTask[]> {
    const rows = await stores.main.desk.get(ids);
    const asked = rows.flatMap((row) => (row !== undefined && needsResult(row) ? [row.id] : []));
    const results = asked.length === 0 ? [] : await stores.results.results.get(asked);
    const resultOf = new Map(asked.map((id, i) => [id, results[i]]));
    ids.forEach((id, i) => {
      const told = toldOf(id, rows[i], resultOf.get(id));
      for (const pending of this.#waiting.get(id) ?? []) {
        if (told === undefined) pending.looked();
        else pending.settle(told);
      }
    });
    return rows.filter((row) => row !== undefined).filter((row) => toldOf(row.id, row, undefined) === undefined);
  }

  /** Ends those that only wait to be ended, as where no worker runs: nobody waits for ever. Answers their ids. */
  async #endOpen(stores: Stores, open: readonly StoredTask[]): Promise<readonly TaskId[]> {
    const owed = open.filter((task) => this.#ender.owes(task.id)).map((task) => task.id);
    const idle = open.filter((task) => task.status !== "running");
    const marked = idle.filter((task) => task.mark !== undefined).map((task) => task.id);
    const held = open.filter((task) => task.mark !== undefined && task.worker !== undefined);
    const mortal = idle.filter((task) => task.mark === undefined && task.expiresAt !== undefined);
    try {
      if (owed.length > 0) await this.#ender.pay(stores);
      if (marked.length > 0) await this.#ender.end(stores, marked);
      const now = mortal.length === 0 ? 0 : await stores.main.now();
      const expired = mortal.filter((task) => (task.expiresAt ?? now) <= now).map((task) => task.id);
      if (expired.length > 0) await this.#ender.endExpired(stores);
      const abandoned = held.length === 0 ? [] : await this.#ender.endAbandoned(stores, held);
      return [...owed, ...marked, ...expired, ...abandoned];
    } catch (error) {
      const logger = componentLogger(this.#shared.logger, "client");
      logger.warn("A task that waits to be ended could not be ended; it is tried again", errorFields(error));
      return [];
    }
  }

  #rejectAll(error: unknown): void {
    this.#disarm?.();
    this.#fresh.clear();
    for (const group of this.#waiting.values()) for (const pending of group) pending.reject(error);
  }
}
