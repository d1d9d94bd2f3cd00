/** `omniq results latest`. */
import { OmniQError, ScheduleNotFoundError } from "../../core/errors.ts";
import type { Run } from "../command.ts";
import { withDatabase } from "../database.ts";
import { showResult } from "./results-show.ts";

export const run: Run = (given, terminal) =>
  withDatabase(given, terminal, async (omniq) => {
    const id = given.argument(0) ?? "";
    const result = await omniq.results.latest(id);
    if (result !== undefined) return showResult(given, terminal, result);
    // Results outlive their schedule, so it is asked for only now.
    if ((await omniq.schedules.get(id)) === undefined) throw new ScheduleNotFoundError(id);
    throw new OmniQError("RESULT_NOT_READY", `Schedule ${id} has no result (any more): none of its tasks has ended with one that is kept`);
  });
