/** Moving from and to an SQLite file. */
import { StorageError } from "../../core/errors.ts";
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
import { int, json, str } from "../shared/values.ts";
import type { Row } from "../shared/values.ts";
import { CHECKED, checksumOf, isRowDamaged } from "./checksum.ts";
import type { CheckedTable } from "./checksum.ts";
import { Db } from "./db.ts";
import { storageError } from "./failure.ts";
import { nodeLibrary } from "./library.ts";
import type { Connection } from "./library.ts";
import { refuseSecondName } from "./second-name.ts";

const WAIT = 10_000;
const MARKS = "CREATE TABLE IF NOT EXISTS {omniq_transfer} (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID";
const HELD = "SELECT count(*) AS n FROM {tasks} WHERE stage > 3 AND stage < 6 AND worker IS NOT NULL";
const WORKER_ID = "(SELECT w.id FROM {workers} w WHERE w.rid = t.worker) AS worker";
const WRITES = ["INSERT", "UPDATE", "DELETE"] as const;

/** @param path of a file whose tables are there and current. */
export function sqliteMover(path: string, tablePrefix: string): Mover {
  refuseSecondName(path);
  return new SqliteMover(path, tablePrefix);
}

/** A file as people know it. */
export function sqliteName(path: string, tablePrefix: string): string {
  return tablePrefix === "" ? path : `${path}, prefix ${tablePrefix}`;
}

/** Triggers that are there while a database is moved, and behind. */
export const MOVE_TRIGGERS = /omniq_(?:moved|arriving)_[a-z]+_(?:insert|update|delete)$/;

const trigger = (why: "moved" | "arriving", table: MovedTable, write: (typeof WRITES)[number]): string =>
  `{omniq_${why}_${table}_${write.toLowerCase()}}`;

const isChecked = (table: MovedTable): table is CheckedTable => table in CHECKED;

function withChecksum(table: CheckedTable, row: MovedRow): MovedRow {
  return { ...row, checksum: checksumOf(...CHECKED[table].map((column) => row[column])) };
}

class SqliteMover implements Mover {
  readonly name: string;
  readonly #connection: Connection;
  readonly #db: Db;

  constructor(path: string, tablePrefix: string) {
    this.name = sqliteName(path, tablePrefix);
    this.#connection = nodeLibrary.open(path, { wait: WAIT });
    this.#db = new Db(this.#connection, tablePrefix);
  }

  mark(): Promise<MoveMark | undefined> {
    return this.#do(() => this.#mark());
  }

