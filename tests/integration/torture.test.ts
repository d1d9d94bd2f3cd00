/** The short form of `npm run torture`: some kills, freezes and power cuts, and a crowd. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, onTestFailed, test } from "vitest";
import { contentionRound } from "../torture/contention.ts";
import { freezeRound } from "../torture/freezes.ts";
import { killRound } from "../torture/kills.ts";
import { sqlitePlace } from "../torture/place.ts";
import type { FilePlace } from "../torture/place.ts";
import { powerRound } from "../torture/power/power.ts";
import { makeLibrary } from "../torture/power/record.ts";
import { NO_FAULTS } from "../torture/round.ts";

const tools = mkdtempSync(join(tmpdir(), "omniq-torture-tools-"));
const library = makeLibrary(tools);
afterAll(() => {
  rmSync(tools, { recursive: true });
});

/** A database that is kept where the test fails. */
function place(): FilePlace {
  const made = sqlitePlace();
  let isKept = false;
  onTestFailed(() => {
    isKept = true;
    console.error(`It is kept: ${made.dir}`);
  });
  return { ...made, remove: async () => (isKept ? undefined : made.remove()) };
}

describe("torture", { tags: ["slow"], timeout: 120_000 }, () => {
  test("20 kills lose nothing, settle nothing twice, and leave the file sound", async () => {
    const at = place();
    const { done, counts, faults } = await killRound({ place: at, seed: 1, count: 20 });
    expect(faults).toEqual(NO_FAULTS);
    expect(done).toBe(20);
    expect(counts["tasks"]).toBeGreaterThan(20);
    await at.remove();
  });

  test.skipIf(process.platform === "win32")("of 10 that were frozen past their lease, none settles late", async () => {
    const at = place();
    const { done, counts, faults } = await freezeRound({ place: at, seed: 1, count: 10 });
    expect(faults).toEqual(NO_FAULTS);
    expect(done).toBe(10);
    expect(counts["claims lost"]).toBeGreaterThan(0);
    await at.remove();
  });

  describe("power cuts", () => {
    const cut = async (seed: number, durability: "full" | "normal", by: string | undefined): Promise<void> => {
      const { faults, counts } = await powerRound({ seed, count: 100, durability, library: by });
      expect(faults).toEqual(NO_FAULTS);
      // A cut that takes nothing away would prove nothing.
      if (durability === "normal") expect(counts["cuts at normal that lost commits"]).toBeGreaterThan(5);
    };

    test("100 take nothing that was acknowledged", async () => {
      await cut(1, "full", undefined);
    });

    test("100 take at `normal` the newest commits alone", async () => {
      await cut(2, "normal", undefined);
    });

    test.skipIf(library === undefined)(
      "100 take nothing that was acknowledged, by what the kernel was told (needs cc, on Linux)",
      async () => {
        await cut(3, "full", library);
      },
    );
  });

  test("6 processes on one file start each of 600 tasks once, and none is left out", async () => {
    const at = place();
    const { faults } = await contentionRound({ place: at, processes: 6, tasks: 600 });
    expect(faults).toEqual(NO_FAULTS);
    await at.remove();
  });
});
