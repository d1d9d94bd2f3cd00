/**
 * graphile-worker with a local queue of 500 and completions in batches, which its documentation names for throughput. Jobs in a local queue
 * are locked for hours where the process dies.
 */
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { PAYLOAD } from "../payload.ts";
import { schemaPlace, SERVER } from "../postgres/server.ts";
import { queueOf } from "../queue.ts";
import type { Contender, Queue } from "../queue.ts";

const logger = new Logger(() => () => {});

async function open(schema: string): Promise<Queue> {
  const base = { connectionString: SERVER, schema, logger };
  const utils = await makeWorkerUtils(base);
  await utils.migrate();
  let runner: { stop(): Promise<void> } | undefined;
  const work = async (slots: number, ran: (payload: unknown) => void): Promise<void> => {
    const worker = { concurrentJobs: slots, maxPoolSize: 10, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
    runner = await run({ ...base, preset: { worker }, noHandleSignals: true, taskList: { noop: (payload) => ran(payload) } });
  };
  return queueOf({
    one: () => utils.addJob("noop", PAYLOAD),
    many: (count: number) => utils.addJobs(Array.from({ length: count }, () => ({ identifier: "noop", payload: PAYLOAD }))),
    work,
    send: (at) => utils.addJob("noop", { at }),
    async close() {
      await runner?.stop();
      await utils.release();
    },
  });
}

export const contenders: readonly Contender[] = [
  {
    name: "graphile-worker",
    note: "deletes a job when it is done: no result, no history; a power cut loses nothing; holds up to 500 jobs ahead",
    module: "peers/graphile",
    // It ends no job before the next one begins where it has one slot: a drain of one is not its work.
    without: ["drain at 1 slot"],
    place: schemaPlace,
    open,
  },
];
