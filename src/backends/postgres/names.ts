/** The names of one schema, and how its time is told, put into statements. */
import type { Clock } from "../../core/clock.ts";
import type { Sql } from "./db.ts";

/**
 * The database's own clock, looked at once a statement, when it is first asked: behind the statement's snapshot, so that whoever sees a row
 * is not earlier than it (`now()` is told at the arrival of the statement, which another one may overtake).
 */
const CLOCK = "clock AS MATERIALIZED (SELECT floor(extract(epoch from clock_timestamp()) * 1000)::bigint AS now)";
const NOW = "(SELECT now FROM clock)";

export class Names {
  readonly schema: string;
  readonly #clock: Clock | undefined;
  /** Bounded: every text is a constant of this folder. */
  readonly #filled = new Map<Sql, string>();

  /** @param clock told the time in tests; without it the database's own counts. */
  constructor(schema: string, clock?: Clock) {
    this.schema = schema;
    this.#clock = clock;
  }

  /** A name that no other text can follow. */
  quoted(name: string): string {
    return `"${name.replaceAll('"', '""')}"`;
  }

  fill(sql: Sql): string {
    let text = this.#filled.get(sql);
    if (text === undefined) {
      const named = sql.replaceAll(/\{(\w+)\}/g, (found, name: string) => (name === "now" ? found : `${this.quoted(this.schema)}.${name}`));
      text = this.#clock === undefined ? withClock(named) : named;
      this.#filled.set(sql, text);
    }
    return this.#clock === undefined ? text : text.replaceAll("{now}", `${Math.trunc(this.#clock.now())}::bigint`);
  }
}

function withClock(sql: string): string {
  if (!sql.includes("{now}")) return sql;
  const rest = sql.startsWith("WITH ") ? `, ${sql.slice("WITH ".length)}` : ` ${sql}`;
  return `WITH ${CLOCK}${rest}`.replaceAll("{now}", NOW);
}
