/** Tasks a second on PostgreSQL: beside bare SQL that writes the same rows, and beside the queues that people use there. */
import { newId } from "../../src/host.ts";
import { allOf, atLeast, atLeastPeer, rate } from "../harness.ts";
import type { Settings, Target, Workload } from "../harness.ts";
import { onPeers } from "../queue.ts";
import type { Peer, Queue } from "../queue.ts";
import { ARGS, RESULT } from "../subject.ts";
import { PgFloor } from "./floor.ts";
import { onOmniQ } from "./omniq.ts";
import { onSchema } from "./server.ts";

const ids = (count: number): readonly string[] => Array.from({ length: count }, () => newId());

async function onFloor<T>(work: (floor: PgFloor) => Promise<T>): Promise<T> {
  return onSchema(async (schema) => {
    const floor = await PgFloor.open(schema);
    try {
      return await work(floor);
    } finally {
      await floor.close();
    }
  });
}

interface Enqueue {
  readonly tasks: number;
  /** How many share one call or one moment. */
  readonly together: number;
  readonly target?: Target;
  readonly by: (queue: Queue, together: number) => Promise<unknown>;
}

const tenTimes = (peer: string): Target => atLeastPeer(10, peer);
const ENQUEUES: Readonly<Record<string, Enqueue>> = {
  "one by one": { tasks: 1_000, together: 1, by: (queue) => queue.enqueue() },
  "100 concurrent": {
    tasks: 10_000,
    together: 100,
    target: allOf(tenTimes("graphile-worker"), tenTimes("pg-boss")),
    by: (queue, together) => Promise.all(Array.from({ length: together }, () => queue.enqueue())),
  },
  "enqueueMany of 1,000": { tasks: 20_000, together: 1_000, target: atLeast(0.67), by: (queue, together) => queue.enqueueMany(together) },
};

function enqueue(how: string, { tasks, together, target, by }: Enqueue, peers: readonly Peer[]): Workload {
  const countOf = ({ quick }: Settings): number => (quick ? tasks / 5 : tasks);
  const measured = async (queue: Queue, settings: Settings): Promise<{ rate: number }> => {
    const count = countOf(settings);
    return {
      rate: await rate(count, async () => {
        for (let done = 0; done < count; done += together) await by(queue, together);
      }),
    };
  };
  const row = { key: "rate", what: `PostgreSQL: enqueue, ${how}`, unit: "tasks/s" } as const;
  return {
    name: `pg enqueue ${how}`,
    rows: [target === undefined ? row : { ...row, target }],
    omniq: (settings) => onOmniQ((queue) => measured(queue, settings)),
    peers: onPeers(peers, measured),
    floor: (settings) =>
      onFloor(async (floor) => {
        const all = ids(countOf(settings));
        return {
          rate: await rate(all.length, async () => {
            for (let i = 0; i < all.length; i += together) await floor.enqueue(all.slice(i, i + together), ARGS);
          }),
        };
      }),
  };
}

function drain(slots: number, peers: readonly Peer[], target?: Target): Workload {
  const countOf = ({ quick }: Settings): number => (slots === 1 ? 2_000 : 20_000) / (quick ? 5 : 1);
  const row = { key: "rate", what: `PostgreSQL: drain, ${slots} slot${slots === 1 ? "" : "s"}`, unit: "tasks/s" } as const;
  const measured = async (queue: Queue, settings: Settings): Promise<{ rate: number }> => {
    const count = countOf(settings);
    for (let done = 0; done < count; done += 1_000) await queue.enqueueMany(Math.min(1_000, count - done));
    return { rate: await rate(count, () => queue.drain(slots, count)) };
  };
  return {
    name: `pg drain ${slots}`,
    rows: [target === undefined ? row : { ...row, target }],
    omniq: (settings) => onOmniQ((queue) => measured(queue, settings)),
    peers: onPeers(peers, measured),
    floor: (settings) =>
      onFloor(async (floor) => {
        const count = countOf(settings);
        await floor.enqueueAll(ids(count), ARGS);
        return { rate: await rate(count, () => floor.drain(slots, RESULT)) };
      }),
  };
}

export function ratesOf(peers: readonly Peer[]): readonly Workload[] {
  return [
    ...Object.entries(ENQUEUES).map(([how, what]) => enqueue(how, what, peers)),
    // At one slot pg-boss takes one job a poll of half a second, graphile-worker ends no job before the next one begins: not the same work.
    drain(1, []),
    drain(10, peers),
    drain(100, peers, allOf(atLeast(0.6), atLeastPeer(0.8, "graphile-worker"), atLeastPeer(2, "pg-boss"))),
  ];
}
