/**
 * Moving everything from one database to another. Invariants: before the source is closed, nothing is read; from then on nobody writes there,
 * nor before the end in the target, by the databases' own refusal; what lies in the target counts for nobody until all of it has been
 * compared; it counts in one transaction. So at any moment a task can be run in one place at most, and whoever is interrupted goes on
 * where it was.
 *
 * A process may sleep between any two steps while another gives the move up, or goes on with it. So each step asks, in its own transaction,
 * for the mark that it goes on from. No transaction spans both databases; what decides is the target's: `done` there, the move has happened,
 * and only then is the source `moved`; wiped there, it is given up, and only then is the source opened. Before it is wiped the source is
 * `aborting`, and whoever has made the target ready looks at the source once more: it is never made ready for a move that was given up.
 */
import type { Clock } from "../core/clock.ts";
import { StorageError } from "../core/errors.ts";
import type { Ms } from "../core/record.ts";
import { COMPARED_TABLES, exactly, expectGuarded, MOVED_TABLES, ofMove, OVERTAKEN, PAUSED_FOR_MOVE } from "../core/transfer.ts";
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

const REFUSALS: ReadonlySet<string> = new Set(["TRANSFER_REFUSED", "TARGET_NOT_EMPTY", OVERTAKEN]);
const LOOK_EVERY = 200;
/**
 * Moves all of it, or goes on with a move that was interrupted.
 * @throws StorageError `TRANSFER_REFUSED`, `TARGET_NOT_EMPTY`, `TRANSFER_MISMATCH`, `TRANSFER_OVERTAKEN`; whatever the signal aborts with.
 */
export async function transfer(options: TransferOptions): Promise<Transferred> {
  const { source, target } = options;
  const begin = await begun(options);
  const { mark } = begin;
  if (mark.state === "moved") return { rows: await target.counts(), running: 0, already: true };
  try {
    const running = begin.there.state === "done" ? 0 : await fill(options, begin);
    // Also while somebody gives it up who is late: what counts in the target has moved.
    await source.leave({ ...mark, state: "moved" }, ofMove(mark.id, "closed", "aborting"));
    return { rows: await target.counts(), running, already: false };
  } catch (error) {
    if (isOvertaken(error)) await tidy(options, mark.id);
    throw error;
  }
}

/** Until all of it counts in the target. Answers how many tasks ran when the source was closed. */
async function fill(options: TransferOptions, { mark, there }: Begin): Promise<number> {
  const { source, target } = options;
  expectGuarded(source.name, await source.mark(), exactly(mark));
  const running = mark.state === "draining" ? await close(options, mark) : 0;
  const last = await copy(options, there);
  await verify(options, last);
  await target.finish(await source.floors(), { id: mark.id, state: "done", other: source.name }, exactly(last));
  return running;
}

/** What was made ready for a move that is given up is taken away; what another process goes on with stays. */
async function tidy({ source, target }: Pick<TransferOptions, "source" | "target">, id: string): Promise<void> {
  if (ofMove(id, "draining", "closed", "moved")(await source.mark())) return;
  await wipeHalf(target, id);
}

async function wipeHalf(target: Mover, id: string): Promise<void> {
  const half = ofMove(id, "copying");
  if (half(await target.mark())) await target.wipe(half);
}

/** Gives up a move that is not finished: the source works on. @throws StorageError `TRANSFER_REFUSED`, `TRANSFER_OVERTAKEN` */
export async function abort({ source, target }: Pick<TransferOptions, "source" | "target">): Promise<void> {
  const mark = underWay(source, target.name, await source.mark());
  if (mark === undefined) throw noneUnderWay(source);
  const isDone = (there: MoveMark | undefined): boolean => mark.state === "moved" || ofMove(mark.id, "done")(there);
  const there = await target.mark();
  if (isDone(there)) throw doneAlready(source);
  await expectNotMovedOn(target, mark, there);
  await source.setMark({ ...mark, state: "aborting" }, ofMove(mark.id, "draining", "closed", "aborting"));
  try {
    await wipeHalf(target, mark.id);
  } catch (error) {
    // Done at the last moment after all, or taken away by the process that copied it.
    if (isOvertaken(error)) return abort({ source, target });
    throw error;
  }
  // Looked at behind that: nobody can do it any more, but until then somebody may have.
  if (isDone(await target.mark())) throw doneAlready(source);
  await source.reopen(ofMove(mark.id, "aborting"));
}

/** Only what counted there can have been moved on, or be on its way: opened again, or copied anew, the source's tasks would run twice. */
async function expectNotMovedOn(target: Mover, mark: MoveMark, there: MoveMark | undefined): Promise<void> {
  if (mark.state === "draining" || there === undefined || there.id === mark.id) return;
  if (there.state === "copying" || there.state === "done") return;
  // Taken away already: what had moved away from there before is closed again.
  if (mark.state === "aborting" && isEmpty(await target.counts())) return;
  throw refused(`Expected ${target.name} to hold what moves there from a closed database, but its tasks move to ${there.other}, or have`);
}

/**
 * What can be refused before anything is made in the target, which is known by its name alone.
 * @throws StorageError `TRANSFER_REFUSED`
 */
export async function expectMovable(source: Mover, target: string, aborting: boolean): Promise<void> {
  const mark = underWay(source, target, await source.mark());
  if (mark !== undefined) return;
  if (aborting) throw noneUnderWay(source);
  const counts = await source.counts();
  if (isEmpty(counts)) throw refused(`Expected ${source.name} to hold something, but it is empty: is it the right one?`);
}

