/**
 * Generated sequences of commands, crashes, frozen workers, turned clocks and store errors, on each engine beside the model; after
 * every step all invariants are read from the store. `OMNIQ_TEST_RUNS=500` plays so many (`OMNIQ_TEST_SEED`: others); a failure prints its seed and path, and its
 * script, shortened, for `regressions.json`, which is played first.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, describe, test } from "vitest";
import type { Backend } from "../../../src/core/backend.ts";
import { PostgresBackend } from "../../../src/postgres.ts";
import { SQLiteBackend } from "../../../src/sqlite.ts";
import { until } from "../../fixtures/helpers.ts";
import { POSTGRES_URL, Schemas } from "../../fixtures/postgres.ts";
import { ledThrough } from "../../fixtures/trust/led-through.ts";
import { aModel, play } from "../../fixtures/trust/play.ts";
import { scripts } from "../../fixtures/trust/script.ts";
import type { Script } from "../../fixtures/trust/script.ts";
import { eventsOf } from "../../fixtures/trust/seen.ts";
import type { Reach } from "../../fixtures/trust/site.ts";

interface Regression {
  /** What was wrong. */
  readonly why: string;
  readonly script: Script;
}

const REGRESSIONS = JSON.parse(readFileSync(join(import.meta.dirname, "regressions.json"), "utf8")) as readonly Regression[];
const { OMNIQ_TEST_RUNS: runs, OMNIQ_TEST_SEED: seed, OMNIQ_TEST_PATH: path, OMNIQ_TEST_SHRINK: shrink } = process.env;

/** Where nothing is said, the same scripts each time: a failure of the suite is one of the change that was made. */
function parameters(few: number): fc.Parameters<[Script]> {
  return {
    numRuns: Number(runs ?? few),
    seed: Number(seed ?? 1),
    ...(path === undefined ? {} : { path }),
    endOnFailure: shrink === "0",
    examples: REGRESSIONS.map(({ script }) => [script]),
    interruptAfterTimeLimit: runs === undefined ? 45_000 : 3_600_000,
    markInterruptAsFailure: true,
  };
}

async function all(reach: () => Reach, few: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(scripts(100), (script) => play(script, reach())),
    parameters(few),
  );
}

/** The cursor of a log waits for every older transaction on the server, those of other tests, too: so does who reads by it. */
function readable(backend: Backend): Backend {
  return ledThrough(backend, async (call, slice, verb) => {
    if (slice === "events" && verb === "read") await until(() => isReadable(backend), 30_000);
    return await call();
  });
}

async function isReadable(backend: Backend): Promise<boolean> {
  const last = (await eventsOf(backend)).at(-1);
  return last === undefined || last.seq === (await backend.events.tail());
}

const LONG = runs === undefined ? 60_000 : 3_600_000;

describe("whatever is done and whatever happens, every invariant holds", () => {
  test("on the model", () => all(aModel, 10), LONG);

  const folder = mkdtempSync(join(tmpdir(), "omniq-trust-"));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  let files = 0;
  const file = (): Reach => {
    const projectName = `file-${++files}`;
    return async (clock) => {
      const backend = new SQLiteBackend({ projectName, baseDir: folder, clock, durability: "normal" });
      await backend.open();
      return backend;
    };
  };
  test("on an SQLite file", () => all(file, 25), LONG);

  const schemas = new Schemas("trust");
  afterAll(() => schemas.drop());
  let used: PostgresBackend | undefined;
  const schema = (): Reach => {
    if (used !== undefined) schemas.free(used);
    used = undefined;
    return async (clock) => {
      if (used === undefined) return readable((used = await schemas.open(clock)));
      const backend = new PostgresBackend({ url: POSTGRES_URL, schema: used.schema, connections: 2, clock });
      await backend.open();
      return readable(backend);
    };
  };
  test.skipIf(POSTGRES_URL === "")("on PostgreSQL", () => all(schema, 6), LONG);
});
