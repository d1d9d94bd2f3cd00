/** Schedules: written by revision, fired by compare-and-set, an occurrence recorded once. */
import type { Schedules, Sync } from "../../core/backend.ts";
import type { NewEvent } from "../../core/event.ts";
import { runsOf, toldOf } from "../../core/occurrence.ts";
import type { Fired, Occurrence, Ran } from "../../core/occurrence.ts";
import { DEFAULT_SCHEDULE_POLICY } from "../../core/schedule.ts";
import type {
  Advance,
  FireAsk,
  Rule,
  RunAsk,
  SchedulePolicy,
  ScheduleQuery,
  ScheduleRow,
  ScheduleStatus,
  TaskTemplate,
} from "../../core/schedule.ts";
import { int, json, optionalInt, optionalStr, str } from "./db.ts";
import type { Db } from "./db.ts";
import { addTask } from "./enqueue.ts";
import type { Param, Row } from "./library.ts";
import { tagsOf } from "./task-row.ts";

const COLUMNS = [
  "revision",
  "status",
  "rule",
  "policy",
  "template",
  "task_id",
  "max_runs",
  "run_count",
  "created_at",
  "next_run_at",
  "last_run_at",
  "last_task_id",
  "paused_at",
  "resumed_at",
  "name",
  "description",
  "tags",
] as const;

function params(row: ScheduleRow, revision: number): Param[] {
  return [
    revision,
    row.status,
    JSON.stringify(row.rule),
    JSON.stringify(row.policy),
    JSON.stringify(row.template),
    row.taskId ?? null,
    row.maxRuns ?? null,
    row.runCount,
    row.createdAt,
    row.nextRunAt ?? null,
    row.lastRunAt ?? null,
    row.lastTaskId ?? null,
    row.pausedAt ?? null,
    row.resumedAt ?? null,
    row.name ?? null,
    row.description ?? null,
    row.tags.length === 0 ? null : JSON.stringify(row.tags),
  ];
}

const INSERT = `INSERT INTO {schedules}(${COLUMNS.join(", ")}, id) VALUES (${Array.from({ length: COLUMNS.length + 1 }, () => "?").join(", ")}) ON CONFLICT DO NOTHING`;
const UPDATE = `UPDATE {schedules} SET ${COLUMNS.map((column) => `${column} = ?`).join(", ")} WHERE id = ? AND revision = ?`;

export function put(db: Db, row: ScheduleRow, ifRevision?: number, events: readonly NewEvent[] = []): ReturnType<Sync<Schedules>["put"]> {
  const changed =
    ifRevision === undefined
      ? db.run(INSERT, ...params(row, revisionFloor(db) + 1), row.id)
      : db.run(UPDATE, ...params(row, ifRevision + 1), row.id, ifRevision);
  const now = db.get("SELECT * FROM {schedules} WHERE id = ?", row.id);
  if (changed > 0) {
    tell(db, events, []);
    db.hints.add("schedule");
  }
  return { is: changed > 0 ? "put" : "stale", row: now === undefined ? row : scheduleRow(now) };
}

/** The highest revision of the schedules that are gone: who read one of them must not take the next of its id for it. */
function revisionFloor(db: Db): number {
  return int(db.get("SELECT value FROM {omniq_meta} WHERE key = 'revision_floor'")?.["value"] ?? 0);
}

/** What only we write into these columns. */
function isRule(value: unknown): value is Rule {
  if (typeof value !== "object" || value === null || !("type" in value)) return false;
  switch (value.type) {
    case "cron":
      return "cron" in value && typeof value.cron === "string" && "timezone" in value && typeof value.timezone === "string";
    case "interval":
      return "every" in value && typeof value.every === "number" && value.every > 0 && value.every <= LAST_TIME;
    case "timestamp":
      return "at" in value && isTime(value.at);
    default:
      return value.type === "once";
  }
}

/** The last time that a `Date` can hold. */
const LAST_TIME = 8_640_000_000_000_000;

