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
  /** One after the other, until one fails: the generated scripts first, then the tests of the room. */
  readonly suites: readonly Suite[];
}

const generated = (pattern: string): Suite => ({ files: ["tests/integration/trust"], pattern });

export const ROOMS: readonly Room[] = [
  {
    name: "core",
    bugs: CORE_BUGS,
    suites: [generated("on an SQLite file"), { files: ["tests/unit/core", "tests/unit/testing"] }],
  },
  { name: "runtime", bugs: RUNTIME_BUGS, suites: [{ files: ["tests/unit/runtime"] }] },
  {
    name: "sqlite",
    bugs: SQLITE_BUGS,
    suites: [
      generated("on an SQLite file"),
      { files: ["conformance", "equivalence", "engine"].map((name) => `tests/unit/backends/sqlite/${name}.test.ts`) },
    ],
  },
  {
    name: "postgres",
    bugs: POSTGRES_BUGS,
    suites: [
      generated("on PostgreSQL"),
      { files: ["tests/unit/backends/postgres-ledger.test.ts", "tests/integration/postgres/contract.test.ts"] },
      { files: ["tests/integration/postgres/races.test.ts"] },
    ],
  },
];
