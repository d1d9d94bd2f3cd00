/**
 * The worker's one loop: it writes what has ended and claims what has room, both in one transaction a tick. Invariants: one write at a
 * time; a claim asks for exactly the room there is; nothing is asked again before a hint, a due time, a beat or a full answer says that
 * there may be more; an error of the store changes nothing but the time of the next try.
 */
import type { Claim, ClaimAsk, Claims } from "../core/backend.ts";
import { LONGEST_WAIT } from "../core/clock.ts";
import type { Clock, Random } from "../core/clock.ts";
import { StorageError, WorkerUnknownError } from "../core/errors.ts";
import type { Ms } from "../core/record.ts";
import { Waits } from "./backoff.ts";
import { errorFields } from "./logger.ts";
import type { Throttle } from "./logger.ts";
import type { Settler } from "./settler.ts";
import type { Slots } from "./slots.ts";
import type { Stores } from "./stores.ts";

/** The least wait for a due time, by how often in a row it came to nothing: what is due but cannot be claimed is not polled for. */
const LEAST_WAITS: readonly Ms[] = [1, 50, 1_000];

/** No time mends it: a person has to. */
const DAMAGED =
  "The database is damaged: `omniq doctor` says how much, `omniq doctor --salvage` saves what can be read; the worker tries again";
function isDamage(error: unknown): boolean {
  return error instanceof StorageError && (error.code === "STORAGE_CORRUPT" || error.code === "NOT_A_DATABASE");
}

export interface PumpOptions {
  readonly stores: Stores;
  readonly clock: Clock;
  readonly random: Random;
  readonly throttle: Throttle;
  readonly slots: Slots;
  readonly settler: Settler;
  readonly worker: string;
  readonly of: ClaimAsk["of"];
  readonly yieldTurn: () => Promise<void>;
  /** Whether nothing may be written or claimed for the moment, since the worker no longer knows what it holds. */
  readonly isSilent: () => boolean;
  /** The worker's row was gone: writes it again. False when that failed, too. */
  readonly arriveAgain: () => Promise<boolean>;
  /** A claim that was handed out: to be run, to be ended, or to be given back. */
  readonly claimed: (claim: Claim) => void;
  /** Nothing runs, waits or is due. */
  readonly idle: () => void;
  readonly failed: (error: unknown) => void;
}

export class Pump {
  readonly #options: PumpOptions;
  readonly #waits: Waits;
  /** Something may be claimable. */
  #due = true;
  /** The last claim left out a part of what is due. */
  #isPartial = false;
  /** The next claim is to leave out nothing. */
  #whole = false;
  #accepting = true;
  #open = true;
  #busy = true;
  #failures = 0;
  #fruitless = 0;
  #byTimer = false;
  #wakeUp: (() => void) | undefined;
  #disarm: (() => void) | undefined;
  #rests: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];
  #loop: Promise<void> | undefined;
  /** The write under way; it never rejects. */
  #ticking: Promise<void> | undefined;

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#waits = new Waits(options.random);
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Something waits to be written, or has changed otherwise. */
  wake(): void {
    this.#wakeUp?.();
  }

  /** Something may be due: asks again. */
  hint(): void {
    this.#due = true;
    this.wake();
  }

  /** Resolves when nothing runs or waits, and a claim made after this call looked at all and found nothing more. Rejects where the store is damaged. */
  async rest(): Promise<void> {
    this.hint();
    await new Promise<void>((resolve, reject) => {
      this.#rests.push({ resolve, reject });
    });
  }

  /** No claims any more; resolves when the one under way, if any, is answered. */
  async refuse(): Promise<void> {
    this.#accepting = false;
    this.#waits.reset();
    this.#disarm?.();
    this.wake();
    await this.#ticking;
  }

