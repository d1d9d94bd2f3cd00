/** Where the bench's tables lie on a PostgreSQL server: a schema for each measurement, dropped behind it. */
import { Client } from "pg";
import { STAGE } from "../../src/backends/shared/stage.ts";
import { OmniQ } from "../../src/index.ts";
import { PostgresBackend } from "../../src/postgres.ts";
import type { Kind, Open } from "../claims.ts";
import { YEAR } from "../places.ts";
import type { Place } from "../queue.ts";

/** Named by OMNIQ_BENCH_POSTGRES_URL; else the server of this machine. */
export const SERVER = process.env["OMNIQ_BENCH_POSTGRES_URL"] ?? "postgres://postgres@127.0.0.1:5432/postgres";

let made = 0;

/** The name of a schema that is not there yet. */
function newSchema(): string {
  return `bench_${process.pid}_${made++}`;
}

async function dropSchema(schema: string): Promise<void> {
  await withClient((client) => client.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`));
}

export async function openOn(schema: string): Promise<OmniQ> {
  const omniq = new OmniQ({ url: SERVER, schema });
  await omniq.open();
  return omniq;
}

export async function withClient<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: SERVER });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** What is measured depends on it: the version, and what a commit waits for. Undefined where no server answers. */
export async function serverText(): Promise<string | undefined> {
  try {
    return await withClient(async (client) => {
      const { rows } = await client.query(`SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,
        current_setting('synchronous_commit') AS sync, current_setting('autovacuum') AS autovacuum`);
      const { version, fsync, sync, autovacuum } = rows[0] as Readonly<Record<string, string>>;
      return `PostgreSQL ${version}, fsync ${fsync}, synchronous_commit ${sync}, autovacuum ${autovacuum}`;
    });
  } catch {
    return undefined;
  }
}

export function backendOn(schema: string): PostgresBackend {
  return new PostgresBackend({ url: SERVER, schema });
}

/** A schema of its own, with the size of its tables and indexes. */
export function schemaPlace(): Promise<Place> {
  const schema = newSchema();
  const bytes = (): Promise<number> =>
    withClient(async (client) => {
      const { rows } = await client.query(
        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::float8 AS bytes FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = $1 AND relkind = 'r'",
        [schema],
      );
      return Number((rows[0] as { bytes: number }).bytes);
    });
  return Promise.resolve({ at: schema, bytes, remove: () => dropSchema(schema) });
}

/** A schema to be filled by hand. */
export const openSchema: Open = () => {
  const schema = newSchema();
  let fills = 0;
  return Promise.resolve({
    backend: backendOn(schema),
    put: (kind, count) => fillBare(schema, String(fills++), kind, count),
    remove: () => dropSchema(schema),
  });
};

/** Puts rows there with as little as can be, and tells the planner. */
async function fillBare(schema: string, prefix: string, kind: Kind, count: number): Promise<void> {
  const { later = false, queues = 0, stage, status } = kind;
  const queue = queues === 0 ? "'default'" : `'queue-' || (n % ${queues})`;
  const due = later ? `${Date.now() + YEAR} + n` : "1000000000000 + n";
  await withClient(async (client) => {
    await client.query(
      `INSERT INTO "${schema}".tasks(id, func, queue_name, stage, status, priority, due_at, max_retries, retry_delay, max_crashes, store_result, created_at,
         completed_at, open_parents, args)
       SELECT $2 || '-' || n, 'noop', ${queue}, ${stage}, '${status}', 0, ${due}, 3, 5000, 3, 1, 1000000000000 + n,
         CASE WHEN ${stage} = ${STAGE.finished} THEN 1000000000000 + n END, CASE WHEN ${stage} = ${STAGE.blocked} THEN 1 ELSE 0 END, '{}'
       FROM generate_series(1, $1) AS n`,
      [count, prefix],
    );
    await client.query(`VACUUM ANALYZE "${schema}".tasks`);
  });
}
