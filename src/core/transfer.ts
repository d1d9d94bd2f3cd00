/** What moving everything from one database to another needs of each. Rows are told in one form, whatever the engine. */

import { StorageError } from "./errors.ts";

export type Cell = string | number | null;
export type MovedRow = Readonly<Record<string, Cell>>;

/** What is moved, in the order in which it is written: tasks last, since what belongs to them has to be there first. */
export const MOVED_TABLES = [
  "workers",
  "queues",
  "schedules",
  "occurrences",
  "releases",
  "dependencies",
  "dependents",
  "results",
  "events",
  "tasks",
] as const;
export type MovedTable = (typeof MOVED_TABLES)[number];

/** Where a copy stands: the table, and the key of its last row that was written. */
export interface MovePlace {
  readonly table: MovedTable;
  readonly key: readonly Cell[] | null;
}

/** Workers come and go: those of the target may be waiting there already, and their rows are not compared. */
export const COMPARED_TABLES = MOVED_TABLES.filter((table) => table !== "workers");

/** The time at which a queue is paused for a move alone. */
export const PAUSED_FOR_MOVE = 0;
export const isForMove = (pausedAt: Date): boolean => pausedAt.getTime() === PAUSED_FOR_MOVE;

/**
 * How far a move is, kept in both databases. The source: `draining` (nothing new is started), `closed` (nothing is written any more), `moved`
 * (for good); `aborting` while it is given up. The target: `copying`, `done`.
 */
export interface MoveMark {
  /** Of this move, in both databases. */
  readonly id: string;
  readonly state: "draining" | "closed" | "moved" | "aborting" | "copying" | "done";
  /** The other database, for people. */
  readonly other: string;
  readonly at?: MovePlace;
  /** Of a target that had been moved away itself: its mark of then, which it gets back when this move is given up. */
  readonly before?: MoveMark;
}

/** Whether a step may be done, by the mark that its own transaction finds on its side. */
export type Guard = (there: MoveMark | undefined) => boolean;

/** Nobody has done anything here since this mark was read or written. */
export const exactly =
  (mark: MoveMark | undefined): Guard =>
  (there) =>
    JSON.stringify(there) === JSON.stringify(mark);

export const ofMove =
  (id: string, ...states: readonly MoveMark["state"][]): Guard =>
  (there) =>
    there?.id === id && states.includes(there.state);

export const OVERTAKEN = "TRANSFER_OVERTAKEN";

/** @throws StorageError `TRANSFER_OVERTAKEN` */
export function expectGuarded(name: string, there: MoveMark | undefined, guard: Guard): void {
  if (guard(there)) return;
  throw new StorageError(
    OVERTAKEN,
    `Expected the move to be at ${name} where this process left it, got ${there === undefined ? "no mark of one" : `"${there.state}" (${there.other})`}: it was given up, or another process has gone on with it; this one has written nothing more. omniq doctor says how both databases stand`,
  );
}

/** Numbers that a target must not fall below. */
export interface Floors {
  readonly fence: number;
  readonly revision: number;
}

/**
 * A database that can be moved from or to. Its tables are there. Whatever writes asks its guard in the same transaction, and writes nothing if
 * that says no (`TRANSFER_OVERTAKEN`): a process may have slept while another one gave the move up, or went on with it.
 */
export interface Mover {
  /** For people, without secrets. */
  readonly name: string;
  mark(): Promise<MoveMark | undefined>;
  setMark(mark: MoveMark, guard: Guard): Promise<void>;
  /** How many rows of each kind it holds. */
  counts(): Promise<Readonly<Record<MovedTable, number>>>;
  floors(): Promise<Floors>;
  /** Pauses each queue that has tasks and is not paused, at the time `PAUSED_FOR_MOVE`. */
  drain(guard: Guard): Promise<void>;
  /** Tasks that a worker holds. */
  running(): Promise<number>;
  /** From its commit on every write is refused, by whatever program. */
  fence(mark: MoveMark, guard: Guard): Promise<void>;
  /** Marks as moved for good what refuses every write. @throws StorageError `TRANSFER_REFUSED` if it does not */
  leave(mark: MoveMark, guard: Guard): Promise<void>;
  /** Takes fence and mark away, and lets the queues go on that were paused for the move. */
  reopen(guard: Guard): Promise<void>;
  /**
   * Makes ready for what comes, in one transaction: from its commit on nobody else writes here, but for workers' rows. What is here is taken
   * away, if `replace` says so. @throws StorageError `TARGET_NOT_EMPTY`
   */
  receive(mark: MoveMark, replace: boolean, guard: Guard): Promise<void>;
  /** Some rows behind a key, in its order: as many as are a few megabytes; none at the end. */
  read(table: MovedTable, after: readonly Cell[] | null): Promise<readonly MovedRow[]>;
  /** Writes rows in a form that no worker touches, and the mark, in one transaction. */
  write(table: MovedTable, rows: readonly MovedRow[], mark: MoveMark, guard: Guard): Promise<void>;
  /** Makes all that was written count, and lets everybody write, in one transaction. */
  finish(floors: Floors, mark: MoveMark, guard: Guard): Promise<void>;
  /** Takes everything away that was written here, with the mark; fenced again, in the same transaction, if it was before. */
  wipe(guard: Guard): Promise<void>;
  close(): Promise<void>;
}
