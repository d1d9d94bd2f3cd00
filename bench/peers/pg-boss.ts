/** pg-boss with batches of 100, woken by notifications, fetching on while batches are full: its documented best. */
import { PgBoss } from "pg-boss";
import { PAYLOAD } from "../payload.ts";
import { schemaPlace, SERVER } from "../postgres/server.ts";
import { queueOf } from "../queue.ts";
import type { Contender, Queue } from "../queue.ts";

const QUEUE = "noop";

async function open(schema: string): Promise<Queue> {
  const boss = new PgBoss({ connectionString: SERVER, schema, supervise: false, schedule: false, useListenNotify: true });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  await boss.createQueue(QUEUE, { notify: true });
  const work = (slots: number, ran: (data: unknown) => void) =>
    boss.work(
      QUEUE,
      { batchSize: Math.min(slots, 100), pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5, burstWhenBatchFull: true },
      (jobs) => {
        for (const { data } of jobs) ran(data);
        return Promise.resolve({ ok: true });
      },
    );
  return queueOf({
    one: () => boss.send(QUEUE, PAYLOAD),
    many: (count: number) =>
      boss.insert(
        QUEUE,
        Array.from({ length: count }, () => ({ data: PAYLOAD })),
      ),
    work,
    send: (at) => boss.send(QUEUE, { at }),
    close: () => boss.stop({ graceful: false }),
  });
}

export const contenders: readonly Contender[] = [
  {
    name: "pg-boss",
    note: "keeps the job with one result for each batch, no events; a power cut loses nothing",
    module: "peers/pg-boss",
    // At one slot it takes one job a poll of half a second.
    without: ["drain at 1 slot"],
    place: schemaPlace,
    open,
  },
];
