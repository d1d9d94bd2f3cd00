/** What a log line says of itself: how much it matters, and which part of OmniQ wrote it. */

/** From the least to the most. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * The parts that write log lines: `worker` (claims, runs, beats, writes what comes of tasks), `scheduler`, `upkeep` (recovery and
 * retention), `client` (what enqueues and waits), `task` (`ctx.log` of a handler).
 */
export const LOG_COMPONENTS = ["worker", "scheduler", "upkeep", "client", "task"] as const;
export type LogComponent = (typeof LOG_COMPONENTS)[number];
