import type { SweepAsk, Swept } from "../../core/backend.ts";
import { holdsSomething } from "./presence.ts";
import { isPast } from "./results.ts";
import type { Moment } from "./state.ts";
import { forget, hasDependents } from "./state.ts";

/** Takes away up to `limit` of what is past its time, the oldest first. `more`: the limit was reached. */
export function sweep(moment: Moment, ask: SweepAsk): Swept {
  const { state, now } = moment;
  switch (ask.what) {
    case "tasks":
      return sweepTasks(moment, ask);
    case "results":
      return take(state.results, ask.limit, (row) => (isPast(row, now) ? (row.expiresAt ?? 0) : undefined));
    case "events":
      return take(state.events, ask.limit, (row) => (row.at <= now - ask.olderThan ? row.at : undefined));
    case "workers":
      return take(state.workers, ask.limit, (row) =>
        row.seenAt <= now - ask.olderThan && !holdsSomething(moment, row.worker) ? row.seenAt : undefined,
      );
    case "occurrences":
      return take(state.occurrences, ask.limit, (row) => (row.firedAt <= now - ask.olderThan ? row.firedAt : undefined));
  }
}

/** `age` tells how old a row is; `undefined`: it stays. */
function take<V>(rows: Map<string, V>, limit: number, age: (row: V) => number | undefined): Swept {
  const past = [...rows].flatMap(([key, row]) => {
    const old = age(row);
    return old === undefined ? [] : [{ key, old }];
  });
  const gone = past.toSorted((a, b) => a.old - b.old).slice(0, limit);
  for (const { key } of gone) rows.delete(key);
  return { removed: gone.length, more: gone.length >= limit };
}

function sweepTasks(moment: Moment, { status, olderThan, limit }: Extract<SweepAsk, { what: "tasks" }>): Swept {
  const gone = [...moment.state.tasks.values()]
    .filter((row) => row.stage === "finished" && row.status === status && (row.completedAt ?? 0) <= moment.now - olderThan)
    .filter((row) => !hasDependents(moment.state, row.id))
    .toSorted((a, b) => (a.completedAt ?? 0) - (b.completedAt ?? 0) || a.order - b.order)
    .slice(0, limit);
  for (const row of gone) forget(moment, row);
  return { removed: gone.length, more: gone.length >= limit, ids: gone.map((row) => row.id) };
}
