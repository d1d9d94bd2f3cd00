import type { CommandSpec, OptionSpec } from "../command.ts";

/** How a worker works: what its configuration says counts where an option is not given. */
const WORKER_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--tasks <file>",
    about:
      "a module that exports tasks, and perhaps a setup(omniq); several are taken (default: tasks.ts, .mts, .js or .mjs, here or in src)",
    repeatable: true,
  },
  { flags: "--queues <names>", about: "the queues to serve, strictly in this order: high,default" },
  { flags: "--concurrency <count>", about: "how many tasks run at a time", whole: { min: 1, max: 100_000 } },
  { flags: "--lease <duration>", about: "how long the worker may be silent before others take its tasks (default: 12s)", kind: "duration" },
];
const SAYING: readonly OptionSpec[] = [
  { flags: "--quiet", about: "say only what went wrong" },
  { flags: "--verbose", about: "say everything" },
];

/** What does work: a project to begin with, workers, and the demo. */
export const run: readonly CommandSpec[] = [
  {
    name: "init",
    about: "make a small working project in a folder; nothing that is there is overwritten",
    database: false,
    arguments: [{ name: "[folder]", about: "where (default: here)" }],
    options: [{ flags: "--no-install", about: "do not install omniq into it" }],
    examples: [
      ["omniq init && omniq dev", "from an empty folder to a running scheduled task"],
      ["omniq init my-tasks --no-install", "only the files"],
    ],
    load: () => import("../commands/init.ts"),
  },
  {
    name: "dev",
    about: "run a worker, and start it again whenever its tasks or its configuration change",
    database: true,
    options: [
      ...WORKER_OPTIONS,
      { flags: "--grace <duration>", about: "how long running tasks have to end before a restart (default: 2s)", kind: "duration" },
      ...SAYING,
    ],
    examples: [
      ["omniq dev", "with ./tasks.ts"],
      ["omniq dev --tasks src/mail.ts --tasks src/images.ts", "with the tasks of two modules"],
    ],
    load: () => import("../commands/dev.ts"),
  },
  {
    name: "worker",
    about: "run tasks until it is told to stop: the first signal lets what runs end, the second stops at once",
    database: true,
    options: [
      ...WORKER_OPTIONS,
      { flags: "--drain", about: "end when nothing of its queues is ready any more" },
      { flags: "--grace <duration>", about: "how long running tasks have to end after the first signal (default: 10s)", kind: "duration" },
      ...SAYING,
    ],
    examples: [
      ["omniq worker", "with ./tasks.ts or ./tasks.js, on the database of the configuration"],
      ["omniq worker --tasks dist/tasks.js --queues high,default --concurrency 32 --grace 30s", "in production"],
      ["omniq worker --drain", "do what is ready, then end"],
    ],
    load: () => import("../commands/worker.ts"),
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
    load: () => import("../demo/run.ts"),
  },
];
