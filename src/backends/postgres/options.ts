/** Checks of the backend's options, and the pool that they name: before any connection is made. */
import type { Client, Pool } from "pg";
import { milliseconds } from "../../core/duration.ts";
import { expected, StorageError } from "../../core/errors.ts";
import { refuseUnknown } from "../../core/nearest.ts";
import { isPostgresUrl } from "../../core/url.ts";
import type { PostgresBackendOptions } from "./backend.ts";
import type { PoolLike } from "./pool.ts";

const OPTIONS = ["projectName", "url", "pool", "schema", "connections", "prepare", "queryTimeout", "clock", "random"];

export function checkOptions(options: PostgresBackendOptions): void {
  refuseUnknown(options, OPTIONS, "the options of PostgresBackend");
  const { projectName, url, pool, schema, connections, prepare } = options;
  if (projectName !== undefined && (typeof projectName !== "string" || projectName === ""))
    throw expected("projectName", "a name", projectName);
  if (url !== undefined && !isUrl(url))
    throw expected(
      "url",
      "postgres://user@host:port/database, with characters such as / and @ in user and password percent-encoded",
      typeof url === "string" ? schemeOf(url) : url,
    );
  if (url !== undefined && new URL(url).searchParams.has("schema"))
    throw expected("url", "given without ?schema=, which is an option of its own: `schema`", "both in one");
  if (pool !== undefined && !isPool(pool)) throw expected("pool", "a Pool of pg", pool);
  if (roomOf(pool) === 1) throw expected("pool", "a Pool of pg with room for 2 connections, of which one listens", roomOf(pool));
  if (pool !== undefined && (url !== undefined || connections !== undefined))
    throw expected("pool", "given without `url` and `connections`, which are for a pool of OmniQ's own", "both");
  if (schema !== undefined && !isSchema(schema))
    throw expected("schema", "1 to 50 letters, digits and `_`, not beginning with a digit or `pg_`, nor `information_schema`", schema);
  if (prepare !== undefined && typeof prepare !== "boolean") throw expected("prepare", "true or false", prepare);
  const room = connectionsOf(options);
  if (!(Number.isSafeInteger(room) && room >= 2)) throw expected("connections", "a whole number from 2 on", room);
}

const DAY = 86_400_000;

/** After so many milliseconds a statement is given up. A URL may say it, too. @throws InvalidOptionError */
export function queryTimeoutOf({ url, queryTimeout }: PostgresBackendOptions): number {
  const said = url === undefined ? null : new URL(url).searchParams.get("queryTimeout");
  const given = queryTimeout ?? said ?? 10_000;
  const ms = milliseconds(given, "queryTimeout");
  // The server takes 0 for no limit at all, and has none above 24 days.
  if (ms < 1 || ms > DAY) throw expected("queryTimeout", "a duration from 1 millisecond to a day", given);
  return ms;
}

/** Of our own pool, at most. A URL may say it, for programs and commands that are given nothing else. */
function connectionsOf({ url, connections }: PostgresBackendOptions): number {
  const said = url === undefined ? null : new URL(url).searchParams.get("connections");
  return connections ?? (said === null ? 10 : /^\d+$/.test(said) ? Number(said) : Number.NaN);
}

/** All of a URL that may be shown: a password may stand anywhere in one that is wrong. */
function schemeOf(url: string): string {
  return url.replace(/:.*$/s, ":…");
}

function isUrl(url: unknown): url is string {
  return typeof url === "string" && isPostgresUrl(url);
}

function isPool(pool: unknown): pool is PoolLike {
  return typeof pool === "object" && pool !== null && "connect" in pool && typeof pool.connect === "function" && "on" in pool;
}

/** How many connections a pool of `pg` may have; undefined where it does not say. */
function roomOf(pool: PoolLike | undefined): number | undefined {
  const options: unknown = pool !== undefined && "options" in pool ? pool.options : undefined;
  return typeof options === "object" && options !== null && "max" in options && typeof options.max === "number" ? options.max : undefined;
}

function isSchema(schema: unknown): boolean {
  return typeof schema === "string" && /^[A-Za-z_][A-Za-z0-9_]{0,49}$/.test(schema) && !/^(?:pg_|information_schema$)/i.test(schema);
}

/** The place as people know it: host, database and schema, never user or password. */
export function placeOf({ url }: PostgresBackendOptions, schema: string): string {
  if (url === undefined || !URL.canParse(url)) return `the schema ${schema} of PostgreSQL`;
  const { host, pathname } = new URL(url);
  return `postgres://${host}${pathname}, schema ${schema}`;
}

