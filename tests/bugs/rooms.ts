/** All bugs, by the room of the house they lie in, and the tests that have to fail. */
import type { Bug } from "./bug.ts";
import { CORE_BUGS } from "./core.ts";
import { POSTGRES_BUGS } from "./postgres.ts";
import { RUNTIME_BUGS } from "./runtime.ts";
import { SQLITE_BUGS } from "./sqlite.ts";

/** What vitest is given: files or folders, and a pattern of names. */
export interface Suite {
  readonly files: readonly string[];
  readonly pattern?: string;
}

export interface Room {
  readonly name: string;
  readonly bugs: readonly Bug[];
  /** One after the other, until one fails. */
  readonly suites: readonly Suite[];
}

const generated = (pattern: string): Suite => ({
  files: ["tests/integration/trust/model-based.test.ts", "tests/integration/trust/interleavings.test.ts"],
  pattern,
});

const filesOf = (folder: string, ...names: readonly string[]): readonly string[] => names.map((name) => `tests/${folder}/${name}.test.ts`);

export const ROOMS: readonly Room[] = [
  {
    name: "core",
    bugs: CORE_BUGS,
    suites: [{ files: filesOf("unit/core", "lifecycle", "due", "occurrence") }, generated("on an SQLite file")],
  },
  {
    name: "runtime",
    bugs: RUNTIME_BUGS,
    suites: [{ files: filesOf("unit/runtime", "trouble", "stop", "stores", "upkeep", "worker", "scheduler", "fragile") }],
  },
  {
    name: "sqlite",
    bugs: SQLITE_BUGS,
    suites: [
      { files: filesOf("unit/backends/sqlite", "conformance"), pattern: "SQLite in memory" },
      generated("on an SQLite file"),
      { files: filesOf("unit/backends/sqlite", "equivalence") },
    ],
  },
  {
    name: "postgres",
    bugs: POSTGRES_BUGS,
    suites: [
      { files: filesOf("integration/postgres", "contract"), pattern: "conformance of PostgreSQL" },
      generated("on PostgreSQL"),
      { files: filesOf("integration/postgres", "races") },
    ],
  },
];
