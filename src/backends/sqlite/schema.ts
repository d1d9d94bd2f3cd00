/**
 * Tables and indexes, in numbered steps: forward only, one transaction each. `{name}` stands for a name with the table prefix.
 *
 * Stage, not status, drives the indexes: only ready rows lie in the claim's index, with the definition's name in it, so that a claim
 * costs the same beside a million finished, delayed, retrying or blocked rows.
 */

import { CHECKED } from "./checksum.ts";

/**
 * Integers that JavaScript can hold: reading another one throws, and would stop every call that meets its row. NULL passes. An update
 * checks only if it changes one of the columns, so each has its own.
 */
export const within = (...columns: readonly string[]): string =>
  columns.map((column) => `CHECK (${column} BETWEEN ${Number.MIN_SAFE_INTEGER} AND ${Number.MAX_SAFE_INTEGER})`).join(", ");

/** The next value of a counter. One that somebody put at its end by hand stays there: the update must not fail for the rows beside it. */
export const grown = (column: string): string => `min(${column} + 1, ${Number.MAX_SAFE_INTEGER})`;

const TASKS = `
CREATE TABLE {tasks} (
  rid INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  func TEXT NOT NULL,
  queue_name TEXT NOT NULL,
  stage INTEGER NOT NULL,
  status TEXT NOT NULL,
  priority INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  revision INTEGER NOT NULL DEFAULT 0,
  fence INTEGER NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0,
  retry_count INTEGER NOT NULL DEFAULT 0,
  crash_count INTEGER NOT NULL DEFAULT 0,
  worker INTEGER,
  mark INTEGER,
  reason TEXT,
  open_parents INTEGER NOT NULL DEFAULT 0,
  max_retries INTEGER NOT NULL,
  retry_delay INTEGER NOT NULL,
  backoff TEXT,
  timeout INTEGER,
  at_most_once INTEGER,
  max_crashes INTEGER NOT NULL,
  result_ttl INTEGER,
  store_result INTEGER NOT NULL,
  unique_key TEXT,
  unique_until INTEGER,
  limit_key TEXT,
  created_at INTEGER NOT NULL,
  run_at INTEGER,
  started_at INTEGER,
  completed_at INTEGER,
  next_retry_at INTEGER,
  expires_at INTEGER,
  ttl INTEGER,
  name TEXT,
  description TEXT,
  tags TEXT,
  depends_on TEXT,
  callback TEXT,
  schedule_id TEXT,
  args TEXT NOT NULL,
  kwargs TEXT,
  ${within("stage", "priority", "due_at", "revision", "fence", "attempt", "retry_count", "crash_count", "worker", "mark", "open_parents", "max_retries", "retry_delay", "timeout", "at_most_once", "max_crashes", "result_ttl", "store_result", "unique_until", "created_at", "run_at", "started_at", "completed_at", "next_retry_at", "expires_at", "ttl")}
) STRICT;
CREATE INDEX {idx_tasks_queue_status} ON {tasks}(queue_name, func, priority DESC, due_at, rid) WHERE stage = 0;
CREATE INDEX {idx_tasks_run_at} ON {tasks}(due_at) WHERE stage = 1;
CREATE INDEX {idx_tasks_blocked} ON {tasks}(queue_name) WHERE stage = 2;
CREATE INDEX {idx_tasks_expires_at} ON {tasks}(expires_at) WHERE stage < 3 AND expires_at IS NOT NULL;
CREATE INDEX {idx_tasks_held} ON {tasks}(worker) WHERE stage > 3 AND stage < 6;
CREATE INDEX {idx_tasks_finished} ON {tasks}(status, completed_at) WHERE stage = 6;
CREATE UNIQUE INDEX {idx_tasks_unique} ON {tasks}(unique_key) WHERE unique_key IS NOT NULL;
CREATE TABLE {dependencies} (parent TEXT NOT NULL, child INTEGER NOT NULL, policy INTEGER NOT NULL, PRIMARY KEY (parent, child)) STRICT, WITHOUT ROWID;
CREATE TABLE {releases} (parent TEXT PRIMARY KEY, status TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE {queues} (name TEXT PRIMARY KEY, paused_at INTEGER, ${within("paused_at")}) STRICT, WITHOUT ROWID;
CREATE TABLE {workers} (
  rid INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  beat INTEGER NOT NULL,
  role TEXT NOT NULL,
  host TEXT NOT NULL,
  boot TEXT NOT NULL,
  pid INTEGER NOT NULL,
  started TEXT NOT NULL,
  lease_ms INTEGER NOT NULL,
  queues TEXT NOT NULL,
  names TEXT NOT NULL,
  concurrency INTEGER NOT NULL,
  arrived_at INTEGER NOT NULL,
  seen_at INTEGER NOT NULL,
  ${within("beat", "pid", "lease_ms", "concurrency", "arrived_at", "seen_at")}
) STRICT;
`;

