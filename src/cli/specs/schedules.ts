import type { CommandSpec, OptionSpec } from "../command.ts";
import { limit } from "../options.ts";
import { ARGS, ARGS_FILE, DEFINITIONS, TASK_OPTIONS } from "../task-options.ts";

const ID = { name: "<id>", about: "the id of the schedule" };
const IDS = { name: "<ids...>", about: "the ids of the schedules" };

/** When a schedule fires. */
const TIMING: readonly OptionSpec[] = [
  { flags: "--cron <expression>", about: '5 fields, 6 with seconds in front, or a nickname: "0 3 * * *", "@daily"' },
  { flags: "--timezone <zone>", about: "an IANA time zone for --cron, such as Europe/Berlin (default: UTC)" },
  { flags: "--every <duration>", about: 'so long after one another: "15m", "1h30m"', kind: "duration" },
  { flags: "--at <time>", about: "once, at this time", kind: "time" },
  { flags: "--start-at <time>", about: "no occurrence is earlier", kind: "time" },
  { flags: "--end-at <time>", about: "no occurrence is later", kind: "time" },
];

/** Schedules: made, looked at, paused, run. */
export const schedules: readonly CommandSpec[] = [
  {
    name: "schedules list",
    about: "list schedules by their next time, with what came of the last run",
    database: true,
    options: [{ flags: "--status <status>", about: "of this status", choices: ["active", "paused", "completed"] }, limit(100)],
    examples: [
      ["omniq schedules list", "what runs when, and how it went"],
      ["omniq schedules list --status paused --json | jq -r .id", "the ids of those that are paused"],
    ],
    load: () => import("../commands/schedules-list.ts"),
  },
  {
    name: "schedules show",
    about: "show one schedule: what it runs and when, its next times, what it did last",
    database: true,
    arguments: [ID],
    examples: [["omniq schedules show nightly", "everything about one schedule"]],
    load: () => import("../commands/schedules-show.ts"),
  },
  {
    name: "schedules add",
    about:
      "make a schedule of a task, or change the one with this id in place; what its definition says of queue, retries, timeout and arguments counts with --tasks",
    database: true,
    arguments: [{ name: "[task]", about: "the name of the definition; or --task-id", sets: "task.name" }, ARGS],
    options: [
      ...TIMING,
      { flags: "--once", about: "once, as soon as possible" },
      { flags: "--id <id>", about: "the same id again changes the schedule in place, or nothing (default: a new one)" },
      { flags: "--name <text>", about: "a name of the schedule, for people" },
      { flags: "--max-runs <count>", about: "runs after which it is completed", whole: { min: 1, max: 1_000_000_000 } },
      { flags: "--jitter <duration>", about: "each task is due up to so much later, by chance", kind: "duration" },
      { flags: "--catch-up <what>", about: 'which of those that were missed: "latest" (default), "skip", or the latest so many: "20"' },
      {
        flags: "--overlap <what>",
        about: "whether it fires while an earlier task has not ended (default: allow); only with --cron and --every",
        choices: ["allow", "skip"],
      },
      { flags: "--task-id <id>", about: "instead of a name: a task whose definition, arguments and options are copied" },
      ARGS_FILE,
      DEFINITIONS,
      ...TASK_OPTIONS,
    ],
    examples: [
      [`omniq schedules add report '{"kind": "daily"}' --id nightly --cron "0 3 * * *" --timezone Europe/Berlin`, "each night"],
      ["omniq schedules add sync --id sync --every 15m --overlap skip --jitter 1m", "never two at once, not all at the same second"],
      ["omniq schedules add --task-id order-17 --every 1h --max-runs 3", "like a task that was enqueued"],
    ],
    load: () => import("../commands/schedules-add.ts"),
  },
  {
    name: "schedules pause",
    about: "pause schedules: nothing more is fired until they are resumed",
    database: true,
    arguments: [IDS],
    examples: [["omniq schedules pause nightly hourly", "these two"]],
    load: () => import("../commands/schedules-pause.ts"),
  },
  {
    name: "schedules resume",
    about: "let paused schedules go on; what was missed is not made up for, unless --from says since when",
    database: true,
    arguments: [IDS],
    options: [{ flags: "--from <time>", about: "count from this time instead of now", kind: "time" }],
    examples: [
      ["omniq schedules resume nightly", "from now on"],
      ["omniq schedules resume nightly --from 2026-12-01", "take what came since as its catch-up policy says"],
    ],
    load: () => import("../commands/schedules-resume.ts"),
  },
  {
    name: "schedules run",
    about: "run a schedule's task now, beside its times",
    database: true,
    arguments: [ID],
    examples: [["omniq schedules run nightly", "do not wait for the night"]],
    load: () => import("../commands/schedules-run.ts"),
  },
  {
    name: "schedules preview",
    about: "show the next times of a schedule, or of one that is not made yet",
    database: true,
    arguments: [{ name: "[id]", about: "the id of the schedule; or say with options when" }],
    options: [...TIMING, { flags: "-n, --count <count>", about: "how many times", default: 5, whole: { min: 1, max: 1_000 } }],
    examples: [
      ["omniq schedules preview nightly", "its next five times"],
      ['omniq schedules preview --cron "30 2 * * *" --timezone Europe/Berlin -n 3', "what an expression comes to; needs no database"],
    ],
    load: () => import("../commands/schedules-preview.ts"),
  },
  {
    name: "schedules delete",
    about: "delete schedules; the tasks that they made stay",
    database: true,
    arguments: [IDS],
    examples: [["omniq schedules delete nightly", "it fires no more"]],
    load: () => import("../commands/schedules-delete.ts"),
  },
];
