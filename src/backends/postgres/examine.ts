/** Looks at a schema and its server without changing anything: for commands that must not make or migrate what they look at. */
import { setTimeout as sleep } from "node:timers/promises";
import { StorageError } from "../../core/errors.ts";
import { systemRandom } from "../../host.ts";
import type { Backlog } from "../shared/backlog.ts";
import { STAGE } from "../shared/stage.ts";
import { int, optionalInt, str } from "../shared/values.ts";
import { LIST, list } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import { Engine } from "./engine.ts";
import { versionOf } from "./migrate.ts";
import { Names } from "./names.ts";
import { checkOptions, placeOf, poolOf } from "./options.ts";
import { connect } from "./pool.ts";
import type { PoolLike } from "./pool.ts";
import type { Row } from "./link.ts";
import { MIGRATIONS, TABLES } from "./schema.ts";

export interface Where {
  readonly url: string;
  readonly schema: string;
}

export const SCHEMA_VERSION = MIGRATIONS.length;
/** `xid8`, which events are told apart by, came with it. */
export const LEAST_SERVER = 130_000;
const DEADLINE = 10_000;

interface Looking {
  readonly db: <R>(step: (db: Db) => Promise<R>) => Promise<R>;
  readonly names: Names;
  readonly pool: PoolLike;
}

/** @throws StorageError, as the backend does. */
async function looking<R>({ url, schema }: Where, look: (looking: Looking) => Promise<R>): Promise<R> {
  checkOptions({ url, schema });
  const { pool, end } = await poolOf({ url, connections: 3 });
  const names = new Names(schema);
  const place = placeOf({ url }, schema);
  const engine = new Engine({ pool, names, place, random: systemRandom, deadline: DEADLINE, prepare: false, onHints: () => undefined });
  try {
    return await look({ db: (step) => engine.single(step), names, pool });
  } finally {
    await end();
  }
}

/** The schema version of the tables that are there; 0: there are none. @throws StorageError */
export async function schemaVersionAt(where: Where): Promise<number> {
  return await looking(where, ({ db, names }) => db((each) => versionOf(each, names)));
}

/** The same, and that this user may write there: it writes, and takes it back. @throws StorageError when that cannot be. */
export async function proveWritable(where: Where): Promise<number> {
  return await looking(where, ({ db, names }) =>
    db(async (each) => {
      const version = await versionOf(each, names);
      if (version !== SCHEMA_VERSION) return version;
      await each.run("BEGIN");
      await each.run("UPDATE {tasks} SET revision = revision WHERE false");
      // A row, since a database that a move fills refuses rows, not statements.
      await each.run("INSERT INTO {queues}(name) VALUES ('')");
      await each.run("ROLLBACK");
      return version;
    }),
  );
}

export interface ServerFacts {
  /** As `server_version_num`: 150004 is 15.4. */
  readonly number: number;
  readonly text: string;
  readonly user: string;
  readonly isStandby: boolean;
  /** Settings that matter, as the server words them. */
  readonly settings: Readonly<Record<Setting, string>>;
  readonly connections: { readonly used: number; readonly most: number };
  /** Transactions that are open for more than a minute, the oldest first: they keep dead rows alive. */
  readonly open: readonly { readonly pid: number; readonly program: string; readonly ms: number }[];
  /** Milliseconds by which the server's clock is ahead of this machine's. */
  readonly ahead: number;
  readonly now: number;
  readonly version: number;
  /** What this user lacks, such as `INSERT on tasks`; only where the tables are there. */
  readonly missing: readonly string[];
  readonly tables: readonly TableFacts[];
  /** Whether a notification sent on one connection is heard on another. */
  readonly hears: boolean;
  readonly backlog: Backlog;
}
export interface TableFacts {
  readonly name: string;
  readonly rows: number;
  readonly dead: number;
  readonly bytes: number;
}

const SETTINGS = ["fsync", "full_page_writes", "synchronous_commit", "autovacuum", "default_transaction_read_only"] as const;
type Setting = (typeof SETTINGS)[number];

const SERVER: Sql = `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS text, current_user AS who,
  pg_is_in_recovery() AS standby, (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
  current_setting('max_connections')::int AS most, floor(extract(epoch from clock_timestamp()) * 1000)::bigint AS now,
  ${SETTINGS.map((name) => `current_setting('${name}') AS ${name}`).join(", ")}`;
