/**
 * Several at one store at once, each on a handle of its own, and fast-check says whose call comes next and whose answer arrives: after
 * each the invariants are read. Workers, a canceller, a reaper (whose victims live on), retries, keys, schedules and clean-up meet.
 */
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { newSchedule, newTask } from "../../../src/testing/conformance/bench.ts";
import { ACTORS, IDS } from "../../fixtures/trust/actors.ts";
import { PostgresBackend } from "../../../src/postgres.ts";
import { POSTGRES_URL, Schemas } from "../../fixtures/postgres.ts";
import { Files } from "../../fixtures/trust/files.ts";
import { ledThrough } from "../../fixtures/trust/led-through.ts";
import type { Around } from "../../fixtures/trust/led-through.ts";
import { aModel } from "../../fixtures/trust/play.ts";
import { LONG, parameters } from "../../fixtures/trust/runs.ts";
import { Site } from "../../fixtures/trust/site.ts";
import type { Reach } from "../../fixtures/trust/site.ts";

async function begun(reach: Reach): Promise<Site> {
  const site = await Site.make(reach, ["w"]);
  await site.backend.work.enqueue([{ tasks: IDS.map((id) => newTask(id, { maxRetries: 1, retryDelay: 0 })), announce: true }]);
  await site.backend.schedules.put(newSchedule("s", site.clock.now(), { nextRunAt: site.clock.now(), maxRuns: 1 }));
  return site;
}

/** Holds a call up before it is made, and its answer before it is given. */
const heldUp =
  (s: fc.Scheduler, who: string): Around =>
  async (call, slice, verb) => {
    await s.schedule(Promise.resolve(), `${who} asks ${slice}.${verb}`);
    const answer = await call();
    await s.schedule(Promise.resolve(), `${who} is answered`);
    return answer;
  };

/** @param looks after each call; not where calls go on meanwhile, since a store is not read at one moment. */
async function meet(s: fc.Scheduler, cast: readonly string[], reach: Reach, looks: boolean): Promise<void> {
  const site = await begun(reach);
  try {
    const acts = cast.map(async (act, i) => {
      const backend = ledThrough(await site.handle(), heldUp(s, `${act}${i}`));
      await ACTORS[act]?.({ backend, clock: site.clock, name: `${act}${i}` });
    });
    const all = Promise.all(acts);
    await s.waitFor(all, async (release) => {
      await release();
      if (looks) expect(await site.oracle.wrong(site.backend, false)).toEqual([]);
    });
    expect(await site.drain(), "what never ends").toEqual([]);
    expect(await site.oracle.wrong(site.backend, false), "at the end").toEqual([]);
  } finally {
    await site.close();
  }
}

const cast = fc.array(fc.constantFrom("works", ...Object.keys(ACTORS)), { minLength: 2, maxLength: 4, size: "max" });

async function all(reach: () => Reach, few: number, looks = true): Promise<void> {
  const property = fc.asyncProperty(fc.scheduler(), cast, (s, actors) => meet(s, actors, reach(), looks));
  await fc.assert(property, parameters(few));
}

describe("whoever meets whom, every invariant holds", () => {
  test("on the model", () => all(aModel, 60), LONG);

  const files = new Files();
  afterAll(() => {
    files.remove();
  });
  test("on an SQLite file", () => all(() => files.next().reach, 40), LONG);

  const schemas = new Schemas("meet");
  afterAll(() => schemas.drop());
  let used: PostgresBackend | undefined;
  const schema = (): Reach => {
    if (used !== undefined) schemas.free(used);
    used = undefined;
    return async (clock) => {
      if (used === undefined) return (used = await schemas.open(clock));
      const backend = new PostgresBackend({ url: POSTGRES_URL, schema: used.schema, connections: 2, clock });
      await backend.open();
      return backend;
    };
  };
  test.skipIf(POSTGRES_URL === "")("on PostgreSQL", { tags: ["slow"], timeout: LONG }, () => all(schema, 60, false));
});
