/** The names of one schema, and how its time is told, put into statements. */
import type { Clock } from "../../core/clock.ts";
import type { Sql } from "./db.ts";

/** The database's own clock: one time for a whole transaction. As a subquery it is worked out once a statement, and not once a row and use. */
const OWN_CLOCK = "(SELECT floor(extract(epoch from now()) * 1000)::bigint)";
/** Inside the caller's transaction, which may have begun long ago: the time of the statement. */
const OF_THE_STATEMENT = "(SELECT floor(extract(epoch from statement_timestamp()) * 1000)::bigint)";

export class Names {
  readonly schema: string;
  readonly #clock: Clock | undefined;
  readonly #now: string;
  /** Bounded: every text is a constant of this folder. */
  readonly #filled = new Map<Sql, string>();

  /** @param clock told the time in tests; without it the database's own counts. */
  constructor(schema: string, clock?: Clock, insideTx = false) {
    this.schema = schema;
    this.#clock = clock;
    this.#now = insideTx ? OF_THE_STATEMENT : OWN_CLOCK;
  }

  /** A name that no other text can follow. */
  quoted(name: string): string {
    return `"${name.replaceAll('"', '""')}"`;
  }

  fill(sql: Sql): string {
    let text = this.#filled.get(sql);
    if (text === undefined) {
      text = sql.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === "now" ? "{now}" : `${this.quoted(this.schema)}.${name}`));
      this.#filled.set(sql, text);
    }
    return text.replaceAll("{now}", this.#clock === undefined ? this.#now : `${Math.trunc(this.#clock.now())}::bigint`);
  }
}
