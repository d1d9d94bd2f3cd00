/** `omniq queues resume`. */
import { pausing } from "./queues-pause.ts";

export const run = pausing(false);
