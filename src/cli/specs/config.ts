import type { CommandSpec } from "../command.ts";

/** The configuration that is in effect. */
export const config: readonly CommandSpec[] = [
  {
    name: "config explain",
    about: "show each value of the configuration and where it came from; every mistake in it, too",
    database: true,
    arguments: [{ name: "[option]", about: "only this option, as worker.config.maxWorkers, or those of this part, as retention" }],
    examples: [
      ["omniq config explain", "all that is in effect in this folder"],
      ["omniq config explain taskQueue --project shop", "where the tasks of a project lie"],
      ["omniq config explain logging.level", "one option: what it is, what it may be, its variable"],
    ],
    load: () => import("../commands/config-explain.ts"),
  },
  {
    name: "config schema",
    about: "print the JSON Schema of configuration files, for editors",
    database: false,
    examples: [["omniq config schema > omniq.schema.json", "a copy; the package ships it as node_modules/omniq/schema.json"]],
    load: () => import("../commands/config-schema.ts"),
  },
];
