/** Tasks a second: enqueue and drain, and the storage under them alone. */
import { statSync } from "node:fs";
import { newId } from "../src/host.ts";
import type { OmniQ } from "../src/index.ts";
import { SQLiteBackend } from "../src/sqlite.ts";
import { Contract } from "./contract.ts";
import { Floor, shapeOf } from "./floor.ts";
import { atLeast, rate } from "./harness.ts";
import type { Row, Settings, Values, Workload } from "./harness.ts";
import { ARGS, fill, noop, openAt, PAYLOAD, RESULT } from "./subject.ts";

const ids = (count: number): readonly string[] => Array.from({ length: count }, () => newId());

/** Work on a file of its own, which is taken away afterwards. */
async function onFile(settings: Settings, work: (path: string) => Promise<Values>): Promise<Values> {
  const path = settings.scratch.file();
  try {
    return await work(path);
  } finally {
    settings.scratch.drop(path);
  }
}

async function onFloor(settings: Settings, work: (floor: Floor) => Promise<Values>): Promise<Values> {
  return onFile(settings, async (path) => {
    const floor = new Floor(path, settings.durability);
    const values = await work(floor);
    floor.close();
    return values;
  });
}

async function onOmniQ(settings: Settings, work: (omniq: OmniQ) => Promise<Values>): Promise<Values> {
  return onFile(settings, async (path) => {
    const omniq = await openAt(path, settings.durability);
    const values = await work(omniq);
    await omniq.close();
    return values;
  });
}

/** Each entry: how many tasks in all, and how many share one call or one moment. */
const ENQUEUES = {
  "one by one": { tasks: 2_000, together: 1, target: 0.7 },
  "100 concurrent": { tasks: 20_000, together: 100, target: 0.5 },
  "enqueueMany of 1,000": { tasks: 20_000, together: 1_000, target: 0.6 },
} as const;
type Enqueue = keyof typeof ENQUEUES;

async function enqueueBy(how: Enqueue, omniq: OmniQ, count: number): Promise<void> {
  if (how === "one by one") for (let i = 0; i < count; i++) await omniq.enqueue(noop, PAYLOAD);
  else if (how === "enqueueMany of 1,000") await fill(omniq, count);
  else {
    for (let i = 0; i < count; i += 100) await Promise.all(Array.from({ length: 100 }, () => omniq.enqueue(noop, PAYLOAD)));
  }
}

function enqueue(how: Enqueue): Workload {
  const { tasks, together, target } = ENQUEUES[how];
  const countOf = ({ quick }: Settings): number => (quick ? tasks / 10 : tasks);
  return {
    name: `enqueue ${how}`,
    rows: [{ key: "rate", what: `enqueue, ${how}`, unit: "tasks/s", target: atLeast(target) }],
    omniq: (settings) =>
      onOmniQ(settings, async (omniq) => ({ rate: await rate(countOf(settings), () => enqueueBy(how, omniq, countOf(settings))) })),
    floor: (settings) =>
      onFloor(settings, async (floor) => {
        const all = ids(countOf(settings));
        const sets = Array.from({ length: all.length / together }, (_, i) => all.slice(i * together, (i + 1) * together));
        return {
          rate: await rate(all.length, () => {
            for (const set of sets) floor.enqueue(set, ARGS);
          }),
        };
      }),
  };
}

const drainSize = (slots: number, quick: boolean): number => (slots === 1 ? 5_000 : 20_000) / (quick ? 5 : 1);

function drain(slots: number): Workload {
  const row: Row = { key: "rate", what: `drain, ${slots} slot${slots === 1 ? "" : "s"}`, unit: "tasks/s", target: atLeast(0.7) };
  return {
    name: `drain ${slots}`,
    rows: [row],
    omniq: (settings) => onOmniQ(settings, async (omniq) => ({ rate: await drainWith(omniq, slots, drainSize(slots, settings.quick)) })),
    floor: (settings) =>
      onFloor(settings, async (floor) => {
        const count = drainSize(slots, settings.quick);
        floor.enqueueAll(ids(count), ARGS);
        return { rate: await rate(count, () => floor.drain(slots, RESULT)) };
      }),
  };
}

async function drainWith(omniq: OmniQ, slots: number, count: number): Promise<number> {
  await fill(omniq, count);
  const worker = omniq.worker({ tasks: [noop], concurrency: slots });
  let completed = 0;
  worker.on("completed", () => completed++);
  await worker.start();
  const perSecond = await rate(count, () => worker.drain());
  await worker.stop();
  if (completed !== count) throw new Error(`Expected ${count} tasks to complete, got ${completed}`);
  return perSecond;
}

/** The storage alone, through its contract: no façade, no worker, no codec. What is lost here is lost in SQL and its mapping. */
function storage(what: "enqueue" | "drain", together: number): Workload {
  const count = 20_000;
  return {
    name: `storage ${what} ${together}`,
    rows: [{ key: "rate", what: `storage alone: ${what}, ${together} together`, unit: "tasks/s" }],
    omniq: (settings) =>
      onFile(settings, async (path) => {
        const contract = new Contract(new SQLiteBackend({ path, durability: settings.durability }));
        await contract.open();
        const all = ids(count);
        const enqueued = await rate(count, async () => {
          for (let i = 0; i < count; i += together) await contract.enqueue(all.slice(i, i + together), ARGS);
        });
        const drained = what === "enqueue" ? enqueued : await rate(count, () => contract.drain(together, RESULT));
        await contract.close();
        return { rate: drained };
      }),
    floor: (settings) =>
      onFloor(settings, async (floor) => {
        const all = ids(count);
        const enqueued = await rate(count, () => {
          for (let i = 0; i < count; i += together) floor.enqueue(all.slice(i, i + together), ARGS);
        });
        return { rate: what === "enqueue" ? enqueued : await rate(count, () => floor.drain(together, RESULT)) };
      }),
  };
}

/** What lies on the disk when all is done. The floor must write the very rows that OmniQ writes, or it is no floor. */
const kept: Workload = {
  name: "kept bytes",
  rounds: 1,
  rows: [
    {
      key: "bytes",
      what: "a kept task with its result and three events",
      unit: "bytes",
      target: { text: "≤ 1,000 bytes", met: ({ omniq }) => omniq <= 1_000 },
    },
  ],
  async omniq(settings) {
    const [ours, bare] = [settings.scratch.file(), settings.scratch.file()];
    const count = drainSize(100, settings.quick);
    const omniq = await openAt(ours, settings.durability);
    await drainWith(omniq, 100, count);
    await omniq.close();
    const floor = new Floor(bare, settings.durability);
    floor.enqueueAll(ids(count), ARGS);
    floor.drain(100, RESULT);
    floor.close();
    const [left, right] = [ours, bare].map((path) => shapeOf(path));
    if (JSON.stringify(left) !== JSON.stringify(right)) {
      throw new Error(
        `Expected the floor to write the rows of OmniQ, got ${JSON.stringify(right, null, 2)} for ${JSON.stringify(left, null, 2)}`,
      );
    }
    return { bytes: statSync(ours).size / count };
  },
};

export const RATES: readonly Workload[] = [
  enqueue("one by one"),
  enqueue("100 concurrent"),
  enqueue("enqueueMany of 1,000"),
  drain(1),
  drain(10),
  drain(100),
  storage("enqueue", 1_000),
  storage("drain", 100),
  kept,
];
