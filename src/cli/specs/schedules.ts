import type { CommandSpec } from "../command.ts";

/** Schedules: made, looked at, paused, run. */
export const schedules: readonly CommandSpec[] = [];