const THE_REST = `
CREATE TABLE {schedules} (
  id TEXT PRIMARY KEY,
  revision INTEGER NOT NULL,
  status TEXT NOT NULL,
  rule TEXT NOT NULL,
  template TEXT NOT NULL,
  task_id TEXT,
  max_runs INTEGER,
  run_count INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  next_run_at INTEGER,
  last_run_at INTEGER,
  paused_at INTEGER,
  resumed_at INTEGER,
  name TEXT,
  description TEXT,
  tags TEXT,
  ${within("revision", "max_runs", "run_count", "created_at", "next_run_at", "last_run_at", "paused_at", "resumed_at")}
) STRICT;
CREATE INDEX {idx_schedules_next_run} ON {schedules}(next_run_at, id) WHERE status = 'active';
CREATE INDEX {idx_schedules_status} ON {schedules}(status, next_run_at, id);
CREATE TABLE {occurrences} (schedule_id TEXT NOT NULL, at INTEGER NOT NULL, fired_at INTEGER NOT NULL, task_id TEXT NOT NULL, PRIMARY KEY (schedule_id, at), ${within("at", "fired_at")}) STRICT, WITHOUT ROWID;
CREATE INDEX {idx_occurrences_fired} ON {occurrences}(fired_at);
CREATE TABLE {results} (
  task_id TEXT PRIMARY KEY,
  fence INTEGER,
  status TEXT NOT NULL,
  result TEXT,
  error_name TEXT,
  error TEXT,
  error_code TEXT,
  error_traceback TEXT,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  completed_at INTEGER,
  expires_at INTEGER,
  ttl INTEGER,
  execution_time REAL,
  worker_id TEXT,
  schedule_id TEXT,
  retry_count INTEGER NOT NULL,
  ${within("fence", "created_at", "started_at", "completed_at", "expires_at", "ttl", "retry_count")}
) STRICT, WITHOUT ROWID;
CREATE INDEX {idx_results_expires_at} ON {results}(expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX {idx_results_schedule} ON {results}(schedule_id, created_at) WHERE schedule_id IS NOT NULL;
CREATE TABLE {events} (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT,
  task_id TEXT,
  event_type TEXT NOT NULL,
  timestamp INTEGER NOT NULL,
  queue_name TEXT,
  worker_id TEXT,
  schedule_id TEXT,
  level TEXT,
  message TEXT,
  data TEXT,
  execution_time REAL,
  retry_count INTEGER,
  error TEXT,
  source TEXT,
  ${within("timestamp", "retry_count")}
) STRICT;
CREATE INDEX {idx_events_task_id} ON {events}(task_id);
CREATE INDEX {idx_events_timestamp} ON {events}(timestamp);
CREATE INDEX {idx_events_schedule} ON {events}(schedule_id) WHERE schedule_id IS NOT NULL;
CREATE UNIQUE INDEX {idx_events_id} ON {events}(id) WHERE id IS NOT NULL;
`;

/** How the occurrences of a schedule are taken (NULL: as before), its last task, and its tasks that have not ended. */
const SCHEDULE_POLICY = `
ALTER TABLE {schedules} ADD COLUMN policy TEXT;
ALTER TABLE {schedules} ADD COLUMN last_task_id TEXT;
CREATE INDEX {idx_tasks_schedule} ON {tasks}(schedule_id) WHERE schedule_id IS NOT NULL AND stage < 6;
`;

