/** The floor as one of the field: bare SQL that writes the rows of OmniQ. */
import { watch } from "node:fs";
import { newId } from "../src/host.ts";
import { Floor } from "./floor.ts";
import type { Held } from "./floor.ts";
import { ARGS, RESULT } from "./payload.ts";
import { filePlace } from "./places.ts";
import type { Contender, Queue } from "./queue.ts";

/** More than any measurement takes: to make an id is no work of the floor's. */
export const idsFor = (count: number): readonly string[] => Array.from({ length: count }, () => newId());
const IDS = 40_000;

function queueOf(floor: Floor, path: string): Queue {
  const ids = idsFor(IDS);
  let used = 0;
  let look: (() => void) | undefined;
  const ended = new AbortController();
  const take = (count: number): readonly string[] => ids.slice(used, (used += count));
  return {
    enqueue(count, together) {
      for (let done = 0; done < count; done += together) floor.enqueue(take(Math.min(together, count - done)), ARGS);
      return Promise.resolve();
    },
    drain(slots, count) {
      const done = floor.drain(slots, RESULT);
      return done === count ? Promise.resolve() : Promise.reject(new Error(`Expected ${count} tasks to be drained, got ${done}`));
    },
    serve(slots, started) {
      look = watcher({ floor, path, slots, started, signal: ended.signal });
      return Promise.resolve();
    },
    send(at) {
      floor.enqueue(take(1), JSON.stringify({ at }));
      look?.();
      return Promise.resolve();
    },
    close() {
      ended.abort();
      return Promise.resolve(floor.close());
    },
  };
}

interface Watching {
  readonly floor: Floor;
  readonly path: string;
  readonly slots: number;
  readonly started: (at: number) => void;
  readonly signal: AbortSignal;
}

/** Watches the WAL, looks, and looks again, since it is written before the commit can be seen. */
function watcher({ floor, path, slots, started, signal }: Watching): () => void {
  let held: readonly Held[] = [];
  const look = (): void => {
    if (signal.aborted) return;
    held = floor.turn(held, slots, RESULT);
    for (const { args } of held) started(Number(JSON.parse(args).at));
    if (held.length > 0) held = floor.turn(held, slots, RESULT);
  };
  // The WAL is there once something was written.
  look();
  let waiting = 0;
  watch(`${path}-wal`, { signal }, () => {
    if (waiting > 0) return;
    look();
    for (const delay of [1, 4]) {
      waiting++;
      setTimeout(() => {
        waiting--;
        look();
      }, delay).unref();
    }
  });
  return look;
}

export const FLOOR: Contender = {
  name: "floor",
  note: "bare SQL that writes the same rows in the same transactions",
  module: "floor-queue",
  place: (scratch) => Promise.resolve(filePlace(scratch)),
  open: (at, durability) => Promise.resolve(queueOf(new Floor(at, durability), at)),
};

export const contenders: readonly Contender[] = [FLOOR];
