/** Where queues keep their tasks while something is measured: a file, beside the checkout. */
import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { SQLiteBackend } from "../src/sqlite.ts";
import type { Kind, Open } from "./claims.ts";
import type { Place } from "./queue.ts";
import type { Scratch } from "./scratch.ts";

export function filePlace(scratch: Scratch): Place {
  const path = scratch.file();
  const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  return {
    at: path,
    bytes: () => Promise.resolve(sizeOf(path) + sizeOf(`${path}-wal`)),
    remove: () => Promise.resolve(scratch.drop(path)),
  };
}

export const YEAR = 31_536_000_000;

/** A file to be filled by hand. */
export const openFile: Open = ({ scratch, durability }) => {
  const path = scratch.file();
  let puts = 0;
  const put = (kind: Kind, count: number): Promise<void> => {
    const db = new DatabaseSync(path);
    const { later = false, queues = 0, stage, status } = kind;
    const queue = queues === 0 ? "'default'" : `'queue-' || (n % ${queues})`;
    const due = later ? `${Date.now() + YEAR} + n` : "1000000000000 + n";
    db.exec(`PRAGMA synchronous = OFF; WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${count})
      INSERT INTO tasks(id, func, queue_name, stage, status, priority, due_at, fence, max_retries, retry_delay, max_crashes, store_result, created_at,
        completed_at, open_parents, args)
      SELECT '${puts++}-' || n, 'noop', ${queue}, ${stage}, '${status}', 0, ${due}, 0, 3, 5000, 3, 1, 1000000000000 + n,
        iif(${stage} = 6, 1000000000000 + n, NULL), iif(${stage} = 2, 1, 0), '{}' FROM numbers; PRAGMA wal_checkpoint(TRUNCATE)`);
    db.close();
    return Promise.resolve();
  };
  return Promise.resolve({
    backend: new SQLiteBackend({ path, durability }),
    put,
    remove: () => Promise.resolve(scratch.drop(path)),
  });
};
