/** A disk that may lose its power: what was brought to it is there; each later write is there, or in parts, or not. */
import type { Dice } from "../../../src/testing/conformance/dice.ts";
import type { Change } from "./log.ts";

/** Disks write such a piece whole or not at all. */
const SECTOR = 512;

interface File {
  /** Undefined: it is not there. */
  durable: Buffer | undefined;
  /** Since the last sync. */
  pending: Change[];
}

/** How the writes since the last sync fare, in a hundred. */
type Fate = (dice: Dice) => "kept" | "torn" | "dropped";
const FATES: readonly Fate[] = [
  (dice) => (dice.chance(50) ? "kept" : dice.chance(30) ? "torn" : "dropped"),
  (dice) => (dice.chance(90) ? "kept" : "dropped"),
  (dice) => (dice.chance(90) ? "dropped" : "torn"),
  () => "kept",
  () => "dropped",
];

export type Image = Map<string, Buffer>;

/** The name under which the folder itself is synced. */
export const FOLDER = "files";

export class Disk {
  readonly #files = new Map<string, File>();

  /** The next thing that the process does. */
  take(change: Change): void {
    if (change.file === FOLDER) this.#keepRemovals();
    else this.#takeOf(change);
  }

  /** What was unlinked stays away from now on. */
  #keepRemovals(): void {
    for (const file of this.#files.values()) {
      const last = file.pending.findLastIndex(({ operation }) => operation === "U");
      if (last < 0) continue;
      file.durable = undefined;
      file.pending = file.pending.slice(last + 1);
    }
  }

  #takeOf(change: Change): void {
    const file = this.#files.get(change.file) ?? { durable: undefined, pending: [] };
    this.#files.set(change.file, file);
    if (change.operation !== "S") file.pending.push(change);
    else {
      file.durable = applied(file.durable, file.pending);
      file.pending = [];
    }
  }

  /** What is on the disk when the power comes back. */
  afterCut(dice: Dice): Image {
    const fate = FATES[dice.below(FATES.length)] ?? (() => "kept" as const);
    return this.#image((change) => {
      const its = fate(dice);
      if (its === "dropped") return undefined;
      if (its === "kept" || change.operation !== "W") return change;
      return { ...change, data: change.data.subarray(0, SECTOR * dice.below(Math.ceil(change.data.length / SECTOR))) };
    });
  }

  /** What the process itself sees. */
  asWritten(): Image {
    return this.#image((change) => change);
  }

  #image(fareOf: (change: Change) => Change | undefined): Image {
    const image: Image = new Map();
    for (const [name, { durable, pending }] of this.#files) {
      const kept = pending.map((change) => fareOf(change)).filter((change) => change !== undefined);
      const content = applied(durable, kept);
      if (content !== undefined) image.set(name, content);
    }
    return image;
  }
}

/** The file after these changes; the buffer that it is given stays as it is. */
function applied(before: Buffer | undefined, changes: readonly Change[]): Buffer | undefined {
  const ends = changes.map(({ offset, data }) => offset + data.length);
  const content = Buffer.alloc(Math.max(before?.length ?? 0, ...ends));
  let length = before?.copy(content);
  for (const { operation, offset, data } of changes) {
    if (operation === "W") {
      data.copy(content, offset);
      length = Math.max(length ?? 0, offset + data.length);
    } else {
      const end = operation === "T" ? offset : 0;
      content.fill(0, end);
      length = operation === "T" ? end : undefined;
    }
  }
  return length === undefined ? undefined : content.subarray(0, length);
}
