/** The door `omniq/sqlite`. */
export { SQLiteBackend } from "./backends/sqlite/backend.ts";
export type { SQLiteBackendOptions } from "./backends/sqlite/backend.ts";
export type { LentConnection } from "./backends/sqlite/guest.ts";