  /** Ends the loop; resolves when the write under way is over. */
  async stop(): Promise<void> {
    this.#open = false;
    await this.refuse();
    await this.#loop;
    for (const { resolve } of this.#rests) resolve();
  }

  async #run(): Promise<void> {
    const { settler, yieldTurn } = this.#options;
    while (this.#open) {
      if (!this.#hasWork()) {
        if (this.#restNow()) await this.#sleep(undefined);
        continue;
      }
      // Handlers that end in this same turn share the commit.
      if (settler.waiting > 0) await yieldTurn();
      let failure: { readonly error: unknown } | undefined;
      this.#ticking = this.#tick().catch((error: unknown) => {
        failure = { error };
      });
      await this.#ticking;
      if (failure !== undefined) await this.#recover(failure.error, settler.waiting > 0);
    }
  }

  #hasWork(): boolean {
    if (this.#options.isSilent()) return false;
    return this.#options.settler.waiting > 0 || this.#wantsClaims();
  }

  #wantsClaims(): boolean {
    return this.#due && this.#accepting && this.#options.slots.room > 0;
  }

  async #tick(): Promise<void> {
    const { stores, settler, slots } = this.#options;
    const set = settler.take();
    // After a failure what has ended is written alone, so that it does not wait for a claim that fails.
    const ask = this.#wantsClaims() && (set.length === 0 || this.#failures === 0) ? this.#ask() : undefined;
    if (ask !== undefined) this.#due = false;
    let next: Claims | undefined;
    try {
      if (set.length === 0) next = ask === undefined ? undefined : await stores.claim(ask);
      else {
        const settlements = set.flatMap(({ settlement }) => (settlement === undefined ? [] : [settlement]));
        const answer = await stores.settle(settlements, ask);
        settler.written(set, answer.settled);
        next = answer.next;
      }
    } catch (error) {
      if (set.length > 0) settler.putBack(set);
      if (ask !== undefined) this.#due = true;
      throw error;
    }
    this.#failures = 0;
    this.#waits.reset();
    if (ask !== undefined && next !== undefined) this.#take(ask, next);
    slots.fill();
  }

  #ask(): ClaimAsk {
    const { worker, slots, of } = this.#options;
    return { worker, limit: slots.room, of: this.#whole && "due" in of ? { ...of, whole: true } : of };
  }

  #take({ limit }: ClaimAsk, { claims, more, nextDueIn, partial = false }: Claims): void {
    const { claimed } = this.#options;
    for (const claim of claims) claimed(claim);
    this.#disarm?.();
    this.#fruitless = this.#byTimer && claims.length === 0 ? this.#fruitless + 1 : 0;
    this.#byTimer = false;
    this.#isPartial = partial;
    this.#whole = false;
    if (claims.length > 0) this.#busy = true;
    if (more || claims.length >= limit) this.#due = true;
    else if (nextDueIn !== undefined && this.#accepting) this.#arm(nextDueIn);
  }

  #arm(nextDueIn: Ms): void {
    const least = LEAST_WAITS[Math.min(this.#fruitless, LEAST_WAITS.length - 1)] ?? 0;
    this.#disarm = this.#options.clock.after(Math.min(Math.max(nextDueIn, least), LONGEST_WAIT), () => {
      this.#byTimer = true;
      this.hint();
    });
  }

  /** Waits until it is woken, or so long. Nothing is lost between the look at the work and this: no turn lies between them. */
  async #sleep(longest: Ms | undefined): Promise<void> {
    let disarm: (() => void) | undefined;
    await new Promise<void>((resolve) => {
      this.#wakeUp = resolve;
      if (longest !== undefined) disarm = this.#options.clock.after(longest, resolve);
    });
    this.#wakeUp = undefined;
    disarm?.();
  }

  /** @param claims whether what failed was a settlement: claims, which may be possible all the same, go on meanwhile. */
  async #recover(error: unknown, claims: boolean): Promise<void> {
    const { throttle, arriveAgain, failed, isSilent } = this.#options;
    this.#failures++;
    if (error instanceof WorkerUnknownError && (await arriveAgain()) && this.#failures === 1) return;
    const damaged = isDamage(error);
    throttle.warn(damaged ? DAMAGED : "The store could not be reached; the worker tries again", errorFields(error));
    failed(error);
    // Whoever waits for the end of the work would wait for ever.
    if (damaged) for (const { reject } of this.#rests.splice(0)) reject(error);
    const { clock } = this.#options;
    const until = clock.monotonic() + this.#waits.next();
    const accepting = this.#accepting;
    // Whatever wakes it meanwhile, it does not come back before its time, unless the worker begins to stop.
    let mayClaim = claims;
    while (this.#open && accepting === this.#accepting && clock.monotonic() < until) {
      if (mayClaim && !isSilent() && this.#wantsClaims()) mayClaim = await this.#claimAlone();
      else await this.#sleep(until - clock.monotonic());
    }
  }

  /** False when it failed: the tick that comes next tells of it. */
  async #claimAlone(): Promise<boolean> {
    let done = true;
    this.#ticking = this.#claim().catch(() => {
      done = false;
    });
    await this.#ticking;
    return done;
  }

  async #claim(): Promise<void> {
    const { stores, slots } = this.#options;
    const ask = this.#ask();
    this.#due = false;
    try {
      this.#take(ask, await stores.claim(ask));
      slots.fill();
    } catch (error) {
      this.#due = true;
      throw error;
    }
  }

  /** False when there is something to be claimed first: who waits for rest is told of none before a claim has looked at all. */
  #restNow(): boolean {
    const { settler, slots, isSilent, idle } = this.#options;
    if (settler.held.size > 0 || !slots.isEmpty || isSilent()) return true;
    if (this.#isPartial && this.#rests.length > 0) {
      this.#due = this.#whole = true;
      if (this.#wantsClaims()) return false;
    }
    if (this.#busy) {
      this.#busy = false;
      idle();
    }
    const rests = this.#rests;
    this.#rests = [];
    for (const { resolve } of rests) resolve();
    return true;
  }
}
