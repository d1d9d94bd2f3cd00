/** Which tasks are meant: the options of every command that looks for tasks, and what they say. */
import { PHASES } from "../core/task.ts";
import type { TaskFilter } from "../index.ts";
import type { Given, OptionSpec } from "./command.ts";
import { STATUSES } from "./options.ts";

export const TASK_FILTER: readonly OptionSpec[] = [
  { flags: "--phase <phase>", about: "where they stand", choices: PHASES },
  { flags: "--status <status>", about: "their stored status", choices: STATUSES },
  { flags: "-q, --queue <name>", sets: "queueName", about: "in this queue" },
  { flags: "-f, --func <name>", about: "of this definition" },
  { flags: "-t, --tag <tag>", sets: "tags", about: "with this tag; several: with all of them", repeatable: true },
  { flags: "--schedule <id>", sets: "scheduleId", about: "made by this schedule" },
  {
    flags: "--from <time>",
    sets: "createdFrom",
    about: 'created not before this time, or not longer ago: "2026-12-31T08:00Z", "90m"',
    kind: "past",
  },
  { flags: "--to <time>", sets: "createdTo", about: "created not after this time, or at least so long ago", kind: "past" },
];

export function filterOf(given: Given): TaskFilter {
  const tags = given.texts("tag");
  return {
    phase: given.word("phase", PHASES),
    status: given.word("status", STATUSES),
    queueName: given.text("queue"),
    func: given.text("func"),
    tags: tags.length === 0 ? undefined : tags,
    scheduleId: given.text("schedule"),
    createdFrom: given.time("from"),
    createdTo: given.time("to"),
  };
}

/** Whether nothing was said: then all tasks are meant. */
export function isEmpty(filter: TaskFilter): boolean {
  return Object.values(filter).every((part) => part === undefined);
}
