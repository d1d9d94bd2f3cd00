/**
 * Kills, freezes, cuts the power of, and crowds OmniQ's processes, and counts what was lost: `npm run torture`.
 *
 *     npm run torture -- [--kills N] [--freezes N] [--power N] [--tasks N] [--processes N] [--only kills|freezes|power|contention]…
 *                        [--postgres URL] [--seed S] [--fresh]
 *
 * What was done is kept in .tmp/torture-S.json after each round: a second call goes on with it, `--fresh` begins anew. The figures are
 * written into docs/reliability.md. Ends with 1 if anything was found to be broken.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openProgress } from "../../src/cli/progress.ts";
import { Terminal } from "../../src/cli/terminal.ts";
import { Campaign, keyOf, KINDS, Ledger } from "./campaign.ts";
import type { Kind, Plan } from "./campaign.ts";
import { tableOf, writeReport } from "./report.ts";
import { isSound } from "./round.ts";

const PAGE = fileURLToPath(new URL("../../docs/reliability.md", import.meta.url));
const WORDS: Readonly<Record<Kind, string>> = {
  kills: "kills",
  freezes: "freezes",
  power: "power-loss states",
  contention: "tasks of a crowd",
};

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "1000" },
    freezes: { type: "string", default: "1000" },
    power: { type: "string", default: "20000" },
    tasks: { type: "string", default: "10000" },
    processes: { type: "string", default: "16" },
    only: { type: "string", multiple: true },
    postgres: { type: "string" },
    seed: { type: "string", default: "1" },
    fresh: { type: "boolean", default: false },
  },
});

function whole(name: "kills" | "freezes" | "power" | "tasks" | "processes" | "seed"): number {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 0) throw new TypeError(`Expected --${name} to be a whole number, got ${values[name]}`);
  return value;
}

function wanted(): readonly Kind[] {
  const all = KINDS.filter((kind) => values.postgres === undefined || kind === "kills" || kind === "freezes");
  for (const name of values.only ?? [])
    if (!all.some((kind) => kind === name)) throw new TypeError(`Expected --only to be one of ${all.join(", ")}, got ${name}`);
  return all.filter((kind) => values.only?.includes(kind) ?? true);
}

const targets = { kills: whole("kills"), freezes: whole("freezes"), power: whole("power"), contention: whole("tasks") };
const plan: Plan = { seed: whole("seed"), targets, processes: whole("processes"), postgres: values.postgres };
const ledger = new Ledger(`.tmp/torture-${plan.seed}.json`, values.fresh);
const campaign = new Campaign(plan, ledger);
const terminal = new Terminal({ stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, env: process.env });
const interrupted = new AbortController();
process.once("SIGINT", () => {
  interrupted.abort();
  terminal.note("The round under way is ended first; then it can be gone on with. Once more: at once.");
  process.once("SIGINT", () => process.exit(130));
});

async function run(kind: Kind): Promise<void> {
  const key = keyOf(kind, plan);
  const target = targets[kind];
  const bar = await openProgress(terminal, target, WORDS[kind]);
  let { total } = ledger.of(key);
  while (total.done < target && !interrupted.signal.aborted) {
    ({ total } = await campaign.round(kind, (done) => {
      bar.update(done);
    }));
    if (!terminal.showsProgress)
      terminal.line(`${key}: ${total.done} of ${target}, ${isSound(total.faults) ? "nothing broken" : "BROKEN"}`);
  }
  bar.stop();
  for (const [name, faults] of Object.entries(total.faults)) for (const fault of faults.slice(0, 20)) terminal.line(`${name}: ${fault}`);
  if (!isSound(total.faults)) process.exitCode = 1;
}

try {
  if (!campaign.sees) terminal.note("No C compiler (cc) on Linux here: the writes are derived from the files, not seen.");
  for (const kind of wanted()) await run(kind);
} finally {
  campaign.end();
}
const table = tableOf(ledger.saved, targets);
terminal.line(table);
writeReport(PAGE, table, `npm run torture -- --seed ${plan.seed}`);
