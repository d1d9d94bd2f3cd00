/** Options and words that several commands share. */
import { SCHEDULE_EVENTS, TASK_EVENTS } from "../core/event.ts";
import { FINALS } from "../core/task.ts";
import type { OptionSpec } from "./command.ts";

export const STATUSES = ["pending", "running", ...FINALS] as const;
export const EVENT_TYPES = [...TASK_EVENTS, ...SCHEDULE_EVENTS] as const;

/** How many rows a list shows at most. */
export const limit = (standard: number): OptionSpec => ({
  flags: "-n, --limit <count>",
  about: "how many at most",
  default: standard,
  whole: { min: 1, max: 10_000 },
});

/** For what would otherwise ask first. */
export const YES: OptionSpec = { flags: "-y, --yes", about: "do not ask" };
export const DRY_RUN: OptionSpec = { flags: "--dry-run", about: "only say what would be done" };

/** Taken by every command. */
export const COMMON: readonly OptionSpec[] = [
  { flags: "--json", about: "answer as JSON, lists as one JSON value a line" },
  { flags: "--debug", about: "show the stack of an error" },
];
/** Taken by the commands that read a database. */
export const DATABASE: readonly OptionSpec[] = [
  {
    flags: "-c, --config <file>",
    about: "the configuration file (or OMNIQ_CONFIG; default: an omniq.config.ts, omniq.yaml … here)",
  },
  { flags: "--env <file>", about: "a file of variables; those that are set already count more" },
  { flags: "--url <url>", about: "the database, such as sqlite:./data/shop.db or postgres://user@host/shop (or OMNIQ_URL)" },
  { flags: "--schema <name>", about: "the schema of a PostgreSQL database (or OMNIQ_SCHEMA; default omniq)" },
  { flags: "--project <name>", about: "the database <base-dir>/<name>.db (or OMNIQ_PROJECT_NAME; default omniq)" },
  { flags: "--base-dir <folder>", about: "the folder of the project's database (or OMNIQ_BASE_DIR; default ./omniq_data)" },
];
