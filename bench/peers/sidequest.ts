/** Sidequest, its jobs run in its own process and not in threads: its fastest way. What it has done is seen by asking it. */
import { setTimeout as pause } from "node:timers/promises";
import { Sidequest } from "sidequest";
import { PAYLOAD } from "../payload.ts";
import { filePlace } from "../places.ts";
import { enqueueBy } from "../queue.ts";
import type { Contender, Queue } from "../queue.ts";
import { Noop } from "./sidequest-job.ts";

const POLL = 10;

async function open(path: string): Promise<Queue> {
  const backend = { driver: "@sidequest/sqlite-backend", config: path } as const;
  const logger = { level: "error" } as const;
  await Sidequest.configure({ backend, logger });
  const cannot = (): Promise<never> => Promise.reject(new Error("Expected a queue that tells when a handler begins, got Sidequest"));
  return {
    enqueue: (count, together, inOne) => enqueueBy({ one: () => Sidequest.build(Noop).enqueue(PAYLOAD) }, count, together, inOne),
    async drain(slots) {
      await Sidequest.start({
        backend,
        logger,
        dashboard: { enabled: false },
        runner: "inline",
        queues: [{ name: "default", concurrency: slots }],
        maxConcurrentJobs: slots,
        jobPollingInterval: POLL,
      });
      while ((await Sidequest.job.list({ state: ["waiting", "claimed", "running"], limit: 1 })).length > 0) await pause(POLL);
    },
    serve: cannot,
    send: cannot,
    close: () => Sidequest.stop(),
  };
}

export const contenders: readonly Contender[] = [
  {
    name: "Sidequest",
    note: "keeps the job with its result, no events; rollback journal, a power cut loses nothing",
    module: "peers/sidequest",
    share: 0.005,
    without: ["set", "serve", "other process"],
    place: (scratch) => Promise.resolve(filePlace(scratch)),
    open,
  },
];
