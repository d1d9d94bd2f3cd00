/** The short form of `npm run torture -- --postgres URL`. */
import { describe, expect, test } from "vitest";
import { POSTGRES_URL } from "../../fixtures/postgres.ts";
import { freezeRound } from "../../torture/freezes.ts";
import { killRound } from "../../torture/kills.ts";
import { postgresPlace } from "../../torture/place.ts";
import { NO_FAULTS } from "../../torture/round.ts";

describe.skipIf(POSTGRES_URL === "")("torture", { tags: ["slow"], timeout: 120_000 }, () => {
  test("8 kills, at every moment of a commit, lose nothing and settle nothing twice", async () => {
    const at = postgresPlace(POSTGRES_URL);
    const { done, counts, faults } = await killRound({ place: at, seed: 1, count: 8 });
    await at.remove();
    expect(faults).toEqual(NO_FAULTS);
    expect(done).toBe(8);
    expect(Object.keys(counts).filter((name) => name.includes(":")).length).toBeGreaterThan(0);
  });

  test.skipIf(process.platform === "win32")("of 10 that were frozen past their lease, none settles late", async () => {
    const at = postgresPlace(POSTGRES_URL);
    const { done, counts, faults } = await freezeRound({ place: at, seed: 1, count: 10 });
    await at.remove();
    expect(faults).toEqual(NO_FAULTS);
    expect(done).toBe(10);
    expect(counts["claims lost"]).toBeGreaterThan(0);
  });
});
