/** The whole contract once more, through the caller's own `better-sqlite3`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, describe, expect, test } from "vitest";
import { SQLiteBackend } from "../../../../src/sqlite.ts";
import { conformance } from "../../../../src/testing/conformance/index.ts";

const folder = mkdtempSync(join(tmpdir(), "omniq-better-"));
const handles: Database.Database[] = [];
afterAll(() => {
  for (const handle of handles) handle.close();
  rmSync(folder, { recursive: true, force: true });
});

conformance({
  name: "SQLite through better-sqlite3",
  open: async (clock) => {
    const connection = new Database(join(folder, `file-${handles.length}.db`));
    handles.push(connection);
    const backend = new SQLiteBackend({ connection, clock, durability: "normal" });
    await backend.open();
    return backend;
  },
  begin: async () => {
    const tx = handles.at(-1);
    if (tx === undefined) throw new Error("nothing is open");
    const other = new Database(tx.name);
    handles.push(other);
    other.exec("BEGIN IMMEDIATE");
    return { tx: other, commit: async () => void other.exec("COMMIT"), rollback: async () => void other.exec("ROLLBACK") };
  },
  tools: { describe, test, expect },
});
