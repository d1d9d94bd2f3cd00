/**
 * The thread of a deputy. It has no event loop: it waits on the memory that it shares with the worker's thread. It imports next to nothing,
 * since it begins while the worker's first tasks do.
 */
import { isMainThread, workerData } from "node:worker_threads";
import { AT, stamp } from "./deputy.ts";
import type { DeputyPlan } from "./deputy.ts";
import { nodeLibrary } from "./library.ts";

/** Shares of a lease: between two looks; without a turn until the first beat; between two beats. */
const LOOK = 0.1;
const LATE = 0.5;
const AGAIN = 0.4;
/** After so many leases without a turn the handler is stuck for good: its tasks are for others. */
const PATIENCE = 10;
/** Milliseconds that a beat waits for the lock. */
const WAIT = 1_000;

const fs = process.getBuiltinModule("node:fs");

function main(plan: DeputyPlan): void {
  const { shared, leaseMs } = plan;
  const file = inodeOf(plan.path);
  let turns = -1;
  let turnedAt = 0;
  let beatAt = Number.NEGATIVE_INFINITY;
  while (Atomics.wait(shared, AT.stop, 0, leaseMs * LOOK) === "timed-out") {
    const now = performance.now();
    const turned = Atomics.load(shared, AT.turns);
    if (turned !== turns) [turns, turnedAt] = [turned, now];
    const still = now - turnedAt;
    if (still < leaseMs * LATE || still > leaseMs * PATIENCE || now - beatAt < leaseMs * AGAIN) continue;
    const began = stamp();
    // Opening one that was deleted would make another.
    if (inodeOf(plan.path) !== file || !beat(plan)) continue;
    beatAt = now;
    Atomics.store(shared, AT.beat, began);
  }
}

function inodeOf(path: string): string {
  const found = fs.statSync(path, { throwIfNoEntry: false });
  return `${found?.dev} ${found?.ino}`;
}

/** False when it could not be written: the next look tries again. A connection that is closed again keeps nobody from anything. */
function beat({ path, tablePrefix, worker }: DeputyPlan): boolean {
  try {
    const connection = nodeLibrary.open(path, { wait: WAIT });
    try {
      // A beat need not survive a power cut. What it says of time is for people: who is dead is told by the beat alone.
      connection.exec("PRAGMA synchronous = NORMAL");
      const sql = `UPDATE "${tablePrefix}workers" SET beat = beat + 1, seen_at = ? WHERE id = ?`;
      return connection.prepare(sql).run(Date.now(), worker) > 0;
    } finally {
      connection.close();
    }
  } catch {
    return false;
  }
}

if (!isMainThread) main(workerData as DeputyPlan);
