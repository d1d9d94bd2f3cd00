/** One connection with its prepared statements, and what belongs to the transaction under way on it. */
import type { Hint } from "../../core/backend.ts";
import type { NewEvent } from "../../core/event.ts";
import type { Row } from "../shared/values.ts";
import type { Connection, ListStatement, Param, Statement } from "./library.ts";

/** Text of a statement with `{table}` for a name that carries the prefix. */
export type Sql = string;

export class Db {
  readonly connection: Connection;
  readonly #prefix: string;
  /** Bounded: every text is a constant of this folder. */
  readonly #statements = new Map<Sql, Statement>();
  readonly #lists = new Map<Sql, ListStatement>();
  /** The time of the transaction: read once, the same for all its rows. */
  now = 0;
  /** Events of the transaction, written in one multi-row insert before it commits. */
  readonly events: NewEvent[] = [];
  /** What to tell listeners once it has committed. */
  readonly hints = new Set<Hint>();
  /** Whether any dependency edge exists; unknown until asked (one look a transaction instead of one a task). */
  hasEdges: boolean | undefined;

  constructor(connection: Connection, prefix: string) {
    this.connection = connection;
    this.#prefix = prefix;
  }

  /** Forgets what belonged to the transaction before. */
  begin(now: number): void {
    this.now = now;
    this.events.length = 0;
    this.hints.clear();
    this.hasEdges = undefined;
  }

  named(sql: Sql): string {
    return sql.replaceAll(/\{(\w+)\}/g, (_, name: string) => `"${this.#prefix}${name}"`);
  }

  statement(sql: Sql): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.connection.prepare(this.named(sql));
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  all(sql: Sql, ...params: Param[]): Row[] {
    return this.statement(sql).all(...params);
  }

  /** Each row as an array in the order of its columns. */
  lists(sql: Sql, ...params: Param[]): Param[][] {
    let statement = this.#lists.get(sql);
    if (statement === undefined) {
      statement = this.connection.prepareLists(this.named(sql));
      this.#lists.set(sql, statement);
    }
    return statement(...params);
  }

  get(sql: Sql, ...params: Param[]): Row | undefined {
    return this.statement(sql).get(...params);
  }

  run(sql: Sql, ...params: Param[]): number {
    return this.statement(sql).run(...params);
  }

  /** Runs `step`; when it answers false, everything that it wrote is taken back. */
  attempt(step: () => boolean): void {
    const events = this.events.length;
    this.run("SAVEPOINT attempt");
    const kept = step();
    if (!kept) {
      this.run("ROLLBACK TO attempt");
      this.events.length = events;
    }
    this.run("RELEASE attempt");
  }
}
