/**
 * What the contract means, where its types do not say it: the rules that the model keeps and the suite tests.
 *
 * **Stages.** Each row lies in one: *ready*; *timed* (due later: `runAt`, retry, snooze); *blocked* (`openParents` > 0); *running*;
 * *doomed* (marked: it waits to be ended, and is held while somebody ends it); *finished*. Phase: timed and due is `ready`, timed and
 * `failed` is `retrying`, else `delayed`; doomed is what it will end as (`expired`, else `cancelled`); finished is the status. "Ended"
 * means finished: a parent that waits for a retry, or is doomed, has not ended. A comparison with a time includes it: due when `dueAt
 * <= now`, expired when `expiresAt <= now`, past retention when `<= now - olderThan`.
 *
 * **Enqueue.** First the id: the same func, args and kwargs there already is `known`, whatever became of its parents and of its key
 * since; else `id-reused`. Then the unique key. Then the parents. A task that became its key's holder (`known`, `replaced`) stands for
 * that holder as a parent of later tasks of the call, also in the `dependsOn` that is stored. A refused call answers the guilty task's
 * reason for each of its tasks. Calls of `enqueue` that do not await each other take effect in the order in which they were made; of
 * other verbs nothing is said. A task that is expired already is added; the claim takes it as `expired`. A parent that has ended
 * other than completed dooms a child whose edge says `cancel` at once (`parent-failed`, reason `parent <id> <status>`). `unique`: a
 * window of milliseconds counts from the enqueue, is over when `now >= since + window`, and outlasts the holder's end; `finished` and
 * `started` are let go at the end, `started` also by a claim to run. What is marked as expired lets go of its key, whatever that was held
 * until; a holder that is ready, timed or blocked and has expired is marked by the call that meets it. `replace` makes the holder the new
 * task but for id, creation, fence and parents: revision + 1, pending, counts and `startedAt` as of a new one, a new window, `expiresAt`
 * as of a new one; a blocked one stays blocked. A holder that runs, is doomed or has ended cannot be replaced: `unique`.
 *
 * **Claims.** Every claim is revision + 1, and fence + 1 or more. To run: attempt + 1, `startedAt`, `nextRetryAt` gone. `more` is true when
 * `limit` was reached, when a batch of promotions was full, or (ended) when `limit` rows were marked. `nextDueIn` belongs to `due`
 * alone: the earliest time of all timed rows. So does `partial`: in front of what was taken something may be due that was not looked at; never
 * where the ask is `whole`. `ended` marks by expiry, oldest first, and hands out in the order of enqueue; `ids` and
 * `lost` in the order asked. A lost running task keeps its mark; its holder is the asker now.
 *
 * **Settle.** The fence must be the current one and the row held; else `missing`, `repeated` (not held, the fence is the row's) or
 * `lost`. An end takes away worker, mark, `nextRetryAt` and the edges that the task itself still waited for, so edges of a parent are
 * always those of open children. `again`: `dueAt` = now + after. A mark on a running task survives: it is doomed then. What is held to
 * be ended and comes back with `again` is doomed as before. A callback whose id another task has gets the first
 * free of `<id>.2`, `<id>.3`, … If `thenClaim`
 * throws, nothing was settled.
 *
 * **Desk.** `cancel` leaves what is doomed already as it is. `edit` with `runAt`: `dueAt` is the new time, `null` is now; what waits
 * for a retry goes on waiting, so `nextRetryAt` is `dueAt` then. `edit` with `ttl`: `expiresAt` moves by as much as the TTL, and is
 * `createdAt` + ttl where there was none, and at least. `requeue`: due now, or at a `runAt` still to come; `expiresAt` is now
 * + ttl, or none; blocked while a parent has not ended (one that is gone, or whose id a younger task has now, has); a parent that has
 * failed does not take it along again. Ids come back in the order given: a child behind its parent waits for it, one before it does
 * not. It is a `conflict` with the first open task of its schedule where none may overlap, else with the
 * holder of its key, which it takes again: for the rest of a window, or else until its end. `setPaused` on a paused queue keeps its `pausedAt`. `find` asks for all the tags; its times include their ends. A
 * removed or swept task leaves its fence behind: that of every later claim is higher than the highest of these.
 *
 * **Others.** The revision of a new schedule is the backend's to choose, so use the row that `put` answers; each change is + 1. A dropped
 * schedule leaves its revision behind: those of new ones are higher. `fire` goes on when one of its tasks is refused: that occurrence
 * has none, is neither counted nor recorded, and its event says so in the `detail` of the refusal, which is worded alike everywhere.
 * Where fewer runs were made than occurrences asked for, the step is `ifFewer`, if that is given. A worker that arrives again goes on with its beat. A result's
 * `createdAt` ties are decided by the age of the row, which a replacement keeps. Revision grows with claim, settlement, edit,
 * replacement and requeue. The order of events inside one transaction is not laid down.
 */
