/** Tells which workers are dead, without trusting anybody's wall clock. */
import type { Beat, WorkerRow } from "../core/backend.ts";
import type { Clock } from "../core/clock.ts";
import type { Ms } from "../core/record.ts";

/** A dead worker that held nothing more is looked at again after so long: a last claim of it may have come late. */
const AGAIN: Ms = 60_000;

interface Seen {
  readonly beat: number;
  /** When this beat was first seen, on the observer's monotonic clock. */
  readonly since: Ms;
  emptiedAt: Ms | undefined;
}

/** What is known of the process of a worker's row. */
export type IsGone = (row: Pick<WorkerRow, "host" | "boot" | "pid" | "started">) => boolean;

export class Lookout {
  readonly #clock: Clock;
  readonly #isGone: IsGone;
  #seen = new Map<string, Seen>();

  constructor(clock: Clock, isGone: IsGone) {
    this.#clock = clock;
    this.#isGone = isGone;
  }

  /**
   * The dead among these workers, with the beat that was seen: those whose beat stood still for a whole lease on our own monotonic
   * clock, and those whose process is certainly gone.
   */
  dead(rows: readonly WorkerRow[]): readonly Beat[] {
    const now = this.#clock.monotonic();
    const seen = new Map<string, Seen>();
    const dead: Beat[] = [];
    for (const row of rows) {
      const before = this.#seen.get(row.worker);
      const known = before?.beat === row.beat ? before : { beat: row.beat, since: now, emptiedAt: undefined };
      seen.set(row.worker, known);
      if (known.emptiedAt !== undefined && now - known.emptiedAt < AGAIN) continue;
      if (now - known.since >= row.leaseMs || this.#isGone(row)) dead.push({ worker: row.worker, beat: row.beat });
    }
    this.#seen = seen;
    return dead;
  }

  /** Everything they held has been taken. */
  emptied(dead: readonly Beat[]): void {
    const now = this.#clock.monotonic();
    for (const { worker, beat } of dead) {
      const known = this.#seen.get(worker);
      if (known?.beat === beat) known.emptiedAt = now;
    }
  }
}
