/**
 * The floor: bare `node:sqlite` that writes the same rows in the same transactions, on our own schema with our own pragmas. No ids to
 * make, no options, no promises, no codec, no worker: what no queue on this library and this schema can beat by much.
 */
import { DatabaseSync } from "node:sqlite";
import type { StatementSync } from "node:sqlite";
import { MARK, STAGE, UNTIL } from "../src/backends/shared/stage.ts";
import { MIGRATIONS } from "../src/backends/sqlite/schema.ts";

export type Durability = "full" | "normal";

/** What the floor needs to know of a task that it has claimed. */
export interface Held {
  readonly id: string;
  readonly args: string;
  readonly fence: number;
}

/** As wide as nearly every checksum; a bare program makes none. */
const CHECKSUM = 0x123456;

const INSERT = `INSERT INTO tasks(id, func, queue_name, stage, status, priority, due_at, fence, max_retries, retry_delay, max_crashes, store_result,
  created_at, args, checksum) VALUES (?, ?, ?, ${STAGE.ready}, 'pending', 0, ?, 0, 3, 5000, 3, 1, ?, ?, ${CHECKSUM})`;

/** The product's own claim, but for what it returns: a bare program needs little. */
const CLAIM = `UPDATE tasks SET
  stage = iif(expires_at <= ?1, ${STAGE.doomed}, ${STAGE.running}), mark = iif(expires_at <= ?1, ${MARK.expired}, NULL),
  status = iif(expires_at <= ?1, status, 'running'), attempt = attempt + iif(expires_at <= ?1, 0, 1),
  started_at = iif(expires_at <= ?1, started_at, ?1), next_retry_at = iif(expires_at <= ?1, next_retry_at, NULL),
  unique_key = iif(unique_until = ${UNTIL.started} OR expires_at <= ?1, NULL, unique_key),
  fence = fence + 1, revision = revision + 1, worker = 1
  WHERE rid IN (SELECT rid FROM tasks INDEXED BY idx_tasks_queue_status WHERE stage = ${STAGE.ready} AND queue_name = (SELECT ?2)
    AND func = (SELECT ?3) ORDER BY priority DESC, due_at, rid LIMIT (?4+0))
  RETURNING id, args, fence`;

const SETTLE = `UPDATE tasks SET stage = ${STAGE.finished}, status = 'completed', completed_at = ?, worker = NULL, next_retry_at = NULL,
  unique_key = iif(unique_until < 0, NULL, unique_key), revision = revision + 1
  WHERE id = ? AND fence = ? AND stage > 3 AND stage < 6 AND worker IS NOT NULL`;

const RESULT = `INSERT INTO results(task_id, fence, status, result, created_at, started_at, completed_at, execution_time, worker_id, retry_count,
  checksum) VALUES (?, ?, 'completed', ?, ?, ?, ?, ?, ?, 0, ${CHECKSUM})`;

const EVENT_COLUMNS = ["task_id", "event_type", "timestamp", "queue_name", "worker_id", "execution_time"] as const;
const QUEUE = "default";
const WORKER = "012345678";
const FUNC = "noop";

export class Floor {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #claim: StatementSync;
  readonly #settle: StatementSync;
  readonly #result: StatementSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #events = new Map<number, StatementSync>();

  constructor(path: string, durability: Durability) {
    this.#db = new DatabaseSync(path, { timeout: 1_000, enableForeignKeyConstraints: false });
    this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability}; PRAGMA journal_size_limit = 67108864;
      PRAGMA cache_size = -8000; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON`);
    const made = this.#db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'tasks'").get() !== undefined;
    if (!made) for (const step of MIGRATIONS) this.#db.exec(step.replaceAll(/\{(\w+)\}/g, '"$1"'));
    this.#insert = this.#db.prepare(INSERT);
    this.#claim = this.#db.prepare(CLAIM);
    this.#settle = this.#db.prepare(SETTLE);
    this.#result = this.#db.prepare(RESULT);
    this.#begin = this.#db.prepare("BEGIN IMMEDIATE");
    this.#commit = this.#db.prepare("COMMIT");
  }

  /** One transaction. */
  enqueue(ids: readonly string[], args: string): void {
    const now = Date.now();
    this.#begin.run();
    for (const id of ids) this.#insert.run(id, FUNC, QUEUE, now, now, args);
    const values: (string | number | null)[] = [];
    for (const id of ids) values.push(id, "enqueued", now, QUEUE, null, null);
    this.#eventsOf(ids.length).run(...values);
    this.#commit.run();
  }

  /** One transaction: ends what is held and claims as many again. */
  turn(held: readonly Held[], limit: number, result: string): readonly Held[] {
    const now = Date.now();
    const values: (string | number | null)[] = [];
    this.#begin.run();
    for (const { id, fence } of held) {
      this.#settle.run(now, id, fence);
      this.#result.run(id, fence, result, now, now, now, 0.0123, WORKER);
      values.push(id, "completed", now, QUEUE, WORKER, 0.0123);
    }
    const claimed = this.#claim.all(now, QUEUE, FUNC, limit).map((row) => ({
      id: String(row["id"]),
      args: String(row["args"]),
      fence: Number(row["fence"]),
    }));
    for (const { id } of claimed) values.push(id, "executing", now, QUEUE, WORKER, null);
    const events = held.length + claimed.length;
    if (events > 0) this.#eventsOf(events).run(...values);
    this.#commit.run();
    return claimed;
  }

  /** Claims and ends everything, `slots` at a time. */
  drain(slots: number, result: string): number {
    let done = 0;
    let held: readonly Held[] = [];
    do {
      held = this.turn(held, slots, result);
      done += held.length;
    } while (held.length > 0);
    return done;
  }

  close(): void {
    this.#db.close();
  }

  /** The insert of so many events in one statement. */
  #eventsOf(count: number): StatementSync {
    let statement = this.#events.get(count);
    if (statement === undefined) {
      const row = `(${EVENT_COLUMNS.map(() => "?").join(",")})`;
      statement = this.#db.prepare(
        `INSERT INTO events(${EVENT_COLUMNS.join(",")}) VALUES ${Array.from({ length: count }, () => row).join(",")}`,
      );
      this.#events.set(count, statement);
    }
    return statement;
  }
}

/** What the rows of a file look like: per table how many, and of each column which types lie in it. The floor must write what OmniQ writes. */
export function shapeOf(path: string): Readonly<Record<string, string>> {
  const db = new DatabaseSync(path, { readOnly: true });
  const shape: Record<string, string> = {};
  for (const table of ["tasks", "results", "events"]) {
    const columns = db.prepare(`SELECT name FROM pragma_table_info('${table}')`).all();
    const types = columns.map(({ name }) => `'${String(name)} ' || typeof("${String(name)}")`).join(" || ', ' || ");
    for (const row of db.prepare(`SELECT ${types} AS types, count(*) AS n FROM "${table}" GROUP BY 1`).all()) {
      shape[`${table}: ${String(row["types"]).replaceAll(/\w+ null,? ?/g, "")}`] = String(row["n"]);
    }
  }
  db.close();
  return shape;
}
