/** What moving everything from one database to another needs of each. Rows are told in one form, whatever the engine. */

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
 * (for good). The target: `copying`, `done`.
 */
export interface MoveMark {
  /** Of this move, in both databases. */
  readonly id: string;
  readonly state: "draining" | "closed" | "moved" | "copying" | "done";
  /** The other database, for people. */
  readonly other: string;
  readonly at?: MovePlace;
  /** Of a target that had been moved away itself: its mark of then, which it gets back when this move is given up. */
  readonly before?: MoveMark;
}

/** Numbers that a target must not fall below. */
export interface Floors {
  readonly fence: number;
  readonly revision: number;
}

/** A database that can be moved from or to. Its tables are there. */
export interface Mover {
  /** For people, without secrets. */
  readonly name: string;
  mark(): Promise<MoveMark | undefined>;
  setMark(mark: MoveMark): Promise<void>;
  /** How many rows of each kind it holds. */
  counts(): Promise<Readonly<Record<MovedTable, number>>>;
  floors(): Promise<Floors>;
  /** Pauses each queue that has tasks and is not paused, at the time `PAUSED_FOR_MOVE`. */
  drain(): Promise<void>;
  /** Tasks that a worker holds. */
  running(): Promise<number>;
  /** From its commit on every write is refused, by whatever program. */
  fence(mark: MoveMark): Promise<void>;
  /** Takes fence and mark away, and lets the queues go on that were paused for the move. */
  reopen(): Promise<void>;
  /**
   * Makes ready for what comes, in one transaction: from its commit on nobody else writes here, but for workers' rows. What is here is taken
   * away, if `replace` says so. @throws StorageError `TARGET_NOT_EMPTY`
   */
  receive(mark: MoveMark, replace: boolean): Promise<void>;
  /** Some rows behind a key, in its order: as many as are a few megabytes; none at the end. */
  read(table: MovedTable, after: readonly Cell[] | null): Promise<readonly MovedRow[]>;
  /** Writes rows in a form that no worker touches, and the mark, in one transaction. */
  write(table: MovedTable, rows: readonly MovedRow[], mark: MoveMark): Promise<void>;
  /** Makes all that was written count, and lets everybody write, in one transaction. */
  finish(floors: Floors, mark: MoveMark): Promise<void>;
  /** Takes everything away that was written here, with the mark; fenced again, in the same transaction, if it was before. */
  wipe(before?: MoveMark): Promise<void>;
  close(): Promise<void>;
}
