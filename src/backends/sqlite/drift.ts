/** Whether the tables in a file still are as this version makes them: somebody may have changed them by hand. */
import { str } from "../shared/values.ts";
import { Db } from "./db.ts";
import { nodeLibrary } from "./library.ts";
import { migrate } from "./migrate.ts";
import { MOVE_TRIGGERS } from "./transfer.ts";

export interface Drift {
  readonly is: "missing" | "changed" | "unknown";
  /** `table`, `index`, `trigger` or `view`. */
  readonly type: string;
  readonly name: string;
}

interface Entry {
  readonly type: string;
  readonly table: string;
  /** As it is compared: white space counts once. */
  readonly sql: string;
  readonly text: string;
}

/** What `sqlite_schema` holds, without what SQLite makes itself. */
function entriesOf(db: Db): ReadonlyMap<string, Entry> {
  const rows = db.connection
    .prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite~_%' ESCAPE '~'")
    .all();
  return new Map(
    rows.map((row) => [
      str(row["name"]),
      { type: str(row["type"]), table: str(row["tbl_name"]), sql: str(row["sql"]).replaceAll(/\s+/g, " "), text: str(row["sql"]) },
    ]),
  );
}

/** What a new database of this version holds, by name. */
export function freshSchema(tablePrefix: string): ReadonlyMap<string, Entry> {
  const fresh = new Db(nodeLibrary.open(":memory:"), tablePrefix);
  try {
    migrate(fresh, ":memory:");
    return entriesOf(fresh);
  } finally {
    fresh.connection.close();
  }
}

/** Compares with a fresh database of this version. Tables of yours beside ours are no drift; an index or trigger on ours is, but for those of a move. */
export function driftOf(db: Db, tablePrefix: string): readonly Drift[] {
  const [wanted, found] = [freshSchema(tablePrefix), entriesOf(db)];
  const tables = new Set([...wanted.values()].map(({ table }) => table));
  return [
    ...[...wanted].flatMap(([name, { type, sql }]): readonly Drift[] => {
      const there = found.get(name);
      if (there === undefined) return [{ is: "missing", type, name }];
      return there.sql === sql ? [] : [{ is: "changed", type, name }];
    }),
    ...[...found].flatMap(([name, { type, table }]): readonly Drift[] =>
      wanted.has(name) || !tables.has(table) || MOVE_TRIGGERS.test(name) ? [] : [{ is: "unknown", type, name }],
    ),
  ];
}