function isTime(value: unknown): boolean {
  return typeof value === "number" && Math.abs(value) <= LAST_TIME;
}
/** Absent in rows of the first version of the schema; `undefined` where it is broken. */
function policyOf(text: Param | undefined): SchedulePolicy | undefined {
  if (text === null) return DEFAULT_SCHEDULE_POLICY;
  const policy = json(text);
  return isPolicy(policy) ? policy : undefined;
}
function isPolicy(value: unknown): value is SchedulePolicy {
  if (typeof value !== "object" || value === null || !("catchUp" in value) || !("overlap" in value)) return false;
  const { catchUp, overlap, startAt = 0, endAt = 0, jitter = 0 }: Partial<Record<keyof SchedulePolicy, unknown>> = value;
  const all = typeof catchUp === "object" && catchUp !== null && "all" in catchUp ? catchUp.all : catchUp;
  const known = all === "skip" || all === "latest" || (typeof all === "number" && all >= 1);
  return known && (overlap === "allow" || overlap === "skip") && [startAt, endAt, jitter].every((time) => isTime(time));
}
function isTemplate(value: unknown): value is TaskTemplate {
  return typeof value === "object" && value !== null && "func" in value;
}
function isStatus(value: unknown): value is ScheduleStatus {
  return value === "active" || value === "paused" || value === "completed";
}

/** A row that somebody broke by hand reads as a completed one that never fires: it must not stop the others. */
function scheduleRow(row: Row): ScheduleRow {
  const [rule, template, status] = [json(row["rule"]), json(row["template"]), row["status"]];
  const policy = policyOf(row["policy"]);
  const whole = isRule(rule) && policy !== undefined && isTemplate(template) && isStatus(status) && isTime(row["next_run_at"] ?? 0);
  const out: { -readonly [K in keyof ScheduleRow]: ScheduleRow[K] } = {
    id: str(row["id"]),
    revision: int(row["revision"]),
    rule: isRule(rule) ? rule : { type: "once" },
    policy: policy ?? DEFAULT_SCHEDULE_POLICY,
    template: isTemplate(template) ? template : BROKEN,
    status: whole ? status : "completed",
    runCount: int(row["run_count"]),
    createdAt: int(row["created_at"]),
    tags: tagsOf(row["tags"]),
  };
  const number = (column: string, set: (value: number) => void): void => {
    const value = optionalInt(row[column]);
    if (value !== undefined) set(value);
  };
  const text = (column: string, set: (value: string) => void): void => {
    const value = optionalStr(row[column]);
    if (value !== undefined) set(value);
  };
  text("task_id", (v) => (out.taskId = v));
  number("max_runs", (v) => (out.maxRuns = v));
  number("next_run_at", (v) => (out.nextRunAt = v));
  number("last_run_at", (v) => (out.lastRunAt = v));
  text("last_task_id", (v) => (out.lastTaskId = v));
  number("paused_at", (v) => (out.pausedAt = v));
  number("resumed_at", (v) => (out.resumedAt = v));
  text("name", (v) => (out.name = v));
  text("description", (v) => (out.description = v));
  return out;
}

const BROKEN: TaskTemplate = {
  func: "",
  args: "null",
  queue: "default",
  priority: 0,
  tags: [],
  maxRetries: 0,
  retryDelay: 0,
  backoff: "fixed",
  atMostOnce: false,
  maxCrashes: 1,
  storeResult: false,
};

export function list(db: Db, query: ScheduleQuery): readonly ScheduleRow[] {
  if (query.ids !== undefined) {
    const rows = query.ids.flatMap((id) => db.all("SELECT * FROM {schedules} WHERE id = ?", id));
    const kept = rows.map((row) => scheduleRow(row)).filter((row) => matches(row, query));
    return kept.toSorted(byNextRun).slice(0, query.limit);
  }
  const order = "ORDER BY next_run_at IS NULL, next_run_at, id LIMIT (?+0)";
  if (query.dueBy !== undefined) {
    if (query.status !== undefined && query.status !== "active") return [];
    const due = "SELECT * FROM {schedules} WHERE status = 'active' AND next_run_at <= ? ORDER BY next_run_at, id LIMIT (?+0)";
    return db.all(due, query.dueBy, query.limit).map((row) => scheduleRow(row));
  }
  const rows =
    query.status === undefined
      ? db.all(`SELECT * FROM {schedules} ${order}`, query.limit)
      : db.all(`SELECT * FROM {schedules} WHERE status = ? ${order}`, query.status, query.limit);
  return rows.map((row) => scheduleRow(row));
}

function matches(row: ScheduleRow, query: ScheduleQuery): boolean {
  if (query.status !== undefined && row.status !== query.status) return false;
  return query.dueBy === undefined || (row.status === "active" && row.nextRunAt !== undefined && row.nextRunAt <= query.dueBy);
}

