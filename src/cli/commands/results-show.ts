/** `omniq results show`, and what it has in common with `results latest`. */
import { formatDuration } from "../../core/duration.ts";
import {
  ResultExpiredError,
  ResultNotStoredError,
  TaskCancelledError,
  TaskExpiredError,
  TaskFailedError,
  TaskNotFoundError,
  OmniQError,
} from "../../core/errors.ts";
import { FINALS } from "../../core/task.ts";
import type { OmniQ, TaskResult } from "../../index.ts";
import { EXIT } from "../command.ts";
import type { ExitCode, Given, Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { styleOfPhase } from "../phase.ts";
import { printResult } from "../result.ts";
import { printFields } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { time } from "../text.ts";

export const run: Run = (given, terminal) =>
  withDatabase(given, terminal, async (omniq) => {
    const id = given.argument(0) ?? "";
    const result = await omniq.results.get(id);
    if (result === undefined) throw await whyNone(omniq, id);
    return showResult(given, terminal, result);
  });

/** Prints a result as it was asked for. A task that failed has a result, too, but no value. */
export function showResult(given: Given, terminal: Terminal, result: TaskResult): ExitCode {
  const { status } = result;
  if (given.flag("raw")) {
    if (status === "failed") throw new TaskFailedError(result.taskId, failureOf(result));
    terminal.json(result.toJSON()["result"] ?? null);
  } else if (given.flag("json")) terminal.json(result.toJSON());
  else {
    const at = (date: Date | undefined): string | undefined => (date === undefined ? undefined : time(date));
    terminal.line(terminal.paint(styleOfPhase(status) ?? "bold", status));
    terminal.line();
    printFields(terminal, [
      ["task", result.taskId],
      ["schedule", result.scheduleId],
      ["started", at(result.startedAt)],
      ["ended", at(result.completedAt)],
      ["took", result.executionTime === undefined ? undefined : formatDuration(result.executionTime)],
      ["retries", result.retryCount === 0 ? undefined : String(result.retryCount)],
      ["worker", result.workerId],
      ["kept until", at(result.expiresAt)],
    ]);
    terminal.line();
    printResult(terminal, result);
  }
  return EXIT.fine;
}

function failureOf({ error = "Error: failed" }: TaskResult): TaskFailedError["failure"] {
  const [name = "Error", ...message] = error.split(": ");
  return message.length === 0 ? { name: "Error", message: error } : { name, message: message.join(": ") };
}

/** Why a task has no result that could be read. */
async function whyNone(omniq: OmniQ, id: string): Promise<OmniQError> {
  const task = await omniq.tasks.get(id);
  if (task === undefined) return new TaskNotFoundError(id, "; a result is deleted with its task");
  const { phase, completedAt, resultTtl, reason } = task;
  if (phase === "cancelled") return new TaskCancelledError(id, reason);
  if (phase === "expired") return new TaskExpiredError(id);
  if (!FINALS.some((final) => final === phase)) {
    const why = await omniq.tasks.why(id);
    return new OmniQError("RESULT_NOT_READY", `Task ${id} has no result yet. ${why.text}`);
  }
  if (!task.storeResult) return new ResultNotStoredError(id);
  const keptUntil = completedAt === undefined || resultTtl === undefined ? undefined : completedAt.getTime() + resultTtl;
  if (keptUntil !== undefined && keptUntil <= Date.now()) return new ResultExpiredError(id);
  if (phase === "failed") return new TaskFailedError(id, { name: "Error", message: reason ?? "failed" });
  return new ResultNotStoredError(id, "it was deleted");
}
