import type { CommandSpec } from "../command.ts";

/** Queues. */
export const queues: readonly CommandSpec[] = [];
