import type { CommandSpec } from "../command.ts";
import { EVENT_TYPES, limit } from "../options.ts";

/** Events, results and the whole in numbers. */
export const look: readonly CommandSpec[] = [
  {
    name: "events",
    about: "list events, newest first",
    database: true,
    options: [
      { flags: "--task <id>", about: "of this task" },
      { flags: "--type <type>", about: "of this kind", choices: EVENT_TYPES },
      limit(50),
    ],
    examples: [
      ["omniq events --type failed", "what has failed"],
      ["omniq events --task run1-4f2a --json", "the history of one task, for a program"],
    ],
    load: () => import("../commands/events.ts"),
  },
  {
    name: "stats",
    about: "count tasks by queue and phase, results, events and workers",
    database: true,
    examples: [["omniq stats --project shop", "how a project stands"]],
    load: () => import("../commands/stats.ts"),
  },
];
