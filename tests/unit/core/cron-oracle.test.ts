/** A slice of `npm run test:cron`: every expression, every zone and every change of its clock at least once. */
import { describe, expect, test } from "vitest";
import { compare, peerOf } from "../../fixtures/cron-peer.ts";
import { expressionOf, zoneOf } from "../../fixtures/cron-oracle.ts";
import type { Expression, Zone } from "../../fixtures/cron-oracle.ts";
import { ZONES, expressionsOf, faultAt, momentsOf, YEARS } from "../../fixtures/cron-samples.ts";

const SEED = 1;
const MINUTE = 60_000;
const zones = ZONES.map(([name, year]) => zoneOf(name, year, YEARS));
const expressions = expressionsOf(SEED, 500);

/** Each expression in two zones. */
const pairs = expressions.flatMap((expression, i) =>
  [i, i * 7 + 3].flatMap((at, round) => {
    const zone = zones[at % zones.length];
    return zone === undefined ? [] : [{ expression, zone, seed: SEED + i * 2 + round }];
  }),
);

/** Every few of the moments, another few for each seed. */
function some(zone: Zone, seed: number, step: number): readonly number[] {
  return momentsOf(zone, seed, 4, 1).filter((_, i) => i < 2 || (i + seed) % step === 0);
}

describe("cron is what the oracle says", () => {
  test("500 expressions and 40 zones", () => {
    expect([expressions.length, zones.length]).toEqual([500, 40]);
    const faults = pairs.flatMap(({ expression, zone, seed }) =>
      some(zone, seed, 20).flatMap((after) => faultAt(expression, zone, after) ?? []),
    );
    expect(faults, `seed ${SEED}`).toEqual([]);
  });

  test("each change of each zone's clock, with a fixed time and with what goes on", () => {
    const known = new Map<string, Expression>();
    const read = (text: string): Expression => {
      const expression = known.get(text) ?? expressionOf(text);
      known.set(text, expression);
      return expression;
    };
    const faults = zones.flatMap((zone) =>
      zone.stretches.slice(1).flatMap(({ start, offset }, i) => {
        const change = offset - (zone.stretches[i]?.offset ?? 0);
        // The middle of what is skipped or repeated, as the wall shows it.
        const middle = new Date(start + offset - change / 2);
        const [minute, hour] = [middle.getUTCMinutes(), middle.getUTCHours()];
        return [`${minute} ${hour} * * *`, `${minute},59 ${hour} * * *`, "*/10 * * * *"].flatMap((text) =>
          [start - 25 * 60 * MINUTE, start - 1, start, start + Math.abs(change / 2)].flatMap((after) =>
            after < zone.from + 2 * 1440 * MINUTE ? [] : (faultAt(read(text), zone, after) ?? []),
          ),
        );
      }),
    );
    expect(faults).toEqual([]);
  });
});

test("cron-parser says the same, but for its policy within a day of a change", () => {
  const counts = { same: 0, policy: 0 };
  const faults: string[] = [];
  for (const { expression, zone, seed } of pairs) {
    const peer = peerOf(expression, zone);
    if (peer === undefined) continue;
    for (const after of some(zone, seed, 25)) {
      const found = compare(peer, expression, zone, after);
      if (typeof found === "string") counts[found]++;
      else faults.push(found.fault);
    }
  }
  expect(faults, `seed ${SEED}`).toEqual([]);
  expect(counts.same).toBeGreaterThan(1500);
  expect(counts.policy).toBeLessThan(counts.same / 5);
});
