/** Power cuts: a run is recorded, and of each moment at which its power may go, what is left is opened and looked into. */
import { join } from "node:path";
import { OmniQ } from "../../../src/index.ts";
import { SQLiteBackend } from "../../../src/sqlite.ts";
import { Witness } from "../journal.ts";
import { tortureTasks } from "../job.ts";
import type { Facts } from "../place.ts";
import { addFaults, isSound, NO_FAULTS } from "../round.ts";
import type { Round } from "../round.ts";
import type { Faults } from "../oracle.ts";
import { Disk } from "./disk.ts";
import { record } from "./record.ts";
import type { Recording } from "./record.ts";
import { DATABASE, isOfDisk, judge, Ruin, statesOf } from "./states.ts";
import type { State } from "./states.ts";

/** A share of the states in which it is the WAL that is cut. */
const OF_WAL = 0.25;
/** One of so many is opened by OmniQ as well, and worked off to the end. */
const WORKED_OFF = 100;

export interface PowerOptions {
  readonly seed: number;
  readonly count: number;
  readonly durability: "full" | "normal";
  /** To see what is written; without it the log is derived. */
  readonly library: string | undefined;
  readonly onDone?: () => void;
}

export async function powerRound(options: PowerOptions): Promise<Round> {
  const { seed, count, durability, library, onDone } = options;
  const recording = await record({ seed, durability }, library);
  const { changes, source } = recording;
  const ruin = new Ruin();
  const disk = new Disk();
  for (const change of changes) if (isOfDisk(change)) disk.take(change);
  const whole = ruin.look({ image: disk.asWritten() });
  if (whole === undefined) throw new Error("Expected the recording to hold tables, found none");
  const wal = Math.round(count * OF_WAL);
  let faults = NO_FAULTS;
  let gone = 0;
  let n = 0;
  for (const state of statesOf(changes, seed, { power: count - wal, wal })) {
    const judged = look(ruin, state, whole, durability === "full");
    const more = n++ % WORKED_OFF === 0 ? await workOff(ruin, state) : [];
    faults = addFaults(faults, namedBy({ ...judged.faults, other: [...judged.faults.other, ...more] }, state, options, recording));
    if (state.kind === "power") gone += judged.gone > 0 ? 1 : 0;
    onDone?.();
  }
  ruin.remove();
  if (isSound(faults)) recording.remove();
  const kept = durability === "full" ? {} : { "cuts at normal": count - wal, "cuts at normal that lost commits": gone };
  return { done: count, counts: { [`log ${source}`]: count, "WAL cut": wal, ...kept }, recovery: [], faults };
}

function look(ruin: Ruin, state: State, whole: Facts, isDurable: boolean): ReturnType<typeof judge> {
  try {
    return judge(state, ruin.look(state), whole, isDurable);
  } catch (error) {
    return { faults: { ...NO_FAULTS, corrupt: [error instanceof Error ? error.message : String(error)] }, gone: 0 };
  }
}

/** OmniQ opens it, too, and goes on with it. */
async function workOff(ruin: Ruin, { image }: State): Promise<readonly string[]> {
  ruin.lay(image);
  const path = join(ruin.path, DATABASE);
  const quiet = (): void => undefined;
  const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const omniq = new OmniQ({ backend: new SQLiteBackend({ path }), logger });
  const witness = new Witness(join(ruin.path, "journal"));
  try {
    const worker = omniq.worker({ tasks: Object.values(tortureTasks(witness)), concurrency: 20 });
    do await worker.drain();
    while ((await omniq.stats()).tasks.retrying > 0);
    return [];
  } catch (error) {
    return [`OmniQ could not go on with it: ${error instanceof Error ? error.message : String(error)}`];
  } finally {
    witness.close();
    await omniq.close();
  }
}

/** A fault says which state it was, so that it can be looked at again. */
function namedBy(faults: Faults, { kind, cut }: State, { seed, durability }: PowerOptions, { log }: Recording): Faults {
  const name = (lines: readonly string[]): readonly string[] =>
    lines.map((line) => `${line} (${kind} after change ${cut}, ${durability}, seed ${seed}, log ${log})`);
  return {
    lost: name(faults.lost),
    settledTwice: name(faults.settledTwice),
    lateAccepted: name(faults.lateAccepted),
    corrupt: name(faults.corrupt),
    other: name(faults.other),
  };
}
