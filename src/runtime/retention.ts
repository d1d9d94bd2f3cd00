/** How long what has ended is kept, and the bounded steps that take it away. */
import type { SweepAsk, Swept } from "../core/backend.ts";
import { milliseconds } from "../core/duration.ts";
import type { Duration } from "../core/duration.ts";
import { expected } from "../core/errors.ts";
import { refuseUnknown } from "../core/nearest.ts";
import type { Ms } from "../core/record.ts";
import { DEFAULT_RETENTION } from "../core/retention.ts";
import { FINALS } from "../core/task.ts";
import type { Final } from "../core/task.ts";

/** Counted from the end of a task, or from the time of an event; `false` keeps it. What is absent has its default. */
export type Retention = { readonly [K in Final | "events"]?: Duration | false | undefined };

const KINDS = [...FINALS, "events"] as const;
const DAY: Ms = 86_400_000;
/** Rows of workers that are long gone, and the memory of occurrences, are of no use to people. */
const WORKERS_KEPT: Ms = 3_600_000;
const OCCURRENCES_KEPT: Ms = 30 * DAY;
/** Rows of one sweep; sweeps of one round. */
const BATCH = 200;
const BATCHES = 50;

/**
 * The sweeps that a retention asks for.
 * @throws InvalidOptionError for an unknown kind or a wrong value.
 */
export function sweepsOf(given: Retention | undefined): readonly SweepAsk[] {
  if (given !== undefined && (typeof given !== "object" || given === null)) throw expected("retention", "an object", given);
  refuseUnknown(given ?? {}, KINDS, "`retention`");
  const kept = (kind: Final | "events"): Ms | undefined => {
    const value = given?.[kind] ?? DEFAULT_RETENTION[kind];
    return value === false ? undefined : milliseconds(value, `retention.${kind}`);
  };
  const events = kept("events");
  return [
    ...FINALS.flatMap((status): readonly SweepAsk[] => {
      const olderThan = kept(status);
      return olderThan === undefined ? [] : [{ what: "tasks", status, olderThan, limit: BATCH }];
    }),
    { what: "results", limit: BATCH },
    ...(events === undefined ? [] : [{ what: "events", olderThan: events, limit: BATCH } as const]),
    { what: "workers", olderThan: WORKERS_KEPT, limit: BATCH },
    { what: "occurrences", olderThan: OCCURRENCES_KEPT, limit: BATCH },
  ];
}

/**
 * One bounded round: a sweep of each kind in turn, so that none keeps another waiting.
 * @param between called after each batch; false ends the round.
 * @returns whether there is more to do.
 */
export async function sweepRound(
  sweeps: readonly SweepAsk[],
  sweep: (ask: SweepAsk) => Promise<Swept>,
  between: () => Promise<boolean>,
): Promise<boolean> {
  let open = sweeps;
  let batches = 0;
  while (open.length > 0) {
    const unfinished: SweepAsk[] = [];
    for (const ask of open) {
      if (batches++ >= BATCHES) return true;
      if ((await sweep(ask)).more) unfinished.push(ask);
      if (!(await between())) return true;
    }
    open = unfinished;
  }
  return false;
}
