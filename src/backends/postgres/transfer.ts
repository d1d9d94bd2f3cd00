/** Moving from and to a schema of PostgreSQL. */
import { systemRandom } from "../../host.ts";
import { COMPARED_TABLES, expectGuarded, MOVED_TABLES, PAUSED_FOR_MOVE } from "../../core/transfer.ts";
import type { Cell, Floors, Guard, MovedRow, MovedTable, MoveMark, Mover } from "../../core/transfer.ts";
import {
  ARRIVING_TEXT,
  BATCH_ROWS,
  batchOf,
  expectClosed,
  expectEmpty,
  MOVED_TEXT,
  SHAPES,
  told,
  waiting,
  WAITING_STAGE,
  WAITING_STATUS,
  WORKERS_COUNT,
} from "../shared/moved.ts";
import { int, json } from "../shared/values.ts";
import { list } from "./db.ts";
import type { Db } from "./db.ts";
import { Engine } from "./engine.ts";
import type { Where } from "./examine.ts";
import type { Row } from "./link.ts";
import { Names } from "./names.ts";
import { placeOf, poolOf } from "./options.ts";

/** A statement may touch every row. */
const DEADLINE = 3_600_000;
const MARKS = "CREATE TABLE IF NOT EXISTS {omniq_transfer} (key text PRIMARY KEY, value text NOT NULL)";
const PUT = "INSERT INTO {omniq_transfer}(key, value) VALUES ('mark', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
/** One step at a time, also where the table of marks is made or dropped: no row's lock would do. */
const ALONE = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
const TYPES = { int: "bigint", real: "double precision", text: "text" } as const;
/** Until its commit, what this transaction writes is the move itself. */
const OURS = "SELECT set_config('omniq.move', $1, true)";
/** Columns with a number that both engines give: where the next one goes on. */
const NUMBERED = { tasks: "rid", events: "seq" } as const;

/** @param where of tables that are there and current. */
export async function postgresMover(where: Where): Promise<Mover> {
  const { pool, end } = await poolOf({ url: where.url, connections: 2 });
  const names = new Names(where.schema);
  const place = placeOf({ url: where.url }, where.schema);
  const engine = new Engine({ pool, names, place, random: systemRandom, deadline: DEADLINE, prepare: false, onHints: () => undefined });
  return new PostgresMover(engine, place, where.schema, end);
}

class PostgresMover implements Mover {
  readonly name: string;
  readonly #engine: Engine;
  readonly #schema: string;
  readonly #end: () => Promise<void>;

  constructor(engine: Engine, name: string, schema: string, end: () => Promise<void>) {
    this.#engine = engine;
    this.name = name;
    this.#schema = schema;
    this.#end = end;
  }

  mark(): Promise<MoveMark | undefined> {
    return this.#engine.single((db) => this.#mark(db));
  }

  setMark(mark: MoveMark, guard: Guard): Promise<void> {
    return this.#whole(guard, (db) => put(db, mark));
  }

  counts(): Promise<Readonly<Record<MovedTable, number>>> {
    return this.#engine.single(countsOf);
  }

