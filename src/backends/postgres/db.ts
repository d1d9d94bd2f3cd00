/** One transaction: where its statements go, and what belongs to it. */
import type { Hint } from "../../core/backend.ts";
import { storable } from "../../core/text.ts";
import type { NewEvent } from "../../core/event.ts";
import type { Answer, Link, Param, Row } from "./link.ts";
import type { Names } from "./names.ts";

/** Text of a statement with `{table}` for a name in our schema and `{now}` for the time, in milliseconds, the same in all of a statement. */
export type Sql = string;

export class Db {
  readonly #link: Link;
  readonly #names: Names;
  /** Events of the transaction, written before it commits. */
  readonly events: NewEvent[] = [];
  /** What to tell listeners once it has committed. */
  readonly hints = new Set<Hint>();

  constructor(link: Link, names: Names) {
    this.#link = link;
    this.#names = names;
  }

  query(sql: Sql, ...params: readonly Param[]): Promise<Answer> {
    return this.#link.query(
      this.#names.fill(sql),
      params.map((param) => (typeof param === "string" && param.includes("\0") ? storable(param) : param)),
    );
  }

  async all(sql: Sql, ...params: readonly Param[]): Promise<readonly Row[]> {
    return (await this.query(sql, ...params)).rows;
  }

  async get(sql: Sql, ...params: readonly Param[]): Promise<Row | undefined> {
    return (await this.all(sql, ...params))[0];
  }

  /** The number of rows changed. */
  async run(sql: Sql, ...params: readonly Param[]): Promise<number> {
    return (await this.query(sql, ...params)).count;
  }

  /** Runs `step`; when it answers false or throws, everything that it wrote is taken back. */
  async attempt(step: () => Promise<boolean>): Promise<void> {
    const events = this.events.length;
    await this.run("SAVEPOINT attempt");
    const undo = async (): Promise<void> => {
      await this.run("ROLLBACK TO SAVEPOINT attempt");
      await this.run("RELEASE SAVEPOINT attempt");
      this.events.length = events;
    };
    try {
      if (await step()) await this.run("RELEASE SAVEPOINT attempt");
      else await undo();
    } catch (error) {
      await undo();
      throw error;
    }
  }
}

/** An escaped NUL or half of a pair, not one of a text that is JSON itself: there the backslash is escaped. */
const UNSTORABLE = /(?<!\\)(?<escaped>(?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g;

/**
 * A list as one parameter, read back by `LIST`. PostgreSQL has no room for NUL and halves of surrogate pairs in a text: they become U+FFFD,
 * lest a task could never be settled. Arguments and results are JSON, in which they are escaped.
 */
export function list(values: readonly unknown[]): string {
  const text = JSON.stringify(values);
  return text.includes("\\u") ? text.replaceAll(UNSTORABLE, "$<escaped>\\ufffd") : text;
}

/** The SQL array of a parameter made by `list`. */
export const LIST = (param: number): Sql => `ARRAY(SELECT json_array_elements_text($${param}::json))`;
