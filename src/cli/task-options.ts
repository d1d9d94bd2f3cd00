/** What the command line may say of a task: its arguments, and the options that `enqueue` and `schedules add` share. */
import { readFileSync } from "node:fs";
import { buffer } from "node:stream/consumers";
import type { ScheduleOptions, TimingOptions } from "../index.ts";
import { UsageError } from "./command.ts";
import type { ArgumentSpec, Given, OptionSpec } from "./command.ts";
import { readJson } from "./json.ts";
import type { Terminal } from "./terminal.ts";

const COUNT = { min: 0, max: 1_000_000 };

export const ARGS: ArgumentSpec = {
  name: "[args]",
  about: "its arguments as JSON, such as '{\"width\": 800}'; - reads them from the standard input",
};
export const ARGS_FILE: OptionSpec = { flags: "--args-file <file>", about: "read the arguments from a file of JSON" };

/** What makes more of a name than a name. */
export const DEFINITIONS: OptionSpec = {
  flags: "--tasks <file>",
  about: "a module that exports the definition: its options, its schema and its name count then; may be repeated",
  repeatable: true,
};

export const TASK_OPTIONS: readonly OptionSpec[] = [
  { flags: "-q, --queue <name>", sets: "queueName", about: "the queue it waits in (default: default)" },
  { flags: "-p, --priority <number>", about: "higher is taken first (default: 0)", whole: { min: -1_000_000_000, max: 1_000_000_000 } },
  { flags: "--ttl <duration>", about: "how long it may wait; later it is expired", kind: "duration" },
  { flags: "--label <text>", about: "a name for people" },
  { flags: "--description <text>", about: "what it is about, for people" },
  { flags: "-t, --tag <tag>", sets: "tags", about: "a word to find it by; may be repeated", repeatable: true },
  { flags: "--max-retries <count>", about: "retries after failures (default: 3)", whole: COUNT },
  { flags: "--retry-delay <duration>", about: "the wait before a retry (default: 5s)", kind: "duration" },
  { flags: "--backoff <kind>", about: "how that wait grows", choices: ["fixed", "exponential"] },
  { flags: "--timeout <duration>", about: "the longest one attempt may run", kind: "duration" },
  { flags: "--result-ttl <duration>", about: "how long its result can be read", kind: "duration" },
  { flags: "--discard-result", sets: "storeResult", about: "do not keep its result" },
  { flags: "--at-most-once", about: "after a crash of its worker: failed instead of run again" },
  { flags: "--max-crashes <count>", about: "crashes after which it is failed (default: 3)", whole: { min: 1, max: 1_000_000 } },
  { flags: "--unique <key>", sets: "unique.key", about: "only one task of its kind with this key at a time" },
  { flags: "--unique-until <when>", sets: "unique.until", about: '"finished", "started", or a duration from now (default: finished)' },
  {
    flags: "--on-conflict <what>",
    sets: "unique.onConflict",
    about: "what becomes of a second one",
    choices: ["keep", "replace", "throw"],
  },
  { flags: "--callback <task>", about: "the task that is enqueued when this one has ended" },
  { flags: "--callback-args <json>", about: "arguments for it, beside what this one came to", kind: "json" },
];

/** What stands on the command line, in a file or in the standard input; nothing at all is `undefined`. */
export async function argsOf(given: Given, { stdin }: Terminal): Promise<unknown> {
  const [typed, file] = [given.argument(1), given.text("argsFile")];
  if (typed !== undefined && file !== undefined) throw new UsageError("Expected the arguments or --args-file, got both");
  const source = file === undefined ? (typed === "-" ? "the standard input" : "the arguments") : file === "-" ? "the standard input" : file;
  const json = source === "the standard input" ? textOf(await buffer(stdin), source) : file === undefined ? typed : contentOf(file);
  if (json === undefined) return undefined;
  try {
    return readJson(json);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Expected ${source} to be JSON, such as '{"width": 800}' or '"text"', got an error: ${why}`);
  }
}

function contentOf(file: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new UsageError(`Expected ${file} to be a file that can be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  return textOf(bytes, file);
}

/** What is no UTF-8 would be read as other text. */
function textOf(bytes: Uint8Array, source: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(`Expected ${source} to be UTF-8`);
  }
}

/** The options that say how a task is run. */
export function taskOptionsOf(given: Given): TaskOptions {
  const tags = given.texts("tag");
  const callbackArgs = given.json("callbackArgs");
  if (callbackArgs !== undefined && !isObject(callbackArgs)) throw new UsageError("Expected --callback-args to be a JSON object");
  return {
    queueName: given.text("queue"),
    priority: given.whole("priority"),
    ttl: given.duration("ttl"),
    label: given.text("label"),
    description: given.text("description"),
    tags: tags.length === 0 ? undefined : tags,
    maxRetries: given.whole("maxRetries"),
    retryDelay: given.duration("retryDelay"),
    backoff: given.word("backoff", ["fixed", "exponential"]),
    timeout: given.duration("timeout"),
    resultTtl: given.duration("resultTtl"),
    storeResult: given.flag("discardResult") ? false : undefined,
    atMostOnce: given.flag("atMostOnce") ? true : undefined,
    maxCrashes: given.whole("maxCrashes"),
    unique: uniqueOf(given),
    callback: given.text("callback"),
    callbackArgs,
  };
}

type TaskOptions = Omit<ScheduleOptions, keyof TimingOptions | "id" | "maxRuns" | "jitter" | "catchUp" | "overlap" | "name">;

function uniqueOf(given: Given): TaskOptions["unique"] {
  const [key, until, onConflict] = [
    given.text("unique"),
    given.text("uniqueUntil"),
    given.word("onConflict", ["keep", "replace", "throw"]),
  ];
  if (key !== undefined) return { key, until, onConflict };
  if (until !== undefined || onConflict !== undefined)
    throw new UsageError("Expected --unique-until and --on-conflict together with --unique");
  return undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
