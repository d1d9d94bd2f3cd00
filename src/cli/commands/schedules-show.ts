/** `omniq schedules show`. */
import { formatDuration } from "../../core/duration.ts";
import type { OmniQ, ScheduleInfo } from "../../index.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { scheduleJson, scheduleOf, styleOfStatus, untilOf, whenOf, zoned } from "../schedule.ts";
import { printFields, printTable } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { cut, jsonLine, plain, time } from "../text.ts";
import { aboutEvent, styleOfEvent } from "./events.ts";

const TIMES = 5;
const EVENTS = 10;

export const run: Run = (given, terminal) =>
  withDatabase(given, terminal, async (omniq) => {
    const shown = await look(omniq, given.argument(0) ?? "");
    if (given.flag("json")) {
      const events = shown.events.map((event) => event.toJSON());
      terminal.json({ ...scheduleJson(shown.schedule), preview: shown.times, events });
    } else await print(terminal, shown);
    return EXIT.fine;
  });

type Shown = Awaited<ReturnType<typeof look>>;

async function look(omniq: OmniQ, id: string) {
  const schedule = await scheduleOf(omniq, id);
  const [times, events] = await Promise.all([omniq.schedules.preview(id, TIMES), omniq.events.find({ scheduleId: id, limit: EVENTS })]);
  return { schedule, times, events };
}

async function print(terminal: Terminal, { schedule, times, events }: Shown): Promise<void> {
  const { id, name, status, timezone } = schedule;
  const now = Date.now();
  const title = cut(plain(name ?? id), Math.max(terminal.width - status.length - 2, status.length));
  terminal.line(`${terminal.paint("bold", title)}  ${terminal.paint(styleOfStatus(status) ?? "bold", status)}`);
  terminal.line();
  printFields(terminal, fieldsOf(schedule, now));
  if (times.length > 0) {
    terminal.line();
    const head = `${status === "paused" ? "IF RESUMED NOW" : "NEXT"}${timezone === "UTC" ? " (UTC)" : ` (${timezone})`}`;
    await printTable(
      terminal,
      [{ head }, { head: "IN" }],
      times.map((at) => [zoned(at, timezone), untilOf(at, now)]),
    );
  }
  if (events.length === 0) return;
  terminal.line();
  await printTable(
    terminal,
    [{ head: "TIME" }, { head: "EVENT", style: styleOfEvent }, { head: "TASK", cut: "end" }, { head: "ABOUT", cut: "end" }],
    events.map((event) => [time(event.timestamp), event.eventType, event.taskId ?? "", aboutEvent(event)]),
  );
}

function fieldsOf(schedule: ScheduleInfo, now: number): readonly (readonly [string, string | undefined])[] {
  const { runCount, maxRuns, startAt, endAt, jitter, catchUp, overlap, lastRunAt, lastTaskId, lastPhase, tags, queueName } = schedule;
  const at = (date: Date | undefined): string | undefined => (date === undefined ? undefined : `${time(date)} (${untilOf(date, now)})`);
  return [
    ["id", schedule.id],
    ["task", schedule.func],
    ["queue", queueName],
    ["arguments", jsonLine(schedule.funcArgs ?? null)],
    ["copied from", schedule.taskId],
    ["description", schedule.description],
    ["tags", tags.length === 0 ? undefined : tags.join(", ")],
    ["when", whenOf(schedule)],
    ["starts", at(startAt)],
    ["ends", at(endAt)],
    ["jitter", jitter === undefined ? undefined : `up to ${formatDuration(jitter)}`],
    ["missed ones", typeof catchUp === "string" ? catchUp : `all, at most ${catchUp.all}`],
    ["overlap", overlap],
    ["runs", maxRuns === undefined ? String(runCount) : `${runCount} of at most ${maxRuns}`],
    ["last run", at(lastRunAt)],
    ["its task", lastTaskId === undefined ? undefined : `${lastTaskId} (${lastPhase ?? "gone"})`],
    ["paused", schedule.status === "paused" ? at(schedule.pausedAt) : undefined],
    ["created", at(schedule.createdAt)],
  ];
}
