/** `omniq worker`: runs tasks until it is told to stop. */
import type { Run } from "../command.ts";
import { signalStops } from "../worker/stops.ts";
import { leaveSoon, work } from "../worker/work.ts";

export const run: Run = (given, terminal) => work(given, terminal, signalStops).finally(leaveSoon);
