/** Where the bench's tables lie on a PostgreSQL server: a schema for each measurement, dropped behind it. */
import { Client } from "pg";
import { STAGE } from "../../src/backends/shared/stage.ts";
import { OmniQ } from "../../src/index.ts";
import { PostgresBackend } from "../../src/postgres.ts";

/** Named by OMNIQ_BENCH_POSTGRES_URL; else the server of this machine. */
export const SERVER = process.env["OMNIQ_BENCH_POSTGRES_URL"] ?? "postgres://postgres@127.0.0.1:5432/postgres";

let made = 0;

/** The name of a schema that is not there yet. */
export function newSchema(): string {
  return `bench_${process.pid}_${made++}`;
}

export async function dropSchema(schema: string): Promise<void> {
  await withClient((client) => client.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`));
}

/** Work on a schema of its own. */
export async function onSchema<T>(work: (schema: string) => Promise<T>): Promise<T> {
  const schema = newSchema();
  try {
    return await work(schema);
  } finally {
    await dropSchema(schema);
  }
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

/** Puts ready and finished tasks there with as little as can be, and tells the planner. */
export async function fillBare(schema: string, { ready, finished }: { readonly ready: number; readonly finished: number }): Promise<void> {
  await withClient(async (client) => {
    const columns =
      "id, func, queue_name, stage, status, priority, due_at, max_retries, retry_delay, max_crashes, store_result, created_at, args";
    const added = (kind: string, stage: number, more: string, value: string): string =>
      `INSERT INTO "${schema}".tasks(${columns}${more}) SELECT '${kind}-' || n, 'noop', 'default', ${stage}, '${kind}', 0, 1000000000000 + n,
        3, 5000, 3, 1, 1000000000000 + n, '{}'${value} FROM generate_series(1, $1) AS n`;
    await client.query(added("pending", STAGE.ready, "", ""), [ready]);
    await client.query(added("completed", STAGE.finished, ", completed_at", ", 1000000000000 + n"), [finished]);
    await client.query(`VACUUM ANALYZE "${schema}".tasks`);
  });
}
