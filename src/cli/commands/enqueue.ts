/** `omniq enqueue`: a task by its name; what checks its arguments is the worker that runs it. */
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import {
  ResultExpiredError,
  ResultNotStoredError,
  StorageError,
  TaskCancelledError,
  TaskExpiredError,
  TaskFailedError,
} from "../../core/errors.ts";
import { nearest } from "../../core/nearest.ts";
import type { EnqueueOptions, OmniQ, TaskHandle } from "../../index.ts";
import { EXIT, UsageError } from "../command.ts";
import type { ExitCode, Given, Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { listenForInterrupts } from "../interrupt.ts";
import type { Terminal } from "../terminal.ts";
import { jsonLines, plain } from "../text.ts";

const READABLE = 120;

export const run: Run = async (given, terminal) => {
  const args = await argsOf(given, terminal);
  const options = optionsOf(given);
  try {
    return await withDatabase(given, terminal, async (omniq) => {
      const handle = await omniq.enqueueNamed(given.argument(0) ?? "", args, options);
      if (given.flag("wait") || given.duration("wait") !== undefined) return wait(omniq, handle, given, terminal);
      if (given.flag("json")) terminal.json({ id: handle.id, created: handle.created });
      else terminal.line(said(handle, given));
      return EXIT.fine;
    });
  } catch (error) {
    if (!(error instanceof StorageError && error.code === "STORAGE_NOT_FOUND")) throw error;
    const more = `${error.message}. \`omniq worker\` and \`omniq migrate\` make a database; this command makes none, lest a typo does`;
    throw new StorageError(error.code, more);
  }
};

/** What stands on the command line, in a file or in the standard input; nothing at all is `undefined`. */
async function argsOf(given: Given, { stdin }: Terminal): Promise<unknown> {
  const [typed, file] = [given.argument(1), given.text("argsFile")];
  if (typed !== undefined && file !== undefined) throw new UsageError("Expected the arguments or --args-file, got both");
  const source = file === undefined ? (typed === "-" ? "the standard input" : "the arguments") : file === "-" ? "the standard input" : file;
  const json = source === "the standard input" ? await text(stdin) : file === undefined ? typed : contentOf(file);
  if (json === undefined) return undefined;
  try {
    return JSON.parse(json) as unknown;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Expected ${source} to be JSON, such as '{"width": 800}' or '"text"', got an error: ${why}`);
  }
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`Expected ${file} to be a file that can be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function optionsOf(given: Given): EnqueueOptions {
  const [tags, parents] = [given.texts("tag"), given.texts("dependsOn")];
  const ifFailed = given.word("ifFailed", ["cancel", "run"]);
  if (ifFailed !== undefined && parents.length === 0) throw new UsageError("Expected --if-failed together with --depends-on");
  const callbackArgs = given.json("callbackArgs");
  if (callbackArgs !== undefined && !isObject(callbackArgs)) throw new UsageError("Expected --callback-args to be a JSON object");
  return {
    queueName: given.text("queue"),
    priority: given.whole("priority"),
    runIn: given.duration("in"),
    runAt: given.time("at"),
    ttl: given.duration("ttl"),
    id: given.text("id"),
    label: given.text("label"),
    description: given.text("description"),
    tags: tags.length === 0 ? undefined : tags,
    dependsOn: parents.length === 0 ? undefined : parents.map((on) => ({ on, ifFailed })),
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

function uniqueOf(given: Given): EnqueueOptions["unique"] {
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

function said({ id, created }: TaskHandle, given: Given): string {
  const task = plain(given.argument(0) ?? "");
  return created ? `Enqueued ${task}: ${plain(id)}` : `It was there already: ${plain(id)}`;
}

/** Waits for the end; the exit code says how it ended. Ctrl-C ends the waiting, not the task. */
async function wait(omniq: OmniQ, handle: TaskHandle, given: Given, terminal: Terminal): Promise<ExitCode> {
  const { id, created } = handle;
  const interrupt = listenForInterrupts(() => {});
  try {
    if (!given.flag("json")) {
      terminal.note(said(handle, given));
      await warn(omniq, id, terminal);
    }
    await handle.result({ timeout: given.duration("wait"), signal: interrupt.signal });
  } catch (error) {
    if (interrupt.signal.aborted) {
      terminal.note(`Not waited for any longer; the task goes on: omniq tasks show ${plain(id)}`);
      return EXIT.interrupted;
    }
    const ended = endOf(error);
    if (ended === undefined) throw error;
    if (given.flag("json")) terminal.json({ id, created, ...ended });
    else if (ended.error === undefined) terminal.note("It completed; its result is not kept.");
    else throw error;
    return ended.error === undefined ? EXIT.fine : EXIT.failed;
  } finally {
    interrupt.end();
  }
  const value = (await omniq.results.get(id))?.toJSON()["result"];
  if (given.flag("json")) terminal.json({ id, created, status: "completed", result: value });
  else for (const line of jsonLines(value ?? null, Math.min(terminal.width, READABLE))) terminal.line(line);
  return EXIT.fine;
}

/** How a task ended of which there is no value; undefined: it has not ended, or nobody knows. */
function endOf(error: unknown): { readonly status: string; readonly error?: string } | undefined {
  if (error instanceof ResultNotStoredError || error instanceof ResultExpiredError) return { status: "completed" };
  if (error instanceof TaskFailedError) return { status: "failed", error: `${error.failure.name}: ${error.failure.message}` };
  if (error instanceof TaskCancelledError) return { status: "cancelled", error: error.message };
  return error instanceof TaskExpiredError ? { status: "expired", error: error.message } : undefined;
}

/** Says at once why it may be waited for in vain. */
async function warn(omniq: OmniQ, id: string, terminal: Terminal): Promise<void> {
  const why = await omniq.tasks.why(id);
  if (why.reason !== "no-worker-for-queue" && why.reason !== "no-worker-for-task" && why.reason !== "queue-paused") return;
  const workers = await omniq.workers.list();
  const names = workers.filter((worker) => worker.alive).flatMap((worker) => worker.tasks);
  const near = why.reason === "no-worker-for-task" ? nearest(why.details.func, names) : undefined;
  const hint = near === undefined ? "" : ` Did you mean ${plain(near)}?`;
  terminal.note(`${terminal.paintNote("yellow", "note:")} ${plain(why.text)}${hint}`);
}
