import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, test } from "vitest";
import { SQLiteBackend } from "../../../../src/sqlite.ts";
import { conformance } from "../../../../src/testing/conformance/index.ts";

const folder = mkdtempSync(join(tmpdir(), "omniq-conformance-"));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const tools = { describe, test, expect };

conformance({
  name: "SQLite in memory",
  open: async (clock) => {
    const backend = new SQLiteBackend({ path: ":memory:", clock });
    await backend.open();
    return backend;
  },
  skip: [{ reason: "what is in memory ends with the connection", tests: ["what was written is there after the place was opened again"] }],
  tools,
});

let files = 0;
const handles: DatabaseSync[] = [];
afterAll(() => {
  for (const handle of handles) handle.close();
});
conformance({
  name: "SQLite on a file",
  open: async (clock) => {
    files += 1;
    const backend = new SQLiteBackend({ projectName: `file-${files}`, baseDir: folder, clock, durability: "normal" });
    await backend.open();
    return backend;
  },
  begin: async ({ projectName }) => {
    const tx = new DatabaseSync(join(folder, `${projectName}.db`));
    handles.push(tx);
    tx.exec("BEGIN IMMEDIATE");
    return {
      tx,
      commit: async () => tx.exec("COMMIT"),
      rollback: async () => tx.exec("ROLLBACK"),
    };
  },
  tools,
});
