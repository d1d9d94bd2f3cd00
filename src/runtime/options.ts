/** The options of an enqueue made one record, once and by the enqueuing side: options > definition > configuration > defaults. */
import { isDate } from "../core/calendar.ts";
import { encode } from "../core/codec.ts";
import { milliseconds } from "../core/duration.ts";
import { expected } from "../core/errors.ts";
import { refuseUnknown } from "../core/nearest.ts";
import type { Draft, Ms, TaskId, Text } from "../core/record.ts";
import type { TaskTemplate } from "../core/schedule.ts";
import { DEFAULT_POLICY } from "../core/task.ts";
import type { Callback, Edge, NewTask, Policy, Unique } from "../core/task.ts";
import { isClean } from "../core/text.ts";
import { checkDefaults, DEFAULT_KEYS, text } from "./defaults.ts";
import { checkTaskName, isTaskReference } from "./definition.ts";
import type { CheckedDefaults, EnqueueOptions, TaskReference } from "./signatures.ts";

/** What the enqueuing side brings to every task. */
export interface Resolving {
  readonly newId: () => TaskId;
  readonly now: () => Ms;
  /** The configuration's defaults, checked. */
  readonly defaults: CheckedDefaults;
  /** Longest arguments, in bytes of UTF-8; absent is 1 MiB. */
  readonly payloadLimit?: number;
}

/** A task by reference or, where nobody has its definition, by name. */
export type Named = TaskReference | { readonly name: string; readonly defaults?: CheckedDefaults };

const TASK_KEYS = ["label", "description", "callback", "callbackArgs", "unique"] as const;
const ONCE_KEYS = ["id", "runAt", "runIn", "dependsOn"] as const;
/** What an occurrence of a schedule may say; the schedule itself says when, and each occurrence has an id of its own. */
export const TEMPLATE_KEYS: readonly string[] = [...DEFAULT_KEYS, ...TASK_KEYS];
export const ENQUEUE_KEYS: readonly string[] = [...TEMPLATE_KEYS, ...ONCE_KEYS];

/**
 * The record of one task.
 * @param args the arguments as text. @param known the names of options that are allowed.
 * @throws InvalidOptionError for the first wrong option.
 */
export function resolveTask(by: Resolving, task: Named, args: Text, options: EnqueueOptions, known = ENQUEUE_KEYS): NewTask {
  checkOptions(options, known);
  const template = resolveTemplate(by, task, args, options);
  const due = dueOf(options);
  if (due !== undefined && template.ttl !== undefined) refuseLate(due, template.ttl, by.now);
  const own = { id: options.id === undefined ? by.newId() : checkId(options.id, "id"), dependsOn: edgesOf(options.dependsOn) };
  return Object.assign(template, due === undefined ? own : { ...own, due });
}

/** What a task and each occurrence of a schedule have alike. The caller has refused unknown options. */
export function resolveTemplate(by: Resolving, task: Named, args: Text, options: EnqueueOptions): TaskTemplate {
  const { label, description, callback, callbackArgs, unique } = options;
  checkTaskName(task.name, "task.name");
  const merged: CheckedDefaults = { ...by.defaults, ...task.defaults, ...checkDefaults(options) };
  const template: Draft<TaskTemplate> = {
    ...policyOf(merged),
    func: task.name,
    args,
    queue: merged.queueName ?? "default",
    priority: merged.priority ?? 0,
    tags: merged.tags ?? [],
  };
  const call = callbackOf(by, callback, callbackArgs);
  if (label !== undefined) template.label = text(label, "label", 500);
  if (description !== undefined) template.description = text(description, "description", 10_000);
  if (merged.ttl !== undefined) template.ttl = merged.ttl;
  if (unique !== undefined) template.unique = uniqueOf(task.name, unique);
  if (call !== undefined) template.callback = call;
  return template;
}

/** Arguments as text. @throws PayloadError when they cannot be stored. */
export function encodeArgs(by: Resolving, args: unknown, name = "args"): Text {
  return encode(args, { name, ...(by.payloadLimit === undefined ? {} : { limit: by.payloadLimit }) });
}

/** @throws InvalidOptionError when they are no object or hold an option that is not known. */
export function checkOptions(options: unknown, known: readonly string[]): asserts options is EnqueueOptions {
  checkObject(options, "options", "an object", known);
}

/**
 * An object whose every key is known: a list or a `Date` is none, though nothing of it would be looked at.
 * @param name what it is called. @param wanted what it is to be.
 * @throws InvalidOptionError
 */
export function checkObject(value: unknown, name: string, wanted: string, known: readonly string[]): asserts value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Date) throw expected(name, wanted, value);
  refuseUnknown(value, known, `the ${name}`);
}

function policyOf(given: CheckedDefaults): Policy {
  const { timeout, resultTtl } = given;
  const policy: Draft<Policy> = {
    maxRetries: given.maxRetries ?? DEFAULT_POLICY.maxRetries,
    retryDelay: given.retryDelay ?? DEFAULT_POLICY.retryDelay,
    backoff: given.backoff ?? DEFAULT_POLICY.backoff,
    atMostOnce: given.atMostOnce ?? DEFAULT_POLICY.atMostOnce,
    maxCrashes: given.maxCrashes ?? DEFAULT_POLICY.maxCrashes,
    storeResult: given.storeResult ?? DEFAULT_POLICY.storeResult,
  };
  if (timeout !== undefined) policy.timeout = timeout;
  if (resultTtl !== undefined) policy.resultTtl = resultTtl;
  return policy;
}

