/** OmniQ as its users have it: a file, a task whose handler does nothing, a worker. */
import { OmniQ, defineTask } from "../src/index.ts";
import type { WorkerOptions } from "../src/index.ts";
import type { Durability } from "./floor.ts";
import { filePlace } from "./places.ts";
import { enqueueBy } from "./queue.ts";
import type { Contender, Queue } from "./queue.ts";
import { PAYLOAD } from "./payload.ts";

export const noop = defineTask<typeof PAYLOAD, { ok: boolean }>({ name: "noop", handler: () => ({ ok: true }) });

export async function openAt(path: string, durability: Durability): Promise<OmniQ> {
  const omniq = new OmniQ({ url: `sqlite:${path}`, durability });
  await omniq.open();
  return omniq;
}

/** Enqueues so many in sets. */
export async function fill(omniq: OmniQ, count: number, together = 1_000): Promise<void> {
  await enqueueBy(callsOf(omniq), count, together, true);
}

const callsOf = (omniq: OmniQ) => ({
  one: () => omniq.enqueue(noop, PAYLOAD),
  many: (count: number) => omniq.enqueueMany(Array.from({ length: count }, () => noop.with(PAYLOAD))),
});

export function queueOf(omniq: OmniQ, more: Pick<WorkerOptions, "prefetch"> = {}): Queue {
  const timed = defineTask<{ at?: number }, { ok: boolean }>({ name: noop.name });
  return {
    enqueue: (count, together, inOne) => enqueueBy(callsOf(omniq), count, together, inOne),
    async drain(slots, count) {
      const worker = omniq.worker({ tasks: [noop], concurrency: slots, ...more });
      let completed = 0;
      worker.on("completed", () => completed++);
      await worker.start();
      await worker.drain();
      if (completed !== count) throw new Error(`Expected ${count} tasks to complete, got ${completed}`);
      void worker.stop();
    },
    serve(slots, started) {
      const handler = ({ at = 0 }: { at?: number }): { ok: boolean } => {
        started(at);
        return { ok: true };
      };
      return omniq.worker({ tasks: [timed.implement(handler)], concurrency: slots }).start();
    },
    send: (at) => omniq.enqueue(timed, { at }),
    close: () => omniq.close(),
  };
}

/** Runs so many tasks, each of which returns 1 MiB. */
export async function drainLarge(path: string, durability: Durability, count: number): Promise<void> {
  const omniq = await openAt(path, durability);
  const text = "x".repeat(1_048_500);
  let n = 0;
  const job = defineTask<typeof PAYLOAD, string>({ name: noop.name, handler: () => `${n++}${text}` });
  const worker = omniq.worker({ tasks: [job], concurrency: 10 });
  await worker.drain();
  await omniq.close();
  if (n !== count) throw new Error(`Expected ${count} runs, got ${n}`);
}

export const OMNIQ: Contender = {
  name: "OmniQ",
  note: "keeps the task, its result and three events",
  module: "omniq",
  place: (scratch) => Promise.resolve(filePlace(scratch)),
  open: async (at, durability) => queueOf(await openAt(at, durability)),
};

/** Claims ahead of its slots, for tasks that are short. */
export const OMNIQ_AHEAD: Contender = {
  ...OMNIQ,
  note: "claims up to 64 ahead of its slots",
  open: async (at, durability) => queueOf(await openAt(at, durability), { prefetch: 64 }),
};

export const contenders: readonly Contender[] = [OMNIQ];
