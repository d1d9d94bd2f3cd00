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
    if (account.inDoubt && account.underWay === 0) {
      const found = await this.#during(account, async () => ({
        claims: await strays([...account.held].map(([i, f]) => ({ i, f }))),
        more: true,
      }));
      account.inDoubt = false;
      if (found.claims.length > 0) return found;
    }
    return await this.#during(account, claim);
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

  /** What the worker holds by its row: a claim of which nobody has heard was done by the server after all, when its answer had been given up. */
  heldBy(worker: string, rows: readonly Known[]): void {
    const account = this.#accountOf(worker);
    if (rows.some(({ i, f }) => account.held.get(i) !== f)) account.inDoubt = true;
  }

  forget(worker: string): void {
    this.#accounts.delete(worker);
  }

  #accountOf(worker: string): Account {
    let account = this.#accounts.get(worker);
    if (account === undefined) {
      account = { held: new Map(), underWay: 0, inDoubt: false };
      this.#accounts.set(worker, account);
    }
    return account;
  }
}
