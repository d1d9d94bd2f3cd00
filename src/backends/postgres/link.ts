/** What OmniQ needs of PostgreSQL: somewhere to send a statement. A pool, a client and the caller's own transaction are all that. */

/** What may be bound. Lists go as JSON text: not every caller's own client can bind an array. */
export type Param = string | number | null;
/** A value as it comes: eight-byte integers as text, if the client does not parse them. */
export type Value = string | number | bigint | null;
export type Row = Readonly<Record<string, Value>>;

export interface Answer {
  readonly rows: readonly Row[];
  /** Rows written or read. */
  readonly count: number;
}

/** Sends statements, one after the other. */
export interface Link {
  query(text: string, values: readonly Param[]): Promise<Answer>;
}
