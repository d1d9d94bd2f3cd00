/** One row a worker, with a beat counter: a claim has no deadline of its own, and no clock is compared. */
import type { Presence, Sync } from "../../core/backend.ts";
import { WorkerUnknownError } from "../../core/errors.ts";
import { MARK, STAGE } from "../shared/stage.ts";
import { int, str } from "../shared/values.ts";
import { workerRow } from "../shared/worker-row.ts";
import type { Db } from "./db.ts";

const ARRIVE = `INSERT INTO {workers}(id, beat, role, host, boot, pid, started, lease_ms, queues, names, concurrency, arrived_at, seen_at)
  VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11) ON CONFLICT(id) DO UPDATE SET beat = beat + 1, role = excluded.role,
  host = excluded.host, boot = excluded.boot, pid = excluded.pid, started = excluded.started, lease_ms = excluded.lease_ms,
  queues = excluded.queues, names = excluded.names, concurrency = excluded.concurrency, seen_at = excluded.seen_at`;

export function arrive(db: Db, row: Parameters<Sync<Presence>["arrive"]>[0]): void {
  const { host, boot, pid, started, leaseMs, concurrency } = row;
  db.run(
    ARRIVE,
    row.worker,
    row.role,
    host,
    boot,
    pid,
    started,
    leaseMs,
    JSON.stringify(row.queues),
    JSON.stringify(row.names),
    concurrency,
    db.now,
  );
  db.hints.add("any");
}

const HELD = "SELECT id, fence, mark, stage FROM {tasks} INDEXED BY {idx_tasks_held} WHERE stage > 3 AND stage < 6 AND worker = ?";

export function leave(db: Db, worker: string): void {
  const rid = db.get("SELECT rid FROM {workers} WHERE id = ?", worker)?.["rid"];
  if (rid === undefined || db.get(`${HELD} LIMIT 1`, rid) !== undefined) return;
  db.run("DELETE FROM {workers} WHERE rid = ?", rid);
}

type Held = Parameters<Sync<Presence>["beat"]>[1];

export function beat(db: Db, worker: string, held: Held): ReturnType<Sync<Presence>["beat"]> {
  if (db.run("UPDATE {workers} SET beat = beat + 1, seen_at = ? WHERE id = ?", db.now, worker) === 0) throw new WorkerUnknownError(worker);
  if (held.length === 0) return [];
  const rid = int(db.get("SELECT rid FROM {workers} WHERE id = ?", worker)?.["rid"]);
  const rows = new Map(db.all(HELD, rid).map((row) => [str(row["id"]), row]));
  const trouble: { id: string; fence: number; is: "lost" | "cancel" }[] = [];
  for (const { id, fence } of held) {
    const row = rows.get(id);
    if (row === undefined || row["fence"] !== fence) trouble.push({ id, fence, is: "lost" });
    else if (row["mark"] === MARK.cancelled && row["stage"] === STAGE.running) trouble.push({ id, fence, is: "cancel" });
  }
  return trouble;
}

export function workers(db: Db, limit: number): ReturnType<Sync<Presence>["workers"]> {
  return db.all("SELECT * FROM {workers} ORDER BY seen_at DESC, rid DESC LIMIT (?+0)", limit).map((row) => workerRow(row));
}

/** From one holder to the next along the index: neither the rows of idle workers nor the other claims of a holder are read. */
const NEXT_HOLDER = (after: string): string =>
  `(SELECT worker FROM {tasks} INDEXED BY {idx_tasks_held} WHERE stage > 3 AND stage < 6 AND worker > ${after} ORDER BY worker LIMIT 1)`;
const HOLDING = `WITH RECURSIVE holders(holder) AS (SELECT ${NEXT_HOLDER("(?+0)")} UNION ALL
  SELECT ${NEXT_HOLDER("holder")} FROM holders WHERE holder IS NOT NULL LIMIT (?+0))
  SELECT holder, w.* FROM holders LEFT JOIN {workers} w ON w.rid = holder WHERE holder IS NOT NULL`;

export function holding(db: Db, limit: number, after = "0"): ReturnType<Sync<Presence>["holding"]> {
  const rows = db.all(HOLDING, Number(after), limit);
  const last = rows.length < limit ? undefined : rows.at(-1);
  const found = rows.filter((row) => row["id"] !== null).map((row) => workerRow(row));
  return { workers: found, ...(last === undefined ? {} : { next: String(int(last["holder"])) }) };
}
