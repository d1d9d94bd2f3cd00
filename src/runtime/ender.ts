/** Ends marked tasks on behalf of a caller, who is a client among the workers: it claims, decides and settles within one turn. */
import type { Beat, Claim, ClaimAsk, Claims } from "../core/backend.ts";
import { StorageError, WorkerUnknownError } from "../core/errors.ts";
import { decide } from "../core/lifecycle.ts";
import type { Ms, TaskId } from "../core/record.ts";
import type { StoredTask } from "../core/task.ts";
import { Waits } from "./backoff.ts";
import { componentLogger, errorFields } from "./logger.ts";
import { Lookout } from "./lookout.ts";
import { awake } from "./pending.ts";
import type { Shared } from "./shared.ts";
import type { Logger } from "./signatures.ts";
import type { Stores } from "./stores.ts";

/** Tasks ended in one transaction. */
const AT_ONCE = 100;
/** A settlement that a store is too busy for is tried so often before it is owed. */
const TRIES = 4;
/** A client that was cut off between its claim and its settlement is found by workers after so long. */
const LEASE = 30_000;
/** Between two looks at who holds claims, and how many one look is at. Where there are more, the next look goes on behind them. */
const LOOK_EVERY: Ms = 1_000;
const HOLDERS = 1_000;

/** A claim whose end could not be written, and why. */
interface Owed {
  readonly claim: Claim;
  readonly error: unknown;
}

export class Ender {
  readonly #shared: Shared;
  readonly #id: string;
  readonly #logger: Logger;
  #arrival: Promise<void> | undefined;
  /** Nobody else may end these while this process lives: they are tried again whenever it is asked for anything. */
  readonly #owed = new Map<TaskId, Owed>();
  #paying: Promise<void> | undefined;
  readonly #lookout: Lookout;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #dead: readonly Beat[] = [];
  /** Where the next look at the holders goes on. */
  #next: string | undefined;

  constructor(shared: Shared) {
    this.#shared = shared;
    this.#id = shared.newId();
    this.#lookout = new Lookout(shared.clock, shared.isGone);
    this.#logger = componentLogger(shared.logger, "client");
  }

  /**
   * Ends those of these tasks that are marked and held by nobody, and what their ends cancel in turn.
   * @throws whatever the store throws when one of these tasks could not be ended.
   */
  async end(stores: Stores, ids: readonly TaskId[]): Promise<void> {
    await this.pay(stores);
    for (let i = 0; i < ids.length; i += AT_ONCE) await this.#cascade(stores, { ids: ids.slice(i, i + AT_ONCE) });
    for (const id of ids) {
      const owed = this.#owed.get(id);
      if (owed !== undefined) throw owed.error;
    }
  }

  /** Ends tasks whose TTL has passed, and what their ends cancel in turn. */
  async endExpired(stores: Stores): Promise<void> {
    await this.#cascade(stores, { ended: true });
  }

  /** Ends those of these marked tasks whose worker is dead: it will not. Answers their ids. What else it held is left to the next worker. */
  async endAbandoned(stores: Stores, tasks: readonly StoredTask[]): Promise<readonly TaskId[]> {
    const dead = await this.#deadNow(stores);
    const holders = new Set(tasks.map((task) => task.worker));
    const lost = dead.filter(({ worker }) => holders.has(worker));
    if (lost.length > 0) await this.#cascade(stores, { lost, marked: true });
    return tasks.filter((task) => lost.some(({ worker }) => worker === task.worker)).map((task) => task.id);
  }

  async #deadNow(stores: Stores): Promise<readonly Beat[]> {
    const { clock } = this.#shared;
    if (clock.monotonic() - this.#lookedAt < LOOK_EVERY) return this.#dead;
    const { workers, next } = await stores.main.presence.holding(HOLDERS, this.#next);
    this.#lookedAt = clock.monotonic();
    const isFirst = this.#next === undefined;
    this.#next = next;
    const dead = this.#lookout.dead(workers, { more: next !== undefined });
    this.#dead = isFirst ? dead : [...this.#dead, ...dead];
    return this.#dead;
  }

  /** Whether this task is held here, to be ended as soon as the store allows it. */
  owes(id: TaskId): boolean {
    return this.#owed.has(id);
  }

  /** Tries again to end what was claimed before and could not be ended. Never throws. */
  async pay(stores: Stores): Promise<void> {
    if (this.#owed.size === 0) return;
    const claims = [...this.#owed.values()].map(({ claim }) => claim);
    this.#paying ??= this.#endAll(stores, claims, 1).finally(() => {
      this.#paying = undefined;
    });
    await this.#paying;
  }

  /** Takes the client's row away. */
  async leave(stores: Stores): Promise<void> {
    await this.pay(stores);
    if (this.#arrival !== undefined) await stores.main.presence.leave(this.#id);
  }

  async #cascade(stores: Stores, of: ClaimAsk["of"]): Promise<void> {
    const { claims } = await this.#claim(stores, of);
    await this.#endAll(stores, claims, TRIES);
  }

  /** Follows what these ends doom as far as it goes, unless OmniQ is closed meanwhile: what is claimed is always settled, or owed. */
  async #endAll(stores: Stores, claims: readonly Claim[], tries: number): Promise<void> {
    for (let rest = claims; rest.length > 0;) {
      rest = await this.#settle(stores, rest, tries);
      if (rest.length === 0) rest = await this.#claimMore(stores);
      else await this.#shared.yieldTurn();
    }
  }

