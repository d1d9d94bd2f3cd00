/** What waits and what is held, for `omniq doctor`: the façade does not tell it. */
export interface Backlog {
  /** Ready tasks by queue: how many, and since when the oldest is due. */
  readonly ready: readonly { readonly queue: string; readonly tasks: number; readonly oldest: number }[];
  /** Running tasks by worker. */
  readonly held: ReadonlyMap<string, number>;
}
