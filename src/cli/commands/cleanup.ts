/** `omniq cleanup`: all that is past its time, now. */
import { formatDuration } from "../../core/duration.ts";
import type { CleanedUp } from "../../index.ts";
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { statusLine } from "../status-line.ts";
import { count } from "../text.ts";

export const run: Run = (given, terminal) =>
  withDatabase(given, terminal, async (omniq) => {
    const began = performance.now();
    const line = statusLine(terminal);
    const cleaned = await omniq
      .cleanup({
        onProgress: (soFar) => {
          line.say(`Taken away so far: ${sentence(soFar)}`);
        },
      })
      .finally(() => {
        line.end();
      });
    if (given.flag("json")) terminal.json(cleaned);
    else terminal.line(`Took away ${sentence(cleaned)} in ${formatDuration(Math.round(performance.now() - began))}.`);
    return EXIT.fine;
  });

function sentence({ tasks, results, events }: CleanedUp): string {
  const ended = Object.entries(tasks).filter(([, removed]) => removed > 0);
  const total = ended.reduce((sum, [, removed]) => sum + removed, 0);
  const kinds = ended.length === 0 ? "" : ` (${ended.map(([how, removed]) => `${removed} ${how}`).join(", ")})`;
  return `${count(total, "ended task")}${kinds}, ${count(results, "result")} and ${count(events, "event")} past their time`;
}
