import type { CommandSpec } from "../command.ts";
import { DRY_RUN, YES } from "../options.ts";

/** What keeps a database well: cleanup, backups, checks, upgrades. */
export const operate: readonly CommandSpec[] = [
  {
    name: "migrate",
    about: "bring the database to this version's schema; make it where it is missing",
    database: true,
    options: [{ flags: "--check", about: "change nothing, only tell: exit code 0 if it is current, 1 if there is something to do" }],
    examples: [
      ["omniq migrate", "before the new version's workers start"],
      ["omniq migrate --check", "in a pipeline: is there something to do?"],
    ],
    load: () => import("../commands/migrate.ts"),
  },
  {
    name: "health",
    about: "say in one line whether the database can be read and written: exit code 0 or 1",
    database: true,
    options: [{ flags: "--worker", about: "a live worker must be there, too" }],
    examples: [
      ["omniq health", "for a container's HEALTHCHECK"],
      ["omniq health --worker --json", "for a monitor that wants to know that tasks are run"],
    ],
    load: () => import("../commands/health.ts"),
  },
  {
    name: "cleanup",
    about: "take away what is past its time: ended tasks, results, events (workers do so by and by)",
    database: true,
    examples: [["omniq cleanup", "now, and all of it"]],
    load: () => import("../commands/cleanup.ts"),
  },
  {
    name: "backup",
    about: "write a whole, checked copy of the database while others write",
    database: true,
    arguments: [{ name: "<file>", about: "the copy; results and events in files of their own go beside it, as <name>.results.db" }],
    options: [{ flags: "--force", about: "replace a file that is there" }],
    examples: [
      ["omniq backup /backups/shop.db", "a copy that is a database itself"],
      ["omniq backup shop-$(date +%F).db --json", "one a day, from cron"],
    ],
    load: () => import("../commands/backup.ts"),
  },
  {
    name: "transfer",
    about: "move everything to another database, from a file to a server or back, while workers run",
    database: false,
    options: [
      { flags: "--from <url>", about: "the database that is moved, such as sqlite:./data/shop.db" },
      { flags: "--to <url>", about: "the one that it is moved to, such as postgres://user@host/shop; its tables are made" },
      { flags: "--from-schema <name>", about: "the schema of a server that is moved from (default omniq)" },
      { flags: "--to-schema <name>", about: "the schema of a server that is moved to (default omniq)" },
      { flags: "--from-prefix <prefix>", about: "the table prefix of a file that is moved from" },
      { flags: "--to-prefix <prefix>", about: "the table prefix of a file that is moved to" },
      { flags: "--wait <duration>", about: "how long running tasks are waited for (default 30s)", kind: "duration" },
      { flags: "--replace", about: "take away what lies in the target" },
      { flags: "--abort", about: "give up a move that was interrupted: the source works on" },
    ],
    examples: [
      ["omniq transfer --from sqlite:./omniq_data/shop.db --to postgres://shop@db.example/shop", "to a server"],
      ["omniq transfer --from sqlite:./omniq_data/shop.db --to postgres://shop@db.example/shop --abort", "no, not yet"],
    ],
    load: () => import("../commands/transfer.ts"),
  },
  {
    name: "doctor",
    about: "look for trouble: versions, disk, permissions, damage, schema, locks, schedules, queues, workers; each with its remedy",
    database: true,
    options: [
      { flags: "--full", about: "check the whole file for damage, payloads and rows that do not fit together, which takes longer" },
      { flags: "--repair", about: "set right what can be set right in a file, after a question and a backup" },
      { flags: "--salvage <file>", about: "write what can be read of a damaged file into a new one; nothing else is done" },
      YES,
      DRY_RUN,
    ],
    examples: [
      ["omniq doctor", "exit code 1 if there is a problem; warnings do not count"],
      ["omniq doctor --full --json", "everything, for a program"],
      ["omniq doctor --repair --dry-run", "what would be repaired"],
      ["omniq doctor --salvage saved.db", "a file that can no longer be worked with; exit code 1 if something of it is lost"],
    ],
    load: () => import("../commands/doctor.ts"),
  },
];