const OPEN: Sql = `SELECT pid, application_name AS program, floor(extract(epoch from clock_timestamp() - xact_start) * 1000)::bigint AS ms
  FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - interval '1 minute'
  ORDER BY xact_start LIMIT 5`;
const MISSING: Sql = `SELECT p || ' on ' || t AS lacks FROM unnest(${LIST(2)}) AS t(t) CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p(p)
  WHERE NOT has_table_privilege(format('%I.%I', $1::text, t), p) ORDER BY 1`;
const SIZES: Sql = `SELECT s.relname AS name, s.n_live_tup AS rows, s.n_dead_tup AS dead, pg_total_relation_size(s.relid) AS bytes
  FROM pg_stat_all_tables s WHERE s.schemaname = $1 AND s.relname = ANY(${LIST(2)}) ORDER BY 4 DESC`;
const READY: Sql = `SELECT queue_name, count(*) AS n, min(due_at) AS oldest FROM {tasks} WHERE stage = ${STAGE.ready} GROUP BY queue_name ORDER BY queue_name`;
const HELD: Sql = "SELECT worker, count(*) AS n FROM {tasks} WHERE stage > 3 AND stage < 6 AND worker IS NOT NULL GROUP BY worker";

/** All that `omniq doctor` asks. @throws StorageError when the server cannot be asked. */
export async function examine(where: Where): Promise<ServerFacts> {
  return await looking(where, async ({ db, names, pool }) => {
    const began = Date.now();
    const server = await db((each) => each.get(SERVER));
    if (server === undefined) throw new StorageError("STORAGE_FAILED", "Expected the server to tell about itself, but it did not");
    const localNow = (began + Date.now()) / 2;
    const open = await db((each) => each.all(OPEN));
    const version = await db((each) => versionOf(each, names));
    return {
      ...serverOf(server),
      ahead: int(server["now"]) - localNow,
      open: open.map((row) => ({ pid: int(row["pid"]), program: str(row["program"]), ms: int(row["ms"]) })),
      version,
      ...(version === SCHEMA_VERSION ? await db((each) => schemaFacts(each, where.schema)) : NOTHING),
      hears: await hears(pool, names),
    };
  });
}

function serverOf(row: Row) {
  return {
    number: int(row["number"]),
    text: str(row["text"]),
    user: str(row["who"]),
    isStandby: optionalInt(row["standby"]) === 1,
    settings: {
      fsync: str(row["fsync"]),
      full_page_writes: str(row["full_page_writes"]),
      synchronous_commit: str(row["synchronous_commit"]),
      autovacuum: str(row["autovacuum"]),
      default_transaction_read_only: str(row["default_transaction_read_only"]),
    },
    connections: { used: int(row["used"]), most: int(row["most"]) },
    now: int(row["now"]),
  };
}

const NOTHING = { missing: [], tables: [], backlog: { ready: [], held: new Map<string, number>() } };

async function schemaFacts(db: Db, schema: string) {
  const missing = (await db.all(MISSING, schema, list([...TABLES, "omniq_meta"]))).map((row) => str(row["lacks"]));
  const tables = (await db.all(SIZES, schema, list(TABLES))).map((row) => ({
    name: str(row["name"]),
    rows: int(row["rows"]),
    dead: int(row["dead"]),
    bytes: int(row["bytes"]),
  }));
  if (missing.some((each) => each === "SELECT on tasks")) return { ...NOTHING, missing, tables };
  const ready = (await db.all(READY)).map((row) => ({ queue: str(row["queue_name"]), tasks: int(row["n"]), oldest: int(row["oldest"]) }));
  const held = new Map((await db.all(HELD)).map((row) => [str(row["worker"]), int(row["n"])]));
  return { missing, tables, backlog: { ready, held } };
}

/** A pooler that hands a connection to somebody else between transactions loses what was listened for. */
async function hears(pool: PoolLike, names: Names): Promise<boolean> {
  const listener = await connect(pool);
  try {
    const channel = names.quoted(`omniq_doctor_${process.pid}`);
    const heard = new Promise<boolean>((resolve) => {
      listener.on("notification", () => {
        resolve(true);
      });
    });
    await listener.query({ text: `LISTEN ${channel}` });
    const sender = await connect(pool);
    await sender.query({ text: `NOTIFY ${channel}` });
    sender.release();
    return await Promise.race([heard, sleep(2_000, false)]);
  } finally {
    listener.release(true);
  }
}
