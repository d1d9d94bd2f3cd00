/** From the enqueue to the start of the handler, where the worker is idle. */
import { randomInt } from "node:crypto";
import { newId } from "../src/host.ts";
import { Child } from "./children.ts";
import { sharedNow, timed } from "./child.ts";
import { Floor } from "./floor.ts";
import { atMost, pause, percentile } from "./harness.ts";
import type { Row, Settings, Values, Workload } from "./harness.ts";
import { openAt, RESULT } from "./subject.ts";
import { defineTask } from "../src/index.ts";

const samplesOf = ({ quick }: Settings): number => (quick ? 20 : 200);

function rowsOf(where: string, p50: number): readonly Row[] {
  const what = (share: string): string => `enqueue to handler, ${where}, ${share}`;
  return [
    { key: "p50", what: what("p50"), unit: "ms", target: atMost(p50, "ms") },
    { key: "p95", what: what("p95"), unit: "ms" },
    { key: "p99", what: what("p99"), unit: "ms", target: atMost(6, "ms") },
  ];
}

export function percentilesOf(times: readonly number[]): Values {
  return { p50: percentile(times, 0.5), p95: percentile(times, 0.95), p99: percentile(times, 0.99) };
}

/** One task after the other, with pauses that no timer of the worker is in step with. The first few warm up. */
export async function sample(settings: Settings, once: () => Promise<number>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let i = -5; i < samplesOf(settings); i++) {
    await pause(randomInt(8, 16));
    const ms = await once();
    if (i >= 0) times.push(ms);
  }
  return times;
}

const sameProcess: Workload = {
  name: "latency same",
  rows: rowsOf("same process", 1.5),
  async omniq(settings) {
    const omniq = await openAt(settings.scratch.file(), settings.durability);
    let started: (at: number) => void = () => {};
    const note = defineTask({
      name: "noop",
      handler: () => {
        started(performance.now());
      },
    });
    const worker = omniq.worker({ tasks: [note], concurrency: 10 });
    await worker.start();
    const times = await sample(settings, async () => {
      const at = new Promise<number>((resolve) => {
        started = resolve;
      });
      const began = performance.now();
      await omniq.enqueue(note);
      return (await at) - began;
    });
    await omniq.close();
    return percentilesOf(times);
  },
  /** Enqueue and claim, one after the other. */
  async floor(settings) {
    const floor = new Floor(settings.scratch.file(), settings.durability);
    const times = await sample(settings, async () => {
      const began = performance.now();
      floor.enqueue([newId()], "{}");
      const held = floor.turn([], 10, RESULT);
      const ms = performance.now() - began;
      floor.turn(held, 10, RESULT);
      return ms;
    });
    floor.close();
    return percentilesOf(times);
  },
};

const otherProcess: Workload = {
  name: "latency other",
  rows: rowsOf("other process", 2.5),
  async omniq(settings) {
    const path = settings.scratch.file();
    const omniq = await openAt(path, settings.durability);
    const child = new Child(settings.scratch, { role: "serve", path, durability: settings.durability, ms: 0 });
    await child.next();
    const times = await sample(settings, async () => {
      await omniq.enqueue(timed, { at: sharedNow() });
      return (await child.next()).values?.["ms"] ?? Number.NaN;
    });
    await child.end();
    await omniq.close();
    return percentilesOf(times);
  },
  async floor(settings) {
    const path = settings.scratch.file();
    const floor = new Floor(path, settings.durability);
    // The WAL that the other one watches is there once something was written.
    floor.turn(floor.turn([], 1, RESULT), 1, RESULT);
    const child = new Child(settings.scratch, { role: "serve-floor", path, durability: settings.durability, ms: 0 });
    await child.next();
    const times = await sample(settings, async () => {
      floor.enqueue([newId()], JSON.stringify({ at: sharedNow() }));
      return (await child.next()).values?.["ms"] ?? Number.NaN;
    });
    await child.end();
    floor.close();
    return percentilesOf(times);
  },
};

export const LATENCIES: readonly Workload[] = [sameProcess, otherProcess];
