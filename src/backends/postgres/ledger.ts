/**
 * Which claims have reached the workers of this process. A claim whose answer was lost on its way is held by a worker that does not know
 * of it: the worker lives, so nobody would ever take it over. Invariant: what a worker holds in the database and is not in here, while
 * none of its claims is under way, is such a stray; it is answered anew.
 */
import type { Claim, Claims, Settled, Settlement } from "../../core/backend.ts";

/** A claim: its task and its fence. */
export interface Known {
  readonly i: string;
  readonly f: number;
}

interface Account {
  /** Task and fence of what has been answered and is not settled yet. */
  readonly held: Map<string, number>;
  /** Claims under way. */
  underWay: number;
  /** Whether an answer was lost since the last look. */
  inDoubt: boolean;
  /** The look for strays that is under way: a new claim waits for it, lest it is taken for one. */
  looking: Promise<Claims> | undefined;
  /** What the last beat found held that is not known, as `id fence`: probably the answer was on its way. */
  unknown: ReadonlySet<string>;
}

export class Ledger {
  readonly #accounts = new Map<string, Account>();

  /**
   * Runs a claim of this worker. `strays` answers what it holds beside what is known; asked instead of a new claim when an answer was lost,
   * and only while nothing else of the worker is under way: what is on its way is no stray.
   */
  async claim(
    worker: string,
    claim: () => Promise<Claims>,
    strays: (known: readonly Known[]) => Promise<readonly Claim[]>,
  ): Promise<Claims> {
    const account = this.#accountOf(worker);
    while (account.looking !== undefined) await account.looking.catch(() => undefined);
    if (account.inDoubt && account.underWay === 0) {
      account.looking = this.#look(account, strays);
      const found = await account.looking;
      if (found.claims.length > 0) return found;
    }
    return await this.#during(account, claim);
  }

  async #look(account: Account, strays: (known: readonly Known[]) => Promise<readonly Claim[]>): Promise<Claims> {
    try {
      const known = [...account.held].map(([i, f]) => ({ i, f }));
      const found = await this.#during(account, async () => ({ claims: await strays(known), more: true }));
      account.inDoubt = false;
      return found;
    } finally {
      account.looking = undefined;
    }
  }

  async #during(account: Account, claim: () => Promise<Claims>): Promise<Claims> {
    account.underWay++;
    try {
      const claims = await claim();
      for (const { task, fence } of claims.claims) account.held.set(task.id, fence);
      return claims;
    } catch (error) {
      account.inDoubt = true;
      throw error;
    } finally {
      account.underWay--;
    }
  }

  /** Whatever the answer: the worker is done with that claim. */
  settled(set: readonly Settlement[], answers: readonly Settled[]): void {
    for (const [i, { id, fence }] of set.entries()) {
      if (answers[i] === undefined) continue;
      for (const { held } of this.#accounts.values()) if (held.get(id) === fence) held.delete(id);
    }
  }

  /**
   * What a beat found held. A claim of which nobody has heard at two beats was made by the server after its answer had been given up, and
   * after the look for strays.
   */
  heldBy(worker: string, rows: readonly Known[]): void {
    const account = this.#accountOf(worker);
    const unknown = rows.flatMap(({ i, f }) => (account.held.get(i) === f ? [] : [`${i} ${f}`]));
    if (unknown.some((each) => account.unknown.has(each))) account.inDoubt = true;
    account.unknown = new Set(unknown);
  }

  forget(worker: string): void {
    this.#accounts.delete(worker);
  }

  #accountOf(worker: string): Account {
    let account = this.#accounts.get(worker);
    if (account === undefined) {
      account = { held: new Map(), underWay: 0, inDoubt: false, looking: undefined, unknown: new Set() };
      this.#accounts.set(worker, account);
    }
    return account;
  }
}
