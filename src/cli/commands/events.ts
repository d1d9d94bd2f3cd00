/** `omniq events`: the log read back, newest first, or followed. */
import { withoutSecrets } from "../../config/url.ts";
import { formatDuration } from "../../core/duration.ts";
import type { EventFind, FollowedEvent, OmniQ, TaskEvent } from "../../index.ts";
import { EXIT, UsageError } from "../command.ts";
import type { ExitCode, Given, Run } from "../command.ts";
import { EVENT_TYPES } from "../options.ts";
import { withDatabase } from "../database.ts";
import { listenForInterrupts } from "../interrupt.ts";
import { styleOfPhase } from "../phase.ts";
import { printTable } from "../table.ts";
import type { Column } from "../table.ts";
import type { Style, Terminal } from "../terminal.ts";
import { cut, jsonLine, plain, shellQuoted, time, widthOf } from "../text.ts";

const COLUMNS: readonly Column[] = [
  { head: "TIME" },
  { head: "EVENT", style: styleOfEvent },
  { head: "OF", cut: "end" },
  { head: "QUEUE", cut: "end" },
  { head: "ABOUT", cut: "end" },
];
const LISTED = 50;
/** Shown before what comes is followed. */
const LAST = 10;

export const run: Run = (given, terminal) => {
  const follows = given.flag("follow");
  if (!follows && given.text("after") !== undefined) throw new UsageError("Expected --after together with --follow");
  if (follows && given.time("to") !== undefined) throw new UsageError("Expected --follow without --to: what comes has no end");
  return withDatabase(given, terminal, (omniq) => (follows ? follow(omniq, given, terminal) : list(omniq, given, terminal)));
};

async function list(omniq: OmniQ, given: Given, terminal: Terminal): Promise<ExitCode> {
  const events = await newest(omniq, given, given.whole("limit") ?? LISTED);
  if (given.flag("json")) for (const event of events) terminal.json(jsonOf(event));
  else if (events.length === 0) terminal.note("No event is like this.");
  else
    await printTable(
      terminal,
      COLUMNS,
      events.map((event) => cells(event)),
    );
  return EXIT.fine;
}

function findOf(given: Given): EventFind {
  return {
    taskId: given.text("task"),
    scheduleId: given.text("schedule"),
    eventType: given.word("type", EVENT_TYPES),
    from: given.time("from"),
    to: given.time("to"),
  };
}

async function newest(omniq: OmniQ, given: Given, limit: number): Promise<readonly FollowedEvent[]> {
  return limit === 0 ? [] : omniq.events.find({ ...findOf(given), limit });
}

/** The last ones, then each as it is written; with `--after`, exactly those behind it. */
async function follow(omniq: OmniQ, given: Given, terminal: Terminal): Promise<ExitCode> {
  const interrupt = listenForInterrupts(() => {});
  const show = given.flag("json")
    ? (event: FollowedEvent): void => {
        terminal.json(jsonOf(event));
      }
    : streamOf(terminal);
  let cursor = given.text("after");
  try {
    const shown = new Set<string>();
    if (cursor === undefined) {
      const last = await newest(omniq, given, given.whole("limit") ?? LAST);
      for (const event of last.toReversed()) show(event);
      for (const { id } of last) shown.add(id);
      cursor = last[0]?.cursor ?? (given.whole("limit") === 0 ? "now" : undefined);
    }
    for await (const event of omniq.events.follow({ ...findOf(given), after: cursor, signal: interrupt.signal })) {
      if (!shown.delete(event.id)) show(event);
      ({ cursor } = event);
    }
  } finally {
    interrupt.end();
  }
  if (!interrupt.signal.aborted) return EXIT.fine;
  // Behind the ^C of the terminal.
  if (terminal.showsProgress) terminal.note("");
  terminal.note(`To go on from here: ${resumed(given, cursor ?? "now")}`);
  return EXIT.interrupted;
}

/** The command that was typed, to go on after a cursor. */
/** A URL that can be typed again stays as it is, unless it would show a password. */
const PASSWORD = /:\/\/[^\s/@]*:[^\s@]*@|[?&]password=/i;

function resumed({ typed }: Given, cursor: string): string {
  const kept = typed.filter(
    (word, i) => !/^(?:--after|--limit|-n)(?:=|$)/.test(word) && !/^(?:--after|--limit|-n)$/.test(typed[i - 1] ?? ""),
  );
  return ["omniq", ...kept, "--after", cursor].map((word) => shellQuoted(PASSWORD.test(word) ? withoutSecrets(word) : word)).join(" ");
}

/** At first: of the kinds that are usual, of an id, of a queue. */
const COLUMN_WIDTHS = ["schedule_fired".length, 36, "default".length];

/** Lines whose columns stand as wide as those of the lines before. */
function streamOf(terminal: Terminal): (event: FollowedEvent) => void {
  const widths = [0, ...COLUMN_WIDTHS];
  return (event) => {
    const texts = cells(event).map((cell, i) => {
      const text = plain(cell);
      const width = widths[i];
      if (width === undefined) return text;
      widths[i] = Math.max(width, widthOf(text));
      return text + " ".repeat(widths[i] - widthOf(text));
    });
    const [at = "", type = "", ...rest] = texts;
    const line = cut([at, type, ...rest].join("  ").trimEnd(), terminal.width);
    const style = styleOfEvent(event.eventType);
    const from = at.length + 2;
    const to = from + event.eventType.length;
    const painted = style === undefined ? line.slice(from, to) : terminal.paint(style, line.slice(from, to));
    terminal.line(`${terminal.paint("dim", line.slice(0, from))}${painted}${line.slice(to)}`);
  };
}

function jsonOf(event: FollowedEvent): Record<string, unknown> {
  return { ...event.toJSON(), cursor: event.cursor };
}

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