  /** Dependents beyond those that the settlements themselves released. */
  async #claimMore(stores: Stores): Promise<readonly Claim[]> {
    try {
      for (let more = true; more && !this.#shared.access.closed; await this.#shared.yieldTurn()) {
        more = await stores.main.work.release(AT_ONCE);
        const { claims } = await this.#claim(stores, { ended: true });
        if (claims.length > 0) return claims;
      }
    } catch (error) {
      // What was asked for is done; whoever looks next, or a worker, ends the others.
      this.#logger.warn("The dependents of tasks that ended could not be ended; it is tried again", errorFields(error));
    }
    return [];
  }

  /** Writes the ends, and claims what they doom. Never throws: what cannot be written is owed. */
  async #settle(stores: Stores, claims: readonly Claim[], tries: number): Promise<readonly Claim[]> {
    const waits = new Waits(this.#shared.random);
    for (let left = tries - 1; ; left--) {
      try {
        return await this.#write(stores, claims);
      } catch (error) {
        const busy = error instanceof StorageError && error.code === "STORAGE_BUSY";
        if (!busy && claims.length > 1) return this.#settleAlone(stores, claims);
        if (!busy || left === 0) {
          this.#owe(claims, error);
          return [];
        }
        await this.#wait(waits.next());
      }
    }
  }

  /** One that no store takes must not keep the others. */
  async #settleAlone(stores: Stores, claims: readonly Claim[]): Promise<readonly Claim[]> {
    const next: Claim[] = [];
    for (const claim of claims) next.push(...(await this.#settle(stores, [claim], 1)));
    return next;
  }

  async #write(stores: Stores, claims: readonly Claim[]): Promise<readonly Claim[]> {
    const run = { worker: this.#id, elapsed: 0, random: this.#shared.random };
    const settlements = claims.map((claim) => decide(claim, { kind: "ended" }, run));
    const ask: ClaimAsk = { worker: this.#id, limit: AT_ONCE, of: { ended: true } };
    const { next } = await this.#arrived(stores, () => stores.settle(settlements, this.#shared.access.closed ? undefined : ask));
    for (const { task } of claims) this.#owed.delete(task.id);
    return next?.claims ?? [];
  }

  #owe(claims: readonly Claim[], error: unknown): void {
    for (const claim of claims) this.#owed.set(claim.task.id, { claim, error });
    this.#logger.warn("Tasks that were to be ended could not be; it is tried again", {
      tasks: claims.length,
      ...errorFields(error),
    });
  }

  async #wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      awake(this.#shared.clock).after(ms, resolve);
    });
  }

  async #claim(stores: Stores, of: ClaimAsk["of"]): Promise<Claims> {
    return this.#arrived(stores, () => stores.claim({ worker: this.#id, limit: AT_ONCE, of }));
  }

  async #arrived<T>(stores: Stores, fn: () => Promise<T>): Promise<T> {
    await this.#arrive(stores);
    try {
      return await fn();
    } catch (error) {
      // The row of a client that was silent for long is swept.
      if (!(error instanceof WorkerUnknownError)) throw error;
      this.#arrival = undefined;
      await this.#arrive(stores);
      return fn();
    }
  }

  async #arrive(stores: Stores): Promise<void> {
    const { host, boot, pid, started } = this.#shared.identity();
    const row = {
      worker: this.#id,
      role: "client",
      host,
      boot,
      pid,
      started,
      leaseMs: LEASE,
      queues: [],
      names: [],
      concurrency: 0,
    } as const;
    this.#arrival ??= stores.main.presence.arrive(row).catch((error: unknown) => {
      this.#arrival = undefined;
      throw error;
    });
    await this.#arrival;
  }
}
