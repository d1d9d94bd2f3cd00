/**
 * Generated sequences of commands, crashes, frozen workers, turned clocks and store errors, on each engine beside the model; after
 * every step all invariants are read from the store. `OMNIQ_TEST_RUNS=500` plays so many (`OMNIQ_TEST_SEED`: others); a failure prints its seed and path, and its
 * script, shortened, for `regressions.json`, which is played first.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, describe, test } from "vitest";
import type { Backend } from "../../../src/core/backend.ts";
import { PostgresBackend } from "../../../src/postgres.ts";
import { until } from "../../fixtures/helpers.ts";
import { POSTGRES_URL, Schemas } from "../../fixtures/postgres.ts";
import { Files } from "../../fixtures/trust/files.ts";
import { ledThrough } from "../../fixtures/trust/led-through.ts";
import { aModel, play } from "../../fixtures/trust/play.ts";
import { LONG, parameters } from "../../fixtures/trust/runs.ts";
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
async function all(reach: () => Reach, few: number): Promise<void> {
  const property = fc.asyncProperty(scripts(100), (script) => play(script, reach()));
  await fc.assert(
    property,
    parameters(
      few,
      REGRESSIONS.map(({ script }): [Script] => [script]),
    ),
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

describe("whatever is done and whatever happens, every invariant holds", () => {
  test("on the model", () => all(aModel, 10), LONG);

  const files = new Files();
  afterAll(() => {
    files.remove();
  });
  test("on an SQLite file", () => all(() => files.next().reach, 25), LONG);

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
