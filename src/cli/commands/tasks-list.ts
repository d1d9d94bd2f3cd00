/** `omniq tasks list`. */
import { formatDuration } from "../../core/duration.ts";
import type { TaskInfo } from "../../index.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { filterOf } from "../filter.ts";
import { findTasks, styleOfPhase } from "../phase.ts";
import { printTable } from "../table.ts";
import type { Column } from "../table.ts";
import { count } from "../text.ts";

const COLUMNS: readonly Column[] = [
  { head: "ID", cut: "end" },
  { head: "TASK", cut: "end" },
  { head: "QUEUE", cut: "end" },
  { head: "PHASE", style: styleOfPhase },
  { head: "RUNS", align: "right" },
  { head: "AGE", align: "right" },
  { head: "ABOUT", cut: "end" },
];

export const run: Run = (given, terminal) =>
  withDatabase(given, terminal, async (omniq) => {
    const limit = given.whole("limit") ?? 50;
    const found = await findTasks(omniq, filterOf(given), limit);
    if (given.flag("json")) {
      for (const task of found) terminal.json({ ...task.toJSON(), phase: task.phase, broken: task.broken });
      return EXIT.fine;
    }
    if (found.length === 0) {
      terminal.note("No task is like this.");
      return EXIT.fine;
    }
    const now = Date.now();
    await printTable(
      terminal,
      COLUMNS,
      found.map((task) => cells(task, now)),
    );
    if (found.length === limit && terminal.isInteractive) {
      terminal.note(terminal.paintNote("dim", `The newest ${count(limit, "task")}; --limit shows more.`));
    }
    return EXIT.fine;
  });

function cells(task: TaskInfo, now: number): readonly string[] {
  const { phase } = task;
  const age = formatDuration(Math.max(0, now - task.createdAt.getTime())).split(" ")[0] ?? "";
  const broken = task.broken === undefined ? undefined : `broken: ${task.broken}`;
  const about = broken ?? (phase === "completed" ? undefined : task.reason);
  const label = task.name === task.func ? undefined : task.name;
  return [task.id, task.func, task.queueName, phase, String(task.attempt), age, about ?? label ?? ""];
}
