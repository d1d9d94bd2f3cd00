/** Named moments at which a process kills or freezes itself: of its transactions, and of its handlers. */
import { watchStatements } from "./statements.ts";

/** Transactions by what they write, and how their statements are told. A group commit may be several at once. */
const VERBS = {
  schema: /^CREATE TABLE/,
  arrive: /^INSERT INTO "workers"/,
  beat: /^UPDATE "workers" SET beat/,
  enqueue: /^INSERT INTO "tasks"/,
  claim: /^UPDATE "tasks" SET\s+stage = iif\(expires_at/,
  settle: /^UPDATE "tasks" SET status = 'completed'/,
  retry: /^UPDATE "tasks" SET stage = iif\(mark IS NULL/,
  takeover: /^UPDATE "tasks" SET fence = /,
} as const;

export type Verb = keyof typeof VERBS;
export const VERB_NAMES = [
  "schema",
  "arrive",
  "beat",
  "enqueue",
  "claim",
  "settle",
  "retry",
  "takeover",
] as const satisfies readonly Verb[];

/** `inside`: the lock is held, the first row is written. `before`: all rows are, and COMMIT comes next. `after`: it is committed, and nobody knows yet. */
export const SIDES = ["inside", "before", "after"] as const;

export interface Point {
  readonly signal: "SIGKILL" | "SIGSTOP";
  /** A moment of a transaction, or of a handler. */
  readonly at: readonly [Verb, (typeof SIDES)[number]] | readonly ["handler", "start" | "end"];
  /** At the how manieth time; from 1. */
  readonly nth: number;
}

export const nameOf = ({ at: [what, side] }: Point): string => `${what}:${side}`;

let armed: Point | undefined;
let left = 0;
let onHit: (point: Point) => void = () => undefined;

/** From now on this point ends, or freezes, the process. @param hit told right before. */
export function arm(point: Point, hit: (point: Point) => void): void {
  armed = point;
  left = point.nth;
  onHit = hit;
}

/** No point ends it any more. */
export function disarm(): void {
  armed = undefined;
}

/** The process has come to a moment. */
export function reach(...at: Point["at"]): void {
  if (armed === undefined || armed.at[0] !== at[0] || armed.at[1] !== at[1] || --left > 0) return;
  const { signal } = armed;
  onHit(armed);
  armed = undefined;
  process.kill(process.pid, signal);
}

const written = new Set<Verb>();
const known = new Map<string, Verb | undefined>();

function verbOf(sql: string): Verb | undefined {
  if (!known.has(sql))
    known.set(
      sql,
      VERB_NAMES.find((verb) => VERBS[verb].test(sql.trim())),
    );
  return known.get(sql);
}

/** Runs one statement, and the moments before and after it. */
function around<T>(sql: string, run: () => T): T {
  if (sql === "COMMIT") for (const verb of written) reach(verb, "before");
  const result = run();
  const verb = verbOf(sql);
  if (verb !== undefined && !written.has(verb)) {
    written.add(verb);
    reach(verb, "inside");
  }
  if (sql === "COMMIT") for (const each of written) reach(each, "after");
  if (sql === "COMMIT" || sql === "ROLLBACK" || sql.startsWith("BEGIN")) written.clear();
  return result;
}

/** Makes the moments of transactions known in this process. */
export function watchTransactions(): void {
  watchStatements(around);
}
