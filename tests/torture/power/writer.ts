/** What is recorded until the power goes: `node writer.ts '{"folder": …}'` enqueues and works for a while, and ends. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { OmniQ } from "../../../src/index.ts";
import { SQLiteBackend } from "../../../src/sqlite.ts";
import { Dice } from "../../../src/testing/conformance/dice.ts";
import { tortureTasks } from "../job.ts";
import { Witness } from "../journal.ts";
import { watchStatements } from "../statements.ts";
import { Deriver } from "./derive.ts";

export interface WriterOptions {
  /** With its last slash. */
  readonly folder: string;
  readonly seed: number;
  readonly durability: "full" | "normal";
  /** The log to derive from the files; absent where a library logs what they are told. */
  readonly log?: string;
}

/** Calls of a run, and the pages after which SQLite writes its WAL back: a thousand of them would leave most runs without a checkpoint. */
const CALLS = 90;
const CHECKPOINT = 60;

const { folder, seed, durability, log } = JSON.parse(process.argv[2] ?? "{}") as WriterOptions;
const dice = new Dice(seed);
const path = join(folder, "power.db");
const journal = join(folder, "journal");
const deriver = log === undefined ? undefined : new Deriver(log, path);
let engine: DatabaseSync | undefined;
let isLooking = false;

watchStatements((sql, run, database) => {
  const result = run();
  if (sql.startsWith("PRAGMA synchronous =")) {
    engine = database;
    database?.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT}`);
  }
  if (deriver !== undefined && engine !== undefined && !isLooking && (sql === "COMMIT" || sql.startsWith("PRAGMA journal_mode"))) {
    isLooking = true;
    deriver.look(engine);
    isLooking = false;
  }
  return result;
});

class LoggedWitness extends Witness {
  override tell(what: string, ...words: readonly (string | number)[]): void {
    const before = statSync(journal, { throwIfNoEntry: false })?.size ?? 0;
    const text = this.write(what, ...words);
    deriver?.told(journal, before, text);
  }
}

const witness = new LoggedWitness(journal);
const { job, after } = tortureTasks(witness);
const omniq = new OmniQ({ backend: new SQLiteBackend({ path, durability }) });
const worker = omniq.worker({ tasks: [job, after], concurrency: 3 });
worker.on("completed", ({ id }) => {
  witness.tell("done", id);
});
await worker.start();
let parents: readonly string[] = [];
for (let n = 1; n <= CALLS; n++) {
  const ids = dice.chance(25) ? [0, 1, 2, 3, 4].map((i) => `p${n}-${i}`) : [`p${n}`];
  const dependsOn = dice.chance(20) ? parents.map((on) => ({ on, ifFailed: "run" as const })) : [];
  const args = { ms: dice.below(3), goes: dice.chance(10) ? "wrong" : "well", child: dice.chance(10) } as const;
  const callback = dice.chance(10) ? { callback: after } : {};
  witness.tell("try", ...ids);
  await omniq.enqueueMany(ids.map((id) => job.with(args, { id, dependsOn, ...callback })));
  witness.tell("ack", ...ids);
  parents = ids;
  if (dice.chance(30)) await sleep(dice.below(4));
}
await worker.drain();
await omniq.close();
