/** Looks over SQLite's shoulder, from outside of OmniQ: what is shipped knows nothing of it. */
import { DatabaseSync, StatementSync } from "node:sqlite";

/** Runs one statement; its text, and on which connection where that is known. */
export type Around = <T>(sql: string, run: () => T, database?: DatabaseSync) => T;

/** Every statement of this process runs inside of `around` from now on. */
export function watchStatements(around: Around): void {
  for (const name of ["run", "all", "get"] as const) {
    const own: unknown = Reflect.get(StatementSync.prototype, name);
    if (typeof own !== "function") throw new TypeError(`Expected a statement of node:sqlite to have ${name}()`);
    Reflect.set(StatementSync.prototype, name, function run(this: StatementSync, ...params: readonly unknown[]): unknown {
      return around(this.sourceSQL, () => Reflect.apply(own, this, params));
    });
  }
  const exec = Reflect.get(DatabaseSync.prototype, "exec");
  Reflect.set(DatabaseSync.prototype, "exec", function run(this: DatabaseSync, sql: string): void {
    around(
      sql,
      () => {
        Reflect.apply(exec, this, [sql]);
      },
      this,
    );
  });
}
