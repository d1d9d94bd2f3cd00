/** pg-boss with batches of 100, woken by notifications, fetching on while batches are full: its documented best. */
import { PgBoss } from "pg-boss";
import { PAYLOAD } from "../payload.ts";
import { schemaPlace, SERVER } from "../postgres/server.ts";
import { Countdown, enqueueBy } from "../queue.ts";
import type { Contender, Queue } from "../queue.ts";

const QUEUE = "noop";

async function open(schema: string): Promise<Queue> {
  const boss = new PgBoss({ connectionString: SERVER, schema, supervise: false, schedule: false, useListenNotify: true });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  await boss.createQueue(QUEUE, { notify: true });
  const calls = {
    one: () => boss.send(QUEUE, PAYLOAD),
    many: (count: number) =>
      boss.insert(
        QUEUE,
        Array.from({ length: count }, () => ({ data: PAYLOAD })),
      ),
  };
  const work = (slots: number, ran: (data: readonly unknown[]) => void) =>
    boss.work(
      QUEUE,
      { batchSize: Math.min(slots, 100), pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5, burstWhenBatchFull: true },
      (jobs) => {
        ran(jobs.map(({ data }) => data));
        return Promise.resolve({ ok: true });
      },
    );
  return {
    enqueue: (count, together, inOne) => enqueueBy(calls, count, together, inOne),
    async drain(slots, count) {
      const countdown = new Countdown(count);
      await work(slots, ({ length }) => countdown.ran(length));
      await countdown.over;
    },
    serve: (slots, started) =>
      work(slots, (all) => {
        for (const data of all) started(Number((data as { at?: number }).at));
      }),
    send: (at) => boss.send(QUEUE, { at }),
    close: () => boss.stop({ graceful: false }),
  };
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
