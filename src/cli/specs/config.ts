import type { CommandSpec } from "../command.ts";

/** The configuration that is in effect. */
export const config: readonly CommandSpec[] = [];
