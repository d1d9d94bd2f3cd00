/** One row a worker, with a beat counter: a claim has no deadline of its own, and no clock is compared. */
import type { HoldingPage, Presence, WorkerRow } from "../../core/backend.ts";
import { WorkerUnknownError } from "../../core/errors.ts";
import type { Db, Sql } from "./db.ts";
import type { Known } from "./ledger.ts";
import { MARK, STAGE } from "../shared/stage.ts";
import { int, str } from "../shared/values.ts";
import { workerRow } from "../shared/worker-row.ts";

const ARRIVE: Sql = `INSERT INTO {workers} AS w (id, beat, role, host, boot, pid, started, lease_ms, queues, names, concurrency, arrived_at, seen_at)
  VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, {now}, {now}) ON CONFLICT(id) DO UPDATE SET beat = w.beat + 1, role = excluded.role,
  host = excluded.host, boot = excluded.boot, pid = excluded.pid, started = excluded.started, lease_ms = excluded.lease_ms,
  queues = excluded.queues, names = excluded.names, concurrency = excluded.concurrency, seen_at = excluded.seen_at`;

export async function arrive(db: Db, row: Parameters<Presence["arrive"]>[0]): Promise<void> {
  const { host, boot, pid, started, leaseMs, concurrency } = row;
  const [queues, names] = [JSON.stringify(row.queues), JSON.stringify(row.names)];
  await db.run(ARRIVE, row.worker, row.role, host, boot, pid, started, leaseMs, queues, names, concurrency);
  db.hints.add("any");
}

const LEAVE: Sql = `DELETE FROM {workers} w WHERE id = $1 AND NOT EXISTS
  (SELECT 1 FROM {tasks} t WHERE t.stage > 3 AND t.stage < 6 AND t.worker = w.id)`;

/** Whether its row is gone; one that still holds claims keeps it. */
export async function leave(db: Db, worker: string): Promise<boolean> {
  return (await db.run(LEAVE, worker)) > 0;
}

/** One row is written; what is held is read beside it. */
const BEAT: Sql = `WITH beaten AS (UPDATE {workers} SET beat = beat + 1, seen_at = {now} WHERE id = $1 RETURNING id)
  SELECT b.id AS beaten, t.id, t.fence, t.mark, t.stage FROM beaten b LEFT JOIN {tasks} t ON t.stage > 3 AND t.stage < 6 AND t.worker = b.id`;

type Held = Parameters<Presence["beat"]>[1];

/** What is wrong with what the worker holds, and all that it holds by the rows. */
export async function beat(
  db: Db,
  worker: string,
  held: Held,
): Promise<{ readonly trouble: Awaited<ReturnType<Presence["beat"]>>; readonly rows: readonly Known[] }> {
  const found = await db.all(BEAT, worker);
  if (found.length === 0) throw new WorkerUnknownError(worker);
  const rows = new Map(found.map((row) => [str(row["id"]), row]));
  const trouble: { id: string; fence: number; is: "lost" | "cancel" }[] = [];
  for (const { id, fence } of held) {
    const row = rows.get(id);
    if (row === undefined || int(row["fence"]) !== fence) trouble.push({ id, fence, is: "lost" });
    else if (row["mark"] === MARK.cancelled && row["stage"] === STAGE.running) trouble.push({ id, fence, is: "cancel" });
  }
  return { trouble, rows: found.flatMap((row) => (row["id"] === null ? [] : [{ i: str(row["id"]), f: int(row["fence"]) }])) };
}

export async function workers(db: Db, limit: number): Promise<readonly WorkerRow[]> {
  return (await db.all("SELECT * FROM {workers} ORDER BY seen_at DESC, rid DESC LIMIT $1", limit)).map((row) => workerRow(row));
}

/** From one holder to the next along the index: neither the rows of idle workers nor the other claims of a holder are read. */
const nextHolder = (after: Sql): Sql =>
  `(SELECT t.worker FROM {tasks} t WHERE t.stage > 3 AND t.stage < 6 AND t.worker > ${after} ORDER BY t.worker LIMIT 1)`;
const HOLDING: Sql = `WITH RECURSIVE holders(holder) AS (SELECT ${nextHolder("$1::text")} UNION ALL
  SELECT ${nextHolder("holders.holder")} FROM holders WHERE holder IS NOT NULL)
  SELECT h.holder, w.* FROM (SELECT holder FROM holders LIMIT $2) h LEFT JOIN {workers} w ON w.id = h.holder WHERE h.holder IS NOT NULL ORDER BY h.holder`;

export async function holding(db: Db, limit: number, after = ""): Promise<HoldingPage> {
  const rows = await db.all(HOLDING, after, limit);
  const last = rows.length < limit ? undefined : rows.at(-1);
  const found = rows.filter((row) => row["id"] !== null).map((row) => workerRow(row));
  return { workers: found, ...(last === undefined ? {} : { next: str(last["holder"]) }) };
}
