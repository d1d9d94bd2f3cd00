/** liteque. Its claim hands better-sqlite3 an asynchronous transaction, which no version that runs on this Node takes: it can only enqueue. */
import { buildDBClient, SqliteQueue } from "liteque";
import { PAYLOAD } from "../payload.ts";
import { filePlace } from "../places.ts";
import { enqueueBy } from "../queue.ts";
import type { Contender, Queue } from "../queue.ts";

function open(path: string): Queue {
  const db = buildDBClient(path, { runMigrations: true });
  const queue = new SqliteQueue<object>("noop", db, { defaultJobArgs: { numRetries: 2 }, keepFailedJobs: false });
  const cannot = (): Promise<never> => Promise.reject(new Error("Expected a queue that can claim, got liteque"));
  return {
    enqueue: (count, together, inOne) => enqueueBy({ one: () => queue.enqueue(PAYLOAD) }, count, together, inOne),
    drain: cannot,
    serve: cannot,
    send: (at) => queue.enqueue({ at }),
    close: () => Promise.resolve(),
  };
}

export const contenders: readonly Contender[] = [
  {
    name: "liteque",
    note: "deletes a job when it is done: no result, no events; cannot claim on the SQLite libraries of this Node, so that it only enqueues here",
    module: "peers/liteque",
    share: 0.25,
    without: ["set", "drain", "serve", "other process"],
    place: (scratch) => Promise.resolve(filePlace(scratch)),
    open: (at) => Promise.resolve(open(at)),
  },
];
