/**
 * A transaction of a SQLite handle (a `DatabaseSync` of `node:sqlite`, a `Database` of better-sqlite3) around what you do with it. The
 * handle is OmniQ's `tx` as it is. OmniQ writes before `enqueue` returns its promise, so nothing has to be awaited in here.
 */
export function inTransaction<Answer>(database: { exec(sql: string): unknown }, work: () => Answer): Answer {
  database.exec("BEGIN IMMEDIATE");
  try {
    const answer = work();
    database.exec("COMMIT");
    return answer;
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}
