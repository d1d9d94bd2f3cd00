/**
 * Tables and indexes, in numbered steps: forward only, one transaction each. `{name}` stands for a name in our schema. Times are
 * milliseconds since 1970. Texts compare by their bytes (`COLLATE "C"`), whatever the database's language is.
 *
 * Stage, not status, drives the indexes: only ready rows lie in the claim's index, with the definition's name in it, so that a claim
 * costs the same beside a million finished, delayed, retrying or blocked rows.
 */

const TEXT = `text COLLATE "C"`;

const TASKS = `
CREATE TABLE {tasks} (
  rid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id ${TEXT} NOT NULL,
  func ${TEXT} NOT NULL,
  queue_name ${TEXT} NOT NULL,
  stage smallint NOT NULL,
  status text NOT NULL,
  priority bigint NOT NULL,
  due_at bigint NOT NULL,
  revision bigint NOT NULL DEFAULT 0,
  fence bigint NOT NULL DEFAULT 0,
  attempt bigint NOT NULL DEFAULT 0,
  retry_count bigint NOT NULL DEFAULT 0,
  crash_count bigint NOT NULL DEFAULT 0,
  worker ${TEXT},
  -- Whether its holder took it over from a worker that was lost.
  taken_over boolean NOT NULL DEFAULT false,
  mark smallint,
  reason text,
  open_parents bigint NOT NULL DEFAULT 0,
  -- Set by whoever adds a child, so that the parent's end knows without looking, also of a child that came while it was being written.
  has_children boolean NOT NULL DEFAULT false,
  max_retries bigint NOT NULL,
  retry_delay bigint NOT NULL,
  backoff text,
  timeout bigint,
  at_most_once smallint,
  max_crashes bigint NOT NULL,
  result_ttl bigint,
  store_result smallint NOT NULL,
  unique_key ${TEXT},
  unique_until bigint,
  limit_key ${TEXT},
  created_at bigint NOT NULL,
  run_at bigint,
  started_at bigint,
  completed_at bigint,
  next_retry_at bigint,
  expires_at bigint,
  ttl bigint,
  name text,
  description text,
  tags text[],
  depends_on text,
  callback text,
  schedule_id ${TEXT},
  args text NOT NULL,
  kwargs text
);
CREATE UNIQUE INDEX idx_tasks_id ON {tasks}(id);
CREATE INDEX idx_tasks_queue_status ON {tasks}(queue_name, func, priority DESC, due_at, rid) WHERE stage = 0;
CREATE INDEX idx_tasks_run_at ON {tasks}(due_at, rid) WHERE stage = 1;
CREATE INDEX idx_tasks_blocked ON {tasks}(queue_name) WHERE stage = 2;
CREATE INDEX idx_tasks_expires_at ON {tasks}(expires_at, rid) WHERE stage < 3 AND expires_at IS NOT NULL;
CREATE INDEX idx_tasks_held ON {tasks}(worker, rid) WHERE stage > 3 AND stage < 6;
CREATE INDEX idx_tasks_finished ON {tasks}(status, completed_at, rid) WHERE stage = 6;
CREATE INDEX idx_tasks_schedule ON {tasks}(schedule_id, rid) WHERE schedule_id IS NOT NULL AND stage < 6;
CREATE UNIQUE INDEX idx_tasks_unique ON {tasks}(unique_key) WHERE unique_key IS NOT NULL;
CREATE TABLE {dependencies} (parent ${TEXT} NOT NULL, child bigint NOT NULL, policy smallint NOT NULL, PRIMARY KEY (parent, child));
CREATE INDEX idx_dependencies_child ON {dependencies}(child);
CREATE TABLE {releases} (parent ${TEXT} PRIMARY KEY, status text NOT NULL);
CREATE TABLE {reminders} (rid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent ${TEXT} NOT NULL);
CREATE TABLE {queues} (name ${TEXT} PRIMARY KEY, paused_at bigint);
CREATE TABLE {workers} (
  rid bigint GENERATED ALWAYS AS IDENTITY,
  id ${TEXT} PRIMARY KEY,
  beat bigint NOT NULL,
  role text NOT NULL,
  host text NOT NULL,
  boot text NOT NULL,
  pid bigint NOT NULL,
  started text NOT NULL,
  lease_ms bigint NOT NULL,
  queues text NOT NULL,
  names text NOT NULL,
  concurrency bigint NOT NULL,
  arrived_at bigint NOT NULL,
  seen_at bigint NOT NULL
) WITH (fillfactor = 50);
`;

