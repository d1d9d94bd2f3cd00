/** The storage under OmniQ alone, through its contract, and what lies on the disk behind it. */
import { statSync } from "node:fs";
import { SQLiteBackend } from "../src/sqlite.ts";
import { Contract } from "./contract.ts";
import { FLOOR, idsFor } from "./floor-queue.ts";
import { shapeOf } from "./floor.ts";
import { atMost, rate } from "./harness.ts";
import type { Settings, Values, Workload } from "./harness.ts";
import { OMNIQ } from "./omniq.ts";
import { ARGS, RESULT } from "./payload.ts";
import { raced, withPlace, withQueue } from "./queue.ts";
import type { Contender, Field } from "./queue.ts";
import { fill, shareOf } from "./rates.ts";

const TASKS = 20_000;

/** No façade, no worker, no codec: what is lost here is lost in SQL and its mapping. */
function storage(what: "enqueue" | "drain", together: number): Workload {
  return {
    name: `storage ${what} ${together}`,
    rows: [{ key: "rate", what: `storage alone: ${what}, ${together} together`, unit: "tasks/s" }],
    omniq: (settings) =>
      withPlace(OMNIQ, settings, async ({ at }) => {
        const contract = new Contract(new SQLiteBackend({ path: at, durability: settings.durability }));
        await contract.open();
        const all = idsFor(TASKS);
        const enqueued = await rate(TASKS, async () => {
          for (let i = 0; i < TASKS; i += together) await contract.enqueue(all.slice(i, i + together), ARGS);
        });
        const drained = what === "enqueue" ? enqueued : await rate(TASKS, () => contract.drain(together, RESULT));
        await contract.close();
        return { rate: drained };
      }),
    floor: (settings) =>
      withQueue(FLOOR, settings, async (queue) => {
        const enqueued = await rate(TASKS, () => queue.enqueue(TASKS, together, true));
        return { rate: what === "enqueue" ? enqueued : await rate(TASKS, () => queue.drain(together, TASKS)) };
      }),
  };
}

/** A file, or what a server says of its tables, after a drain: for each task. */
async function keptBytes(contender: Contender, settings: Settings): Promise<Values> {
  return withPlace(contender, settings, async (place) => {
    const queue = await contender.open(place.at, settings.durability);
    const count = shareOf(contender, TASKS, settings);
    await fill(contender, queue, count);
    await queue.drain(100, count);
    await queue.close();
    return { bytes: (await place.bytes()) / count };
  });
}

function kept(field: Field): Workload {
  const base = {
    name: "kept bytes",
    rounds: 1,
    rows: [{ key: "bytes", what: "a kept task with its result and three events", unit: "bytes", target: atMost(1_000, "bytes") }],
    needs: ["drain"],
  } as const;
  return raced(field, base, keptBytes);
}

/** The floor must write the very rows that OmniQ writes, or it is no floor. */
export async function expectSameRows(settings: Settings): Promise<void> {
  const shapes = [];
  for (const contender of [OMNIQ, FLOOR]) {
    shapes.push(
      await withPlace(contender, settings, async ({ at }) => {
        const queue = await contender.open(at, settings.durability);
        await queue.enqueue(200, 100, true);
        await queue.drain(100, 200);
        await queue.close();
        if (statSync(at).size === 0) throw new Error(`Expected ${contender.name} to write a file`);
        return shapeOf(at);
      }),
    );
  }
  const [ours, bare] = shapes.map((shape) => JSON.stringify(shape, null, 2));
  if (ours !== bare) throw new Error(`Expected the floor to write the rows of OmniQ, got ${String(bare)} for ${String(ours)}`);
}

export const storagesOf = (field: Field): readonly Workload[] => [storage("enqueue", 1_000), storage("drain", 100), kept(field)];
