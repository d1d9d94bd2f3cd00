/** `omniq queues list`. */
import { isForMove } from "../../core/transfer.ts";
import { formatDuration } from "../../core/duration.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { styleOfPhase } from "../phase.ts";
import { OPEN, queuesOf } from "../queues.ts";
import type { ServedQueue } from "../queues.ts";
import { printTable } from "../table.ts";
import type { Column } from "../table.ts";
import { tally, time } from "../text.ts";

const COLUMNS: readonly Column[] = [
  { head: "QUEUE", cut: "end" },
  ...OPEN.map((phase) => ({
    head: phase.toUpperCase(),
    align: "right" as const,
    style: (value: string) => (value === "0" ? ("dim" as const) : styleOfPhase(phase)),
  })),
  { head: "WAITING", align: "right" },
  { head: "WORKERS", align: "right", style: (value) => (value === "0" ? "yellow" : undefined) },
  { head: "", cut: "end", style: () => "yellow" },
];

export const run: Run = (given, terminal) =>
  withDatabase(given, terminal, async (omniq) => {
    const queues = await queuesOf(omniq);
    if (given.flag("json")) for (const queue of queues) terminal.json(queue);
    else if (queues.length === 0) terminal.note("No queue holds anything that has not ended, and no live worker serves one.");
    else {
      const now = Date.now();
      await printTable(
        terminal,
        COLUMNS,
        queues.map((queue) => cells(queue, now)),
      );
    }
    return EXIT.fine;
  });

function cells({ name, tasks, readySince, workers, pausedAt }: ServedQueue, now: number): readonly string[] {
  const waiting = readySince === undefined ? "" : formatDuration(Math.max(0, now - readySince.getTime()));
  const paused = pausedAt === undefined ? "" : isForMove(pausedAt) ? "paused by a move" : `paused since ${time(pausedAt)}`;
  return [name, ...OPEN.map((phase) => tally(tasks[phase] ?? 0)), waiting, String(workers), paused];
}