/** Errors of idle connections: the next call opens another one. Without a listener they would end the process. */
const ignore = (): void => undefined;

/**
 * Our statements are planned once a connection. Left to itself the server planned the claim anew at each call once there were statistics:
 * 2.4 of 11 ms. Nor is any statement worth compiling, or reading a whole table where an index leads to the row, whatever the size
 * that the table had when it was planned; nor gathering all that is behind a cursor to sort it, where an index has the order. And whoever waited
 * for a lock sees what was committed meanwhile, whatever level database or user have as their default.
 */
export const SETTINGS =
  "-c plan_cache_mode=force_generic_plan -c jit=off -c enable_seqscan=off -c enable_bitmapscan=off -c default_transaction_isolation=read\\ committed";

/** So long a lock is waited for: shorter than a statement may take, so that the server says that it was a lock before we give the statement up. */
export const lockTimeout = (deadline: number): number => Math.max(1, Math.floor(0.9 * deadline));

/**
 * The server gives a statement up, too, else it may be done long after we gave it up: a second later than we do, so that a slow statement is
 * one and the same error. And a transaction of a process that is frozen inside it: its locks kept everybody from taking over its tasks.
 */
function limits(deadline: number): string {
  const late = deadline + 1_000;
  return `-c lock_timeout=${lockTimeout(deadline)} -c statement_timeout=${late} -c idle_in_transaction_session_timeout=${late}`;
}

/** Where to connect, and our settings behind those of the URL, beside which `pg` forgets ours: made twice, the last one holds. */
function settingsOf(options: PostgresBackendOptions, deadline?: number) {
  const { url } = options;
  // A pooler between us and the server refuses settings, and keeps no statements either.
  if (!prepares(options)) return { connectionString: url };
  const ours = deadline === undefined ? SETTINGS : `${SETTINGS} ${limits(deadline)}`;
  const place = url === undefined ? undefined : new URL(url);
  const theirs = place?.searchParams.getAll("options").at(-1);
  if (place === undefined || theirs === undefined) return { connectionString: url, options: ours };
  place.searchParams.delete("options");
  return { connectionString: place.href, options: `${theirs} ${ours}` };
}

/**
 * The caller's pool, or one of ours. `pg` is loaded by this call, and not before.
 * @param deadline of each statement, in milliseconds.
 */
export async function poolOf(
  options: PostgresBackendOptions,
  deadline?: number,
): Promise<{ readonly pool: PoolLike; readonly end: () => Promise<void> }> {
  const { pool } = options;
  if (pool !== undefined) {
    pool.on("error", ignore);
    return {
      pool,
      end: () => {
        pool.removeListener("error", ignore);
        return Promise.resolve();
      },
    };
  }
  const pg = await driver();
  const own = new pg.Pool({
    Client: closing(pg.Client),
    max: connectionsOf(options),
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
    application_name: "omniq",
    allowExitOnIdle: true,
    ...settingsOf(options, deadline),
  });
  own.on("error", ignore);
  // From its first moment: one that was cut as it was handed over ended the process, which had no listener yet.
  own.on("connect", (client) => client.on("error", ignore));
  return { pool: own, end: () => own.end() };
}

/** A client that could not connect lets its socket go: a refused password left it open for a minute, and the process with it. */
function closing(client: typeof Client): typeof Client {
  return class extends client {
    override connect(): Promise<Client>;
    override connect(callback: (error: Error) => void): void;
    override connect(callback?: (error: Error) => void): Promise<Client> | void {
      if (callback === undefined) return super.connect();
      super.connect((error: unknown) => {
        if (error instanceof Error) this.end(ignore);
        // Null where all went well, whatever the types say.
        callback(error as Error);
      });
    }
  };
}

/** Whether connections keep prepared statements. A URL says that it names a pooler by `pgbouncer=true`, as it does to others. */
export function prepares({ pool, url, prepare }: PostgresBackendOptions): boolean {
  if (prepare !== undefined) return prepare;
  if (pool !== undefined) return false;
  return url === undefined || new URL(url).searchParams.get("pgbouncer") !== "true";
}

async function driver(): Promise<{ readonly Pool: typeof Pool; readonly Client: typeof Client }> {
  try {
    const { default: pg } = await import("pg");
    return pg;
  } catch (cause) {
    throw new StorageError("DRIVER_MISSING", "Expected the package pg to be installed, which PostgreSQL needs: npm install pg", { cause });
  }
}
