/**
 * graphile-worker with a local queue of 500 and completions in batches, which its documentation names for throughput. A completed job's row
 * is deleted: no result, no history, no event. Jobs in a local queue are locked for hours where the process dies.
 */
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { Countdown } from "../queue.ts";
import type { Peer } from "../queue.ts";
import { dropSchema, newSchema, SERVER } from "../postgres/server.ts";
import { PAYLOAD } from "../subject.ts";

const logger = new Logger(() => () => {});

export const GRAPHILE: Peer = {
  name: "graphile-worker",
  async open() {
    const schema = newSchema();
    const base = { connectionString: SERVER, schema, logger };
    const utils = await makeWorkerUtils(base);
    await utils.migrate();
    return {
      enqueue: () => utils.addJob("noop", PAYLOAD),
      enqueueMany: (count) => utils.addJobs(Array.from({ length: count }, () => ({ identifier: "noop", payload: PAYLOAD }))),
      async drain(slots, count) {
        const countdown = new Countdown(count);
        const worker = {
          concurrentJobs: slots,
          maxPoolSize: 10,
          localQueue: { size: 500 },
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
        };
        const runner = await run({ ...base, preset: { worker }, noHandleSignals: true, taskList: { noop: () => countdown.ran() } });
        await countdown.over;
        void runner.stop();
      },
      async close() {
        await utils.release();
        await dropSchema(schema);
      },
    };
  },
};
