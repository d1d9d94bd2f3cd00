/** `omniq schedules preview`. */
import { OmniQ } from "../../index.ts";
import { EXIT, UsageError } from "../command.ts";
import type { Given, Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { scheduleOf, timingOf, untilOf, zoned } from "../schedule.ts";
import { printTable } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { InvalidOptionError } from "../../core/errors.ts";

export const run: Run = async (given, terminal) => {
  const id = given.argument(0);
  const timing = timingOf(given);
  const said = Object.values(timing).some((part) => part !== undefined);
  if ((id === undefined) !== said) {
    throw new UsageError(`Expected the id of a schedule or options that say when, such as --cron, got ${said ? "both" : "neither"}`);
  }
  const count = given.whole("count") ?? 5;
  if (id !== undefined) {
    return withDatabase(given, terminal, async (omniq) => {
      const { timezone } = await scheduleOf(omniq, id);
      await print(given, terminal, await omniq.schedules.preview(id, count), timezone);
      return EXIT.fine;
    });
  }
  // Nothing is opened for this.
  const omniq = new OmniQ();
  const times = await omniq.schedules.preview(timing, count).catch((error: unknown) => {
    throw error instanceof InvalidOptionError ? new UsageError(error.message) : error;
  });
  await print(given, terminal, times, timing.timezone ?? "UTC");
  return EXIT.fine;
};

async function print(given: Given, terminal: Terminal, times: readonly Date[], timezone: string): Promise<void> {
  const now = Date.now();
  if (given.flag("json")) for (const at of times) terminal.json({ at, local: zoned(at, timezone), timezone });
  else if (times.length === 0) terminal.note("It does not fire any more.");
  else {
    await printTable(
      terminal,
      [{ head: "UTC" }, ...(timezone === "UTC" ? [] : [{ head: timezone.toUpperCase() }]), { head: "IN" }],
      times.map((at) => [zoned(at, "UTC").replace(/ GMT$/, ""), ...(timezone === "UTC" ? [] : [zoned(at, timezone)]), untilOf(at, now)]),
    );
  }
}