const THE_REST = `
CREATE TABLE {schedules} (
  id ${TEXT} PRIMARY KEY,
  revision bigint NOT NULL,
  status text NOT NULL,
  rule text NOT NULL,
  policy text,
  template text NOT NULL,
  task_id ${TEXT},
  max_runs bigint,
  run_count bigint NOT NULL,
  created_at bigint NOT NULL,
  next_run_at bigint,
  last_run_at bigint,
  last_task_id ${TEXT},
  paused_at bigint,
  resumed_at bigint,
  name text,
  description text,
  tags text
);
CREATE INDEX idx_schedules_next_run ON {schedules}(next_run_at, id) WHERE status = 'active';
CREATE INDEX idx_schedules_status ON {schedules}(status, next_run_at, id);
CREATE TABLE {occurrences} (schedule_id ${TEXT} NOT NULL, at bigint NOT NULL, fired_at bigint NOT NULL, task_id ${TEXT} NOT NULL, PRIMARY KEY (schedule_id, at));
CREATE INDEX idx_occurrences_fired ON {occurrences}(fired_at);
CREATE TABLE {results} (
  task_id ${TEXT} PRIMARY KEY,
  rid bigint GENERATED ALWAYS AS IDENTITY,
  fence bigint,
  status text NOT NULL,
  result text,
  error_name text,
  error text,
  error_code text,
  error_traceback text,
  created_at bigint NOT NULL,
  started_at bigint,
  completed_at bigint,
  expires_at bigint,
  ttl bigint,
  execution_time double precision,
  worker_id text,
  schedule_id ${TEXT},
  retry_count bigint NOT NULL
);
CREATE INDEX idx_results_expires_at ON {results}(expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX idx_results_schedule ON {results}(schedule_id, created_at, rid) WHERE schedule_id IS NOT NULL;
CREATE TABLE {events} (
  -- Sequences commit out of order: a reader takes only what lies below the oldest transaction under way, so that it skips nothing.
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  seq bigint GENERATED ALWAYS AS IDENTITY,
  id ${TEXT},
  task_id ${TEXT},
  event_type text NOT NULL,
  timestamp bigint NOT NULL,
  queue_name text,
  worker_id text,
  schedule_id ${TEXT},
  level text,
  message text,
  data text,
  execution_time double precision,
  retry_count bigint,
  error text,
  source text,
  PRIMARY KEY (xid, seq)
);
CREATE INDEX idx_events_task_id ON {events}(task_id);
CREATE INDEX idx_events_timestamp ON {events}(timestamp, seq);
CREATE INDEX idx_events_schedule ON {events}(schedule_id) WHERE schedule_id IS NOT NULL;
CREATE UNIQUE INDEX idx_events_id ON {events}(id) WHERE id IS NOT NULL;
`;

/** Whatever people look for lies with its time of creation, newest first. */
const FINDING = `
CREATE INDEX idx_tasks_by_end ON {tasks}(status, created_at, rid) WHERE stage = 6 AND status <> 'completed';
CREATE INDEX idx_tasks_doomed ON {tasks}(created_at, rid) WHERE stage = 5;
CREATE INDEX idx_tasks_by_queue ON {tasks}(queue_name, created_at, rid);
CREATE INDEX idx_tasks_by_func ON {tasks}(func, created_at, rid);
CREATE INDEX idx_tasks_by_schedule ON {tasks}(schedule_id, created_at, rid) WHERE schedule_id IS NOT NULL;
DROP INDEX {idx_events_schedule};
CREATE INDEX idx_events_schedule ON {events}(schedule_id, timestamp, seq) WHERE schedule_id IS NOT NULL;
`;

/**
 * Children whose parent has ended, freed by it or enqueued behind it: they keep it from being taken away until they have ended, since they
 * ask what it came to.
 */
const DEPENDENTS = `
CREATE TABLE {dependents} (parent ${TEXT} NOT NULL, child bigint NOT NULL, PRIMARY KEY (parent, child));
CREATE INDEX idx_dependents_child ON {dependents}(child);
INSERT INTO {dependents}(parent, child) SELECT p.id, c.rid FROM {tasks} c
  CROSS JOIN LATERAL json_array_elements(c.depends_on::json) AS e(named)
  JOIN {tasks} p ON p.id = CASE json_typeof(e.named) WHEN 'array' THEN e.named->>0 ELSE e.named#>>'{}' END AND p.rid < c.rid
  WHERE c.depends_on IS NOT NULL AND c.stage < 6 AND NOT EXISTS (SELECT 1 FROM {dependencies} d WHERE d.parent = p.id AND d.child = c.rid) ON CONFLICT DO NOTHING;
`;

/** The unique key that a task was enqueued with, also when it has let go of it: one that is requeued takes it again. No index, so that an end costs nothing more. */
const ASKED_KEY = `
ALTER TABLE {tasks} ADD COLUMN asked_key ${TEXT};
UPDATE {tasks} SET asked_key = unique_key WHERE unique_key IS NOT NULL;
`;

/** Step n leads from version n to n + 1. Never changed once released: a new step is added. */
export const MIGRATIONS: readonly string[] = [TASKS + THE_REST, FINDING + DEPENDENTS + ASKED_KEY];

/** The tables that make a schema ours; one of these names without our meta table is somebody else's. */
export const TABLES = [
  "tasks",
  "dependencies",
  "dependents",
  "releases",
  "reminders",
  "queues",
  "workers",
  "schedules",
  "occurrences",
  "results",
  "events",
] as const;
