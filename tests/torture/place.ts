/** Where a round of torture lies: a database of its own on an engine, how its processes open it, and how it is looked into from outside. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Pool } from "pg";
import { dropSchema } from "../fixtures/drop-schema.ts";
import type { PoolClient } from "pg";
import type { OmniQOptions } from "../../src/index.ts";

/** What one look finds. */
export interface Facts {
  /** `ok`, or what is wrong with the file. */
  readonly integrity: string;
  readonly tasks: ReadonlyMap<string, { readonly status: string; readonly fence: number; readonly isOver: boolean }>;
  /** Oldest first. */
  readonly events: readonly { readonly task: string; readonly type: string; readonly worker: string }[];
  readonly results: ReadonlyMap<string, { readonly status: string; readonly fence: number; readonly value: string }>;
}

export interface Place {
  readonly engine: "sqlite" | "postgres";
  readonly options: OmniQOptions;
  readonly dir: string;
  /** Beside the database, never in it. */
  readonly journal: string;
  /** A whole look; undefined while there are no tables. */
  look(): Promise<Facts | undefined>;
  /** How many running tasks these processes hold. */
  heldBy(pids: readonly number[]): Promise<number>;
  /** Whether somebody holds the one lock for writing. */
  isLocked(): boolean;
  remove(): Promise<void>;
}

/** One whose file is known. */
export interface FilePlace extends Place {
  readonly file: string;
}

const FINISHED = 6;
const TASKS = "SELECT id, status, fence, stage FROM tasks";
const EVENTS = "SELECT task_id, event_type, worker_id FROM events WHERE task_id IS NOT NULL ORDER BY seq";
const RESULTS = "SELECT task_id, status, fence, result FROM results";
/** A running task names its worker by `rid` in SQLite, by `id` in PostgreSQL. */
const heldOf = (key: "rid" | "id"): string =>
  `SELECT w.pid FROM tasks t JOIN workers w ON w.${key} = t.worker WHERE t.stage > 3 AND t.stage < ${FINISHED}`;

type Row = Readonly<Record<string, unknown>>;
const text = (value: unknown): string => (typeof value === "string" ? value : "");

function factsOf(integrity: string, tasks: readonly Row[], events: readonly Row[], results: readonly Row[]): Facts {
  return {
    integrity,
    tasks: new Map(
      tasks.map(({ id, status, fence, stage }) => [
        text(id),
        { status: text(status), fence: Number(fence), isOver: Number(stage) === FINISHED },
      ]),
    ),
    events: events.map((row) => ({ task: text(row["task_id"]), type: text(row["event_type"]), worker: text(row["worker_id"]) })),
    results: new Map(
      results.map((row) => [
        text(row["task_id"]),
        { status: text(row["status"]), fence: Number(row["fence"]), value: text(row["result"]) },
      ]),
    ),
  };
}

/** Looks into an open file. @throws whatever SQLite says of a damaged one. */
export function lookInto(db: DatabaseSync): Facts | undefined {
  const all = (sql: string): Row[] => db.prepare(sql).all();
  db.exec("BEGIN");
  try {
    const integrity = all("PRAGMA integrity_check").map((row) => text(row["integrity_check"]));
    if (all("SELECT name FROM sqlite_schema WHERE name = 'events'").length === 0) return undefined;
    return factsOf(integrity.join("; "), all(TASKS), all(EVENTS), all(RESULTS));
  } finally {
    db.exec("COMMIT");
  }
}

export function sqlitePlace(): FilePlace {
  const dir = mkdtempSync(join(tmpdir(), "omniq-torture-"));
  const file = join(dir, "torture.db");
  const reading = <T>(read: (db: DatabaseSync) => T): T => {
    const db = new DatabaseSync(file, { timeout: 10_000 });
    try {
      return read(db);
    } finally {
      db.close();
    }
  };
  return {
    engine: "sqlite",
    file,
    options: { projectName: "torture", baseDir: dir },
    dir,
    journal: join(dir, "journal"),
    look: () => Promise.resolve(reading(lookInto)),
    heldBy: (pids) =>
      Promise.resolve(
        reading(
          (db) =>
            db
              .prepare(heldOf("rid"))
              .all()
              .filter(({ pid }) => pids.includes(Number(pid))).length,
        ),
      ),
    isLocked: () => {
      const db = new DatabaseSync(file, { timeout: 50 });
      try {
        db.exec("BEGIN IMMEDIATE; ROLLBACK");
        return false;
      } catch {
        return true;
      } finally {
        db.close();
      }
    },
    remove: () => {
      rmSync(dir, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}

/** A dozen processes share the server with others. */
function withFewConnections(url: string): string {
  const few = new URL(url);
  few.searchParams.set("connections", "3");
  return few.href;
}

let schemas = 0;

export function postgresPlace(url: string): Place {
  const dir = mkdtempSync(join(tmpdir(), "omniq-torture-"));
  const schema = `omniq_torture_${process.pid}_${schemas++}`;
  const pool = new Pool({ connectionString: url, max: 1, options: `-c search_path=${schema}` });
  const reading = async <T>(read: (rows: (sql: string) => Promise<readonly Row[]>) => Promise<T>): Promise<T> => {
    const client: PoolClient = await pool.connect();
    try {
      await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
      return await read(async (sql) => (await client.query<Row>(sql)).rows);
    } finally {
      await client.query("COMMIT");
      client.release();
    }
  };
  return {
    engine: "postgres",
    options: { url: withFewConnections(url), schema },
    dir,
    journal: join(dir, "journal"),
    look: () =>
      reading(async (rows) => {
        if ((await rows(`SELECT 1 FROM pg_tables WHERE schemaname = '${schema}' AND tablename = 'events'`)).length === 0) return undefined;
        return factsOf("ok", await rows(TASKS), await rows(EVENTS), await rows(RESULTS));
      }),
    heldBy: (pids) => reading(async (rows) => (await rows(heldOf("id"))).filter(({ pid }) => pids.includes(Number(pid))).length),
    isLocked: () => false,
    remove: async () => {
      await dropSchema(pool, schema);
      await pool.end();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
