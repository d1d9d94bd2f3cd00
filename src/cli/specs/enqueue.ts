import type { CommandSpec } from "../command.ts";
import { ARGS, ARGS_FILE, DEFINITIONS, TASK_OPTIONS } from "../task-options.ts";

/** Giving workers something to do. */
export const enqueue: readonly CommandSpec[] = [
  {
    name: "enqueue",
    about:
      "enqueue a task by its name, and wait for its result if asked to; what its definition says of queue, retries, timeout and arguments counts with --tasks",
    database: true,
    arguments: [{ name: "<task>", about: "the name of the definition", sets: "task.name" }, ARGS],
    options: [
      ARGS_FILE,
      DEFINITIONS,
      { flags: "-w, --wait [timeout]", about: 'wait for the end, at most so long ("30s"), and answer the result', kind: "duration" },
      { flags: "--in <duration>", sets: "runIn", about: 'not before so long from now, such as "10m"', kind: "duration" },
      { flags: "--at <time>", sets: "runAt", about: 'not before this time, such as "2026-12-31T08:00Z"', kind: "time" },
      { flags: "--id <id>", about: "the id; the same call again does nothing (default: a new one)" },
      { flags: "--depends-on <id>", about: "a task that must have ended before; may be repeated", repeatable: true },
      {
        flags: "--if-failed <what>",
        sets: "dependsOn.ifFailed",
        about: "what becomes of it when one of those does not complete",
        choices: ["cancel", "run"],
      },
      ...TASK_OPTIONS,
    ],
    examples: [
      [`omniq enqueue resize '{"url": "https://example.com/a.png", "width": 800}'`, "with its arguments"],
      [`omniq enqueue resize '{"width": 800}' --tasks tasks.ts`, "as its definition there says"],
      ["omniq enqueue report --in 10m --queue slow --tag monthly", "later, in a queue of its own"],
      [`jq .order order.json | omniq enqueue ship - --unique order-17`, "arguments from the standard input, once at a time"],
      ["omniq enqueue resize --args-file args.json --wait 30s --json", "wait for the result: exit code 1 when it fails"],
    ],
    load: () => import("../commands/enqueue.ts"),
  },
];
