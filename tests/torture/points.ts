/** Named moments at which a process kills or freezes itself: of its transactions, and of its handlers. */
import { watchStatements } from "./statements.ts";

/** Transactions by what they write, and how their statements are told. A group commit may be several at once. */
const FILE_VERBS = {
  schema: /^CREATE TABLE/,
  arrive: /^INSERT INTO "workers"/,
  beat: /^UPDATE "workers" SET beat/,
  enqueue: /^INSERT INTO "tasks"/,
  claim: /^UPDATE "tasks" SET\s+stage = iif\(expires_at/,
  settle: /^UPDATE "tasks" SET status = 'completed'/,
  retry: /^UPDATE "tasks" SET stage = iif\(mark IS NULL/,
  takeover: /^UPDATE "tasks" SET fence = /,
} as const;

/** On PostgreSQL one statement does several at once, and is a transaction of its own. A retry is one of the settlements there. */
const SERVER_VERBS = {
  schema: /^CREATE TABLE/m,
  arrive: /^INSERT INTO \S+ AS w /,
  beat: /^WITH .*beaten AS \(UPDATE/s,
  enqueue: /INSERT INTO \S+ AS t \(id, func/,
  claim: /taken AS \(UPDATE/,
  settle: /settled AS \(UPDATE/,
  takeover: /^UPDATE \S+ t SET fence = greatest/,
  release: /freed AS \(UPDATE/,
} as const;

export type Verb = keyof typeof FILE_VERBS | keyof typeof SERVER_VERBS;
const ENGINES = { sqlite: FILE_VERBS, postgres: SERVER_VERBS } as const;
type Engine = keyof typeof ENGINES;
/** The verbs of each engine. */
export const VERBS: Readonly<Record<Engine, readonly [Verb, ...Verb[]]>> = {
  sqlite: ["schema", "arrive", "beat", "enqueue", "claim", "settle", "retry", "takeover"],
  postgres: ["schema", "arrive", "beat", "enqueue", "claim", "settle", "takeover", "release"],
};

/**
 * `inside`: the first row is written, more are to come. `before`: all rows are, and COMMIT comes next. `after`: it is committed, and nobody
 * knows yet. `sent`: a server was asked to commit, and has not answered.
 */
export type Side = "inside" | "before" | "sent" | "after";
export const SIDES: Readonly<Record<Engine, readonly [Side, ...Side[]]>> = {
  sqlite: ["inside", "before", "after"],
  postgres: ["inside", "before", "sent", "after"],
};

export interface Point {
  readonly signal: "SIGKILL" | "SIGSTOP";
  /** A moment of a transaction, or of a handler. */
  readonly at: readonly [Verb, Side] | readonly ["handler", "start" | "end"];
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

/** Which verbs a statement has, looked up once. */
export function teller(engine: Engine): (sql: string) => readonly Verb[] {
  const verbs: Readonly<Partial<Record<Verb, RegExp>>> = ENGINES[engine];
  const known = new Map<string, readonly Verb[]>();
  return (sql) => {
    const found = known.get(sql) ?? VERBS[engine].filter((verb) => verbs[verb]?.test(sql.trim()));
    known.set(sql, found);
    return found;
  };
}

/** What a transaction has written so far. */
export class Written {
  readonly verbs = new Set<Verb>();
  isOpen = false;

  /** It has written this, too; whoever is to end at its first row does. */
  add(verbs: readonly Verb[]): void {
    for (const verb of verbs) {
      if (!this.verbs.has(verb)) reach(verb, "inside");
      this.verbs.add(verb);
    }
  }

  begin(isOpen: boolean): void {
    this.verbs.clear();
    this.isOpen = isOpen;
  }
}

/** Each of these has come there. */
export function reachAll(verbs: Iterable<Verb>, side: Side): void {
  for (const verb of verbs) reach(verb, side);
}

/** Makes the moments of transactions on files known in this process. */
export function watchTransactions(): void {
  const written = new Written();
  const verbsIn = teller("sqlite");
  watchStatements((sql, run) => {
    if (sql === "COMMIT") reachAll(written.verbs, "before");
    const result = run();
    written.add(verbsIn(sql));
    if (sql === "COMMIT") reachAll(written.verbs, "after");
    if (sql === "COMMIT" || sql === "ROLLBACK" || sql.startsWith("BEGIN")) written.begin(true);
    return result;
  });
}
