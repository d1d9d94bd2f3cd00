/**
 * Rows that fit together no longer: made by hand, by a disk, or left over where rows beside them were lost. Each kind is put where the usual
 * course of things takes it up again; none is ended here, so that no callback, dependent or event is forgotten.
 */
import { FINALS } from "../../core/task.ts";
import { STAGE } from "../shared/stage.ts";
import { int } from "../shared/values.ts";
import type { Db, Sql } from "./db.ts";
import { NAMED_PARENT } from "./schema.ts";

export interface Mend {
  /** A stable name, for programs. */
  readonly check: string;
  /** What is wrong, with the number of rows in front. */
  readonly says: string;
  /** What becomes of them. */
  readonly becomes: string;
}
interface Rule extends Mend {
  /** Condition of the rows of `table` that are meant. */
  readonly table: "tasks" | "dependencies";
  readonly where: Sql;
  readonly mend: Sql;
}

const ENDED = `status IN (${FINALS.map((status) => `'${status}'`).join(", ")}) AND next_retry_at IS NULL`;
const EDGES = "(SELECT count(*) FROM {dependencies} d WHERE d.child = {tasks}.rid)";
const WAITS = `iif(status IN ('pending', 'failed'), status, 'pending')`;
const PAIR = "WHERE d.parent = p.id AND d.child = {tasks}.rid";
/** The parents that a row names, are there, and know nothing of it, neither before their end nor after. */
const UNKNOWN = `json_each(iif(json_valid({tasks}.depends_on), {tasks}.depends_on, '[]')) e JOIN {tasks} p ON p.id = ${NAMED_PARENT} AND p.rid < {tasks}.rid
  AND NOT EXISTS (SELECT 1 FROM {dependencies} d ${PAIR}) AND NOT EXISTS (SELECT 1 FROM {dependents} d ${PAIR})`;
/** The worker of a row that says that it is held, and that no observer knows of. */
const HOLDERLESS = `stage IN (${STAGE.running}, ${STAGE.doomed}) AND worker IS NOT NULL AND worker NOT IN (SELECT rid FROM {workers})`;

/** In this order: what one sets right, the next one counts with. */
const RULES: readonly Rule[] = [
  {
    check: "stage.unknown",
    says: "lie where no worker looks",
    becomes: "become due, or ended, as their status says",
    table: "tasks",
    where: `stage NOT IN (${Object.values(STAGE).join(", ")})`,
    mend: `UPDATE {tasks} SET stage = iif(${ENDED}, ${STAGE.finished}, ${STAGE.timed}), worker = NULL, status = iif(${ENDED}, status, ${WAITS})`,
  },
  {
    check: "stage.ended",
    says: "lie among the ended, though they have not ended",
    becomes: "become due again",
    table: "tasks",
    where: `stage = ${STAGE.finished} AND NOT (${ENDED})`,
    mend: `UPDATE {tasks} SET stage = ${STAGE.timed}, worker = NULL, completed_at = NULL, status = ${WAITS}`,
  },
  {
    check: "stage.waiting",
    says: "have ended, and lie among those that wait",
    becomes: "are ended",
    table: "tasks",
    where: `stage IN (${STAGE.ready}, ${STAGE.timed}, ${STAGE.blocked}) AND ${ENDED}`,
    mend: `UPDATE {tasks} SET stage = ${STAGE.finished}, worker = NULL, open_parents = 0, completed_at = coalesce(completed_at, started_at, created_at)`,
  },
  {
    check: "claims.holderless",
    says: "are held by a worker that is not in the list of workers",
    becomes: "are taken for those of a lost one, and found by the others",
    table: "tasks",
    where: HOLDERLESS,
    mend: `INSERT INTO {workers}(rid, id, beat, role, host, boot, pid, started, lease_ms, queues, names, concurrency, arrived_at, seen_at)
      SELECT DISTINCT worker, 'lost-' || worker, 1, 'worker', '', '', 0, '', 1000, '[]', '[]', 0, 0, 0 FROM {tasks}`,
  },
  {
    check: "dependencies.left",
    says: "belong to no task that waits",
    becomes: "are taken away",
    table: "dependencies",
    where: `child NOT IN (SELECT rid FROM {tasks} WHERE stage IN (${STAGE.blocked}, ${STAGE.doomed}))`,
    mend: "DELETE FROM {dependencies}",
  },
  {
    check: "dependencies.lost",
    says: "wait for a task that knows nothing of them",
    becomes: "wait for it again, or are freed where it has ended",
    table: "tasks",
    where: `{tasks}.stage = ${STAGE.blocked} AND EXISTS (SELECT 1 FROM ${UNKNOWN})`,
    mend: `INSERT INTO {dependencies}(parent, child, policy) SELECT p.id, {tasks}.rid, e.type = 'array' FROM {tasks} CROSS JOIN ${UNKNOWN}`,
  },
  {
    check: "dependents.lost",
    says: "may ask what an ended task came to, which knows nothing of them",
    becomes: "are told to it, so that it is kept for them",
    table: "tasks",
    where: `{tasks}.stage IN (${STAGE.ready}, ${STAGE.timed}, ${STAGE.running}) AND {tasks}.depends_on IS NOT NULL
      AND EXISTS (SELECT 1 FROM ${UNKNOWN} AND p.stage = ${STAGE.finished})`,
    mend: `INSERT INTO {dependents}(parent, child) SELECT p.id, {tasks}.rid FROM {tasks} CROSS JOIN ${UNKNOWN} AND p.stage = ${STAGE.finished}`,
  },
  {
    check: "dependencies.unreleased",
    says: "wait for a task that has ended or is gone, and nobody frees them",
    becomes: "are freed, or cancelled with it, as they asked",
    table: "dependencies",
    where: `parent NOT IN (SELECT id FROM {tasks} WHERE stage <> ${STAGE.finished}) AND parent NOT IN (SELECT parent FROM {releases})`,
    // Of one that is gone nobody knows how it ended: its children are treated as those of one that was cancelled.
    mend: `INSERT INTO {releases}(parent, status) SELECT DISTINCT parent, coalesce((SELECT status FROM {tasks} WHERE id = parent), 'cancelled')
      FROM {dependencies}`,
  },
  {
    check: "dependencies.count",
    says: "count their open parents wrongly",
    becomes: "are counted again; those without any become due",
    table: "tasks",
    where: `stage = ${STAGE.blocked} AND (open_parents <> ${EDGES} OR open_parents = 0)`,
    mend: `UPDATE {tasks} SET open_parents = ${EDGES}, stage = iif(${EDGES} = 0, ${STAGE.timed}, stage)`,
  },
];

export interface Misfits extends Mend {
  readonly table: Rule["table"];
  readonly rows: number;
}

const where = ({ where: condition }: Rule): Sql => `WHERE ${condition}`;

/** What of it there is. Reads whole tables: for a person who asks. */
export function misfits(db: Db): readonly Misfits[] {
  return RULES.flatMap((rule) => {
    const rows = int(db.get(`SELECT count(*) AS n FROM {${rule.table}} ${where(rule)}`)?.["n"]);
    const { check, says, becomes, table } = rule;
    return rows === 0 ? [] : [{ check, says, becomes, table, rows }];
  });
}

/** Mends all of it, inside the caller's transaction. */
export function mend(db: Db): void {
  for (const rule of RULES) db.run(`${rule.mend} ${where(rule)}`);
}
