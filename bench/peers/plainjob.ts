/** plainjob on better-sqlite3: WAL with `synchronous = NORMAL`, which it sets itself. As many workers as slots, since each runs one job at a time. */
import Database from "better-sqlite3";
import { better, defineQueue, defineWorker } from "plainjob";
import { PAYLOAD } from "../payload.ts";
import { filePlace } from "../places.ts";
import { queueOf } from "../queue.ts";
import type { Contender, Queue } from "../queue.ts";

const logger = { error: (message: string) => console.error(message), warn: () => {}, info: () => {}, debug: () => {} };

/** Read where it is asked for only: a drain looks into no payload, with no queue. */
const lazily = (data: string): { readonly at?: number } => ({
  get at() {
    return Number((JSON.parse(data) as { at?: number }).at);
  },
});

function open(path: string): Queue {
  const queue = defineQueue({ connection: better(new Database(path)), logger });
  const workers: ReturnType<typeof defineWorker>[] = [];
  const work = (slots: number, ran: (data: unknown) => void): void => {
    for (let slot = 0; slot < slots; slot++) {
      const worker = defineWorker("noop", ({ data }) => ran(lazily(data)), { queue, logger });
      workers.push(worker);
      void worker.start();
    }
  };
  return queueOf({
    one: () => Promise.resolve(queue.add("noop", PAYLOAD)),
    many: (count: number) =>
      Promise.resolve(
        queue.addMany(
          "noop",
          Array.from({ length: count }, () => PAYLOAD),
        ),
      ),
    work,
    send: (at) => Promise.resolve(queue.add("noop", { at })),
    async close() {
      await Promise.all(workers.map((worker) => worker.stop()));
      queue.close();
    },
  });
}

export const contenders: readonly Contender[] = [
  {
    name: "plainjob",
    note: "no results, no events, no retries; a power cut loses what was acknowledged (synchronous NORMAL)",
    module: "peers/plainjob",
    samples: 20,
    place: (scratch) => Promise.resolve(filePlace(scratch)),
    open: (at) => Promise.resolve(open(at)),
  },
];
