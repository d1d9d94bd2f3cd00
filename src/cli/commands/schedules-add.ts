/** `omniq schedules add`. */
import { isCatchUp, MOST_CAUGHT_UP } from "../../core/schedule.ts";
import type { OmniQ, ScheduleHandle, ScheduleOptions } from "../../index.ts";
import { EXIT, UsageError } from "../command.ts";
import type { Given } from "../command.ts";
import { withDatabaseToFill } from "../database.ts";
import { definitionOf, leaving } from "../definitions.ts";
import { scheduleJson, scheduleOf, timingOf, untilOf } from "../schedule.ts";
import { argsOf, taskOptionsOf } from "../task-options.ts";
import { plain, time } from "../text.ts";

export const run = leaving(async (given, terminal) => {
  if ((given.argument(0) === undefined) === (given.text("taskId") === undefined)) {
    throw new UsageError("Expected either the name of a task or --task-id");
  }
  if (given.text("taskId") !== undefined && given.texts("tasks").length > 0) {
    throw new UsageError("Expected --tasks together with the name of a task, got --task-id: that one brings all it has");
  }
  const args = await argsOf(given, terminal);
  const make = await makerOf(given, args, optionsOf(given));
  return withDatabaseToFill(given, terminal, async (omniq) => {
    const { id, created, changed } = await make(omniq);
    const schedule = await scheduleOf(omniq, id);
    if (given.flag("json")) terminal.json({ ...scheduleJson(schedule), created, changed });
    else {
      const did = created ? "made" : changed ? "changed" : "is as it was";
      const { nextRunAt } = schedule;
      const next = nextRunAt === undefined ? "" : `, next ${time(nextRunAt)} (${untilOf(nextRunAt, Date.now())})`;
      terminal.line(`${plain(id)} ${did}${next}`);
    }
    return EXIT.fine;
  });
});

type Make = (omniq: OmniQ) => Promise<ScheduleHandle>;

/** By a task's id, by its definition, or by its name alone. */
async function makerOf(given: Given, args: unknown, options: ScheduleOptions): Promise<Make> {
  const taskId = given.text("taskId");
  if (taskId !== undefined) return (omniq) => omniq.scheduleTask(taskId, options);
  const name = given.argument(0) ?? "";
  const task = await definitionOf(given, name);
  return (omniq) => (task === undefined ? omniq.scheduleNamed(name, args, options) : omniq.schedule(task, args, options));
}

function optionsOf(given: Given): ScheduleOptions {
  return {
    ...taskOptionsOf(given),
    ...timingOf(given),
    once: given.flag("once") ? true : undefined,
    id: given.text("id"),
    name: given.text("name"),
    maxRuns: given.whole("maxRuns"),
    jitter: given.duration("jitter"),
    catchUp: catchUpOf(given.text("catchUp")),
    overlap: given.word("overlap", ["allow", "skip"]),
  };
}

function catchUpOf(said: string | undefined): ScheduleOptions["catchUp"] {
  if (said === undefined || said === "latest" || said === "skip") return said;
  const catchUp = { all: /^\d+$/.test(said) ? Number(said) : 0 };
  if (isCatchUp(catchUp)) return catchUp;
  throw new UsageError(`Expected --catch-up to be "latest", "skip" or a number from 1 to ${MOST_CAUGHT_UP}, got ${plain(said)}`);
}
