/** `omniq queues clear`. */
import { wanted } from "../change.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { doubt, OPEN, queuesOf } from "../queues.ts";
import type { ServedQueue } from "../queues.ts";
import { count, plain } from "../text.ts";

export const run: Run = (given, terminal) =>
  withDatabase(given, terminal, async (omniq) => {
    const names = [...new Set(given.arguments)];
    const known = await queuesOf(omniq);
    const queues = names.map((name) => ({ name, waiting: waitingOf(known.find((queue) => queue.name === name)) }));
    doubt(terminal, names, known);
    const described = queues.map(({ name, waiting }) => `${count(waiting, "task")} of ${plain(name)}`).join(", ");
    if (given.flag("dryRun")) {
      if (given.flag("json")) for (const queue of queues) terminal.json({ ...queue, dryRun: true });
      else terminal.line(`Would delete ${described}.`);
      return EXIT.fine;
    }
    const isEmpty = queues.every(({ waiting }) => waiting === 0);
    if (!isEmpty && !(await wanted({ given, terminal }, `Delete ${described}?`))) return EXIT.failed;
    for (const { name } of queues) {
      const deleted = await omniq.queues.clear(name);
      if (given.flag("json")) terminal.json({ name, deleted });
      else terminal.line(`${plain(name)}: ${count(deleted, "task")} deleted.`);
    }
    return EXIT.fine;
  });

/** What waits, in whatever way. */
function waitingOf(queue: ServedQueue | undefined): number {
  return OPEN.filter((phase) => phase !== "running").reduce((sum, phase) => sum + (queue?.tasks[phase] ?? 0), 0);
}
