/** What OmniQ costs where nothing is to be done, in memory, and at the start of a process. */
import { newId } from "../src/host.ts";
import { built } from "./built.ts";
import { askOnce, timeOf } from "./children.ts";
import { Floor } from "./floor.ts";
import { atMost, atMostOver } from "./harness.ts";
import type { Settings, Workload } from "./harness.ts";
import { ARGS, fill, openAt } from "./subject.ts";

const idleMs = ({ quick }: Settings): number => (quick ? 2_000 : 10_000);

const idle: Workload = {
  name: "idle",
  rounds: 1,
  rows: [{ key: "percent", what: "idle worker process, of one core", unit: "%", target: atMost(0.1, "%") }],
  omniq: (settings) =>
    askOnce(settings.scratch, { role: "idle", path: settings.scratch.file(), durability: settings.durability, ms: idleMs(settings) }),
  floor: (settings) => askOnce(settings.scratch, { role: "idle-bare", path: "", durability: settings.durability, ms: idleMs(settings) }),
};

const memory: Workload = {
  name: "memory",
  rounds: 1,
  rows: [
    { key: "rss", what: "drain at 100 slots, peak memory of the process", unit: "MB", target: atMost(100, "MB") },
    { key: "heap", what: "drain at 100 slots, peak JavaScript heap", unit: "MB" },
  ],
  async omniq({ scratch, durability, quick }) {
    const path = scratch.file();
    const omniq = await openAt(path, durability);
    await fill(omniq, quick ? 2_000 : 20_000);
    await omniq.close();
    return askOnce(scratch, { role: "drain", path, durability, ms: 0 });
  },
  async floor({ scratch, durability, quick }) {
    const path = scratch.file();
    const floor = new Floor(path, durability);
    floor.enqueueAll(
      Array.from({ length: quick ? 2_000 : 20_000 }, () => newId()),
      ARGS,
    );
    floor.close();
    return askOnce(scratch, { role: "drain-floor", path, durability, ms: 0 });
  },
};

const imported: Workload = {
  name: "cold import",
  rows: [{ key: "ms", what: 'cold start: import "omniq"', unit: "ms", target: atMostOver(60, "ms") }],
  async omniq(settings) {
    const door = built(settings.scratch, "src/index.js");
    return { ms: await timeOf(`import ${JSON.stringify(door)};`) };
  },
  floor: async () => ({ ms: await timeOf("") }),
};

const firstTask: Workload = {
  name: "cold task",
  rows: [{ key: "ms", what: "cold start: first task done", unit: "ms", target: atMostOver(150, "ms") }],
  async omniq(settings) {
    const door = built(settings.scratch, "src/index.js");
    const path = settings.scratch.file();
    const omniq = await openAt(path, settings.durability);
    await fill(omniq, 1);
    await omniq.close();
    return {
      ms: await timeOf(`import { OmniQ, defineTask } from ${JSON.stringify(door)};
        const omniq = new OmniQ({ url: ${JSON.stringify(`sqlite:${path}`)}, durability: "${settings.durability}" });
        const worker = omniq.worker({ tasks: [defineTask({ name: "noop", handler: () => 1 })] });
        worker.on("completed", () => process.exit(0));
        await worker.start();`),
    };
  },
  floor: async () => ({ ms: await timeOf("") }),
};

export const FOOTPRINTS: readonly Workload[] = [idle, memory, imported, firstTask];