  floors(): Promise<Floors> {
    return this.#engine.single(async (db) => {
      const rows = await db.all("SELECT key, value FROM {omniq_meta}");
      const value = (key: string): number => int(rows.find((row) => row["key"] === key)?.["value"] ?? 0);
      return { fence: value("fence_floor"), revision: value("revision_floor") };
    });
  }

  drain(guard: Guard): Promise<void> {
    return this.#whole(guard, async (db) => {
      await db.run(
        `INSERT INTO {queues}(name, paused_at) SELECT DISTINCT queue_name, ${PAUSED_FOR_MOVE} FROM {tasks} WHERE stage < 4
         AND queue_name NOT IN (SELECT name FROM {queues} WHERE paused_at IS NOT NULL) ON CONFLICT (name) DO UPDATE SET paused_at = excluded.paused_at`,
      );
    });
  }

  running(): Promise<number> {
    return this.#engine.single(async (db) =>
      int((await db.get("SELECT count(*) AS n FROM {tasks} WHERE stage > 3 AND stage < 6 AND worker IS NOT NULL"))?.["n"]),
    );
  }

  fence(mark: MoveMark, guard: Guard): Promise<void> {
    return this.#whole(guard, (db) => fence(db, mark));
  }

  leave(mark: MoveMark, guard: Guard): Promise<void> {
    return this.#whole(guard, async (db) => {
      const closed = await db.all(
        `SELECT c.relname AS name FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE t.tgname = 'omniq_moved' AND t.tgenabled <> 'D' AND n.nspname = $1`,
        this.#schema,
      );
      expectClosed(
        this.name,
        MOVED_TABLES.every((table) => closed.some((row) => row["name"] === table)),
      );
      await put(db, mark);
    });
  }

  reopen(guard: Guard): Promise<void> {
    return this.#whole(guard, async (db) => {
      await allow(db, "moved");
      await db.run(`UPDATE {queues} SET paused_at = NULL WHERE paused_at = ${PAUSED_FOR_MOVE}`);
      await db.run("DROP TABLE IF EXISTS {omniq_transfer}");
    });
  }

  receive(mark: MoveMark, replace: boolean, guard: Guard): Promise<void> {
    return this.#whole(guard, async (db) => {
      await db.run(OURS, mark.id);
      await allow(db, "moved");
      await allow(db, "arriving");
      await refusal(db, "arriving", `${ARRIVING_TEXT}${mark.other}`);
      // Row by row, since workers that wait here look for tasks by updates that find none.
      for (const table of COMPARED_TABLES)
        await db.run(
          `CREATE TRIGGER omniq_arriving BEFORE INSERT OR UPDATE OR DELETE ON {${table}} FOR EACH ROW
           WHEN (current_setting('omniq.move', true) IS DISTINCT FROM '${mark.id.replaceAll("'", "''")}') EXECUTE FUNCTION {omniq_arriving}()`,
        );
      if (!replace) expectEmpty(this.name, await countsOf(db));
      for (const table of [...COMPARED_TABLES, "reminders"]) await db.run(`DELETE FROM {${table}}`);
      await put(db, mark);
    });
  }

  read(table: MovedTable, after: readonly Cell[] | null): Promise<readonly MovedRow[]> {
    return this.#engine.single(async (db) => {
      const { key, columns } = SHAPES[table];
      const by = key.map((name) => `t.${name}`).join(", ");
      const where =
        after === null ? "" : `WHERE (${by}) > (${key.map((name, i) => `$${i + 1}::${TYPES[columns[name] ?? "text"]}`).join(", ")})`;
      const texts = Object.entries(columns).flatMap(([name, type]) =>
        type === "text" && name !== "tags" ? [`coalesce(octet_length(t.${name}), 0)`] : [],
      );
      const sizes = await db.all(
        `SELECT 100 + ${["0", ...texts].join(" + ")} AS size FROM {${table}} t ${where} ORDER BY ${by} LIMIT ${BATCH_ROWS}`,
        ...(after ?? []),
      );
      const most = batchOf(sizes.map((row) => int(row["size"])));
      if (most === 0) return [];
      const names = Object.keys(columns).map((name) =>
        table === "tasks" && name === "tags" ? "array_to_json(t.tags)::text AS tags" : `t.${name}`,
      );
      const rows = await db.all(`SELECT ${names.join(", ")} FROM {${table}} t ${where} ORDER BY ${by} LIMIT ${most}`, ...(after ?? []));
      return rows.map((row: Row) => told(table, row as MovedRow));
    });
  }

  write(table: MovedTable, rows: readonly MovedRow[], mark: MoveMark, guard: Guard): Promise<void> {
    return this.#whole(guard, async (db) => {
      const { columns } = SHAPES[table];
      const names = Object.keys(columns);
      const values = names.map((name) =>
        table === "tasks" && name === "tags"
          ? "CASE WHEN r.tags IS NOT NULL THEN ARRAY(SELECT json_array_elements_text(r.tags::json)) END"
          : `r.${name}`,
      );
      await db.run(OURS, mark.id);
      const types = names.map((name) => `${name} ${TYPES[columns[name] ?? "text"]}`);
      const overriding = table in NUMBERED ? "OVERRIDING SYSTEM VALUE " : "";
      await db.run(
        `INSERT INTO {${table}}(${names.join(", ")}) ${overriding}SELECT ${values.join(", ")} FROM json_to_recordset($1::json) AS r(${types.join(", ")})${table === "workers" ? REPLACED : ""}`,
        list(rows.map((row) => waiting(table, row))),
      );
      await put(db, mark);
    });
  }

  finish({ fence, revision }: Floors, mark: MoveMark, guard: Guard): Promise<void> {
    return this.#whole(guard, async (db) => {
      await db.run(OURS, mark.id);
      await db.run("UPDATE {tasks} SET has_children = true WHERE stage >= 100 AND id IN (SELECT parent FROM {dependencies})");
      await db.run(`UPDATE {tasks} SET stage = stage - ${WAITING_STAGE} WHERE stage >= ${WAITING_STAGE}`);
      await db.run(WORKERS_COUNT);
      await db.run(`UPDATE {schedules} SET status = substr(status, ${WAITING_STATUS.length + 1}) WHERE status LIKE '${WAITING_STATUS}%'`);
      await db.run(
        "UPDATE {omniq_meta} SET value = greatest(value, $1::bigint, (SELECT coalesce(max(fence), 0) FROM {tasks})) WHERE key = 'fence_floor'",
        fence,
      );
      await db.run("UPDATE {omniq_meta} SET value = greatest(value, $1::bigint) WHERE key = 'revision_floor'", revision);
      for (const [table, column] of Object.entries(NUMBERED))
        await db.run(
          `SELECT setval(pg_get_serial_sequence('{${table}}', '${column}'), greatest(1, (SELECT coalesce(max(${column}), 0) FROM {${table}})), true)`,
        );
      await allow(db, "arriving");
      await put(db, mark);
    });
  }

  wipe(guard: Guard): Promise<void> {
    return this.#whole(guard, async (db, there) => {
      await allow(db, "arriving");
      for (const table of [...MOVED_TABLES, "reminders"]) await db.run(`DELETE FROM {${table}}`);
      await db.run("DROP TABLE IF EXISTS {omniq_transfer}");
      if (there?.before !== undefined) await fence(db, there.before);
    });
  }

  async close(): Promise<void> {
    await this.#engine.close();
    await this.#end();
  }

  async #mark(db: Db): Promise<MoveMark | undefined> {
    const there = await db.get("SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'omniq_transfer'", this.#schema);
    if (there === undefined) return undefined;
    const mark = json((await db.get("SELECT value FROM {omniq_transfer} WHERE key = 'mark'"))?.["value"]);
    return typeof mark === "object" && mark !== null ? (mark as MoveMark) : undefined;
  }

  /** One transaction. @throws StorageError `TRANSFER_OVERTAKEN` */
  #whole(guard: Guard, step: (db: Db, there: MoveMark | undefined) => Promise<void>): Promise<void> {
    return this.#engine.transact(async (db) => {
      await db.run(ALONE, `omniq transfer ${this.#schema}`);
      const there = await this.#mark(db);
      expectGuarded(this.name, there, guard);
      await step(db, there);
    });
  }
}

