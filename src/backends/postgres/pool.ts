/** Connections: of a pool that OmniQ makes with `pg`, or of the caller's own, which is never closed. */
import type { Answer, Link, Param, Row } from "./link.ts";

/** What OmniQ uses of a client of `pg`. */
export interface PoolClient {
  query(config: object): Promise<{ readonly rows: readonly object[]; readonly rowCount?: number | null }>;
  /** With true or an error the connection is closed instead of going back. */
  release(destroy?: boolean | Error): void;
  on(event: "error" | "end", listener: () => void): unknown;
  on(event: "notification", listener: (message: Notified) => void): unknown;
}
/** What another session told. */
export interface Notified {
  readonly channel: string;
  readonly payload?: string | undefined;
}
/** What OmniQ uses of a `Pool` of `pg`. */
export interface PoolLike {
  connect(): Promise<PoolClient>;
  on(event: "error", listener: () => void): unknown;
  removeListener(event: "error", listener: () => void): unknown;
}

/** Connections that have a listener for errors. */
const heard = new WeakSet<PoolClient>();

/**
 * A connection of the pool. One that is cut while nothing is asked of it says so by an event, which would end the process if nobody
 * listened; the next statement fails anyway.
 */
export async function connect(pool: PoolLike): Promise<PoolClient> {
  const client = await pool.connect();
  if (!heard.has(client)) {
    heard.add(client);
    client.on("error", () => undefined);
  }
  return client;
}

const INT8 = 20;
const INT4 = 23;
const INT2 = 21;
const FLOAT8 = 701;
const BOOL = 16;

/** How values are read, whatever the caller's own pool does elsewhere: every whole number of ours is one that JavaScript can hold. */
const types = {
  getTypeParser: (oid: number) => {
    if ([INT8, INT4, INT2, FLOAT8].includes(oid)) return Number;
    return oid === BOOL ? (text: string) => (text === "t" ? 1 : 0) : String;
  },
};

function isRow(value: object): value is Row {
  return !Array.isArray(value);
}

/** Names of statements that a connection may keep: planning the claim anew each time took as long as running it. */
const prepared = new Map<string, string>();
/** More texts than this folder has. */
const MOST_PREPARED = 200;

function nameOf(text: string): { readonly name?: string } {
  const known = prepared.get(text);
  if (known !== undefined) return { name: known };
  if (prepared.size >= MOST_PREPARED) return {};
  const name = `omniq_${prepared.size}`;
  prepared.set(text, name);
  return { name };
}

export interface LinkOptions {
  /** Each statement is given up when it takes longer, in milliseconds. */
  readonly deadline: number;
  /** Whether the connection is one's own between transactions, and may keep prepared statements. */
  readonly prepare: boolean;
}

/** A client as somewhere to send statements. */
export function linkTo(client: PoolClient, { deadline, prepare }: LinkOptions): Link {
  return {
    async query(text: string, values: readonly Param[]): Promise<Answer> {
      const answer = await client.query({
        text,
        values,
        types,
        query_timeout: deadline,
        ...(prepare && values.length > 0 ? nameOf(text) : {}),
      });
      // A text of several statements (a migration) is answered one by one.
      if (Array.isArray(answer)) return { rows: [], count: 0 };
      const { rows, rowCount } = answer;
      return { rows: rows.filter((row) => isRow(row)), count: rowCount ?? 0 };
    },
  };
}
