/**
 * The floor on PostgreSQL: bare `pg` that writes the same rows in the same transactions, on our own schema. One prepared statement and one
 * round trip for a set, arrays as parameters: the fastest way that was found. No ids to make, no options, no codec, no worker.
 */
import { Client } from "pg";
import { STAGE } from "../../src/backends/shared/stage.ts";
import { backendOn, SERVER } from "./server.ts";

/** What the floor needs to know of a task that it has claimed. */
export interface Held {
  readonly id: string;
  readonly args: string;
  readonly fence: number;
}

const FUNC = "noop";
const QUEUE = "default";
const WORKER = "012345678";

const statements = (s: string) => ({
  enqueue: `WITH added AS (INSERT INTO "${s}".tasks(id, func, queue_name, stage, status, priority, due_at, max_retries, retry_delay, max_crashes,
      store_result, created_at, args) SELECT id, '${FUNC}', '${QUEUE}', ${STAGE.ready}, 'pending', 0, $3::bigint, 3, 5000, 3, 1, $3::bigint, args
      FROM unnest($1::text[], $2::text[]) AS n(id, args))
    INSERT INTO "${s}".events(event_type, task_id, queue_name, timestamp) SELECT 'enqueued', unnest($1::text[]), '${QUEUE}', $3::bigint`,
  turn: `WITH settled AS (UPDATE "${s}".tasks t SET stage = ${STAGE.finished}, status = 'completed', completed_at = $1::bigint, worker = NULL,
      revision = revision + 1 FROM unnest($2::text[], $3::bigint[], $4::text[]) AS s(id, fence, result)
      WHERE t.id = s.id AND t.fence = s.fence AND t.stage + 0 > 3 AND t.stage + 0 < 6 AND t.worker IS NOT NULL RETURNING t.id, t.fence, s.result),
    stored AS (INSERT INTO "${s}".results(task_id, fence, status, result, created_at, started_at, completed_at, execution_time, worker_id, retry_count)
      SELECT id, fence, 'completed', result, $1::bigint, $1::bigint, $1::bigint, 0.0123, '${WORKER}', 0 FROM settled),
    told AS (INSERT INTO "${s}".events(event_type, task_id, queue_name, worker_id, timestamp, execution_time)
      SELECT 'completed', id, '${QUEUE}', '${WORKER}', $1::bigint, 0.0123 FROM settled),
    picked AS MATERIALIZED (SELECT rid FROM "${s}".tasks WHERE stage = ${STAGE.ready} AND queue_name = '${QUEUE}' AND func = '${FUNC}'
      ORDER BY priority DESC, due_at, rid LIMIT $5::bigint FOR UPDATE SKIP LOCKED),
    taken AS (UPDATE "${s}".tasks t SET stage = ${STAGE.running}, status = 'running', attempt = attempt + 1, started_at = $1::bigint, fence = fence + 1,
      revision = revision + 1, worker = '${WORKER}' FROM picked WHERE t.rid = picked.rid RETURNING t.id, t.args, t.fence),
    begun AS (INSERT INTO "${s}".events(event_type, task_id, queue_name, worker_id, timestamp)
      SELECT 'executing', id, '${QUEUE}', '${WORKER}', $1::bigint FROM taken)
    SELECT id, args, fence FROM taken`,
});

export class PgFloor {
  readonly #client: Client;
  #isClosed = false;
  readonly #sql: ReturnType<typeof statements>;

  private constructor(client: Client, schema: string) {
    this.#client = client;
    this.#sql = statements(schema);
  }

  /** Makes our own tables where they are missing. */
  static async open(schema: string): Promise<PgFloor> {
    const backend = backendOn(schema);
    await backend.initialize();
    await backend.close();
    // As OmniQ's own connections.
    const client = new Client({
      connectionString: SERVER,
      options: "-c plan_cache_mode=force_generic_plan -c jit=off -c enable_seqscan=off -c enable_bitmapscan=off",
    });
    await client.connect();
    return new PgFloor(client, schema);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#client.end();
  }

  /** One transaction. */
  async enqueue(ids: readonly string[], args: string): Promise<void> {
    await this.#client.query({ name: "enqueue", text: this.#sql.enqueue, values: [ids, ids.map(() => args), Date.now()] });
  }

  /** Calls back at each notification, one after the other. */
  async listen(heard: () => Promise<void>): Promise<void> {
    let turn = Promise.resolve();
    this.#client.on("notification", () => {
      turn = turn.then(heard).catch((error: unknown) => {
        if (!this.#isClosed) throw error;
      });
    });
    await this.#client.query("LISTEN bench");
  }

  async notify(): Promise<void> {
    await this.#client.query("NOTIFY bench");
  }

  /** One transaction: ends what is held and claims as many again. */
  async turn(held: readonly Held[], limit: number, result: string): Promise<readonly Held[]> {
    const values = [Date.now(), held.map(({ id }) => id), held.map(({ fence }) => fence), held.map(() => result), limit];
    const { rows } = await this.#client.query({ name: "turn", text: this.#sql.turn, values });
    return rows.map((row: Readonly<Record<string, unknown>>) => ({
      id: String(row["id"]),
      args: String(row["args"]),
      fence: Number(row["fence"]),
    }));
  }

  /** Claims and ends everything, `slots` at a time. */
  async drain(slots: number, result: string): Promise<number> {
    let done = 0;
    let held: readonly Held[] = [];
    do {
      held = await this.turn(held, slots, result);
      done += held.length;
    } while (held.length > 0);
    return done;
  }
}