async function countsOf(db: Db): Promise<Readonly<Record<MovedTable, number>>> {
  const found: Partial<Record<MovedTable, number>> = {};
  for (const table of MOVED_TABLES) found[table] = int((await db.get(`SELECT count(*) AS n FROM {${table}}`))?.["n"]);
  return found as Record<MovedTable, number>;
}

/** A worker that was here before the queue moved away has left its row, and comes back with the queue. */
const REPLACED = ` ON CONFLICT (id) DO UPDATE SET ${Object.keys(SHAPES.workers.columns)
  .filter((name) => name !== "id")
  .map((name) => `${name} = excluded.${name}`)
  .join(", ")}`;

async function fence(db: Db, mark: MoveMark): Promise<void> {
  await refusal(db, "moved", `${MOVED_TEXT}${mark.other}`);
  // Behind whoever writes a child now: reminders are PostgreSQL's alone, notes are moved.
  await db.run("LOCK TABLE {tasks} IN SHARE ROW EXCLUSIVE MODE");
  await db.run("INSERT INTO {releases}(parent, status) SELECT DISTINCT parent, 'cancelled' FROM {reminders} ON CONFLICT DO NOTHING");
  await db.run("DELETE FROM {reminders}");
  // Each waits until nobody writes any more, and keeps new writers out until we commit.
  for (const table of MOVED_TABLES) {
    await db.run(`DROP TRIGGER IF EXISTS omniq_moved ON {${table}}`);
    await db.run(
      `CREATE TRIGGER omniq_moved BEFORE INSERT OR UPDATE OR DELETE ON {${table}} FOR EACH STATEMENT EXECUTE FUNCTION {omniq_moved}()`,
    );
  }
  await put(db, mark);
}

/** The function that refuses what would write. */
async function refusal(db: Db, why: "moved" | "arriving", text: string): Promise<void> {
  const quoted = text.replaceAll("'", "''").replaceAll("%", "%%");
  await db.run(
    `CREATE OR REPLACE FUNCTION {omniq_${why}}() RETURNS trigger LANGUAGE plpgsql AS $omniq$ BEGIN RAISE EXCEPTION '${quoted}' USING ERRCODE = 'OQ001'; END $omniq$`,
  );
}

async function allow(db: Db, why: "moved" | "arriving"): Promise<void> {
  for (const table of MOVED_TABLES) await db.run(`DROP TRIGGER IF EXISTS omniq_${why} ON {${table}}`);
  await db.run(`DROP FUNCTION IF EXISTS {omniq_${why}}()`);
}

async function put(db: Db, mark: MoveMark): Promise<void> {
  await db.run(MARKS);
  await db.run(PUT, JSON.stringify(mark));
}
