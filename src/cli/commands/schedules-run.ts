/** `omniq schedules run`. */
import { EXIT } from "../command.ts";
import type { Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { plain } from "../text.ts";

export const run: Run = (given, terminal) =>
  withDatabase(given, terminal, async (omniq) => {
    const id = given.argument(0) ?? "";
    const { id: taskId, created } = await omniq.schedules.runNow(id);
    if (given.flag("json")) terminal.json({ id, taskId, created });
    else if (created) terminal.line(`${plain(id)} enqueued task ${plain(taskId)}`);
    else terminal.line(`${plain(id)} enqueued nothing new: task ${plain(taskId)} holds its unique key`);
    return EXIT.fine;
  });
