/** Rows of workers as records. */
import type { WorkerRow } from "../../core/backend.ts";
import { int, json, optionalInt, str } from "./values.ts";
import type { Row } from "./values.ts";

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
