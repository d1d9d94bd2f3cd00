/**
 * Compares cron with the oracle and with `cron-parser` over 500 expressions, 40 zones and 10 years; a few minutes.
 *
 *     node scripts/test-cron.ts [seed = 1] [expressions = 500]
 *
 * Prints what it has done zone by zone, and exits with 1 if anything differs.
 */
import { zoneOf } from "../tests/fixtures/cron-oracle.ts";
import type { Expression, Zone } from "../tests/fixtures/cron-oracle.ts";
import { compare, peerOf } from "../tests/fixtures/cron-peer.ts";
import { expressionsOf, faultAt, momentsOf, YEARS, ZONES } from "../tests/fixtures/cron-samples.ts";

/** Of each expression in each zone: moments anywhere, those beside each change of the clock, and how many go to cron-parser too. */
const SPREAD = 12;
const NEAR = 2;
const FOR_PEER = 10;
const SHOWN = 20;

const [seed = 1, count = 500] = process.argv.slice(2).map(Number);
const expressions = expressionsOf(seed, count);
const totals = { samples: 0, same: 0, policy: 0 };
const faults: string[] = [];
const begin = performance.now();

function report(fault: string): void {
  faults.push(fault);
  if (faults.length <= SHOWN) console.error(`  ${fault}`);
}

function compareWithPeer(expression: Expression, zone: Zone, moments: readonly number[]): void {
  const peer = peerOf(expression, zone);
  if (peer === undefined) return;
  const step = Math.max(1, Math.floor(moments.length / FOR_PEER));
  for (const after of moments.filter((_, i) => i % step === 0)) {
    const found = compare(peer, expression, zone, after);
    if (typeof found === "string") totals[found]++;
    else report(found.fault);
  }
}

console.log(`seed ${seed}: ${expressions.length} expressions, ${ZONES.length} zones, ${YEARS} years each`);
for (const [at, [name, year]] of ZONES.entries()) {
  const zone = zoneOf(name, year, YEARS);
  for (const [i, expression] of expressions.entries()) {
    const moments = momentsOf(zone, seed + at * count + i, SPREAD, NEAR);
    for (const after of moments) {
      const fault = faultAt(expression, zone, after);
      if (fault !== undefined) report(fault);
    }
    totals.samples += moments.length;
    compareWithPeer(expression, zone, moments);
  }
  const minutes = ((performance.now() - begin) / 60_000).toFixed(1);
  const changes = `${zone.transitions.length} changes from ${year} on`;
  console.log(`${at + 1}/${ZONES.length} ${name} (${changes}): ${totals.samples} samples, ${faults.length} faults, ${minutes} min`);
}

const { samples, same, policy } = totals;
console.log(`\noracle: ${samples} samples; cron-parser: ${same} the same, ${policy} by its policy; ${faults.length} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;
