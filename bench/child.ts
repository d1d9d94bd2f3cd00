/** The other process of a measurement: `fork`ed with its role and what it needs, answers by message. */
import { watch } from "node:fs";
import { Floor } from "./floor.ts";
import type { Durability, Held } from "./floor.ts";
import { pause } from "./harness.ts";
import { openOn } from "./postgres/server.ts";
import { noop, openAt, RESULT } from "./subject.ts";
import { defineTask } from "../src/index.ts";

export type Role = "serve" | "serve-floor" | "idle" | "idle-bare" | "drain" | "drain-floor";
export interface Ask {
  readonly role: Role;
  readonly path: string;
  /** On PostgreSQL, instead of the file. */
  readonly schema?: string;
  readonly durability: Durability;
  readonly ms: number;
}
/** Milliseconds from the enqueue to the handler, share of a core, or megabytes: what the role measures. */
export interface Answer {
  readonly ready?: true;
  readonly values?: Readonly<Record<string, number>>;
}

/** The monotonic clock that all processes of a machine share, in milliseconds. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function tell(answer: Answer): void {
  process.send?.(answer);
}

/** Each task carries the time of its enqueue; its handler tells how long ago that was. */
export const timed = defineTask({
  name: "noop",
  handler: ({ at }: { at: number }) => {
    tell({ values: { ms: sharedNow() - at } });
  },
});

async function serve({ path, schema, durability }: Ask): Promise<void> {
  const omniq = await (schema === undefined ? openAt(path, durability) : openOn(schema));
  await omniq.worker({ tasks: [timed], concurrency: 10 }).start();
  tell({ ready: true });
}

/** The same with bare means: watch the WAL, look, and look again, since it is written before the commit can be seen. */
function serveFloor({ path, durability }: Ask): void {
  const floor = new Floor(path, durability);
  let held: readonly Held[] = [];
  const look = (): void => {
    held = floor.turn(held, 10, RESULT);
    for (const { args } of held) tell({ values: { ms: sharedNow() - Number(JSON.parse(args).at) } });
    if (held.length > 0) held = floor.turn(held, 10, RESULT);
  };
  let waiting = 0;
  watch(`${path}-wal`, () => {
    if (waiting > 0) return;
    look();
    for (const delay of [1, 4]) {
      waiting++;
      setTimeout(() => {
        waiting--;
        look();
      }, delay);
    }
  });
  tell({ ready: true });
}

async function idle({ path, durability, ms }: Ask, bare: boolean): Promise<void> {
  if (!bare) await (await openAt(path, durability)).worker({ tasks: [noop], concurrency: 10 }).start();
  // What starting costs is not idling, nor is compiling what runs for the first time: by then it has beaten and looked around.
  await pause(8_000);
  const before = process.cpuUsage();
  const began = performance.now();
  await pause(ms);
  const { user, system } = process.cpuUsage(before);
  tell({ values: { percent: ((user + system) / 1_000 / (performance.now() - began)) * 100 } });
}

async function drain({ path, durability }: Ask, bare: boolean): Promise<void> {
  let heap = 0;
  const look = (): void => {
    heap = Math.max(heap, process.memoryUsage().heapUsed);
  };
  const timer = setInterval(look, 20);
  if (bare) new Floor(path, durability).drain(100, RESULT);
  else {
    const omniq = await openAt(path, durability);
    await omniq.worker({ tasks: [noop], concurrency: 100 }).drain();
    await omniq.close();
  }
  look();
  clearInterval(timer);
  tell({ values: { rss: process.resourceUsage().maxRSS / 1_024, heap: heap / 1_048_576 } });
}

async function run(ask: Ask): Promise<void> {
  if (ask.role === "serve") return serve(ask);
  if (ask.role === "serve-floor") return serveFloor(ask);
  if (ask.role === "idle" || ask.role === "idle-bare") return idle(ask, ask.role === "idle-bare");
  return drain(ask, ask.role === "drain-floor");
}

if (process.send !== undefined && process.argv[2] !== undefined) await run(JSON.parse(process.argv[2]) as Ask);
