/** `omniq schedules list`. */
import type { ScheduleInfo } from "../../index.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { styleOfPhase } from "../phase.ts";
import { scheduleJson, styleOfStatus, untilOf, whenOf } from "../schedule.ts";
import { printTable } from "../table.ts";
import type { Column } from "../table.ts";
import { plain } from "../text.ts";

const BROKEN = ", broken";

const COLUMNS: readonly Column[] = [
  { head: "ID", cut: "end" },
  { head: "TASK", cut: "end" },
  { head: "WHEN", cut: "end" },
  { head: "STATUS", style: (value) => (value.endsWith(BROKEN) ? "red" : styleOfStatus(value)) },
  { head: "NEXT", style: (value) => (value.endsWith("ago") ? "red" : undefined) },
  { head: "RUNS", align: "right" },
  { head: "LAST RUN" },
  { head: "OUTCOME", style: styleOfPhase },
];

export const run: Run = (given, terminal) =>
  withDatabase(given, terminal, async (omniq) => {
    const status = given.word("status", ["active", "paused", "completed"]);
    const found = await omniq.schedules.list({ status, limit: Math.min(given.whole("limit") ?? 100, 1_000) });
    if (given.flag("json")) for (const schedule of found) terminal.json(scheduleJson(schedule));
    else if (found.length === 0) terminal.note("No schedule is like this. `omniq schedules add --help` tells how to make one.");
    else {
      const now = Date.now();
      await printTable(
        terminal,
        COLUMNS,
        found.map((schedule) => cells(schedule, now)),
      );
      for (const { id, broken } of found)
        if (broken !== undefined) terminal.note(`${terminal.paintNote("red", plain(id))}: ${plain(broken)}`);
    }
    return EXIT.fine;
  });

function cells(schedule: ScheduleInfo, now: number): readonly string[] {
  const { id, func, status, nextRunAt, runCount, maxRuns, lastRunAt, lastPhase, broken, scheduleType } = schedule;
  // A rule that cannot be read has this stand-in.
  const when = broken !== undefined && scheduleType === "once" ? "?" : whenOf(schedule);
  return [
    id,
    func,
    when,
    broken === undefined ? status : `${status}${BROKEN}`,
    nextRunAt === undefined ? "" : untilOf(nextRunAt, now),
    maxRuns === undefined ? String(runCount) : `${runCount}/${maxRuns}`,
    lastRunAt === undefined ? "" : untilOf(lastRunAt, now),
    lastPhase ?? (lastRunAt === undefined ? "" : "gone"),
  ];
}
