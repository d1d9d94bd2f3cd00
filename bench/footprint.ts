/** What a queue costs where nothing is to be done, in memory, and at the start of a process. */
import { built, packaged } from "./built.ts";
import { askOnce, timeOfCode, timeOfRole } from "./children.ts";
import { atMost, atMostOver } from "./harness.ts";
import type { Settings, Workload } from "./harness.ts";
import { raced, withPlace } from "./queue.ts";
import type { Contender, Field } from "./queue.ts";
import { fill, shareOf } from "./rates.ts";

const idleMs = ({ quick }: Settings): number => (quick ? 2_000 : 10_000);

/** The floor is a process that sleeps. */
function idle(field: Field): Workload {
  const ask = (contender: Contender, settings: Settings, role: "idle" | "idle bare") =>
    withPlace(contender, settings, ({ at }) =>
      askOnce(settings.scratch, contender, { role, at, durability: settings.durability, count: idleMs(settings) }),
    );
  const rows = [{ key: "percent", what: "idle worker process, of one core", unit: "%", target: atMost(0.1, "%") }] as const;
  const base = { name: "idle", rounds: 1, rows, needs: ["serve"] } as const;
  return {
    ...raced(field, base, (contender, settings) => ask(contender, settings, "idle")),
    floor: (settings) => ask(field.floor, settings, "idle bare"),
  };
}

function memory(field: Field): Workload {
  const rows = [
    { key: "rss", what: "drain at 100 slots, peak memory of the process", unit: "MB", target: atMost(100, "MB") },
    { key: "heap", what: "drain at 100 slots, peak JavaScript heap", unit: "MB" },
  ] as const;
  return raced(field, { name: "memory", rounds: 1, rows, needs: ["drain", "other process"] }, (contender, settings) =>
    withPlace(contender, settings, async ({ at }) => {
      const { scratch, durability } = settings;
      const count = shareOf(contender, 20_000, settings);
      const queue = await contender.open(at, durability);
      await fill(contender, queue, count);
      await queue.close();
      return askOnce(scratch, contender, { role: "drain", at, durability, count });
    }),
  );
}

const imported: Workload = {
  name: "cold import",
  rows: [{ key: "ms", what: 'cold start: import "omniq"', unit: "ms", target: atMostOver(60, "ms") }],
  omniq: async () => ({ ms: await timeOfCode(`import ${JSON.stringify(packaged())};`) }),
  floor: async () => ({ ms: await timeOfCode("") }),
};

/** From the start of the process to its end, which the first handler brings. The floor is bare Node. */
function firstTask(field: Field): Workload {
  const rows = [{ key: "ms", what: "cold start: first task done", unit: "ms", target: atMostOver(150, "ms") }] as const;
  return {
    ...raced(field, { name: "cold task", rows, needs: ["serve", "other process"] }, (contender, settings) =>
      withPlace(contender, settings, async ({ at }) => {
        const { scratch, durability } = settings;
        const queue = await contender.open(at, durability);
        await queue.send(0);
        await queue.close();
        // Compiled before the clock runs.
        built(scratch, "bench/child.js");
        return { ms: await timeOfRole(scratch, contender, { role: "first", at, durability }) };
      }),
    ),
    floor: async () => ({ ms: await timeOfCode("") }),
  };
}

export const footprintsOf = (field: Field): readonly Workload[] => [idle(field), memory(field), imported, firstTask(field)];
