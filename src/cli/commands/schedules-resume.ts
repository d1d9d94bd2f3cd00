/** `omniq schedules resume`. */
import { eachSchedule } from "../schedule.ts";

export const run = eachSchedule("resumed", (omniq, id, given) => omniq.schedules.resume(id, { from: given.time("from") }));
