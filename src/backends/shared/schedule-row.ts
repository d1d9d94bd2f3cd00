/** Schedule ↔ row: the column list once, both directions. */
import { LONGEST } from "../../core/duration.ts";
import { DEFAULT_SCHEDULE_POLICY, isCatchUp } from "../../core/schedule.ts";
import type { Rule, SchedulePolicy, ScheduleRow, ScheduleStatus, ScheduleTemplate } from "../../core/schedule.ts";
import { isPolicy as isTaskPolicy, tagsOf } from "./task-row.ts";
import { int, json, optionalStr, str } from "./values.ts";
import type { Row, Value } from "./values.ts";

export const COLUMNS = [
  "revision",
  "status",
  "next_run_at",
  "paused_at",
  "resumed_at",
  "rule",
  "policy",
  "template",
  "task_id",
  "max_runs",
  "run_count",
  "created_at",
  "last_run_at",
  "last_task_id",
  "name",
  "description",
  "tags",
] as const;
/** Whether it goes on, and when: the first of COLUMNS. */
export const STANDING = COLUMNS.slice(0, 5);

/** In the order of COLUMNS. */
export function scheduleParams(row: ScheduleRow, revision: number): (string | number | null)[] {
  return [
    ...standingParams(row, revision),
    JSON.stringify(row.rule),
    JSON.stringify(row.policy),
    JSON.stringify(row.template),
    row.taskId ?? null,
    row.maxRuns ?? null,
    row.runCount,
    row.createdAt,
    row.lastRunAt ?? null,
    row.lastTaskId ?? null,
    row.name ?? null,
    row.description ?? null,
    row.tags.length === 0 ? null : JSON.stringify(row.tags),
  ];
}

/** In the order of STANDING. */
export function standingParams(row: ScheduleRow, revision: number): (string | number | null)[] {
  return [revision, row.status, row.nextRunAt ?? null, row.pausedAt ?? null, row.resumedAt ?? null];
}

/** What was changed by hand must not stop the others: it reads as a stand-in, and is named as unreadable. */
export function scheduleRow(row: Row): ScheduleRow {
  const unreadable: (keyof ScheduleRow)[] = [];
  const read = <T>(field: keyof ScheduleRow, value: T | undefined, standIn: T): T => {
    if (value === undefined) unreadable.push(field);
    return value ?? standIn;
  };
  const out: { -readonly [K in keyof ScheduleRow]: ScheduleRow[K] } = {
    id: str(row["id"]),
    revision: int(row["revision"]),
    rule: read("rule", ruleOf(row["rule"]), { type: "once" }),
    policy: read("policy", policyOf(row["policy"]), DEFAULT_SCHEDULE_POLICY),
    template: read("template", templateOf(row["template"]), UNKNOWN),
    status: read("status", statusOf(row["status"]), "active"),
    runCount: read("runCount", countOf(row["run_count"], 0), 0),
    createdAt: read("createdAt", timeOf(row["created_at"]), 0),
    tags: tagsOf(row["tags"]),
  };
  for (const [field, column, valid] of NUMBERS) {
    const value = valid(row[column]);
    if (value !== undefined) out[field] = value;
    else if (row[column] !== null) unreadable.push(field);
  }
  for (const [field, column] of TEXTS) {
    const text = optionalStr(row[column]);
    if (text !== undefined) out[field] = text;
  }
  if (unreadable.length > 0) out.unreadable = unreadable;
  return out;
}

/** Those that may be absent. */
const NUMBERS = [
  ["maxRuns", "max_runs", (value) => countOf(value, 1)],
  ["nextRunAt", "next_run_at", timeOf],
  ["lastRunAt", "last_run_at", timeOf],
  ["pausedAt", "paused_at", timeOf],
  ["resumedAt", "resumed_at", timeOf],
] as const satisfies readonly (readonly [keyof ScheduleRow, string, (value: Value | undefined) => number | undefined])[];
const TEXTS = [
  ["taskId", "task_id"],
  ["lastTaskId", "last_task_id"],
  ["name", "name"],
  ["description", "description"],
] as const;

/** Stands for a template that cannot be read. */
const UNKNOWN: ScheduleTemplate = {
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

/** The last time that a `Date` can hold. */
const LAST_TIME = 8_640_000_000_000_000;

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && Math.abs(Number(value)) <= LAST_TIME;
}

function isLength(value: unknown, least: number): boolean {
  return Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= LONGEST;
}

function timeOf(value: Value | undefined): number | undefined {
  return isTime(value) ? value : undefined;
}

function countOf(value: Value | undefined, least: number): number | undefined {
  return typeof value === "number" && value >= least ? value : undefined;
}

function statusOf(value: Value | undefined): ScheduleStatus | undefined {
  return value === "active" || value === "paused" || value === "completed" ? value : undefined;
}

function ruleOf(text: Value | undefined): Rule | undefined {
  const rule = json(text);
  return isRule(rule) ? rule : undefined;
}

function isRule(value: unknown): value is Rule {
  if (typeof value !== "object" || value === null || !("type" in value)) return false;
  switch (value.type) {
    case "cron":
      return "cron" in value && typeof value.cron === "string" && "timezone" in value && typeof value.timezone === "string";
    case "interval":
      return "every" in value && isLength(value.every, 1);
    case "timestamp":
      return "at" in value && isTime(value.at);
    default:
      return value.type === "once";
  }
}

/** Absent in rows of the first version of the schema. */
/** Whether tasks of a schedule with this `policy`, as it is stored, may be open beside each other. */
export function allowsOverlap(policy: Value | undefined): boolean {
  return policyOf(policy)?.overlap !== "skip";
}

function policyOf(text: Value | undefined): SchedulePolicy | undefined {
  if (text === null) return DEFAULT_SCHEDULE_POLICY;
  const policy = json(text);
  return isPolicy(policy) ? policy : undefined;
}

function isPolicy(value: unknown): value is SchedulePolicy {
  if (typeof value !== "object" || value === null || !("catchUp" in value) || !("overlap" in value)) return false;
  const { catchUp, overlap, startAt = 0, endAt = 0, jitter = 0 }: Partial<Record<keyof SchedulePolicy, unknown>> = value;
  return isCatchUp(catchUp) && (overlap === "allow" || overlap === "skip") && isTime(startAt) && isTime(endAt) && isLength(jitter, 0);
}

function templateOf(text: Value | undefined): ScheduleTemplate | undefined {
  const template = json(text);
  return isTemplate(template) ? template : undefined;
}

/** Whether a task can be made of it: all that a row of the tasks must have. */
function isTemplate(value: unknown): value is ScheduleTemplate {
  if (!isTaskPolicy(value)) return false;
  const { func, args, queue, priority, tags }: Partial<Record<keyof ScheduleTemplate, unknown>> = value;
  const isText = [func, args, queue].every((text) => typeof text === "string") && func !== "";
  return isText && Number.isSafeInteger(priority) && Array.isArray(tags) && tags.every((tag) => typeof tag === "string");
}
