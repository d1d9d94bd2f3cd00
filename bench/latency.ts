/** From the enqueue to the start of the handler, where the worker is idle. */
import { randomInt } from "node:crypto";
import { Child } from "./children.ts";
import { sharedNow } from "./clock.ts";
import { atMost, pause, percentile } from "./harness.ts";
import type { Row, Settings, Target, Values, Workload } from "./harness.ts";
import { raced, withPlace, withQueue } from "./queue.ts";
import type { Contender, Field, Queue } from "./queue.ts";

/** Milliseconds that are to be reached. */
export interface Limits {
  readonly p50?: number;
  readonly p99: number;
}

const samplesOf = ({ quick }: Settings): number => (quick ? 20 : 200);

function rowsOf(what: string, where: string, { p50, p99 }: Limits): readonly Row[] {
  const row = (share: string, target?: Target): Row => {
    const base = { key: share, what: `${what}enqueue to handler, ${where}, ${share}`, unit: "ms" } as const;
    return target === undefined ? base : { ...base, target };
  };
  return [row("p50", p50 === undefined ? undefined : atMost(p50, "ms")), row("p95"), row("p99", atMost(p99, "ms"))];
}

/** One task after the other, with pauses that no timer of the worker is in step with. The first few warm up. */
async function sample(settings: Settings, contender: Contender, queue: Queue, heard: () => Promise<number>): Promise<Values> {
  const times: number[] = [];
  const count = Math.min(samplesOf(settings), contender.samples ?? Number.POSITIVE_INFINITY);
  for (let i = -5; i < count; i++) {
    await pause(randomInt(8, 16));
    const next = heard();
    await queue.send(sharedNow());
    const ms = await next;
    if (i >= 0) times.push(ms);
  }
  return { p50: percentile(times, 0.5), p95: percentile(times, 0.95), p99: percentile(times, 0.99) };
}

function same(contender: Contender, settings: Settings): Promise<Values> {
  return withQueue(contender, settings, async (queue) => {
    let hear: (ms: number) => void = () => {};
    await queue.serve(10, (at) => hear(sharedNow() - at));
    return sample(settings, contender, queue, () => new Promise((resolve) => (hear = resolve)));
  });
}

function other(contender: Contender, settings: Settings): Promise<Values> {
  return withPlace(contender, settings, async ({ at }) => {
    const queue = await contender.open(at, settings.durability);
    const child = new Child(settings.scratch, contender, { role: "serve", at, durability: settings.durability });
    try {
      await child.next();
      return await sample(settings, contender, queue, async () => (await child.next()).values?.["ms"] ?? Number.NaN);
    } finally {
      await child.end();
      await queue.close();
    }
  });
}

/** @param of what stands before the names of the workloads and rows of this field. */
export function latenciesOf(
  field: Field,
  of: { readonly name: string; readonly what: string },
  limits: { readonly same: Limits; readonly other: Limits },
): readonly Workload[] {
  return [
    raced(field, { name: `${of.name}latency same`, rows: rowsOf(of.what, "same process", limits.same), needs: ["serve"] }, same),
    raced(
      field,
      { name: `${of.name}latency other`, rows: rowsOf(of.what, "other process", limits.other), needs: ["serve", "other process"] },
      other,
    ),
  ];
}