function byNextRun(a: ScheduleRow, b: ScheduleRow): number {
  const [at, bt] = [a.nextRunAt ?? Number.POSITIVE_INFINITY, b.nextRunAt ?? Number.POSITIVE_INFINITY];
  return at === bt ? (a.id < b.id ? -1 : 1) : at - bt;
}

const RAISE_FLOOR = `INSERT INTO {omniq_meta}(key, value) SELECT 'revision_floor', revision FROM {schedules} WHERE id = ?
  ON CONFLICT(key) DO UPDATE SET value = max(value, excluded.value)`;

export function drop(db: Db, ids: readonly string[]): readonly boolean[] {
  db.hints.add("schedule");
  return ids.map((id) => db.run(RAISE_FLOOR, id) > 0 && db.run("DELETE FROM {schedules} WHERE id = ?", id) > 0);
}

export function fire(db: Db, set: readonly FireAsk[]): readonly Fired[] {
  return set.map((ask) => fireOne(db, ask));
}

const CURRENT = "SELECT 1 FROM {schedules} WHERE id = ? AND revision = ? AND status = 'active'";
const OPEN = "SELECT id FROM {tasks} INDEXED BY {idx_tasks_schedule} WHERE schedule_id = ? AND stage < 6 LIMIT 1";
const ADVANCE = `UPDATE {schedules} SET revision = revision + 1, run_count = run_count + ?1, last_run_at = iif(?1 > 0, ?2, last_run_at), next_run_at = ?3,
  status = iif(?3 IS NULL, 'completed', status), last_task_id = ifnull(?4, last_task_id) WHERE id = ?5`;
const OCCURRENCE = "INSERT INTO {occurrences}(schedule_id, at, fired_at, task_id) VALUES (?, ?, ?, ?)";
const RECORDED = "SELECT 1 FROM {occurrences} WHERE schedule_id = ? AND at = ?";
const RAN = "UPDATE {schedules} SET revision = revision + 1, last_run_at = ?, last_task_id = ? WHERE id = ?";

function fireOne(db: Db, ask: FireAsk): Fired {
  const { id, ifOpen } = ask;
  if (db.get(CURRENT, id, ask.revision) === undefined) return { is: "stale" };
  if (ifOpen !== undefined && db.get(OPEN, id) !== undefined) {
    advance(db, id, ifOpen, []);
    return { is: "open" };
  }
  const occurrences = occur(db, ask);
  const fewer = runsOf(occurrences).length < ask.occurrences.length ? ask.ifFewer : undefined;
  advance(db, id, fewer ?? ask, occurrences);
  return { is: fewer === undefined ? "fired" : "fewer", occurrences };
}

/** Records those that have a task now. */
function occur(db: Db, { id, occurrences, enqueue }: FireAsk): readonly Occurrence[] {
  return occurrences.flatMap((at, i): readonly Occurrence[] => {
    const task = enqueue[i];
    if (task === undefined) return [];
    if (db.get(RECORDED, id, at) !== undefined) return [{ at, asked: task.id, is: "recorded" }];
    const answer = addTask(db, task, true);
    if (answer.is !== "refused") db.run(OCCURRENCE, id, at, db.now, answer.id);
    return [{ at, asked: task.id, ...answer }];
  });
}

function advance(db: Db, id: string, { nextAt, events }: Advance, occurrences: readonly Occurrence[]): void {
  const runs = runsOf(occurrences);
  db.run(ADVANCE, runs.length, db.now, nextAt, runs.at(-1) ?? null, id);
  tell(db, events, occurrences);
  db.hints.add("schedule");
}

function tell(db: Db, events: readonly NewEvent[], occurrences: readonly Occurrence[]): void {
  for (const event of toldOf(events, occurrences)) db.events.push(event);
}

export function run(db: Db, { id, task, events, unlessOpen }: RunAsk): Ran {
  if (db.get("SELECT 1 FROM {schedules} WHERE id = ?", id) === undefined) return { is: "missing" };
  const open = unlessOpen ? db.get(OPEN, id) : undefined;
  if (open !== undefined) return { is: "open", taskId: str(open["id"]) };
  const answer = addTask(db, task, true);
  if (answer.is === "refused") return answer;
  db.run(RAN, db.now, answer.id, id);
  tell(db, events, [{ at: db.now, asked: task.id, ...answer }]);
  db.hints.add("schedule");
  return { is: "fired", task: answer };
}