function dueOf({ runAt, runIn }: EnqueueOptions): NewTask["due"] {
  if (runAt !== undefined && runIn !== undefined) throw expected("runAt", "given alone, not together with `runIn`", runAt);
  if (runIn !== undefined) return { in: milliseconds(runIn, "runIn") };
  return runAt === undefined ? undefined : { at: dateMs(runAt, "runAt") };
}

/** The milliseconds of a `Date`. @throws InvalidOptionError when it is none. */
export function dateMs(value: unknown, name: string): Ms {
  if (!isDate(value)) throw expected(name, "a valid Date", value);
  return value.getTime();
}

/** A task is never started at or after its expiry: one that is due only then could never run. */
function refuseLate(due: NonNullable<NewTask["due"]>, ttl: Ms, now: () => Ms): void {
  if ("in" in due && due.in >= ttl) throw expected("runIn", `shorter than the \`ttl\` of ${ttl} ms`, due.in);
  if ("at" in due && due.at >= now() + ttl) throw expected("runAt", `before the task expires (\`ttl\` is ${ttl} ms)`, new Date(due.at));
}

/** @throws InvalidOptionError when it cannot be the id of a task. */
export function checkId(id: unknown, name: string): TaskId {
  if (typeof id !== "string" || id === "" || id.length > 300 || !isClean(id)) {
    throw expected(name, "an id: text of 1 to 300 characters without control characters", id);
  }
  return id;
}

function edgesOf(given: unknown): readonly Edge[] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) throw expected("dependsOn", "an array of ids, handles or { on, ifFailed }", given);
  const edges = new Map<TaskId, Edge>();
  for (const each of given) {
    const edge = edgeOf(each);
    const before = edges.get(edge.id);
    if (before !== undefined && before.ifFailed !== edge.ifFailed) {
      throw expected("dependsOn", `a list that gives ${edge.id} one \`ifFailed\``, edge.ifFailed);
    }
    edges.set(edge.id, edge);
  }
  return [...edges.values()];
}

function edgeOf(given: unknown): Edge {
  // No handle has an `ifFailed`: whoever gives one beside an id must hear that it stands beside `on`.
  if (typeof given !== "object" || given === null || !("on" in given || "ifFailed" in given))
    return { id: parentId(given, "dependsOn[]"), ifFailed: "cancel" };
  refuseUnknown(given, ["on", "ifFailed"], "`dependsOn[]`");
  const ifFailed = "ifFailed" in given ? given.ifFailed : undefined;
  if (ifFailed !== undefined && ifFailed !== "cancel" && ifFailed !== "run") {
    throw expected("dependsOn[].ifFailed", '"cancel" or "run"', ifFailed);
  }
  return { id: parentId("on" in given ? given.on : undefined, "dependsOn[].on"), ifFailed: ifFailed ?? "cancel" };
}

function parentId(given: unknown, name: string): TaskId {
  if (typeof given === "string") return checkId(given, name);
  if (typeof given === "object" && given !== null && "id" in given && typeof given.id === "string") return checkId(given.id, name);
  throw expected(name, "the id or the handle of a task", given);
}

/** The key is one per definition: two tasks may use the same word. */
function uniqueOf(func: string, given: unknown): Unique {
  if (typeof given !== "object" || given === null) throw expected("unique", "an object with a `key`", given);
  refuseUnknown(given, ["key", "until", "onConflict"], "`unique`");
  const { key, until = "finished", onConflict = "keep" }: Partial<Record<string, unknown>> = { ...given };
  if (onConflict !== "keep" && onConflict !== "replace" && onConflict !== "throw") {
    throw expected("unique.onConflict", '"keep", "replace" or "throw"', onConflict);
  }
  return {
    key: JSON.stringify([func, text(key, "unique.key", 500)]),
    until: until === "finished" || until === "started" ? until : window(until),
    onConflict: onConflict === "throw" ? "refuse" : onConflict,
  };
}

function window(until: unknown): Ms {
  let ms: Ms;
  try {
    ms = milliseconds(until, "unique.until");
  } catch {
    ms = 0;
  }
  if (ms <= 0) throw expected("unique.until", '"finished", "started" or a duration longer than 0', until);
  return ms;
}

function callbackOf(by: Resolving, given: unknown, args: unknown): Callback | undefined {
  if (given === undefined) {
    if (args !== undefined) throw expected("callbackArgs", "absent where there is no `callback`", args);
    return undefined;
  }
  if (!isTaskReference(given) && typeof given !== "string") throw expected("callback", "a task or the name of one", given);
  const task: Named = typeof given === "string" ? { name: given } : given;
  checkTaskName(task.name, "callback");
  const merged = { ...by.defaults, ...task.defaults };
  const { queueName, priority } = task.defaults ?? {};
  return {
    func: task.name,
    policy: policyOf(merged),
    ...(args === undefined ? {} : { args: encodeArgs(by, plain(args, "callbackArgs"), "callbackArgs") }),
    ...(queueName === undefined ? {} : { queue: queueName }),
    ...(priority === undefined ? {} : { priority }),
  };
}

/** They become the callback's arguments beside OmniQ's own, so they must have names. */
function plain(value: unknown, name: string): object {
  const proto: unknown = typeof value === "object" && value !== null ? Object.getPrototypeOf(value) : undefined;
  if (typeof value !== "object" || value === null || (proto !== Object.prototype && proto !== null)) {
    throw expected(name, "a plain object", value);
  }
  return value;
}
