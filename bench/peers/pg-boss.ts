/** pg-boss with batches of 100, woken by notifications, fetching on while batches are full: its documented best. It keeps the job's row with what the batch returned. */
import { PgBoss } from "pg-boss";
import { Countdown } from "../queue.ts";
import type { Peer } from "../queue.ts";
import { dropSchema, newSchema, SERVER } from "../postgres/server.ts";
import { PAYLOAD } from "../subject.ts";

const QUEUE = "noop";

export const PG_BOSS: Peer = {
  name: "pg-boss",
  async open() {
    const schema = newSchema();
    const boss = new PgBoss({ connectionString: SERVER, schema, supervise: false, schedule: false, useListenNotify: true });
    boss.on("error", (error) => console.error(error));
    await boss.start();
    await boss.createQueue(QUEUE, { notify: true });
    return {
      enqueue: () => boss.send(QUEUE, PAYLOAD),
      enqueueMany: (count) =>
        boss.insert(
          QUEUE,
          Array.from({ length: count }, () => ({ data: PAYLOAD })),
        ),
      async drain(slots, count) {
        const countdown = new Countdown(count);
        const options = {
          batchSize: Math.min(slots, 100),
          pollingIntervalSeconds: 0.5,
          notifyPollingIntervalSeconds: 0.5,
          burstWhenBatchFull: true,
        };
        await boss.work(QUEUE, options, async (jobs) => {
          countdown.ran(jobs.length);
          return { ok: true };
        });
        await countdown.over;
      },
      async close() {
        await boss.stop({ graceful: false });
        await dropSchema(schema);
      },
    };
  },
};
