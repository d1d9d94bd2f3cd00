/** `omniq enqueue`: a task by its name; without its definition, what checks its arguments is the worker that runs it. */
import { ResultExpiredError, ResultNotStoredError, TaskCancelledError, TaskExpiredError, TaskFailedError } from "../../core/errors.ts";
import { nearest } from "../../core/nearest.ts";
import type { EnqueueOptions, OmniQ, TaskHandle } from "../../index.ts";
import { EXIT, UsageError } from "../command.ts";
import type { ExitCode, Given } from "../command.ts";
import { withDatabaseToFill } from "../database.ts";
import { definitionOf, leaving } from "../definitions.ts";
import { listenForInterrupts } from "../interrupt.ts";
import { argsOf, taskOptionsOf } from "../task-options.ts";
import type { Terminal } from "../terminal.ts";
import { jsonLines, plain } from "../text.ts";

const READABLE = 120;

export const run = leaving(async (given, terminal) => {
  const name = given.argument(0) ?? "";
  const args = await argsOf(given, terminal);
  const options = optionsOf(given);
  const task = await definitionOf(given, name);
  return withDatabaseToFill(given, terminal, async (omniq) => {
    const handle = await (task === undefined ? omniq.enqueueNamed(name, args, options) : omniq.enqueue(task, args, options));
    if (given.flag("wait") || given.duration("wait") !== undefined) return wait(omniq, handle, given, terminal);
    if (given.flag("json")) terminal.json({ id: handle.id, created: handle.created });
    else terminal.line(said(handle, given));
    return EXIT.fine;
  });
});

function optionsOf(given: Given): EnqueueOptions {
  const parents = given.texts("dependsOn");
  const ifFailed = given.word("ifFailed", ["cancel", "run"]);
  if (ifFailed !== undefined && parents.length === 0) throw new UsageError("Expected --if-failed together with --depends-on");
  return {
    ...taskOptionsOf(given),
    id: given.text("id"),
    runIn: given.duration("in"),
    runAt: given.time("at"),
    dependsOn: parents.length === 0 ? undefined : parents.map((on) => ({ on, ifFailed })),
  };
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
