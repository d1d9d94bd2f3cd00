import type { CommandSpec } from "../command.ts";

/** What does work: workers, and the demo. */
export const run: readonly CommandSpec[] = [
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
