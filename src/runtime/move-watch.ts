/** Whoever waits and only reads learns in time that all has moved away, where nothing will ever change again. */
import type { Backend } from "../core/backend.ts";
import type { Clock } from "../core/clock.ts";
import { StorageError } from "../core/errors.ts";
import type { Ms } from "../core/record.ts";

/** Between two questions; nobody asks who waits for less. */
const EVERY: Ms = 5_000;

export class MoveWatch {
  readonly #clock: Clock;
  #askAt: Ms | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Nobody waits any more. */
  rest(): void {
    this.#askAt = undefined;
  }

  /** Called whenever somebody goes on waiting. @throws StorageError `STORAGE_MOVED`. Any other trouble is for those who write. */
  async look(store: Backend): Promise<void> {
    const now = this.#clock.monotonic();
    this.#askAt ??= now + EVERY;
    if (now < this.#askAt) return;
    this.#askAt = now + EVERY;
    try {
      await store.refuseMoved?.();
    } catch (error) {
      if (error instanceof StorageError && error.code === "STORAGE_MOVED") throw error;
    }
  }
}
