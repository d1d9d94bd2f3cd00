/** The command table. */
import { TASK_EVENTS, SCHEDULE_EVENTS } from "../core/event.ts";
import { FINALS, PHASES } from "../core/task.ts";
import type { CommandSpec, OptionSpec } from "./command.ts";

export const STATUSES = ["pending", "running", ...FINALS] as const;
export const EVENT_TYPES = [...TASK_EVENTS, ...SCHEDULE_EVENTS] as const;

const limit = (standard: number): OptionSpec => ({
  flags: "-n, --limit <count>",
  about: "how many at most",
  default: standard,
  whole: { min: 1, max: 10_000 },
});

/** Taken by every command. */
export const COMMON: readonly OptionSpec[] = [
  { flags: "--json", about: "answer as JSON, lists as one JSON value a line" },
  { flags: "--debug", about: "show the stack of an error" },
];
/** Taken by the commands that read a database. */
export const DATABASE: readonly OptionSpec[] = [
  { flags: "--url <url>", about: "the database, such as sqlite:./data/shop.db (or OMNIQ_URL)" },
  { flags: "--project <name>", about: "the database <base-dir>/<name>.db (or OMNIQ_PROJECT_NAME; default omniq)" },
  { flags: "--base-dir <folder>", about: "the folder of the project's database (or OMNIQ_BASE_DIR; default ./omniq_data)" },
];

export const GROUPS: Readonly<Record<string, string>> = { tasks: "look at tasks" };

export const COMMANDS: readonly CommandSpec[] = [
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
    load: () => import("./commands/tasks-list.ts"),
  },
  {
    name: "tasks show",
    about: "show one task: where it stands and why, its result, its events",
    database: true,
    arguments: [{ name: "<id>", about: "the id of the task" }],
    examples: [["omniq tasks show 0199f0c2-7c1e-7aaa-9c3f-2f1d8e6b0c11", "everything about one task"]],
    load: () => import("./commands/tasks-show.ts"),
  },
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
    load: () => import("./commands/events.ts"),
  },
  {
    name: "stats",
    about: "count tasks by queue and phase, results, events and workers",
    database: true,
    examples: [["omniq stats --project shop", "how a project stands"]],
    load: () => import("./commands/stats.ts"),
  },
  {
    name: "demo",
    about: "count the words of many files with a worker, and report: real work to watch, interrupt and look into",
    database: false,
    arguments: [{ name: "[folder]", about: "whose *.md and *.d.ts files are read (default: ./node_modules)" }],
    options: [
      { flags: "--base-dir <folder>", about: "where the demo's database and report go (default: ./omniq_data)" },
      { flags: "--slots <count>", about: "how many files are worked on at once", default: 8, whole: { min: 1, max: 1_000 } },
      {
        flags: "--pace <ms>",
        about: "each file takes at least so long: time to interrupt",
        default: 0,
        whole: { min: 0, max: 60_000 },
      },
    ],
    examples: [
      ["omniq demo", "all documentation under ./node_modules"],
      ["omniq demo docs --pace 200", "slowly: press Ctrl-C, start it again, and it carries on"],
    ],
    load: () => import("./demo/run.ts"),
  },
];
