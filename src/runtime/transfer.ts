/**
 * Moving everything from one database to another. Invariants: before the source is closed, nothing is read; from then on nobody writes there,
 * nor before the end in the target, by the databases' own refusal; what lies in the target counts for nobody until all of it has been
 * compared; it counts in one transaction. So at any moment a task can be run in one place at most, and whoever is interrupted goes on
 * where it was.
 */
import type { Clock } from "../core/clock.ts";
import { StorageError } from "../core/errors.ts";
import type { Ms } from "../core/record.ts";
import { COMPARED_TABLES, MOVED_TABLES, PAUSED_FOR_MOVE } from "../core/transfer.ts";
import type { Cell, MovedRow, MovedTable, MoveMark, Mover } from "../core/transfer.ts";

export interface TransferOptions {
  readonly source: Mover;
  readonly target: Mover;
  /** How long running tasks are waited for; what runs then is taken over in the target when its worker's lease has ended. */
  readonly wait: Ms;
  /** Whether what lies in the target is taken away. */
  readonly replace: boolean;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly signal: AbortSignal;
  readonly keyOf: (table: MovedTable, row: MovedRow) => readonly Cell[];
  /** A number of so many bits over a row, in hexadecimal digits. */
  readonly digest: (table: MovedTable, row: MovedRow) => bigint;
  readonly onStep?: (step: TransferStep) => void;
}
export type TransferStep =
  | { readonly is: "draining"; readonly running: number }
  | { readonly is: "copying" | "verifying"; readonly done: number; readonly of: number };

export interface Transferred {
  /** Rows of each kind. */
  readonly rows: Readonly<Record<MovedTable, number>>;
  /** Tasks that a worker held when the source was closed. */
  readonly running: number;
  /** It had been moved before this call. */
  readonly already: boolean;
}

const REFUSALS: ReadonlySet<string> = new Set(["TRANSFER_REFUSED", "TARGET_NOT_EMPTY"]);
const LOOK_EVERY = 200;
/**
 * Moves all of it, or goes on with a move that was interrupted.
 * @throws StorageError `TRANSFER_REFUSED`, `TARGET_NOT_EMPTY`, `TRANSFER_MISMATCH`; whatever the signal aborts with.
 */
export async function transfer(options: TransferOptions): Promise<Transferred> {
  const { source, target } = options;
  const begin = await begun(options);
  let { mark } = begin;
  if (mark.state === "moved") return { rows: await target.counts(), running: 0, already: true };
  let running = 0;
  if (begin.there.state !== "done") {
    if (mark.state === "draining") ({ mark, running } = await close(options, mark));
    await copy(options, begin.there);
    await verify(options);
    await target.finish(await source.floors(), { id: mark.id, state: "done", other: source.name });
  }
  await source.setMark({ ...mark, state: "moved" });
  return { rows: await target.counts(), running, already: false };
}

/** Gives up a move that is not finished: the source works on. @throws StorageError `TRANSFER_REFUSED` */
export async function abort({ source, target }: Pick<TransferOptions, "source" | "target">): Promise<void> {
  const mark = await underWay(source, target.name);
  if (mark === undefined) throw noneUnderWay(source);
  const there = await target.mark();
  if (mark.state === "moved" || (there?.id === mark.id && there.state === "done"))
    throw refused(
      `Expected the move from ${source.name} to be unfinished, but it is done: move back with --from and --to exchanged, and --replace`,
    );
  // Not the mark of the source itself, where both are one database.
  if (there?.id === mark.id && there.state === "copying") await target.wipe(there.before);
  await source.reopen();
}

/**
 * What can be refused before anything is made in the target, which is known by its name alone.
 * @throws StorageError `TRANSFER_REFUSED`
 */
export async function expectMovable(source: Mover, target: string, aborting: boolean): Promise<void> {
  const mark = await underWay(source, target);
  if (mark !== undefined) return;
  if (aborting) throw noneUnderWay(source);
  const counts = await source.counts();
  if (COMPARED_TABLES.every((table) => counts[table] === 0))
    throw refused(`Expected ${source.name} to hold something, but it is empty: is it the right one?`);
}

/** The mark of a move from here to there that was begun, or is done. */
async function underWay(source: Mover, target: string): Promise<MoveMark | undefined> {
  const mark = await source.mark();
  if (mark === undefined || mark.state === "done") return undefined;
  if (mark.state === "copying")
    throw refused(`Expected ${source.name} to be whole, but a move from ${mark.other} to it is not finished: go on with that one first`);
  if (mark.other === target) return mark;
  throw refused(
    mark.state === "moved"
      ? `Expected ${source.name} to hold the tasks still, but it has moved to ${mark.other}`
      : `Expected ${source.name} to be moved to ${mark.other}, as was begun, got ${target}; go on there, or give it up there with --abort`,
  );
}

/** The marks of both sides: new ones, or those of the move that is under way. */
async function begun(options: TransferOptions): Promise<{ readonly mark: MoveMark; readonly there: MoveMark }> {
  const { source, target, newId } = options;
  await expectMovable(source, target.name, false);
  const before = await source.mark();
  const isNew = before === undefined || before.state === "done";
  const mark: MoveMark = isNew ? { id: newId(), state: "draining", other: target.name } : before;
  if (mark.state === "moved") return { mark, there: mark };
  if (isNew) await source.setMark(mark);
  try {
    return { mark, there: await received(options, mark) };
  } catch (error) {
    // What was refused leaves nothing behind; after any other error the target may be ready, and its answer lost.
    if (isNew && error instanceof StorageError && REFUSALS.has(error.code))
      await (before === undefined ? source.reopen() : source.setMark(before));
    throw error;
  }
}

