/** `omniq events`. */
import { formatDuration } from "../../core/duration.ts";
import type { TaskEvent } from "../../index.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { EVENT_TYPES } from "../options.ts";
import { withDatabase } from "../database.ts";
import { styleOfPhase } from "../phase.ts";
import { printTable } from "../table.ts";
import type { Column } from "../table.ts";
import type { Style } from "../terminal.ts";
import { jsonLine, time } from "../text.ts";

const COLUMNS: readonly Column[] = [
  { head: "TIME" },
  { head: "EVENT", style: styleOfEvent },
  { head: "OF", cut: "end" },
  { head: "QUEUE", cut: "end" },
  { head: "ABOUT", cut: "end" },
];

export const run: Run = (given, terminal) =>
  withDatabase(given, terminal, async (omniq) => {
    const events = await omniq.events.find({
      taskId: given.text("task"),
      eventType: given.word("type", EVENT_TYPES),
      limit: given.whole("limit"),
    });
    if (given.flag("json")) for (const event of events) terminal.json(event.toJSON());
    else if (events.length === 0) terminal.note("No event is like this.");
    else
      await printTable(
        terminal,
        COLUMNS,
        events.map((event) => cells(event)),
      );
    return EXIT.fine;
  });

function cells(event: TaskEvent): readonly string[] {
  return [time(event.timestamp), event.eventType, event.taskId ?? event.scheduleId ?? "", event.queueName ?? "", aboutEvent(event)];
}

/** What is worth saying of an event beside its kind. */
export function aboutEvent({ eventType, error, message, executionTime, retryCount, workerId, data }: TaskEvent): string {
  const parts = [error ?? message];
  if (eventType === "retrying" && retryCount !== undefined) parts.push(`retry ${retryCount}`);
  if (executionTime !== undefined) parts.push(`ran ${formatDuration(executionTime)}`);
  if (eventType === "progress" && typeof data["fraction"] === "number") parts.unshift(`${Math.round(data["fraction"] * 100)} %`);
  else if (Object.keys(data).length > 0) parts.push(jsonLine(data));
  if (eventType === "executing" && workerId !== undefined) parts.push(`on ${workerId}`);
  return parts.filter((part) => part !== undefined && part !== "").join(", ");
}

const STYLES: Readonly<Record<string, Style>> = { executing: "blueBright", retrying: "yellow", crashed: "red", progress: "dim" };

export function styleOfEvent(type: string): Style | undefined {
  return STYLES[type] ?? styleOfPhase(type);
}
