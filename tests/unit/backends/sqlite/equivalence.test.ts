import { describe, expect, test } from "vitest";
import { SQLiteBackend } from "../../../../src/sqlite.ts";
import { equivalence } from "../../../../src/testing/conformance/index.ts";
import { ModelBackend } from "../../../../src/testing/model.ts";

equivalence({
  name: "SQLite",
  open: async (clock) => {
    const backend = new SQLiteBackend({ path: ":memory:", clock });
    await backend.open();
    return backend;
  },
  model: async (clock) => {
    const model = new ModelBackend({ clock });
    await model.open();
    return model;
  },
  seeds: Array.from({ length: Number(process.env["OMNIQ_TEST_SEEDS"] ?? 12) }, (_, i) => i + 1),
  steps: 120,
  tools: { describe, test, expect },
});
