/** `omniq tasks show`: all that is known of one task. */
import { formatDuration } from "../../core/duration.ts";
import { TaskNotFoundError } from "../../core/errors.ts";
import type { OmniQ, TaskEvent, TaskInfo, TaskResult } from "../../index.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { aboutEvent, styleOfEvent } from "./events.ts";
import { styleOfPhase } from "../phase.ts";
import { printResult } from "../result.ts";
import { printFields, printTable } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { cut, jsonLine, number, plain, time, wrapped } from "../text.ts";

const PARENTS = 5;
const EVENTS = 1_000;

export const run: Run = (given, terminal) =>
  withDatabase(given, terminal, async (omniq) => {
    const id = given.argument(0) ?? "";
    const shown = await look(omniq, id);
    if (shown === undefined) throw new TaskNotFoundError(id);
    if (given.flag("json")) {
      const { task, result, events, why } = shown;
      terminal.json({
        ...task.toJSON(),
        phase: why.phase,
        broken: task.broken,
        why: { reason: why.reason, text: why.text, details: why.details },
        result: result?.toJSON(),
        events: events.map((event) => event.toJSON()),
      });
    } else await print(terminal, shown);
    return EXIT.fine;
  });

type Shown = NonNullable<Awaited<ReturnType<typeof look>>>;

async function look(omniq: OmniQ, id: string) {
  const task = await omniq.tasks.get(id);
  if (task === undefined) return undefined;
  const [result, newest, why] = await Promise.all([
    omniq.results.get(id),
    omniq.events.find({ taskId: id, limit: EVENTS }),
    omniq.tasks.why(id),
  ]);
  return { task, result, events: newest.toReversed(), why };
}

async function print(terminal: Terminal, { task, result, events, why }: Shown): Promise<void> {
  const phase = why.phase ?? task.status;
  const title = cut(plain(task.name), Math.max(terminal.width - phase.length - 2, phase.length));
  terminal.line(`${terminal.paint("bold", title)}  ${terminal.paint(styleOfPhase(phase) ?? "bold", phase)}`);
  for (const line of wrapped(plain(why.text), terminal.width)) terminal.line(line);
  terminal.line();
  printFields(terminal, fieldsOf(task, result));
  if (result !== undefined) {
    terminal.line();
    printResult(terminal, result);
  }
  if (events.length === 0) return;
  terminal.line();
  await printTable(
    terminal,
    [{ head: "EVENT", style: styleOfEvent }, { head: "TIME" }, { head: "AFTER", align: "right" }, { head: "ABOUT", cut: "end" }],
    events.map((event, i) => [event.eventType, time(event.timestamp), sinceBefore(event, events[i - 1]), aboutEvent(event)]),
  );
}

function fieldsOf(task: TaskInfo, result: TaskResult | undefined): readonly (readonly [string, string | undefined])[] {
  const at = (date: Date | undefined): string | undefined => (date === undefined ? undefined : time(date));
  const took = result?.executionTime === undefined ? undefined : formatDuration(result.executionTime);
  return [
    ["broken", task.broken],
    ["id", task.id],
    ["task", task.func],
    ["description", task.description],
    ["queue", task.priority === 0 ? task.queueName : `${task.queueName}, priority ${task.priority}`],
    ["tags", task.tags.length === 0 ? undefined : task.tags.join(", ")],
    ["arguments", jsonLine(task.toJSON()["funcArgs"] ?? null)],
    ["depends on", parentsOf(task)],
    ["runs", `${task.attempt} (retries: ${task.retryCount} of at most ${task.maxRetries})`],
    ["crashes", task.crashCount === 0 ? undefined : `${task.crashCount} of at most ${task.maxCrashes}`],
    ["schedule", task.scheduleId],
    ["callback", task.callback],
    ["created", at(task.createdAt)],
    ["not before", at(task.runAt)],
    ["retried at", at(task.nextRetryAt)],
    ["expires", at(task.expiresAt)],
    ["started", at(task.startedAt)],
    ["ended", at(task.completedAt)],
    ["took", took],
  ];
}

function parentsOf({ dependsOn }: TaskInfo): string | undefined {
  if (dependsOn.length === 0) return undefined;
  const named = dependsOn.slice(0, PARENTS).map((parent) => (typeof parent === "string" ? parent : `${parent.on} (however it ends)`));
  const more = dependsOn.length - named.length;
  return `${named.join(", ")}${more === 0 ? "" : ` and ${number(more)} more`}`;
}

function sinceBefore(event: TaskEvent, before: TaskEvent | undefined): string {
  return before === undefined ? "" : formatDuration(Math.max(0, event.timestamp.getTime() - before.timestamp.getTime()));
}
