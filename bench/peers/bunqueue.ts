/** bunqueue, embedded, on Bun: its processes are Bun's, and what they do is measured there. */
import { createRequire } from "node:module";
import { PAYLOAD } from "../payload.ts";
import { filePlace } from "../places.ts";
import { queueOf } from "../queue.ts";
import type { Contender, Queue } from "../queue.ts";
import { remote } from "../remote.ts";

const QUEUE = "noop";
const runtime = createRequire(import.meta.url).resolve("bun/bin/bun.exe");

async function local(path: string, durable: boolean): Promise<Queue> {
  const { Queue: Jobs, Worker } = await import("bunqueue/client");
  const options = { embedded: true, dataPath: path };
  const queue = new Jobs<object>(QUEUE, { ...options, defaultJobOptions: { durable } });
  const workers: { close(force: boolean): Promise<void> }[] = [];
  const work = (slots: number, ran: (data: unknown) => void): void => {
    const handler = (job: { data: unknown }): Promise<{ ok: boolean }> => {
      ran(job.data);
      return Promise.resolve({ ok: true });
    };
    workers.push(new Worker(QUEUE, handler, { ...options, concurrency: slots }));
  };
  return queueOf({
    one: () => queue.add("noop", PAYLOAD),
    many: (count: number) => queue.addBulk(Array.from({ length: count }, () => ({ name: "noop", data: PAYLOAD, opts: { durable } }))),
    work,
    send: (at) => queue.add("noop", { at }),
    async close() {
      for (const worker of workers) await worker.close(true);
      queue.close();
    },
  });
}

function contender(durable: boolean): Contender {
  const made: Contender = {
    name: durable ? "bunqueue, durable" : "bunqueue",
    note: durable
      ? "keeps jobs, results and events, also in memory; one process; a power cut loses what was acknowledged (synchronous NORMAL)"
      : "the same, and acknowledges before it writes: a killed process loses what was acknowledged",
    module: "peers/bunqueue",
    share: 0.25,
    without: ["other process"],
    runtime,
    place: (scratch) => Promise.resolve(filePlace(scratch)),
    open: (at, durability) => ("bun" in process.versions ? local(at, durable) : remote(made, at, durability)),
  };
  return made;
}

export const contenders: readonly Contender[] = [contender(false), contender(true)];
