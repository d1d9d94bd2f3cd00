/** Where the bench's tables lie on a PostgreSQL server: a schema for each measurement, dropped behind it. */
import pg from "pg";

/** Named by OMNIQ_BENCH_POSTGRES_URL; else the server of this machine. */
export const SERVER = process.env["OMNIQ_BENCH_POSTGRES_URL"] ?? "postgres://postgres@127.0.0.1:5432/postgres";

let made = 0;

/** Work on a schema of its own. */
export async function onSchema<T>(work: (schema: string) => Promise<T>): Promise<T> {
  const schema = `bench_${process.pid}_${made++}`;
  try {
    return await work(schema);
  } finally {
    await withClient((client) => client.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`));
  }
}

export async function withClient<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: SERVER });
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
