/** `omniq schedules delete`. */
import { ScheduleNotFoundError } from "../../core/errors.ts";
import { eachSchedule } from "../schedule.ts";

export const run = eachSchedule("deleted", async (omniq, id) => {
  if (!(await omniq.schedules.delete(id))) throw new ScheduleNotFoundError(id);
  return undefined;
});