/**
 * A checksum of each payload (checksum.ts). Whoever changes one without it, an older version that still runs or a person with SQL, takes it
 * away: it tells of disks, not of writers. Such a trigger costs nothing where its columns are not set.
 */
const CHECKSUMS = Object.entries(CHECKED)
  .map(([table, columns]) => {
    const of = (row: string): string => `(${columns.map((column) => `${row}.${column}`).join(", ")})`;
    const key = { tasks: "rid", results: "task_id", schedules: "id" }[table];
    return `ALTER TABLE {${table}} ADD COLUMN checksum INTEGER ${within("checksum")};
CREATE TRIGGER {${table}_checksum} AFTER UPDATE OF ${columns.join(", ")} ON {${table}}
WHEN NEW.checksum IS OLD.checksum AND ${of("NEW")} IS NOT ${of("OLD")}
BEGIN UPDATE {${table}} SET checksum = NULL WHERE ${key} = NEW.${key}; END;
`;
  })
  .join("");

/**
 * Whatever people look for lies with its time of creation, newest first. What completed has an index without its status, which would be
 * the same word in nearly every entry.
 */
const FINDING = `
DROP INDEX {idx_tasks_finished};
CREATE INDEX {idx_tasks_completed} ON {tasks}(completed_at) WHERE stage = 6 AND status = 'completed';
CREATE INDEX {idx_tasks_finished} ON {tasks}(status, completed_at) WHERE stage = 6 AND status <> 'completed';
CREATE INDEX {idx_tasks_by_end} ON {tasks}(status, created_at) WHERE stage = 6 AND status <> 'completed';
CREATE INDEX {idx_tasks_doomed} ON {tasks}(created_at) WHERE stage = 5;
CREATE INDEX {idx_tasks_by_queue} ON {tasks}(queue_name, created_at);
CREATE INDEX {idx_tasks_by_func} ON {tasks}(func, created_at);
CREATE INDEX {idx_tasks_by_schedule} ON {tasks}(schedule_id, created_at) WHERE schedule_id IS NOT NULL;
DROP INDEX {idx_events_schedule};
CREATE INDEX {idx_events_schedule} ON {events}(schedule_id, timestamp) WHERE schedule_id IS NOT NULL;
`;

/** Which task a parent names: `[id, "run"]`, or the id alone. */
export const NAMED_PARENT = "CASE type WHEN 'array' THEN json_extract(value, '$[0]') ELSE value END";

/**
 * Children whose parent has ended, freed by it or enqueued behind it: they keep it from being taken away until they have ended, since they
 * ask what it came to.
 */
const DEPENDENTS = `
CREATE TABLE {dependents} (parent TEXT NOT NULL, child INTEGER NOT NULL, PRIMARY KEY (parent, child)) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO {dependents}(parent, child) SELECT p.id, c.rid FROM {tasks} c, json_each(iif(json_valid(c.depends_on), c.depends_on, '[]')) e
  JOIN {tasks} p ON p.id = ${NAMED_PARENT} AND p.rid < c.rid WHERE c.depends_on IS NOT NULL AND c.stage < 6
  AND NOT EXISTS (SELECT 1 FROM {dependencies} d WHERE d.parent = p.id AND d.child = c.rid);
`;

/** The unique key that a task was enqueued with, also when it has let go of it: one that is requeued takes it again. No index, so that an end costs nothing more. */
const ASKED_KEY = `
ALTER TABLE {tasks} ADD COLUMN asked_key TEXT;
UPDATE {tasks} SET asked_key = unique_key WHERE unique_key IS NOT NULL;
`;

/** Step n leads from version n to n + 1. Never changed once released: a new step is added. */
export const MIGRATIONS: readonly string[] = [TASKS + THE_REST, SCHEDULE_POLICY, CHECKSUMS + FINDING + DEPENDENTS + ASKED_KEY];

/** The tables that make a database ours; one of these names without our meta table is somebody else's. */
export const TABLES = [
  "tasks",
  "dependencies",
  "dependents",
  "releases",
  "queues",
  "workers",
  "schedules",
  "occurrences",
  "results",
  "events",
] as const;
