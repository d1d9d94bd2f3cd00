/** A queue as the bench works it: OmniQ, bare SQL and the peers do the same work by the same calls, each by its documented best. */
import type { Durability } from "./floor.ts";
import type { Row, Settings, Values, Workload } from "./harness.ts";
import type { Scratch } from "./scratch.ts";

export interface Queue {
  /** So many tasks. @param together how many at a time: each by a call of its own, or all `inOne` call. */
  enqueue(count: number, together: number, inOne: boolean): Promise<unknown>;
  /** Runs so many waiting tasks, so many at a time; a peer's clock stops already when its last handler has run. */
  drain(slots: number, count: number): Promise<unknown>;
  /** A worker that tells of each task, when its handler begins, the `at` that it was sent with. */
  serve(slots: number, started: (at: number) => void): Promise<unknown>;
  /** One task that carries this. */
  send(at: number): Promise<unknown>;
  close(): Promise<unknown>;
}

/** Where a queue keeps its tasks while something is measured. */
export interface Place {
  /** What `open` needs to know of it: a path, a schema, a socket. */
  readonly at: string;
  /** What lies there, in bytes; asked when the queue is closed. */
  bytes(): Promise<number>;
  remove(): Promise<unknown>;
}

export type Work = "set" | "drain" | "drain at 1 slot" | "serve" | "other process";

export interface Contender {
  readonly name: string;
  /** What it stores and promises less, or more: it stands beside its numbers. */
  readonly note: string;
  /** The module that exports it in a list called `contenders`, below `bench/`: other processes load it from there. */
  readonly module: string;
  /** A slow one does this part of the work only, so that a round takes seconds. */
  readonly share?: number;
  /** So many latencies are taken of one that polls: each takes half of its interval. */
  readonly samples?: number;
  readonly without?: readonly Work[];
  /** The program that runs its processes, where that is not Node. */
  readonly runtime?: string;
  place(scratch: Scratch): Promise<Place>;
  open(at: string, durability: Durability): Promise<Queue>;
}

/** Who is measured together: on one engine, or for the same users. */
export interface Field {
  readonly omniq: Contender;
  readonly floor: Contender;
  readonly peers: readonly Contender[];
}

export async function withPlace<T>(contender: Contender, { scratch }: Settings, work: (place: Place) => Promise<T>): Promise<T> {
  const place = await contender.place(scratch);
  try {
    return await work(place);
  } finally {
    await place.remove();
  }
}

/** A queue for one measurement, which is closed and taken away behind it. */
export async function withQueue<T>(contender: Contender, settings: Settings, work: (queue: Queue, place: Place) => Promise<T>): Promise<T> {
  return withPlace(contender, settings, async (place) => {
    const queue = await contender.open(place.at, settings.durability);
    try {
      return await work(queue, place);
    } finally {
      await queue.close();
    }
  });
}

/** The same work for all of a field. @param needs what a peer is left out for where it cannot do it. */
export function raced(
  { omniq, floor, peers }: Field,
  base: { readonly name: string; readonly rows: readonly Row[]; readonly rounds?: number; readonly needs?: readonly Work[] },
  run: (contender: Contender, settings: Settings) => Promise<Values>,
): Workload {
  const { needs = [], ...rest } = base;
  const able = peers.filter(({ without = [] }) => needs.every((need) => !without.includes(need)));
  return {
    ...rest,
    omniq: (settings) => run(omniq, settings),
    floor: (settings) => run(floor, settings),
    peers: Object.fromEntries(able.map((peer) => [peer.name, (settings: Settings) => within(peer, run(peer, settings))])),
  };
}

/** A peer that hangs or fails is left out of a row; it must not take the others' figures with it. */
async function within({ name }: Contender, values: Promise<Values>): Promise<Values> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Expected ${name} to be done in ${PATIENCE / 1_000} s`)), PATIENCE);
  });
  try {
    return await Promise.race([values, late]);
  } catch (error) {
    console.error(error);
    return {};
  } finally {
    clearTimeout(timer);
  }
}
const PATIENCE = 60_000;

/** What a client library offers. */
export interface Calls {
  one(): Promise<unknown>;
  many?(count: number): Promise<unknown>;
}

/** A client library whose worker calls back for each task. */
export interface Client extends Calls {
  /** Starts a worker that calls back with what each task carries. */
  work(slots: number, ran: (payload: unknown) => void): unknown;
  send(at: number): Promise<unknown>;
  close(): Promise<unknown>;
}

export function queueOf(client: Client): Queue {
  return {
    enqueue: (count, together, inOne) => enqueueBy(client, count, together, inOne),
    async drain(slots, count) {
      const countdown = new Countdown(count);
      await client.work(slots, () => countdown.ran());
      await countdown.over;
    },
    async serve(slots, started) {
      await client.work(slots, (payload) => started(Number((payload as { readonly at?: number }).at)));
    },
    send: (at) => client.send(at),
    close: () => client.close(),
  };
}

export async function enqueueBy(calls: Calls, count: number, together: number, inOne: boolean): Promise<void> {
  if (inOne && calls.many === undefined) throw new Error("Expected a call that enqueues many, got none");
  for (let done = 0; done < count; done += together) {
    const size = Math.min(together, count - done);
    if (inOne) await calls.many?.(size);
    else if (size === 1) await calls.one();
    else await Promise.all(Array.from({ length: size }, () => calls.one()));
  }
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
