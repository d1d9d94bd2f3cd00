/** `npm run bench`: OmniQ beside bare SQL that writes the same rows, and beside other queues, in turn and in one run. See docs/performance.md. */
import { writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { FOOTPRINTS } from "./footprint.ts";
import { measure } from "./harness.ts";
import type { Line } from "./harness.ts";
import { LATENCIES } from "./latency.ts";
import { peersOf } from "./peers.ts";
import { serverText } from "./postgres/server.ts";
import { postgresWorkloads } from "./postgres/workloads.ts";
import { RATES } from "./rates.ts";
import { Scratch } from "./scratch.ts";
import { peersTableOf, tableOf } from "./table.ts";

const server = await serverText();
const WORKLOADS = [...RATES, ...LATENCIES, ...FOOTPRINTS, ...(server === undefined ? [] : postgresWorkloads(await peersOf("postgres")))];
const USAGE = `npm run bench -- [--rounds 5] [--quick] [--only NAME]… [--durability full|normal] [--json FILE]
  NAME is the beginning of one of: ${WORKLOADS.map(({ name }) => name).join(", ")}`;

const { values: given } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    quick: { type: "boolean", default: false },
    only: { type: "string", multiple: true },
    durability: { type: "string", default: "full" },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  const rounds = given.quick ? 1 : Number(given.rounds);
  const { durability } = given;
  const chosen = WORKLOADS.filter(({ name }) => given.only?.some((only) => name.startsWith(only)) ?? true);
  const usable = Number.isInteger(rounds) && rounds > 0 && chosen.length > 0 && (durability === "full" || durability === "normal");
  if (given.help || !usable) {
    console.log(USAGE);
    process.exitCode = given.help ? 0 : 2;
    return;
  }
  // So that a round does not pay for the garbage of the one before.
  setFlagsFromString("--expose-gc");
  globalThis.gc = runInNewContext("gc") as typeof globalThis.gc;
  const scratch = new Scratch();
  try {
    const lines: Line[] = [];
    for (const workload of chosen) {
      process.stderr.write(`${workload.name} …\n`);
      try {
        lines.push(...(await measure(workload, { scratch, durability, quick: given.quick }, rounds)));
      } catch (error) {
        // What was measured before must not be lost.
        console.error(error);
        process.exitCode = 1;
      }
    }
    const where = [
      `durability ${durability}, ${rounds} rounds, Node ${process.versions.node}, SQLite ${process.versions.sqlite ?? "?"}, ${availableParallelism()} × ${cpus()[0]?.model ?? "?"}, ${process.platform}`,
      server,
    ]
      .filter((part) => part !== undefined)
      .join("; ");
    console.log([where, tableOf(lines), peersTableOf(lines)].filter((part) => part !== "").join("\n\n"));
    if (given.json !== undefined) writeFileSync(given.json, `${JSON.stringify({ where, lines }, null, 2)}\n`);
  } finally {
    scratch.remove();
  }
}

await main();
