/** BullMQ on a Redis of its own, which writes its append-only file where the other queues write theirs. Keeps each job with what it returned, and its stream of events. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Queue as Jobs, Worker } from "bullmq";
import { Redis } from "ioredis";
import { PAYLOAD } from "../payload.ts";
import { queueOf } from "../queue.ts";
import type { Contender, Place, Queue } from "../queue.ts";
import type { Scratch } from "../scratch.ts";

const QUEUE = "noop";

async function place(scratch: Scratch, fsync: string): Promise<Place> {
  const folder = scratch.file();
  mkdirSync(folder);
  const socket = join(folder, "redis.sock");
  const args = ["--port", "0", "--unixsocket", socket, "--dir", folder, "--save", "", "--appendonly", "yes", "--appendfsync", fsync];
  const server: ChildProcess = spawn("redis-server", args, { stdio: "ignore" });
  const redis = new Redis({ path: socket, lazyConnect: true, retryStrategy: () => 20, maxRetriesPerRequest: null });
  redis.on("error", () => {});
  await redis.ping();
  return {
    at: socket,
    async bytes() {
      return Number(/used_memory_dataset:(\d+)/.exec(await redis.info("memory"))?.[1]);
    },
    async remove() {
      redis.disconnect();
      const gone = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGKILL");
      await gone;
      scratch.drop(folder);
    },
  };
}

function open(socket: string): Queue {
  const connection = { path: socket, maxRetriesPerRequest: null };
  const queue = new Jobs(QUEUE, { connection });
  const workers: Worker[] = [];
  const work = async (slots: number, ran: (data: unknown) => void): Promise<void> => {
    const handler = (job: { data: unknown }): Promise<{ ok: boolean }> => {
      ran(job.data);
      return Promise.resolve({ ok: true });
    };
    const worker = new Worker(QUEUE, handler, { connection, concurrency: slots });
    worker.on("error", (error) => console.error(error));
    workers.push(worker);
    await worker.waitUntilReady();
  };
  return queueOf({
    one: () => queue.add("noop", PAYLOAD),
    many: (count: number) => queue.addBulk(Array.from({ length: count }, () => ({ name: "noop", data: PAYLOAD }))),
    work,
    send: (at) => queue.add("noop", { at }),
    async close() {
      for (const worker of workers) await worker.close(true);
      await queue.close();
    },
  });
}

const on = (fsync: string, note: string): Contender => ({
  name: `BullMQ, AOF ${fsync}`,
  note: `on Redis, all in memory; keeps jobs and results, and a stream of about 10,000 events; ${note}`,
  module: "peers/bullmq",
  place: (scratch) => place(scratch, fsync),
  open: (at) => Promise.resolve(open(at)),
});

/** None without a Redis: its server is no package of Node's. */
export const contenders: readonly Contender[] =
  spawnSync("redis-server", ["--version"]).status === 0
    ? [on("everysec", "a power cut loses the last second"), on("always", "a power cut loses nothing")]
    : [];
