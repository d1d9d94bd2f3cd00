/** One row a worker, with a beat counter: a claim has no deadline of its own, and no clock is compared. */
import type { Presence, Sync, WorkerRow } from "../../core/backend.ts";
import { WorkerUnknownError } from "../../core/errors.ts";
import { int, json, optionalInt, str } from "./db.ts";
import type { Db } from "./db.ts";
import type { Row } from "./library.ts";
import { MARK, STAGE } from "./schema.ts";

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

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

export function workerRow(row: Row): WorkerRow {
  return {
    worker: str(row["id"]),
    beat: int(row["beat"]),
    role: row["role"] === "worker" ? "worker" : "client",
    host: str(row["host"]),
    boot: str(row["boot"]),
    pid: int(row["pid"]),
    started: str(row["started"]),
    leaseMs: int(row["lease_ms"]),
    queues: texts(json(row["queues"])),
    names: texts(json(row["names"])),
    concurrency: int(row["concurrency"]),
    arrivedAt: optionalInt(row["arrived_at"]) ?? 0,
    seenAt: optionalInt(row["seen_at"]) ?? 0,
  };
}

export function workers(db: Db, limit: number): readonly WorkerRow[] {
  return db.all("SELECT * FROM {workers} ORDER BY rid LIMIT (?+0)", limit).map((row) => workerRow(row));
}