import { TestClock } from "../clock.ts";
import type { Begin, Chapter, Open, Tools } from "./bench.ts";
import { Bench } from "./bench.ts";
import { callerTx } from "./caller-tx.ts";
import { cancelExpiry } from "./cancel-expiry.ts";
import { claiming } from "./claim.ts";
import { dependencies } from "./dependencies.ts";
import { desk } from "./desk.ts";
import { enqueueing } from "./enqueue.ts";
import { events } from "./events.ts";
import { fencing } from "./fence.ts";
import { finding } from "./find.ts";
import { group } from "./group.ts";
import { occurrences } from "./occurrences.ts";
import { pair } from "./pair.ts";
import { presence } from "./presence.ts";
import { reopening } from "./reopen.ts";
import { results } from "./results.ts";
import { schedules } from "./schedules.ts";
import { settling } from "./settle.ts";
import { sweeping } from "./sweep.ts";
import { sync } from "./sync.ts";
import { unique } from "./unique.ts";

export type { Begin, Expect, Expectation, Open, Tools } from "./bench.ts";
export { equivalence } from "./equivalence.ts";
export type { EquivalenceOptions } from "./equivalence.ts";

const CHAPTERS: readonly Chapter[] = [
  enqueueing,
  callerTx,
  claiming,
  settling,
  fencing,
  presence,
  cancelExpiry,
  dependencies,
  unique,
  group,
  finding,
  desk,
  schedules,
  occurrences,
  results,
  events,
  sweeping,
  pair,
  sync,
  reopening,
];

/** Tests that do not fit a backend, and why. Each names a chapter or one test; a name that is none is an error. */
export interface Skip {
  readonly reason: string;
  readonly tests: readonly string[];
}

export interface ConformanceOptions {
  /** What is tested, as the report names it. */
  readonly name: string;
  /** Opens a new, empty place that tells the time by this clock. */
  readonly open: Open;
  /** Begins a transaction of the caller. Without it the chapter about these is left out. */
  readonly begin?: Begin;
  readonly skip?: readonly Skip[];
  /** The test runner: `{ describe, test, expect }` of vitest, or what looks like them. */
  readonly tools: Tools;
}

/**
 * Runs the rules of the contract on a backend: a test each, every one in a fresh place. A skipped test shows its reason.
 * @throws Error when a skip names no test.
 */
export function conformance({ name, open, begin, skip = [], tools }: ConformanceOptions): void {
  const known = new Set(CHAPTERS.flatMap((chapter) => [chapter.title, ...Object.keys(chapter.tests)]));
  const wrong = skip.flatMap((each) => each.tests).find((each) => !known.has(each));
  if (wrong !== undefined) throw new Error(`Expected \`skip\` to name a chapter or test of the suite, got "${wrong}"`);
  tools.describe(`conformance of ${name}`, () => {
    for (const { title, tests } of CHAPTERS.filter((chapter) => begin !== undefined || chapter !== callerTx)) {
      tools.describe(title, () => {
        for (const [test, run] of Object.entries(tests)) {
          const reason = skip.find((each) => each.tests.includes(test) || each.tests.includes(title))?.reason;
          const scenario = async (): Promise<void> => {
            const bench = await Bench.make(open, new TestClock(), tools.expect, begin);
            try {
              await run(bench);
            } finally {
              await bench.close();
            }
          };
          if (reason === undefined) tools.test(test, scenario);
          else tools.test.skip(`${test} (skipped: ${reason})`, scenario);
        }
      });
    }
  });
}
