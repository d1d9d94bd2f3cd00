/** `omniq schedules pause`. */
import { eachSchedule } from "../schedule.ts";

export const run = eachSchedule("paused", (omniq, id) => omniq.schedules.pause(id));
