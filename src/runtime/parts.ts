/** What a worker is made of: what the composition root hands in, and the settings that the user gave. */
import type { SweepAsk, WorkerRow } from "../core/backend.ts";
import type { Clock, Random } from "../core/clock.ts";
import { milliseconds } from "../core/duration.ts";
import type { Duration } from "../core/duration.ts";
import { expected } from "../core/errors.ts";
import type { Ms } from "../core/record.ts";
import type { EnqueueChild } from "./context.ts";
import { queueName, whole } from "./defaults.ts";
import type { IsGone } from "./lookout.ts";
import { sweepsOf } from "./retention.ts";
import type { Retention } from "./retention.ts";
import type { Logger } from "./signatures.ts";
import type { Stores } from "./stores.ts";

/** Everything of the world outside that a worker touches. */
export interface WorkerParts {
  /** Opens the stores, if they are not open. */
  readonly open: () => Promise<Stores>;
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: () => string;
  readonly host: Pick<WorkerRow, "host" | "boot" | "pid" | "started">;
  readonly isGone: IsGone;
  readonly logger: Logger;
  readonly enqueueChild: EnqueueChild;
  /** Resolves in a later turn of the event loop. */
  readonly yieldTurn: () => Promise<void>;
  /** The names of the signals that the process can listen to. */
  readonly signals: readonly string[];
  /** Calls `fn` on each of these signals of the process; returns the function that ends it. */
  readonly onSignal: (signal: string, fn: () => void) => () => void;
  /** Imports a module by its URL. */
  readonly load: (url: string) => Promise<unknown>;
}

/** How a worker works. */
export interface WorkerOptions {
  /** Strictly in this order: while the first has a ready task, none of the second starts. Default `["default"]`. */
  readonly queues?: readonly string[] | undefined;
  /** How many handlers run at a time. Default 10. */
  readonly concurrency?: number | undefined;
  /** How long the worker may be silent before others take its tasks; at least 100 ms. Default 12 s. */
  readonly lease?: Duration | undefined;
  /** How many tasks are claimed ahead: faster where tasks are short; a task ahead is `running` before its handler is. Default 0. */
  readonly prefetch?: number | undefined;
  /** How long what has ended is kept. */
  readonly retention?: Retention | undefined;
}

export interface WorkerSettings {
  readonly queues: readonly string[];
  readonly concurrency: number;
  readonly prefetch: number;
  readonly lease: Ms;
  readonly sweeps: readonly SweepAsk[];
}

export const WORKER_KEYS = ["queues", "concurrency", "lease", "prefetch", "retention"] as const;
const DEFAULT_LEASE: Ms = 12_000;
const SHORTEST_LEASE: Ms = 100;

/** @throws InvalidOptionError for the first wrong one. */
export function settingsOf(options: WorkerOptions): WorkerSettings {
  const { queues = ["default"], concurrency = 10, prefetch = 0, lease = DEFAULT_LEASE, retention } = options;
  if (!Array.isArray(queues) || queues.length === 0) throw expected("queues", "an array of at least one name", queues);
  const leaseMs = milliseconds(lease, "lease");
  if (leaseMs < SHORTEST_LEASE) throw expected("lease", `a duration of at least ${SHORTEST_LEASE} ms`, lease);
  return {
    queues: [...new Set(queues.map((name: unknown) => queueName(name, "queues[]")))],
    concurrency: whole(concurrency, "concurrency", 1),
    prefetch: whole(prefetch, "prefetch", 0),
    lease: leaseMs,
    sweeps: sweepsOf(retention),
  };
}
