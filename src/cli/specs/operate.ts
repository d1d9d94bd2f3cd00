import type { CommandSpec } from "../command.ts";

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
    name: "doctor",
    about: "look for trouble: versions, disk, permissions, damage, schema, locks, schedules, queues, workers; each with its remedy",
    database: true,
    options: [{ flags: "--full", about: "check the whole file for damage, which takes longer" }],
    examples: [
      ["omniq doctor", "exit code 1 if there is a problem; warnings do not count"],
      ["omniq doctor --full --json", "everything, for a program"],
    ],
    load: () => import("../commands/doctor.ts"),
  },
];
