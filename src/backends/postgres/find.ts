/** Pages of tasks, newest first: what an index leads to, then the rows that all of the filter means. */
import type { TaskPage, TaskQuery } from "../../core/backend.ts";
import { FIND_WINDOW, pageOf, placeAfter, sizesOf, wayOf } from "../../core/find.ts";
import type { Ended, Place, Way } from "../../core/find.ts";
import type { Phase } from "../../core/task.ts";
import { isInPhase } from "../shared/phase.ts";
import { STAGE } from "../shared/stage.ts";
import { storedTask } from "../shared/task-row.ts";
import { int } from "../shared/values.ts";
import type { Db, Sql } from "./db.ts";
import type { Param, Row } from "./link.ts";
import { TASK_COLUMNS } from "./task-row.ts";

/** The parameters of a statement as it is put together. */
class Params {
  readonly values: Param[] = [];

  add(value: Param): Sql {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

function conditions(query: TaskQuery, params: Params): readonly Sql[] {
  const terms: Sql[] = [];
  const term = (sql: (param: Sql) => Sql, value: Param | undefined): void => {
    if (value !== undefined) terms.push(sql(params.add(value)));
  };
  term((p) => `queue_name = ${p}`, query.queue);
  term((p) => `func = ${p}`, query.func);
  term((p) => `status = ${p}`, query.status);
  term((p) => `schedule_id = ${p}`, query.scheduleId);
  term((p) => `created_at >= ${p}`, query.createdFrom);
  term((p) => `created_at <= ${p}`, query.createdTo);
  if (query.phase !== undefined) terms.push(isInPhase(query.phase, "{now}"));
  for (const tag of query.tags ?? []) term((p) => `tags @> ARRAY[${p}::text]`, tag);
  return terms;
}

/** Where a phase lies, in no order: read as a whole where there are few. */
const PLACES: Readonly<Partial<Record<Phase, readonly Sql[]>>> = {
  ready: [`stage = ${STAGE.ready}`, `stage = ${STAGE.timed}`],
  delayed: [`stage = ${STAGE.timed}`],
  retrying: [`stage = ${STAGE.timed}`],
  blocked: [`stage = ${STAGE.blocked}`],
  running: ["stage > 3 AND stage < 6"],
  completed: [`stage = ${STAGE.finished} AND status = 'completed'`],
};

/** All of a phase, if it fits into a window: a few among a million are found at once, whatever else is asked. */
async function few(db: Db, phase: Phase | undefined): Promise<Sql | undefined> {
  const places = phase === undefined ? undefined : PLACES[phase];
  if (places === undefined) return undefined;
  const rids = places.map((place) => `SELECT rid FROM {tasks} WHERE ${place}`).join(" UNION ALL ");
  const row = await db.get(`SELECT count(*) AS n FROM (${rids} LIMIT ${FIND_WINDOW + 1}) AS w`);
  return int(row?.["n"]) > FIND_WINDOW ? undefined : rids;
}

const ORDER = "ORDER BY created_at DESC, rid DESC";

/** The newest entries after a place, in the order of the index that the way has. */
function entries(query: TaskQuery, way: Way, { createdAt, arrived }: Place, size: number, params: Params): Sql {
  const limit = `LIMIT ${size}`;
  if (way.by === "none") return `SELECT created_at, rid FROM {tasks} WHERE rid < ${params.add(arrived)} ORDER BY rid DESC ${limit}`;
  const from = query.createdFrom === undefined ? "" : `AND created_at >= ${params.add(query.createdFrom)}`;
  const span = `${from} AND (created_at, rid) < (${params.add(createdAt)}, ${params.add(arrived)}) ${ORDER} ${limit}`;
  const along = (where: Sql): Sql => `SELECT created_at, rid FROM {tasks} WHERE ${where} ${span}`;
  const byEnd = (end: Ended): Sql => along(`stage = ${STAGE.finished} AND status <> 'completed' AND status = '${end}'`);
  switch (way.by) {
    case "scheduleId":
      return along(`schedule_id = ${params.add(way.value)}`);
    case "func":
      return along(`func = ${params.add(way.value)}`);
    case "queue":
      return along(`queue_name = ${params.add(way.value)}`);
    case "phase":
      if (way.value === "failed") return byEnd("failed");
      // Those that are marked, and wait to be ended, belong to them.
      return `SELECT * FROM ((${byEnd(way.value)}) UNION ALL (${along(`stage = ${STAGE.doomed}`)})) AS both_ends ${ORDER} ${limit}`;
  }
}

/**
 * A table of which the server has no statistics yet looks small: it would gather all that an index leads to and sort that, for the first
 * few. Here every statement has an index that has the order.
 */
const IN_ORDER: Sql = "SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true)";

/** Within a transaction, to which its settings are confined. */
export async function find(db: Db, query: TaskQuery): Promise<TaskPage> {
  await db.run(IN_ORDER);
  const way = wayOf(query);
  const place = placeAfter(query, way);
  const all = await few(db, query.phase);
  let rows: readonly Row[] = [];
  for (const size of all === undefined ? sizesOf(query, way) : [0]) {
    rows = await rowsOf(db, query, way, place, (params) => all ?? entries(query, way, place, size, params));
    if (rows.length > query.limit) break;
  }
  const page = rows.slice(0, query.limit);
  const isFull = rows.length > page.length;
  const end = isFull ? placeOf(page.at(-1)) : all === undefined ? await bottom(db, query, way, place) : undefined;
  const items = page.map((row) => storedTask(row, int(row["now"])));
  return pageOf(items, end, way);
}

/** The rows of a window that all of the filter means, and one more than the page has. */
async function rowsOf(
  db: Db,
  query: TaskQuery,
  { by }: Way,
  { createdAt, arrived }: Place,
  window: (params: Params) => Sql,
): Promise<readonly Row[]> {
  const params = new Params();
  // `OFFSET 0` keeps the planner with the rows of the window: it would seek each of them along the index of a filter.
  const looked = `SELECT * FROM {tasks} WHERE rid = ANY(ARRAY(SELECT rid FROM (${window(params)}) AS entries)) OFFSET 0`;
  const before = by === "none" ? `rid < ${params.add(arrived)}` : `(created_at, rid) < (${params.add(createdAt)}, ${params.add(arrived)})`;
  const terms = [before, ...conditions(query, params)].join(" AND ");
  const order = by === "none" ? "ORDER BY rid DESC" : ORDER;
  const sql = `SELECT ${TASK_COLUMNS}, {now} AS now FROM (${looked}) AS looked WHERE ${terms} ${order} LIMIT ${params.add(query.limit + 1)}`;
  return db.all(sql, ...params.values);
}

/** The last entry of a window that is full: there may be more behind it. */
async function bottom(db: Db, query: TaskQuery, way: Way, place: Place): Promise<Place | undefined> {
  const params = new Params();
  const window = entries(query, way, place, FIND_WINDOW, params);
  return placeOf(await db.get(`SELECT created_at, rid FROM (${window}) AS entries LIMIT 1 OFFSET ${FIND_WINDOW - 1}`, ...params.values));
}

function placeOf(row: Row | undefined): Place | undefined {
  return row === undefined ? undefined : { createdAt: int(row["created_at"]), arrived: int(row["rid"]) };
}
