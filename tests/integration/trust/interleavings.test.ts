/**
 * Several at one store at once, each on a handle of its own, and fast-check says whose call comes next and whose answer arrives: after
 * each the invariants are read. Workers, a canceller, a reaper (whose victims live on), retries, keys, schedules and clean-up meet.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { newSchedule, newTask } from "../../../src/testing/conformance/bench.ts";
import { SQLiteBackend } from "../../../src/sqlite.ts";
import { ACTORS, IDS } from "../../fixtures/trust/actors.ts";
import { ledThrough } from "../../fixtures/trust/led-through.ts";
import type { Around } from "../../fixtures/trust/led-through.ts";
import { aModel } from "../../fixtures/trust/play.ts";
import { Site } from "../../fixtures/trust/site.ts";
import type { Reach } from "../../fixtures/trust/site.ts";

const { OMNIQ_TEST_RUNS: runs, OMNIQ_TEST_SEED: seed, OMNIQ_TEST_PATH: path, OMNIQ_TEST_SHRINK: shrink } = process.env;

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

async function meet(s: fc.Scheduler, cast: readonly string[], reach: Reach): Promise<void> {
  const site = await begun(reach);
  try {
    const acts = cast.map(async (act, i) => {
      const backend = ledThrough(await site.handle(), heldUp(s, `${act}${i}`));
      await ACTORS[act]?.({ backend, clock: site.clock, name: `${act}${i}` });
    });
    const all = Promise.all(acts);
    await s.waitFor(all, async (release) => {
      await release();
      expect(await site.oracle.wrong(site.backend, false)).toEqual([]);
    });
    expect(await site.drain(), "what never ends").toEqual([]);
    expect(await site.oracle.wrong(site.backend, false), "at the end").toEqual([]);
  } finally {
    await site.close();
  }
}

const cast = fc.array(fc.constantFrom("works", ...Object.keys(ACTORS)), { minLength: 2, maxLength: 4, size: "max" });

async function all(reach: () => Reach, few: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), cast, (s, actors) => meet(s, actors, reach())),
    {
      numRuns: Number(runs ?? few),
      seed: Number(seed ?? 1),
      ...(path === undefined ? {} : { path }),
      endOnFailure: shrink === "0",
      interruptAfterTimeLimit: runs === undefined ? 45_000 : 3_600_000,
      markInterruptAsFailure: true,
    },
  );
}

const LONG = runs === undefined ? 60_000 : 3_600_000;

describe("whoever meets whom, every invariant holds", () => {
  test("on the model", () => all(aModel, 60), LONG);

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
  test("on an SQLite file", () => all(file, 40), LONG);
});
