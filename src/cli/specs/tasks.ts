import type { CommandSpec } from "../command.ts";
import { TASK_FILTER } from "../filter.ts";
import { DRY_RUN, limit, YES } from "../options.ts";

const IDS = { name: "[ids...]", about: "the ids of the tasks; or say with options which are meant" };

export const tasks: readonly CommandSpec[] = [
  {
    name: "tasks list",
    about: "list tasks, newest first",
    database: true,
    options: [...TASK_FILTER, limit(50)],
    examples: [
      ["omniq tasks list --phase failed", "what has failed for good"],
      ["omniq tasks list --func resize --tag img -n 10", "the newest ten of one kind"],
      ["omniq tasks list --from 1h", "what was enqueued within the last hour"],
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
  {
    name: "tasks cancel",
    about: "cancel tasks: what waits at once, what runs is asked to stop",
    database: true,
    arguments: [IDS],
    options: [{ flags: "--reason <text>", about: "why, for people" }, ...TASK_FILTER, DRY_RUN, YES],
    examples: [
      ["omniq tasks cancel order-17 order-18", "these two"],
      ['omniq tasks cancel --queue mail --phase ready --reason "wrong text"', "all that waits in a queue, after a question"],
    ],
    load: () => import("../commands/tasks-cancel.ts"),
  },
  {
    name: "tasks retry",
    about: "let tasks that failed, were cancelled or expired run again",
    database: true,
    arguments: [IDS],
    options: [...TASK_FILTER, DRY_RUN, YES],
    examples: [
      ["omniq tasks retry order-17", "this one"],
      ["omniq tasks retry --phase failed --func resize --from 1d --yes", "all of one kind of the last day, without a question"],
    ],
    load: () => import("../commands/tasks-retry.ts"),
  },
  {
    name: "tasks delete",
    about: "delete tasks with their results; what runs, or has others waiting for it, is kept",
    database: true,
    arguments: [IDS],
    options: [...TASK_FILTER, DRY_RUN, YES],
    examples: [
      ["omniq tasks delete order-17", "this one"],
      ["omniq tasks delete --phase completed --to 30d --dry-run", "how many completed ones are older than a month"],
    ],
    load: () => import("../commands/tasks-delete.ts"),
  },
  {
    name: "why",
    about: "say why a task is not running, in one sentence",
    database: true,
    arguments: [{ name: "<id>", about: "the id of the task" }],
    examples: [["omniq why order-17", "such as: its queue is paused, no worker knows it, it waits for another"]],
    load: () => import("../commands/why.ts"),
  },
];
