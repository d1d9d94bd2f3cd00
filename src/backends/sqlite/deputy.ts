/**
 * Who beats for a worker while a handler blocks its thread: a thread of its own, which sleeps unless the worker's does not turn, and opens a
 * connection only then.
 */
import type { Deputy } from "../../core/backend.ts";
import { startThread } from "../../entry.ts";

/** What the thread is told. Plain data: it is cloned, but for the memory that both see. */
export interface DeputyPlan {
  readonly path: string;
  readonly tablePrefix: string;
  readonly worker: string;
  readonly leaseMs: number;
  readonly shared: Int32Array;
}

/** Where things stand in the shared memory. */
export const AT = {
  /** Not 0: the thread is to end. */
  stop: 0,
  /** How often the worker's thread has turned. */
  turns: 1,
  /** When the deputy began the last beat that it wrote, a `stamp`; 0: it wrote none. */
  beat: 2,
} as const;

/** Stamps come round after 12 days. */
const SPAN = 0x3fff_ffff;

/** Milliseconds of the clock that all threads of a process share, never 0. */
export function stamp(): number {
  return Number((process.hrtime.bigint() / 1_000_000n) & BigInt(SPAN)) || 1;
}

export function startDeputy(plan: Omit<DeputyPlan, "shared">): Deputy {
  const shared = new Int32Array(new SharedArrayBuffer(12));
  const thread = startThread("backends/sqlite/deputy-thread", { workerData: { ...plan, shared } satisfies DeputyPlan });
  thread.unref();
  // Without it the worker is as well off as it would be without a deputy: its own beats go on.
  thread.on("error", () => {});
  const exit = new Promise<void>((resolve) => {
    thread.once("exit", () => {
      resolve();
    });
  });
  return {
    awake: () => {
      Atomics.add(shared, AT.turns, 1);
    },
    beatAgo: () => {
      const beat = Atomics.load(shared, AT.beat);
      return beat === 0 ? undefined : (stamp() - beat) & SPAN;
    },
    stop: async () => {
      Atomics.store(shared, AT.stop, 1);
      Atomics.notify(shared, AT.stop);
      // One that never had a connection leaves nothing behind.
      if (Atomics.load(shared, AT.beat) === 0) return;
      thread.ref();
      await exit;
    },
  };
}
