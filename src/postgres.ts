/** The door `omniq/postgres`. Needs the package `pg`. */
export { PostgresBackend } from "./backends/postgres/backend.ts";
export type { PostgresBackendOptions } from "./backends/postgres/backend.ts";
export type { Notified, PoolClient, PoolLike } from "./backends/postgres/pool.ts";
export type { PostgresTx } from "./backends/postgres/tx.ts";
