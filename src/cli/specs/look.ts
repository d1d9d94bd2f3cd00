import type { CommandSpec } from "../command.ts";
import { EVENT_TYPES } from "../options.ts";

const RAW = { flags: "--raw", about: "only the value, as JSON" };

/** Results, events and the whole in numbers. */
export const look: readonly CommandSpec[] = [
  {
    name: "results show",
    about: "show what the last attempt of a task came to",
    database: true,
    arguments: [{ name: "<task>", about: "the id of the task", sets: "taskId" }],
    options: [RAW],
    examples: [
      ["omniq results show order-17", "the value, and how it came to be"],
      ["omniq results show order-17 --raw | jq .path", "a part of the value"],
    ],
    load: () => import("../commands/results-show.ts"),
  },
  {
    name: "results latest",
    about: "show the newest result of a schedule",
    database: true,
    arguments: [{ name: "<schedule>", about: "the id of the schedule", sets: "scheduleId" }],
    options: [RAW],
    examples: [["omniq results latest nightly", "what last night's run came to"]],
    load: () => import("../commands/results-latest.ts"),
  },
  {
    name: "events",
    about: "list events, newest first; or follow them, oldest first",
    database: true,
    options: [
      { flags: "--task <id>", sets: "taskId", about: "of this task" },
      { flags: "--schedule <id>", sets: "scheduleId", about: "of this schedule and its tasks" },
      { flags: "--type <type>", sets: "eventType", about: "of this kind", choices: EVENT_TYPES },
      { flags: "--from <time>", about: 'not before this time, or not longer ago: "2026-12-31T08:00Z", "90m"', kind: "past" },
      { flags: "--to <time>", about: "not after this time, or at least so long ago", kind: "past" },
      { flags: "-F, --follow", about: "show the last ones, then each as it is written, until Ctrl-C" },
      { flags: "--after <cursor>", about: 'follow from behind this event (its cursor, or "now")' },
      { flags: "-n, --limit <count>", about: "how many at most (default: 50; before following: 10)", whole: { min: 0, max: 10_000 } },
    ],
    examples: [
      ["omniq events --type failed --from 1d", "what has failed since yesterday"],
      ["omniq events --task run1-4f2a --json", "the history of one task, for a program"],
      ["omniq events --follow", "what happens now"],
      ["omniq events --follow --after 1042 --json", "all since an event that was seen, one JSON value a line, each with its cursor"],
    ],
    load: () => import("../commands/events.ts"),
  },
  {
    name: "stats",
    about: "count tasks by queue and phase, results, events and workers; or watch them",
    database: true,
    options: [
      {
        flags: "-w, --watch [seconds]",
        about: "a live view; without a terminal one JSON value a tick (default: every second)",
        whole: { min: 1, max: 3_600 },
      },
    ],
    examples: [
      ["omniq stats --project shop", "how a project stands"],
      ["omniq stats --watch", "leave it open: queues, throughput, what runs, what fails, what is due"],
      ["omniq stats --watch 10 --json", "the same for a program, every ten seconds"],
    ],
    load: () => import("../commands/stats.ts"),
  },
];
