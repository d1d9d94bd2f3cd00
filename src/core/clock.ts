/** Time as everything in OmniQ sees it: handed in, so that a test can advance it. */
export interface Clock {
  /** Milliseconds since 1970. May jump: only for times that people see, never to measure. */
  now(): number;
  /** Milliseconds that only ever grow: for durations and for watching others. */
  monotonic(): number;
  /**
   * Calls `fn` once after `ms` milliseconds and returns the function that prevents it.
   * A timer does not keep the process alive unless `keepAlive` is true.
   */
  after(ms: number, fn: () => void, keepAlive?: boolean): () => void;
}

/** Numbers in [0, 1), handed in wherever chance plays a part. */
export type Random = () => number;

/** No timer waits longer: a due time is re-read, never trusted to a timer (`setTimeout` beyond 24.8 days fires at once). */
export const LONGEST_WAIT = 30_000;
