/**
 * The other process of a measurement: started with its role and what it needs, answers by message. It loads the queue that is measured and
 * nothing else, so that what it measures of itself is that queue's, and so that it runs in Bun as well.
 */
import { existsSync, readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { sharedNow } from "./clock.ts";
import type { Durability } from "./floor.ts";
import type { Contender, Queue } from "./queue.ts";

export type Role = "serve" | "idle" | "idle bare" | "drain" | "queue" | "first" | "share" | "large";
export interface Ask {
  readonly role: Role;
  readonly at: string;
  readonly durability: Durability;
  /** How long, or how many: what the role needs. */
  readonly count?: number;
}
export interface Answer {
  readonly ready?: true;
  /** Milliseconds from the enqueue to the handler, share of a core, megabytes: what the role measures. */
  readonly values?: Readonly<Record<string, number>>;
  readonly failed?: string;
}
/** What a role waits for: in `queue` one of its verbs, in `share` the word to begin. */
export interface Word {
  readonly verb: keyof Queue | "begin";
  readonly args?: readonly unknown[];
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function tell(answer: Answer): void {
  process.send?.(answer);
}

async function serve(queue: Queue): Promise<void> {
  await queue.serve(10, (at) => tell({ values: { ms: sharedNow() - at } }));
  tell({ ready: true });
}

async function idle(ms: number): Promise<void> {
  // What starting costs is not idling, nor is compiling what runs for the first time: by then it has beaten and looked around.
  await pause(8_000);
  const before = process.cpuUsage();
  const began = performance.now();
  await pause(ms);
  const { user, system } = process.cpuUsage(before);
  tell({ values: { percent: ((user + system) / 1_000 / (performance.now() - began)) * 100 } });
}

/** In megabytes. Not `maxRSS`: a process begins with that of the one that started it. */
function peakMemory(): number {
  const known = existsSync("/proc/self/status") ? /^VmHWM:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] : undefined;
  return Number(known ?? process.resourceUsage().maxRSS) / 1_024;
}

async function peaks(work: () => Promise<unknown>): Promise<void> {
  let heap = 0;
  const look = (): void => {
    heap = Math.max(heap, process.memoryUsage().heapUsed);
  };
  const timer = setInterval(look, 20);
  await work();
  look();
  clearInterval(timer);
  // What is still in use, without what is only not yet collected.
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const live = process.memoryUsage().heapUsed;
  tell({ values: { rss: peakMemory(), heap: heap / 1_048_576, live: live / 1_048_576 } });
}

/** Bun counts its time from elsewhere: what is sent carries the time of this process. */
function argsOf({ verb, args = [] }: Word): readonly unknown[] {
  if (verb === "send") return [sharedNow()];
  return verb === "serve" ? [...args, (at: number) => tell({ values: { ms: sharedNow() - at } })] : args;
}

/** Works the queue as it is told, for a parent that cannot load it. */
function obey(queue: Queue): void {
  process.on("message", (word: Word) => {
    const run = queue[word.verb as keyof Queue] as (...given: readonly unknown[]) => Promise<unknown>;
    run(...argsOf(word)).then(
      () => tell({ ready: true }),
      (error: unknown) => tell({ failed: String(error) }),
    );
  });
  tell({ ready: true });
}

/** One of several that share the work: tells how much it had of it so far, and how long its event loop was held at most. */
async function share(queue: Queue, slots: number): Promise<void> {
  tell({ ready: true });
  await new Promise((resolve) => process.once("message", resolve));
  let ran = 0;
  let told = 0;
  let held = 0;
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    held = Math.max(held, now - last - 1);
    last = now;
    if (ran === told) return;
    told = ran;
    tell({ values: { ran, held } });
  }, 1);
  await queue.serve(slots, () => ran++);
}

async function run(contender: Contender, ask: Ask): Promise<void> {
  const { role, at, durability, count = 0 } = ask;
  if (role === "idle bare") return idle(count);
  if (role === "large") {
    const { drainLarge } = await import("./omniq.ts");
    return peaks(() => drainLarge(at, durability, count));
  }
  const queue = await contender.open(at, durability);
  if (role === "serve") return serve(queue);
  if (role === "queue") return obey(queue);
  if (role === "share") return share(queue, count);
  if (role === "drain") return peaks(() => queue.drain(100, count));
  await queue.serve(10, () => process.exit(0));
  if (role === "idle") return idle(count);
}

const [module, name, ask] = process.argv.slice(2);
const ending = import.meta.url.endsWith(".ts") ? "ts" : "js";
const { contenders } = (await import(`./${module}.${ending}`)) as { readonly contenders: readonly Contender[] };
const contender = contenders.find((each) => each.name === name);
if (contender === undefined || ask === undefined)
  throw new Error(`Expected the name of a queue and what to do, got ${process.argv.slice(2).join(" ")}`);
await run(contender, JSON.parse(ask) as Ask);
