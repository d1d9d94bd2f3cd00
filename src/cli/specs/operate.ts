import type { CommandSpec } from "../command.ts";

/** What keeps a database well: cleanup, backups, checks, upgrades. */
export const operate: readonly CommandSpec[] = [];
