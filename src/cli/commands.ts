/** The command table, in the order of the help. */
import type { CommandSpec, OptionSpec } from "./command.ts";
import { COMMON, DATABASE } from "./options.ts";
import { completion } from "./specs/completion.ts";
import { config } from "./specs/config.ts";
import { enqueue } from "./specs/enqueue.ts";
import { look } from "./specs/look.ts";
import { operate } from "./specs/operate.ts";
import { queues } from "./specs/queues.ts";
import { run } from "./specs/run.ts";
import { schedules } from "./specs/schedules.ts";
import { tasks } from "./specs/tasks.ts";

/** What stands beside the name of a group. */
export const GROUPS: Readonly<Record<string, string>> = {
  tasks: "look at tasks, cancel, retry and delete them",
  schedules: "look at schedules, make, pause, run and delete them",
  queues: "look at queues, pause and clear them",
  results: "read what tasks came to",
  config: "see the configuration that is in effect",
};

export const COMMANDS: readonly CommandSpec[] = [
  ...run,
  ...enqueue,
  ...tasks,
  ...schedules,
  ...queues,
  ...look,
  ...operate,
  ...config,
  ...completion,
];

/** All options that a command takes: its own, those that say which database, those of every command. */
export function optionsOf({ options = [], database }: CommandSpec): readonly OptionSpec[] {
  return [...options, ...(database ? DATABASE : []), ...COMMON];
}
