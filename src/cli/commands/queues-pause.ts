/** `omniq queues pause`, and what it has in common with `omniq queues resume`. */
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { doubt, queuesOf } from "../queues.ts";
import { count, plain } from "../text.ts";

export const run = pausing(true);

/** A command that pauses queues, or lets them go on. */
export function pausing(paused: boolean): Run {
  return (given, terminal) =>
    withDatabase(given, terminal, async (omniq) => {
      const names = [...new Set(given.arguments)];
      const before = await queuesOf(omniq);
      for (const name of names) await (paused ? omniq.queues.pause(name) : omniq.queues.resume(name));
      doubt(terminal, names, before);
      for (const name of names) {
        const queue = before.find((each) => each.name === name);
        const changed = (queue?.paused ?? false) !== paused;
        const waiting = queue?.tasks.ready ?? 0;
        if (given.flag("json")) terminal.json({ name, paused, changed });
        else if (!changed) terminal.line(`${plain(name)}: ${paused ? "was paused already" : "was not paused"}.`);
        else if (paused) terminal.line(`${plain(name)}: paused; ${count(waiting, "task")} ready and waiting.`);
        else terminal.line(`${plain(name)}: resumed; ${count(waiting, "task")} ready.`);
      }
      return EXIT.fine;
    });
}
