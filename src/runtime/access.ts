/** The way to the stores: opened when first used, refused after the end. */
import { ClosedError } from "../core/errors.ts";
import type { Stores } from "./stores.ts";

export interface AccessOptions {
  /** Makes the stores; nothing is opened yet. Called again when opening failed before. */
  readonly make: () => Promise<Stores>;
  /** The stores without waiting, where their backends were handed in. */
  readonly makeNow?: (() => Stores | undefined) | undefined;
}

export class Access {
  readonly #options: AccessOptions;
  /** Those that this object opened: they alone are closed by it. */
  readonly #opened = new Set<{ close(): Promise<void> }>();
  #underWay = 0;
  #idle: () => void = () => {};
  readonly #atClose = new Set<(error: ClosedError) => void>();
  #stores: Stores | undefined;
  #opening: Promise<Stores> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** @throws ClosedError after `close`. */
  refuseClosed(): void {
    if (this.closed) throw closed();
  }

  /** The stores, if they are open now. */
  get now(): Stores | undefined {
    return this.closed ? undefined : this.#stores;
  }

  /**
   * Opens the stores if they are not, and lets `fn` work with them: at once and synchronously where they are open already.
   * `close` waits for it. @throws ClosedError after `close`.
   */
  async use<T>(fn: (stores: Stores) => Promise<T>): Promise<T> {
    this.refuseClosed();
    const stores = this.#stores ?? (await this.open());
    this.refuseClosed();
    this.#underWay++;
    try {
      return await fn(stores);
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) this.#idle();
    }
  }

  /** Opens the stores; several calls share one opening, and one that failed is tried again by the next call. */
  async open(): Promise<Stores> {
    this.refuseClosed();
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  /**
   * Opens the stores without waiting.
   * @throws ClosedError `NOT_OPEN` where that cannot be.
   */
  openNow(): Stores {
    this.refuseClosed();
    if (this.#stores !== undefined) return this.#stores;
    const stores = this.#opening === undefined ? this.#options.makeNow?.() : undefined;
    if (stores === undefined || stores.places.some((place) => !place.isOpen && place.sync === undefined)) {
      throw new ClosedError(
        "NOT_OPEN",
        "Expected OmniQ to be open before something is enqueued with `tx`: call `await omniq.open()` first",
      );
    }
    for (const place of stores.places) {
      if (place.isOpen) continue;
      place.sync?.open();
      this.#opened.add(place);
    }
    this.#stores = stores;
    this.#opening = Promise.resolve(stores);
    return stores;
  }

  /** Calls `fn` when the object is closed, before the stores are. Returns the function that prevents it. */
  onClose(fn: (error: ClosedError) => void): () => void {
    this.#atClose.add(fn);
    return () => {
      this.#atClose.delete(fn);
    };
  }

  /** Refuses what comes, waits for what is under way, calls `last` and closes what was opened. Idempotent. */
  close(last: (stores: Stores) => Promise<void>): Promise<void> {
    this.#closing ??= this.#close(last);
    return this.#closing;
  }

  async #open(): Promise<Stores> {
    const stores = await this.#options.make();
    for (const place of stores.places) {
      if (place.isOpen) continue;
      this.#opened.add(place);
      await place.open();
    }
    this.#stores = stores;
    return stores;
  }

  async #close(last: (stores: Stores) => Promise<void>): Promise<void> {
    const error = closed();
    for (const fn of this.#atClose) fn(error);
    await this.#opening?.catch(() => {});
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    try {
      if (this.#stores !== undefined) await last(this.#stores);
    } finally {
      for (const place of this.#opened) await place.close();
    }
  }
}

/** What everybody is told after the end. */
export function closed(): ClosedError {
  return new ClosedError("CLOSED", "Expected OmniQ to be open, but it was closed");
}
