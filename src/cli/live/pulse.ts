/** How much happens: events counted by the second, over the last minutes. */
import type { TaskEvent } from "../../index.ts";

export interface Rates {
  readonly enqueued: number;
  readonly ended: number;
  readonly failed: number;
}
type Kind = keyof Rates;

/** So long it remembers. */
export const SPAN = 300;
/** The present rate is the mean of so many seconds. */
const MEAN = 10;
const ENDS: ReadonlySet<string> = new Set(["completed", "failed", "cancelled", "expired"]);

export class Pulse {
  readonly #seconds = new Map<number, Record<Kind, number>>();
  /** What was before nobody counted. */
  readonly #since: number;

  /** @param since from when on every event is told, in milliseconds since 1970. */
  constructor(since: number) {
    this.#since = since;
  }

  note({ eventType, timestamp }: Pick<TaskEvent, "eventType" | "timestamp">): void {
    const kinds: readonly Kind[] =
      eventType === "enqueued" ? ["enqueued"] : eventType === "failed" ? ["ended", "failed"] : ENDS.has(eventType) ? ["ended"] : [];
    if (kinds.length === 0) return;
    const second = Math.floor(timestamp.getTime() / 1_000);
    const counts = this.#seconds.get(second) ?? { enqueued: 0, ended: 0, failed: 0 };
    for (const kind of kinds) counts[kind]++;
    this.#seconds.set(second, counts);
  }

  /** A second, lately; the second that is still under way does not count. */
  rates(now: number): Rates {
    const last = Math.floor(now / 1_000);
    const first = Math.max(last - MEAN, Math.ceil(this.#since / 1_000));
    const seconds = Math.max(1, last - first);
    const mean = (kind: Kind): number => this.#sum(kind, first, last) / seconds;
    return { enqueued: mean("enqueued"), ended: mean("ended"), failed: mean("failed") };
  }

  /** The rates of the last minutes in so many steps, oldest first; undefined: from a time of which nothing is known. */
  history(kind: Kind, now: number, steps: number): readonly (number | undefined)[] {
    const length = Math.ceil(SPAN / steps);
    // Steps begin at multiples of their length, so that what is drawn moves on and does not flicker.
    const end = Math.floor(now / 1_000 / length) * length;
    return Array.from({ length: steps }, (_, i) => {
      const from = end - (steps - i) * length;
      return from * 1_000 < this.#since - length * 1_000 ? undefined : this.#sum(kind, from, from + length) / length;
    });
  }

  /** Forgets what is too old to be shown. */
  prune(now: number): void {
    const oldest = Math.floor(now / 1_000) - 2 * SPAN;
    for (const second of this.#seconds.keys()) if (second < oldest) this.#seconds.delete(second);
  }

  #sum(kind: Kind, from: number, to: number): number {
    let sum = 0;
    for (let second = from; second < to; second++) sum += this.#seconds.get(second)?.[kind] ?? 0;
    return sum;
  }
}
