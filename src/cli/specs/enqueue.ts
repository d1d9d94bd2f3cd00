import type { CommandSpec } from "../command.ts";

const COUNT = { min: 0, max: 1_000_000 };

/** Giving workers something to do. */
export const enqueue: readonly CommandSpec[] = [
  {
    name: "enqueue",
    about: "enqueue a task by its name, and wait for its result if asked to",
    database: true,
    arguments: [
      { name: "<task>", about: "the name of the definition" },
      { name: "[args]", about: "its arguments as JSON, such as '{\"width\": 800}'; - reads them from the standard input" },
    ],
    options: [
      { flags: "--args-file <file>", about: "read the arguments from a file of JSON" },
      { flags: "-w, --wait [timeout]", about: 'wait for the end, at most so long ("30s"), and answer the result', kind: "duration" },
      { flags: "-q, --queue <name>", about: "the queue it waits in (default: default)" },
      { flags: "-p, --priority <number>", about: "higher is taken first (default: 0)", whole: { min: -1_000_000_000, max: 1_000_000_000 } },
      { flags: "--in <duration>", about: 'not before so long from now, such as "10m"', kind: "duration" },
      { flags: "--at <time>", about: 'not before this time, such as "2026-12-31T08:00Z"', kind: "time" },
      { flags: "--ttl <duration>", about: "how long it may wait; later it is expired", kind: "duration" },
      { flags: "--id <id>", about: "the id; the same call again does nothing (default: a new one)" },
      { flags: "--label <text>", about: "a name for people" },
      { flags: "--description <text>", about: "what it is about, for people" },
      { flags: "-t, --tag <tag>", about: "a word to find it by; may be repeated", repeatable: true },
      { flags: "--depends-on <id>", about: "a task that must have ended before; may be repeated", repeatable: true },
      { flags: "--if-failed <what>", about: "what becomes of it when one of those does not complete", choices: ["cancel", "run"] },
      { flags: "--max-retries <count>", about: "retries after failures (default: 3)", whole: COUNT },
      { flags: "--retry-delay <duration>", about: "the wait before a retry (default: 5s)", kind: "duration" },
      { flags: "--backoff <kind>", about: "how that wait grows", choices: ["fixed", "exponential"] },
      { flags: "--timeout <duration>", about: "the longest one attempt may run", kind: "duration" },
      { flags: "--result-ttl <duration>", about: "how long its result can be read", kind: "duration" },
      { flags: "--discard-result", about: "do not keep its result" },
      { flags: "--at-most-once", about: "after a crash of its worker: failed instead of run again" },
      { flags: "--max-crashes <count>", about: "crashes after which it is failed (default: 3)", whole: { min: 1, max: 1_000_000 } },
      { flags: "--unique <key>", about: "only one task of its kind with this key at a time" },
      { flags: "--unique-until <when>", about: '"finished", "started", or a duration from now (default: finished)' },
      { flags: "--on-conflict <what>", about: "what becomes of a second one", choices: ["keep", "replace", "throw"] },
      { flags: "--callback <task>", about: "the task that is enqueued when this one has ended" },
      { flags: "--callback-args <json>", about: "arguments for it, beside what this one came to", kind: "json" },
    ],
    examples: [
      [`omniq enqueue resize '{"url": "https://example.com/a.png", "width": 800}'`, "with its arguments"],
      ["omniq enqueue report --in 10m --queue slow --tag monthly", "later, in a queue of its own"],
      [`jq .order order.json | omniq enqueue ship - --unique order-17`, "arguments from the standard input, once at a time"],
      ["omniq enqueue resize --args-file args.json --wait 30s --json", "wait for the result: exit code 1 when it fails"],
    ],
    load: () => import("../commands/enqueue.ts"),
  },
];
