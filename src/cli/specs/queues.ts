import type { CommandSpec } from "../command.ts";
import { DRY_RUN, YES } from "../options.ts";

const NAMES = { name: "<names...>", about: "the names of the queues", sets: "name" };

/** Queues. */
export const queues: readonly CommandSpec[] = [
  {
    name: "queues list",
    about: "list queues: what they hold by phase, who serves them, since when they are paused",
    database: true,
    examples: [["omniq queues list", "which queue is behind, and why"]],
    load: () => import("../commands/queues-list.ts"),
  },
  {
    name: "queues pause",
    about: "pause queues: no worker takes a task of them any more; what runs goes on",
    database: true,
    arguments: [NAMES],
    examples: [["omniq queues pause mail", "until it is resumed"]],
    load: () => import("../commands/queues-pause.ts"),
  },
  {
    name: "queues resume",
    about: "let workers take tasks of these queues again",
    database: true,
    arguments: [NAMES],
    examples: [["omniq queues resume mail", "what waits there is taken at once"]],
    load: () => import("../commands/queues-resume.ts"),
  },
  {
    name: "queues clear",
    about: "delete what waits in queues; what runs, has ended, or has others waiting for it, stays",
    database: true,
    arguments: [NAMES],
    options: [DRY_RUN, YES],
    examples: [
      ["omniq queues clear mail", "after a question that says how many they are"],
      ["omniq queues clear mail reports --yes", "without a question"],
    ],
    load: () => import("../commands/queues-clear.ts"),
  },
];
