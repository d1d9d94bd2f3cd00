/** What keeps ended tasks from coming back: another holds their unique key, or none of their schedule may overlap. */
import type { RequeueConflict } from "../../core/backend.ts";
import { isOutlived } from "../shared/replace.ts";
import { allowsOverlap } from "../shared/schedule-row.ts";
import { STAGE } from "../shared/stage.ts";
import { int, optionalStr, str } from "../shared/values.ts";
import { LIST, list } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import { holder, holdersOf, outlived } from "./holders.ts";
import type { Row } from "./link.ts";
import { OPEN } from "./schedules.ts";

const SCHEDULES: Sql = `SELECT id, policy FROM {schedules} WHERE id = ANY(ARRAY(SELECT schedule_id FROM {tasks} WHERE id = ANY(${LIST(1)})
  AND schedule_id IS NOT NULL)) ORDER BY id FOR UPDATE`;

/** The schedules of these tasks of which none may overlap. They are locked, before the tasks as by a firing: only one finds nothing open. */
export async function lockExclusive(db: Db, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await db.all(SCHEDULES, list(ids));
  return new Set(rows.filter((row) => !allowsOverlap(row["policy"])).map((row) => str(row["id"])));
}

/** What an ended task takes when it comes back. */
interface Wanted {
  readonly id: string;
  readonly key: string | undefined;
  readonly scheduleId: string | undefined;
}

/** Those that hold their key still, for a length of time, need not take it. */
function wantedBy(ids: readonly string[], rows: ReadonlyMap<string, Row>, exclusive: ReadonlySet<string>): readonly Wanted[] {
  return [...new Set(ids)].flatMap((id) => {
    const row = rows.get(id);
    if (row?.["stage"] !== STAGE.finished || row["status"] === "completed") return [];
    const scheduleId = optionalStr(row["schedule_id"]);
    const key = row["unique_key"] === null ? optionalStr(row["asked_key"]) : undefined;
    return [{ id, key, scheduleId: exclusive.has(scheduleId ?? "") ? scheduleId : undefined }];
  });
}

/**
 * By the id of the task, in the order asked: one that comes back keeps the later ones away. Holders that have outlived their key let go of it.
 * @param rows the tasks, locked. @param exclusive the schedules of which none may overlap, locked.
 */
export async function obstaclesTo(
  db: Db,
  ids: readonly string[],
  rows: ReadonlyMap<string, Row>,
  exclusive: ReadonlySet<string>,
): Promise<ReadonlyMap<string, RequeueConflict>> {
  const wanted = wantedBy(ids, rows, exclusive);
  const open = await openOf(db, wanted);
  const { holders, over } = await holdersFor(db, wanted);
  const found = new Map<string, RequeueConflict>();
  const freed: string[] = [];
  for (const { id, key, scheduleId } of wanted) {
    const [other, held] = [open.get(scheduleId ?? ""), holders.get(key ?? "")];
    if (other !== undefined) found.set(id, { is: "conflict", over: "overlap", taskId: other });
    else if (held !== undefined) found.set(id, { is: "conflict", over: "unique", taskId: held });
    if (found.has(id)) continue;
    if (scheduleId !== undefined) open.set(scheduleId, id);
    if (key !== undefined) holders.set(key, id);
    freed.push(...(over.get(key ?? "") ?? []));
  }
  await outlived(db, freed);
  return found;
}

/** The first open task of each schedule. */
async function openOf(db: Db, wanted: readonly Wanted[]): Promise<Map<string, string>> {
  const open = new Map<string, string>();
  for (const id of new Set(wanted.flatMap(({ scheduleId }) => scheduleId ?? []))) {
    const row = await db.get(OPEN, id);
    if (row !== undefined) open.set(id, str(row["id"]));
  }
  return open;
}

/** Who holds each key, and who has outlived it. */
async function holdersFor(db: Db, wanted: readonly Wanted[]) {
  const rows = await holdersOf(db, [...new Set(wanted.flatMap(({ key }) => key ?? []))]);
  const now = rows.length === 0 ? 0 : int((await db.get("SELECT {now} AS now"))?.["now"]);
  const of = (isOver: boolean) => rows.filter((row) => isOutlived(now, holder(row)) === isOver);
  const named = (row: Row) => [str(row["unique_key"]), str(row["id"])] as const;
  return { holders: new Map(of(false).map(named)), over: new Map(of(true).map((row) => [named(row)[0], [named(row)[1]]] as const)) };
}
