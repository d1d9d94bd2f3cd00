import { PHASES } from "../../core/task.ts";
import type { CommandSpec } from "../command.ts";
import { limit, STATUSES } from "../options.ts";

export const tasks: readonly CommandSpec[] = [
  {
    name: "tasks list",
    about: "list tasks, newest first",
    database: true,
    options: [
      { flags: "--phase <phase>", about: "where they stand", choices: PHASES },
      { flags: "--status <status>", about: "their stored status", choices: STATUSES },
      { flags: "-q, --queue <name>", about: "in this queue" },
      { flags: "-f, --func <name>", about: "of this definition" },
      { flags: "-t, --tag <tag>", about: "with this tag; several: with all of them", repeatable: true },
      limit(50),
    ],
    examples: [
      ["omniq tasks list --phase failed", "what has failed for good"],
      ["omniq tasks list --func resize --tag img -n 10", "the newest ten of one kind"],
      ["omniq tasks list --json | jq -r .id", "only the ids"],
    ],
    load: () => import("../commands/tasks-list.ts"),
  },
  {
    name: "tasks show",
    about: "show one task: where it stands and why, its result, its events",
    database: true,
    arguments: [{ name: "<id>", about: "the id of the task" }],
    examples: [["omniq tasks show 0199f0c2-7c1e-7aaa-9c3f-2f1d8e6b0c11", "everything about one task"]],
    load: () => import("../commands/tasks-show.ts"),
  },
];