/** The target is ready for this move, and nobody else writes there. */
async function received({ source, target, replace }: TransferOptions, mark: MoveMark): Promise<MoveMark> {
  const there = await target.mark();
  if (there?.id === mark.id) {
    if (there.state === "copying" || there.state === "done") return there;
    // Whatever the two are called: what was written on one side is read on the other.
    throw refused(`Expected ${target.name} to be another database than ${source.name}, but it is the same one`);
  }
  if (there?.state === "draining" || there?.state === "closed")
    throw refused(`Expected ${target.name} to be where nothing is moved away from, but a move to ${there.other} was begun there`);
  if (!replace && (there?.state === "moved" || there?.state === "copying"))
    throw new StorageError(
      "TARGET_NOT_EMPTY",
      `Expected ${target.name} to be empty, got ${there.state === "moved" ? `what has moved to ${there.other}` : `half of a move from ${there.other}`}; --replace takes it away`,
    );
  const before = there?.state === "moved" ? there : there?.before;
  const fresh: MoveMark = { id: mark.id, state: "copying", other: source.name, ...(before === undefined ? {} : { before }) };
  await target.receive(fresh, replace);
  return fresh;
}

/** Starts nothing new, waits for what runs, then closes. */
async function close({ source, wait, clock, signal, onStep }: TransferOptions, mark: MoveMark) {
  const until = clock.monotonic() + wait;
  for (;;) {
    signal.throwIfAborted();
    await source.drain();
    const running = await source.running();
    onStep?.({ is: "draining", running });
    if (running === 0 || clock.monotonic() >= until) break;
    await pause(clock, Math.min(LOOK_EVERY, until - clock.monotonic()));
  }
  const closed: MoveMark = { ...mark, state: "closed" };
  await source.fence(closed);
  return { mark: closed, running: await source.running() };
}

function pause(clock: Clock, ms: Ms): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve, true);
  });
}

/** A queue that was paused for the move is not paused. */
function meant(table: MovedTable, rows: readonly MovedRow[]): readonly MovedRow[] {
  return table === "queues" ? rows.filter((row) => row["paused_at"] !== PAUSED_FOR_MOVE) : rows;
}

async function copy({ source, target, signal, keyOf, onStep }: TransferOptions, begin: MoveMark): Promise<void> {
  const all = sum(await source.counts());
  let done = begin.at === undefined ? 0 : sum(await target.counts());
  const first = begin.at === undefined ? 0 : MOVED_TABLES.indexOf(begin.at.table);
  for (const table of MOVED_TABLES.slice(first)) {
    let key = begin.at?.table === table ? begin.at.key : null;
    for (;;) {
      signal.throwIfAborted();
      const rows = await source.read(table, key);
      const last = rows.at(-1);
      if (last === undefined) break;
      key = keyOf(table, last);
      await target.write(table, meant(table, rows), { ...begin, at: { table, key } });
      onStep?.({ is: "copying", done: (done += rows.length), of: all });
    }
  }
}

/** @throws StorageError `TRANSFER_MISMATCH`, with the source still closed and the target counting for nobody. */
async function verify(options: TransferOptions): Promise<void> {
  const { source, target, onStep } = options;
  const all = sum(await source.counts()) * 2;
  let done = 0;
  const seen = (rows: number): void => onStep?.({ is: "verifying", done: (done += rows), of: all });
  for (const table of COMPARED_TABLES) {
    const [theirs, ours] = [await sumOf(options, source, table, seen), await sumOf(options, target, table, seen)];
    if (theirs.count === ours.count && theirs.digest === ours.digest) continue;
    throw new StorageError(
      "TRANSFER_MISMATCH",
      `Expected the ${table} of ${target.name} to be those of ${source.name} (${theirs.count}), got ${ours.count === theirs.count ? "others" : ours.count}: --abort gives the move up, and the source works on`,
    );
  }
}

/** Whatever the order: engines sort texts differently. */
async function sumOf({ keyOf, digest, signal }: TransferOptions, mover: Mover, table: MovedTable, seen: (rows: number) => void) {
  let [count, total] = [0, 0n];
  let key: readonly Cell[] | null = null;
  for (;;) {
    signal.throwIfAborted();
    const rows = await mover.read(table, key);
    const last = rows.at(-1);
    if (last === undefined) return { count, digest: total };
    key = keyOf(table, last);
    for (const row of meant(table, rows)) {
      count++;
      total = BigInt.asUintN(128, total + digest(table, row));
    }
    seen(rows.length);
  }
}

const sum = (counts: Readonly<Record<MovedTable, number>>): number => MOVED_TABLES.reduce((total, table) => total + counts[table], 0);

function noneUnderWay(source: Mover): StorageError {
  return refused(`Expected a move from ${source.name} to be under way, but there is none`);
}

function refused(message: string): StorageError {
  return new StorageError("TRANSFER_REFUSED", message);
}
