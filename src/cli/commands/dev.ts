/** `omniq dev`: a worker that is started again on each change. */
import { Supervisor } from "../dev/supervisor.ts";
import type { Run } from "../command.ts";

export const run: Run = (given, terminal) => new Supervisor(given, terminal).run();
