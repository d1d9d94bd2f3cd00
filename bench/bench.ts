/** `npm run bench`: OmniQ beside bare SQL that writes the same rows, and beside other queues, in turn and in one run. See docs/performance.md. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { committed, compare, TOLERANCE } from "./check.ts";
import type { Compared, Run } from "./check.ts";
import type { Durability } from "./floor.ts";
import { peersOf, POSTGRES_PEERS, SQLITE_PEERS } from "./field.ts";
import { measure } from "./harness.ts";
import type { Line } from "./harness.ts";
import { serverText } from "./postgres/server.ts";
import { postgresWorkloads } from "./postgres/workloads.ts";
import type { Contender } from "./queue.ts";
import { Scratch } from "./scratch.ts";
import { expectSameRows } from "./storage.ts";
import { sqliteWorkloads } from "./workloads.ts";
import { peersTableOf, tableOf } from "./table.ts";

const { values: given } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    quick: { type: "boolean", default: false },
    only: { type: "string", multiple: true },
    durability: { type: "string", default: "full" },
    json: { type: "string" },
    check: { type: "boolean", default: false },
    merge: { type: "boolean", default: false },
    alone: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const usage = (
  names: readonly string[],
): string => `npm run bench -- [--rounds 5] [--quick] [--only NAME]… [--durability full|normal] [--json FILE [--merge]] [--check] [--alone]
  NAME is the beginning of one of: ${names.join(", ")}
  --alone leaves out the other queues; --check compares with the committed figures; --json writes what is measured as it comes, --merge
  into the rows that are there already`;

async function main(): Promise<void> {
  const rounds = given.quick ? 1 : Number(given.rounds);
  const durability = given.durability === "normal" ? "normal" : "full";
  const server = await serverText();
  const peers = await peersThatCount(server !== undefined);
  const workloads = [...sqliteWorkloads(peers.file, durability), ...(server === undefined ? [] : postgresWorkloads(peers.server))];
  const chosen = workloads.filter(({ name }) => given.only?.some((only) => name.startsWith(only)) ?? true);
  const usable = Number.isInteger(rounds) && rounds > 0 && chosen.length > 0 && ["full", "normal"].includes(given.durability);
  if (given.help || !usable) {
    console.log(usage(workloads.map(({ name }) => name)));
    process.exitCode = given.help ? 0 : 2;
    return;
  }
  const where = whereOf(durability, rounds, server);
  // So that a round does not pay for the garbage of the one before.
  setFlagsFromString("--expose-gc");
  globalThis.gc = runInNewContext("gc") as typeof globalThis.gc;
  const scratch = new Scratch();
  try {
    await expectSameRows({ scratch, durability, quick: given.quick });
    const lines: Line[] = [];
    for (const workload of chosen) {
      process.stderr.write(`${workload.name} …\n`);
      try {
        lines.push(...(await measure(workload, { scratch, durability, quick: given.quick }, rounds)));
        keep({ where, command: commandOf(), notes: notesOf(lines, [...peers.file, ...peers.server]), lines });
      } catch (error) {
        // What was measured before must not be lost.
        console.error(error);
        process.exitCode = 1;
      }
    }
    console.log([where, tableOf(lines), peersTableOf(lines)].filter((part) => part !== "").join("\n\n"));
    if (given.check) report(compare(lines, committed()));
  } finally {
    scratch.remove();
  }
}

async function peersThatCount(
  withServer: boolean,
): Promise<{ readonly file: readonly Contender[]; readonly server: readonly Contender[] }> {
  if (given.alone) return { file: [], server: [] };
  return { file: await peersOf(SQLITE_PEERS), server: withServer ? await peersOf(POSTGRES_PEERS) : [] };
}

function whereOf(durability: Durability, rounds: number, server: string | undefined): string {
  const machine = `${availableParallelism()} × ${cpus()[0]?.model ?? "?"}, ${process.platform}`;
  const own = `durability ${durability}, ${rounds} rounds, Node ${process.versions.node}, SQLite ${process.versions.sqlite ?? "?"}, ${machine}`;
  return server === undefined ? own : `${own}; ${server}`;
}

/** What to type for the same rows again. */
function commandOf(): string {
  const args = process.argv.slice(2).filter((_, i, all) => all[i] !== "--json" && all[i] !== "--merge" && all[i - 1] !== "--json");
  return ["npm run bench --", ...args.map((arg) => (arg.includes(" ") ? JSON.stringify(arg) : arg))].join(" ");
}

/** Writes what there is so far: a long run that is broken off has not been for nothing. */
function keep(run: Run): void {
  if (given.json === undefined) return;
  const before = given.merge && existsSync(given.json) ? (JSON.parse(readFileSync(given.json, "utf8")) as Run) : undefined;
  const fresh = new Map(run.lines.map((line) => [line.what, line]));
  const kept = before?.lines.map((line) => fresh.get(line.what) ?? line) ?? [];
  const added = run.lines.filter(({ what }) => !kept.some((line) => line.what === what));
  const whole = { ...run, ...before, notes: { ...before?.notes, ...run.notes }, lines: [...kept, ...added] };
  writeFileSync(given.json, `${JSON.stringify(whole, null, 2)}\n`);
}

/** Says what is worse than the committed run, and fails for it. */
function report(compared: readonly Compared[]): void {
  const worse = compared.filter(({ isWorse }) => isWorse);
  for (const { what, before, now } of worse) console.log(`WORSE: ${what}: ${before.toFixed(2)} → ${now.toFixed(2)}`);
  console.log(`${compared.length} ratios compared with docs/bench, ${worse.length} worse by more than ${TOLERANCE * 100} %`);
  if (worse.length > 0 || compared.length === 0) process.exitCode = 1;
}

/** What the peers of these rows keep and promise. */
function notesOf(lines: readonly Line[], peers: readonly Contender[]): Readonly<Record<string, string>> {
  const measured = new Set(lines.flatMap((line) => Object.keys(line.measured.peers)));
  return Object.fromEntries(peers.filter(({ name }) => measured.has(name)).map(({ name, note }) => [name, note]));
}

await main();
