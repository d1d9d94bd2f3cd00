/** All the databases that a power cut may leave behind, out of one recording; each is opened by SQLite and looked into. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Dice } from "../../../src/testing/conformance/dice.ts";
import { linesOf } from "../journal.ts";
import type { Line } from "../journal.ts";
import { faultsAfterCut } from "../oracle.ts";
import type { Faults } from "../oracle.ts";
import { lookInto } from "../place.ts";
import type { Facts } from "../place.ts";
import { addFaults, NO_FAULTS } from "../round.ts";
import { Disk } from "./disk.ts";
import type { Image } from "./disk.ts";
import type { Change } from "./log.ts";

export const DATABASE = "power.db";
const WAL = `${DATABASE}-wal`;
const JOURNAL = "journal";

/** Shared memory does not survive, and what was witnessed is known, whatever comes. */
export const isOfDisk = ({ file }: Change): boolean => file !== JOURNAL && file !== `${DATABASE}-shm`;

/** `power`: the power goes at any moment. `wal`: the WAL ends at any byte. */
export type Kind = "power" | "wal";

export interface State {
  readonly kind: Kind;
  /** After so many changes of the recording. */
  readonly cut: number;
  readonly image: Image;
  /** What producers and handlers had been told until then. */
  readonly journal: readonly Line[];
}

/** How far the WAL was written back: cut before that, it would tell of older pages than the database has. No power cut does that. */
class WalLength {
  #written = 0;
  #writtenBack = 0;

  take({ file, operation, offset, data }: Change): void {
    if (operation !== "W") return;
    if (file === DATABASE) this.#writtenBack = this.#written;
    if (file !== WAL) return;
    if (offset === 0) [this.#written, this.#writtenBack] = [0, 0];
    this.#written = Math.max(this.#written, offset + data.length);
  }

  /** Any length that it may be cut to. */
  some(dice: Dice): number {
    return this.#writtenBack + dice.below(1 + this.#written - this.#writtenBack);
  }
}

/** So many states of each kind, in the order of their moments. */
export function* statesOf(changes: readonly Change[], seed: number, counts: Readonly<Record<Kind, number>>): Generator<State> {
  const dice = new Dice(seed);
  const some = (kind: Kind): { kind: Kind; cut: number }[] =>
    Array.from({ length: counts[kind] }, () => ({ kind, cut: 1 + dice.below(changes.length) }));
  const wanted = [...some("power"), ...some("wal")].toSorted((a, b) => a.cut - b.cut);
  const disk = new Disk();
  const wal = new WalLength();
  let journal = "";
  let done = 0;
  for (const { kind, cut } of wanted) {
    for (; done < cut; done++) {
      const change = changes[done];
      if (change?.file === JOURNAL) journal += change.data.toString("latin1");
      else if (change !== undefined && isOfDisk(change)) disk.take(change);
      if (change !== undefined) wal.take(change);
    }
    const image = kind === "power" ? disk.afterCut(dice) : disk.asWritten();
    if (kind === "wal") image.set(WAL, (image.get(WAL) ?? Buffer.alloc(0)).subarray(0, wal.some(dice)));
    yield { kind, cut, image, journal: linesOf(journal) };
  }
}

/** A folder in which one state after the other lies. */
export class Ruin {
  readonly path: string;

  constructor() {
    this.path = mkdtempSync(join(tmpdir(), "omniq-ruin-"));
  }

  /** Opens what is left, as SQLite does it. @throws whatever it says of a damaged file. */
  look({ image }: Pick<State, "image">): Facts | undefined {
    this.lay(image);
    const db = new DatabaseSync(join(this.path, DATABASE));
    try {
      // What this reader writes back need not last.
      db.exec("PRAGMA synchronous = OFF");
      return lookInto(db);
    } finally {
      db.close();
    }
  }

  lay(image: Image): void {
    this.remove(false);
    for (const [name, content] of image) writeFileSync(join(this.path, name), content);
  }

  remove(folder = true): void {
    for (const end of ["", "-wal", "-shm", "-journal"]) rmSync(join(this.path, DATABASE + end), { force: true });
    if (folder) rmSync(this.path, { recursive: true, force: true });
  }
}

const wordsOf = ({ events }: Facts): readonly string[] => events.map(({ task, type, worker }) => `${task} ${type} ${worker}`);

export interface Judged {
  readonly faults: Faults;
  /** Acknowledged tasks that are gone; a fault unless the durability allows it. */
  readonly gone: number;
}

/** @param whole what the recording came to in the end: whatever is left of it is a beginning of that. */
export function judge(state: State, facts: Facts | undefined, whole: Facts, isDurable: boolean): Judged {
  const found: Facts = facts ?? { integrity: "ok", tasks: new Map(), events: [], results: new Map() };
  const acknowledged = state.journal.filter(({ what }) => what === "ack").flatMap(({ words }) => words);
  const gone = acknowledged.filter((id) => !found.tasks.has(id)).length;
  const faults = faultsAfterCut({ facts: found, journal: state.journal }, isDurable && state.kind === "power");
  const [there, all] = [wordsOf(found), wordsOf(whole)];
  const isBeginning = there.every((event, i) => event === all[i]);
  const torn = isBeginning ? NO_FAULTS : { ...NO_FAULTS, other: ["the events that are left are no beginning of the log"] };
  return { faults: addFaults(faults, torn), gone };
}
