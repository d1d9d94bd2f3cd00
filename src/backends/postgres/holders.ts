/** Who holds a unique key, and what is locked of it while a call is weighed. */
import { MARK, STAGE } from "../shared/stage.ts";
import { int, optionalInt, optionalStr, str } from "../shared/values.ts";
import { LIST, list } from "./db.ts";
import type { Db, Sql } from "./db.ts";
import type { Row } from "./link.ts";

export interface Holder {
  readonly id: string;
  /** Undefined of one that is about to be written. */
  readonly rid: number | undefined;
  readonly stage: number;
  readonly until: number;
  readonly expiresAt: number | undefined;
  readonly scheduleId: string | undefined;
  /** What it waits for, as stored. */
  readonly edges: string | undefined;
}

export function holder(row: Row): Holder {
  return {
    id: str(row["id"]),
    rid: int(row["rid"]),
    stage: int(row["stage"]),
    until: int(row["unique_until"]),
    expiresAt: optionalInt(row["expires_at"]),
    scheduleId: optionalStr(row["schedule_id"]),
    edges: optionalStr(row["depends_on"]),
  };
}

const HOLDERS: Sql = `SELECT rid, id, unique_key, stage, unique_until, expires_at, schedule_id, depends_on FROM {tasks} WHERE unique_key = ANY(${LIST(1)})`;
const WAITING: Sql = `${HOLDERS} AND (stage < 4 OR stage = ${STAGE.finished}) ORDER BY id FOR UPDATE`;

/**
 * The rows that hold these keys. Invariant: what is kept or replaced does not start before the commit of who kept it, so that it sees what was
 * written beside. So those that wait are locked; not those that somebody runs or ends, whose end must not wait for a caller's transaction. One
 * that changes from one to the other in between is not answered: its key is met at the insert, and the call is weighed again.
 */
export async function holdersOf(db: Db, keys: readonly string[]): Promise<readonly Row[]> {
  if (keys.length === 0) return [];
  const rows = await db.all(HOLDERS, list(keys));
  const waiting = rows.filter((row) => !isHeld(row)).map((row) => str(row["unique_key"]));
  const held = rows.filter((row) => isHeld(row));
  return waiting.length === 0 ? held : [...held, ...(await db.all(WAITING, list(waiting)))];
}

function isHeld(row: Row): boolean {
  const stage = int(row["stage"]);
  return stage === STAGE.running || stage === STAGE.doomed;
}

const HAS_EXPIRED: Sql = "stage < 3 AND expires_at <= {now}";
const OUTLIVED: Sql = `UPDATE {tasks} SET unique_key = NULL, mark = CASE WHEN ${HAS_EXPIRED} THEN ${MARK.expired} ELSE mark END,
  stage = CASE WHEN ${HAS_EXPIRED} THEN ${STAGE.doomed} ELSE stage END WHERE id = ANY(${LIST(1)})`;

/** Takes the key of tasks that have outlived it; what has expired unseen and waits is marked to be ended. */
export async function outlived(db: Db, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await db.run(OUTLIVED, list(ids));
}
