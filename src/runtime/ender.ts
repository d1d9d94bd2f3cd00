/** Ends marked tasks on behalf of a caller, who is a client among the workers: it claims, decides and settles within one turn. */
import type { Claim, ClaimAsk, Claims } from "../core/backend.ts";
import { WorkerUnknownError } from "../core/errors.ts";
import { decide } from "../core/lifecycle.ts";
import type { TaskId } from "../core/record.ts";
import type { Shared } from "./shared.ts";
import type { Stores } from "./stores.ts";

/** Tasks ended in one transaction. */
const AT_ONCE = 100;
/** A cascade is followed so far; workers end the rest. */
const ROUNDS = 50;
/** A client that was cut off between its claim and its settlement is found by workers after so long. */
const LEASE = 30_000;

export class Ender {
  readonly #shared: Shared;
  readonly #id: string;
  #arrival: Promise<void> | undefined;

  constructor(shared: Shared) {
    this.#shared = shared;
    this.#id = shared.newId();
  }

  /** Ends those of these tasks that are marked and held by nobody, and what their ends cancel in turn. */
  async end(stores: Stores, ids: readonly TaskId[]): Promise<void> {
    for (let i = 0; i < ids.length; i += AT_ONCE) await this.#cascade(stores, { ids: ids.slice(i, i + AT_ONCE) });
  }

  /** Ends tasks whose TTL has passed, a bounded number of them. */
  async endExpired(stores: Stores): Promise<void> {
    await this.#cascade(stores, { ended: true });
  }

  /** Takes the client's row away. */
  async leave(stores: Stores): Promise<void> {
    if (this.#arrival !== undefined) await stores.main.presence.leave(this.#id);
  }

  async #cascade(stores: Stores, of: ClaimAsk["of"]): Promise<void> {
    let { claims } = await this.#claim(stores, of);
    for (let round = 0; claims.length > 0 && round < ROUNDS; round++) {
      claims = (await this.#settle(stores, claims)).claims;
      if (claims.length > 0) continue;
      // Dependents beyond those that the settlement itself released.
      await stores.main.work.release(AT_ONCE);
      claims = (await this.#claim(stores, { ended: true })).claims;
    }
  }

  async #settle(stores: Stores, claims: readonly Claim[]): Promise<Claims> {
    const run = { worker: this.#id, elapsed: 0, random: this.#shared.random };
    const settlements = claims.map((claim) => decide(claim, { kind: "ended" }, run));
    const { next } = await stores.settle(settlements, { worker: this.#id, limit: AT_ONCE, of: { ended: true } });
    return next ?? { claims: [], more: false };
  }

  async #claim(stores: Stores, of: ClaimAsk["of"]): Promise<Claims> {
    const ask = { worker: this.#id, limit: AT_ONCE, of };
    await this.#arrive(stores);
    try {
      return await stores.claim(ask);
    } catch (error) {
      // The row of a client that was silent for long is swept.
      if (!(error instanceof WorkerUnknownError)) throw error;
      this.#arrival = undefined;
      await this.#arrive(stores);
      return stores.claim(ask);
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
