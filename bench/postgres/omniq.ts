/** OmniQ on PostgreSQL, as the bench works it. */
import type { OmniQ } from "../../src/index.ts";
import type { Queue } from "../queue.ts";
import { fill, noop, PAYLOAD } from "../subject.ts";
import { onSchema, openOn } from "./server.ts";

export async function onOmniQ<T>(work: (queue: Queue, omniq: OmniQ) => Promise<T>): Promise<T> {
  return onSchema(async (schema) => {
    const omniq = await openOn(schema);
    try {
      return await work(queueOf(omniq), omniq);
    } finally {
      await omniq.close();
    }
  });
}

function queueOf(omniq: OmniQ): Queue {
  return {
    enqueue: () => omniq.enqueue(noop, PAYLOAD),
    enqueueMany: (count) => fill(omniq, count),
    async drain(slots, count) {
      const worker = omniq.worker({ tasks: [noop], concurrency: slots });
      let completed = 0;
      worker.on("completed", () => completed++);
      await worker.start();
      await worker.drain();
      if (completed !== count) throw new Error(`Expected ${count} tasks to complete, got ${completed}`);
      void worker.stop();
    },
    close: () => omniq.close(),
  };
}