/** The mark of a move from here to there that was begun, or is done. */
function underWay(source: Mover, target: string, mark: MoveMark | undefined): MoveMark | undefined {
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

interface Begin {
  readonly mark: MoveMark;
  readonly there: MoveMark;
}

/** The marks of both sides: new ones, or those of the move that is under way. */
async function begun(options: TransferOptions): Promise<Begin> {
  const { source, target, newId } = options;
  await expectMovable(source, target.name, false);
  const before = await source.mark();
  const known = underWay(source, target.name, before);
  const isNew = known === undefined;
  const mark: MoveMark = known ?? { id: newId(), state: "draining", other: target.name };
  if (mark.state === "moved") return { mark, there: mark };
  if (isNew) await source.setMark(mark, exactly(before));
  try {
    return { mark, there: await received(options, mark) };
  } catch (error) {
    // What was refused leaves nothing behind; after any other error the target may be ready, and its answer lost.
    if (isNew && error instanceof StorageError && REFUSALS.has(error.code) && !ofMove(mark.id, "copying")(await target.mark()))
      await (before === undefined ? source.reopen(exactly(mark)) : source.setMark(before, exactly(mark)));
    throw error;
  }
}

/** The target is ready for this move, and nobody else writes there. */
async function received({ source, target, replace }: TransferOptions, mark: MoveMark): Promise<MoveMark> {
  const there = await target.mark();
  if (there?.id === mark.id) {
    if (there.state === "done" || (there.state === "copying" && mark.state !== "aborting")) return there;
    // Whatever the two are called: what was written on one side is read on the other.
    throw refused(`Expected ${target.name} to be another database than ${source.name}, but it is the same one`);
  }
  if (mark.state === "aborting")
    throw refused(`Expected the move from ${source.name} to be under way still, but it is being given up: do that to its end with --abort`);
  await expectNotMovedOn(target, mark, there);
  if (there?.state === "draining" || there?.state === "closed")
    throw refused(`Expected ${target.name} to be where nothing is moved away from, but a move to ${there.other} was begun there`);
  if (!replace && (there?.state === "moved" || there?.state === "copying"))
    throw new StorageError(
      "TARGET_NOT_EMPTY",
      `Expected ${target.name} to be empty, got ${there.state === "moved" ? `what has moved to ${there.other}` : `half of a move from ${there.other}`}; --replace takes it away`,
    );
  const before = there?.state === "moved" ? there : there?.before;
  const fresh: MoveMark = { id: mark.id, state: "copying", other: source.name, ...(before === undefined ? {} : { before }) };
  await target.receive(fresh, replace, exactly(there));
  return fresh;
}

/** Starts nothing new, waits for what runs, then closes. Answers how many still run. */
async function close({ source, wait, clock, signal, onStep }: TransferOptions, mark: MoveMark): Promise<number> {
  const until = clock.monotonic() + wait;
  for (;;) {
    signal.throwIfAborted();
    await source.drain(exactly(mark));
    const running = await source.running();
    onStep?.({ is: "draining", running });
    if (running === 0 || clock.monotonic() >= until) break;
    await pause(clock, Math.min(LOOK_EVERY, until - clock.monotonic()));
  }
  await source.fence({ ...mark, state: "closed" }, exactly(mark));
  return await source.running();
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

/** Answers the mark of the last batch. */
async function copy({ source, target, signal, keyOf, onStep }: TransferOptions, begin: MoveMark): Promise<MoveMark> {
  const all = sum(await source.counts());
  let done = begin.at === undefined ? 0 : sum(await target.counts());
  let written = begin;
  const first = begin.at === undefined ? 0 : MOVED_TABLES.indexOf(begin.at.table);
  for (const table of MOVED_TABLES.slice(first)) {
    let key = begin.at?.table === table ? begin.at.key : null;
    for (;;) {
      signal.throwIfAborted();
      const rows = await source.read(table, key);
      const last = rows.at(-1);
      if (last === undefined) break;
      key = keyOf(table, last);
      const mark: MoveMark = { ...begin, at: { table, key } };
      await target.write(table, meant(table, rows), mark, exactly(written));
      written = mark;
      onStep?.({ is: "copying", done: (done += rows.length), of: all });
    }
  }
  return written;
}

/** @throws StorageError `TRANSFER_MISMATCH`, with the source still closed and the target counting for nobody. */
async function verify(options: TransferOptions, last: MoveMark): Promise<void> {
  const { source, target, onStep } = options;
  const all = sum(await source.counts()) * 2;
  let done = 0;
  const seen = (rows: number): void => onStep?.({ is: "verifying", done: (done += rows), of: all });
  for (const table of COMPARED_TABLES) {
    const [theirs, ours] = [await sumOf(options, source, table, seen), await sumOf(options, target, table, seen)];
    if (theirs.count === ours.count && theirs.digest === ours.digest) continue;
    // Taken away meanwhile, or worked on already: no mismatch.
    expectGuarded(target.name, await target.mark(), exactly(last));
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

const isEmpty = (counts: Readonly<Record<MovedTable, number>>): boolean => COMPARED_TABLES.every((table) => counts[table] === 0);

const isOvertaken = (error: unknown): boolean => error instanceof StorageError && error.code === OVERTAKEN;

function doneAlready(source: Mover): StorageError {
  return refused(
    `Expected the move from ${source.name} to be unfinished, but it is done: move back with --from and --to exchanged, and --replace`,
  );
}

function noneUnderWay(source: Mover): StorageError {
  return refused(`Expected a move from ${source.name} to be under way, but there is none`);
}

function refused(message: string): StorageError {
  return new StorageError("TRANSFER_REFUSED", message);
}