  setMark(mark: MoveMark, guard: Guard): Promise<void> {
    return this.#whole(guard, () => {
      this.#put(mark);
    });
  }

  counts(): Promise<Readonly<Record<MovedTable, number>>> {
    return this.#do(() => this.#counts());
  }

  floors(): Promise<Floors> {
    return this.#do(() => {
      const value = (key: string): number => int(this.#db.get("SELECT value FROM {omniq_meta} WHERE key = ?", key)?.["value"] ?? 0);
      return { fence: value("fence_floor"), revision: value("revision_floor") };
    });
  }

  drain(guard: Guard): Promise<void> {
    return this.#whole(guard, () => {
      this.#db.run(
        `INSERT INTO {queues}(name, paused_at) SELECT DISTINCT queue_name, ${PAUSED_FOR_MOVE} FROM {tasks} WHERE stage < 4
         AND queue_name NOT IN (SELECT name FROM {queues} WHERE paused_at IS NOT NULL) ON CONFLICT(name) DO UPDATE SET paused_at = excluded.paused_at`,
      );
    });
  }

  running(): Promise<number> {
    return this.#do(() => int(this.#db.get(HELD)?.["n"]));
  }

  fence(mark: MoveMark, guard: Guard): Promise<void> {
    return this.#whole(guard, () => {
      this.#fence(mark);
    });
  }

  leave(mark: MoveMark, guard: Guard): Promise<void> {
    return this.#whole(guard, () => {
      const triggers = new Set(this.#db.all("SELECT name FROM sqlite_schema WHERE type = 'trigger'").map((row) => str(row["name"])));
      const wanted = MOVED_TABLES.flatMap((table) => WRITES.map((write) => this.#bare(trigger("moved", table, write))));
      expectClosed(
        this.name,
        wanted.every((name) => triggers.has(name)),
      );
      this.#put(mark);
    });
  }

  reopen(guard: Guard): Promise<void> {
    return this.#whole(guard, () => {
      this.#allow("moved");
      this.#db.run(`UPDATE {queues} SET paused_at = NULL WHERE paused_at = ${PAUSED_FOR_MOVE}`);
      this.#exec("DROP TABLE IF EXISTS {omniq_transfer}");
    });
  }

  receive(mark: MoveMark, replace: boolean, guard: Guard): Promise<void> {
    return this.#whole(guard, () => {
      if (!replace) expectEmpty(this.name, this.#counts());
      this.#allow("moved");
      this.#allow("arriving");
      for (const table of COMPARED_TABLES) {
        this.#db.run(`DELETE FROM {${table}}`);
        this.#refuse(table, WRITES, "arriving", `${ARRIVING_TEXT}${mark.other}`);
      }
      this.#put(mark);
    });
  }

  read(table: MovedTable, after: readonly Cell[] | null): Promise<readonly MovedRow[]> {
    return this.#do(() => {
      const { key, columns } = SHAPES[table];
      const by = key.join(", ");
      const where = after === null ? "" : `WHERE (${by}) > (${key.map(() => "?").join(", ")})`;
      const texts = Object.entries(columns).flatMap(([name, type]) =>
        type === "text" && name !== "worker" ? [`coalesce(octet_length(t.${name}), 0)`] : [],
      );
      const sizes = this.#db.all(
        `SELECT 100 + ${["0", ...texts].join(" + ")} AS size FROM {${table}} t ${where} ORDER BY ${by} LIMIT ${BATCH_ROWS}`,
        ...(after ?? []),
      );
      const names = Object.keys(columns).map((name) => (table === "tasks" && name === "worker" ? WORKER_ID : `t.${name}`));
      const most = batchOf(sizes.map((row) => int(row["size"])));
      if (most === 0) return [];
      if (isChecked(table)) names.push("t.checksum");
      const rows = this.#db.all(`SELECT ${names.join(", ")} FROM {${table}} t ${where} ORDER BY ${by} LIMIT ?`, ...(after ?? []), most);
      return rows.map(({ checksum, ...row }) => {
        if (isChecked(table) && isRowDamaged(table, { ...row, checksum: checksum ?? null })) throw this.#damaged(table, row);
        return told(table, row as MovedRow);
      });
    });
  }

  write(table: MovedTable, rows: readonly MovedRow[], mark: MoveMark, guard: Guard): Promise<void> {
    return this.#whole(guard, () => {
      const names = [...Object.keys(SHAPES[table].columns), ...(isChecked(table) ? ["checksum"] : [])];
      const values = names.map((name) => (table === "tasks" && name === "worker" ? "(SELECT rid FROM {workers} WHERE id = ?)" : "?"));
      // A worker that was here before the queue moved away has left its row, and comes back with the queue.
      const insert = `INSERT ${table === "workers" ? "OR REPLACE " : ""}INTO {${table}}(${names.join(", ")}) VALUES (${values.join(", ")})`;
      this.#exec(`DROP TRIGGER IF EXISTS ${trigger("arriving", table, "INSERT")}`);
      for (const row of rows) {
        const one = isChecked(table) ? withChecksum(table, waiting(table, row)) : waiting(table, row);
        this.#db.run(insert, ...names.map((name) => one[name] ?? null));
      }
      if (table !== "workers") this.#refuse(table, ["INSERT"], "arriving", `${ARRIVING_TEXT}${mark.other}`);
      this.#put(mark);
    });
  }

  finish({ fence }: Floors, mark: MoveMark, guard: Guard): Promise<void> {
    return this.#whole(guard, () => {
      this.#allow("arriving");
      this.#db.run(`UPDATE {tasks} SET stage = stage - ${WAITING_STAGE} WHERE stage >= ${WAITING_STAGE}`);
      this.#db.run(WORKERS_COUNT);
      this.#db.run(`UPDATE {schedules} SET status = substr(status, ${WAITING_STATUS.length + 1}) WHERE status LIKE '${WAITING_STATUS}%'`);
      this.#db.run(
        "UPDATE {omniq_meta} SET value = max(value, ?, (SELECT coalesce(max(fence), 0) FROM {tasks})) WHERE key = 'fence_floor'",
        fence,
      );
      this.#put(mark);
    });
  }

  wipe(guard: Guard): Promise<void> {
    return this.#whole(guard, (there) => {
      this.#allow("arriving");
      for (const table of MOVED_TABLES) this.#db.run(`DELETE FROM {${table}}`);
      this.#exec("DROP TABLE IF EXISTS {omniq_transfer}");
      if (there?.before !== undefined) this.#fence(there.before);
    });
  }

  close(): Promise<void> {
    this.#connection.close();
    return Promise.resolve();
  }

  #mark(): MoveMark | undefined {
    const table = this.#bare("{omniq_transfer}");
    if (this.#db.get("SELECT 1 AS one FROM sqlite_schema WHERE type = 'table' AND name = ?", table) === undefined) return undefined;
    const mark = json(this.#db.get("SELECT value FROM {omniq_transfer} WHERE key = 'mark'")?.["value"]);
    return typeof mark === "object" && mark !== null ? (mark as MoveMark) : undefined;
  }

  /** A name as the schema of the file holds it. */
  #bare(name: string): string {
    return this.#db.named(name).slice(1, -1);
  }

  #counts(): Readonly<Record<MovedTable, number>> {
    const count = (table: MovedTable): number => int(this.#db.get(`SELECT count(*) AS n FROM {${table}}`)?.["n"]);
    return Object.fromEntries(MOVED_TABLES.map((table) => [table, count(table)])) as Record<MovedTable, number>;
  }

  #fence(mark: MoveMark): void {
    for (const table of MOVED_TABLES) this.#refuse(table, WRITES, "moved", `${MOVED_TEXT}${mark.other}`);
    this.#put(mark);
  }

  #refuse(table: MovedTable, writes: readonly (typeof WRITES)[number][], why: "moved" | "arriving", text: string): void {
    const quoted = text.replaceAll("'", "''");
    for (const write of writes)
      this.#exec(
        `CREATE TRIGGER IF NOT EXISTS ${trigger(why, table, write)} BEFORE ${write} ON {${table}} BEGIN SELECT RAISE(ABORT, '${quoted}'); END`,
      );
  }

  #damaged(table: CheckedTable, row: Row): StorageError {
    const name = `${table.slice(0, -1)} ${str(row["id"] ?? row["task_id"])}`;
    return new StorageError(
      "STORAGE_CORRUPT",
      `Expected ${name} in ${this.name} to be as it was written, but its checksum says that something has changed it: delete it before the move`,
    );
  }

  #allow(why: "moved" | "arriving"): void {
    for (const table of MOVED_TABLES) for (const write of WRITES) this.#exec(`DROP TRIGGER IF EXISTS ${trigger(why, table, write)}`);
  }

  #exec(sql: string): void {
    this.#connection.exec(this.#db.named(sql));
  }

  #put(mark: MoveMark): void {
    this.#exec(MARKS);
    this.#db.run(
      "INSERT INTO {omniq_transfer}(key, value) VALUES ('mark', ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value",
      JSON.stringify(mark),
    );
  }

  async #do<R>(step: () => R): Promise<R> {
    // A later turn, so that signals and the progress bar are served between the steps.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      return step();
    } catch (error) {
      throw storageError(error, this.name);
    }
  }

  /** One transaction. @throws StorageError `TRANSFER_OVERTAKEN` */
  #whole<R>(guard: Guard, step: (there: MoveMark | undefined) => R): Promise<R> {
    return this.#do(() => {
      this.#connection.exec("BEGIN IMMEDIATE");
      try {
        const there = this.#mark();
        expectGuarded(this.name, there, guard);
        const result = step(there);
        this.#connection.exec("COMMIT");
        return result;
      } catch (error) {
        if (this.#connection.inTransaction) this.#connection.exec("ROLLBACK");
        throw error instanceof StorageError ? error : storageError(error, this.name);
      }
    });
  }
}
