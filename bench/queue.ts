/** A queue as the bench works it: OmniQ and its peers do the same, each by its documented best. */
import type { Settings, Values } from "./harness.ts";

export interface Queue {
  /** One task; settles when it is stored. */
  enqueue(): Promise<unknown>;
  /** So many in one call. */
  enqueueMany(count: number): Promise<unknown>;
  /** Runs so many waiting tasks, so many at a time; a peer's clock stops already when its last handler has run. */
  drain(slots: number, count: number): Promise<unknown>;
  close(): Promise<void>;
}

export interface Peer {
  readonly name: string;
  /** With tables of its own, which are taken away by `close`. */
  open(): Promise<Queue>;
}

export type Peers = Readonly<Record<string, (settings: Settings) => Promise<Values>>>;

/** What is measured on a queue of each peer's. */
export function onPeers(peers: readonly Peer[], work: (queue: Queue, settings: Settings) => Promise<Values>): Peers {
  return Object.fromEntries(
    peers.map((peer) => [
      peer.name,
      async (settings: Settings) => {
        const queue = await peer.open();
        try {
          return await work(queue, settings);
        } finally {
          await queue.close();
        }
      },
    ]),
  );
}

/** Resolves at the n-th call. */
export class Countdown {
  readonly over: Promise<void>;
  #left: number;
  #end: () => void = () => {};

  constructor(count: number) {
    this.#left = count;
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  ran(count = 1): void {
    this.#left -= count;
    if (this.#left <= 0) this.#end();
  }
}
