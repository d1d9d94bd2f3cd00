/** Tells which workers are dead, without trusting anybody's wall clock. */
import type { Beat, WorkerRow } from "../core/backend.ts";
import type { Clock } from "../core/clock.ts";
import type { Ms } from "../core/record.ts";

interface Seen {
  readonly beat: number;
  /** When this beat was first seen, on the observer's monotonic clock. */
  readonly since: Ms;
}

/** What is known of the process of a worker's row. */
export type IsGone = (row: Pick<WorkerRow, "host" | "boot" | "pid" | "started">) => boolean;

export class Lookout {
  readonly #clock: Clock;
  readonly #isGone: IsGone;
  /** What the last whole round saw, and what this one has seen so far. */
  #seen: ReadonlyMap<string, Seen> = new Map();
  #round = new Map<string, Seen>();

  constructor(clock: Clock, isGone: IsGone) {
    this.#clock = clock;
    this.#isGone = isGone;
  }

  /**
   * The dead among those that hold claims, with the beat that was seen: those whose beat stood still for a whole lease on our own monotonic
   * clock, and those whose process is certainly gone.
   * @param options.others whose beat is noted, too: one that claims now and dies has been known since its last beat, not only since its claim.
   * @param options.more whether other holders are shown before these come again.
   */
  dead(
    holders: readonly WorkerRow[],
    { others = [], more = false }: { readonly others?: readonly WorkerRow[]; readonly more?: boolean } = {},
  ): readonly Beat[] {
    const now = this.#clock.monotonic();
    const dead: Beat[] = [];
    for (const row of others) this.#note(row, now);
    for (const row of holders) {
      const { beat, since } = this.#note(row, now);
      if (now - since >= row.leaseMs || this.#isGone(row)) dead.push({ worker: row.worker, beat });
    }
    if (more) return dead;
    this.#seen = this.#round;
    this.#round = new Map();
    return dead;
  }

  #note(row: WorkerRow, now: Ms): Seen {
    const before = this.#round.get(row.worker) ?? this.#seen.get(row.worker);
    const known = before?.beat === row.beat ? before : { beat: row.beat, since: now };
    this.#round.set(row.worker, known);
    return known;
  }
}
