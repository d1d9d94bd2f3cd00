/**
 * Moving everything from one database to another. Invariants: before the source is closed, nothing is read; from then on nobody writes there,
 * by the database's own refusal; what lies in the target counts for nobody until all of it has been compared; it counts in one transaction. So at
 * any moment a task can be run in one place at most, and whoever is interrupted goes on where it was.
 */
import type { Clock } from "../core/clock.ts";
import { StorageError } from "../core/errors.ts";
import type { Ms } from "../core/record.ts";
import { MOVED_TABLES } from "../core/transfer.ts";
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

const LOOK_EVERY = 200;
/** Workers come and go: those of the target may be waiting there already. */
const COMPARED = MOVED_TABLES.filter((table) => table !== "workers");

/**
 * Moves all of it, or goes on with a move that was interrupted.
 * @throws StorageError `TRANSFER_REFUSED`, `TARGET_NOT_EMPTY`, `TRANSFER_MISMATCH`; whatever the signal aborts with.
 */
export async function transfer(options: TransferOptions): Promise<Transferred> {
  const { source, target } = options;
  let mark = await begun(options);
  if (mark.state === "moved") return { rows: await target.counts(), running: 0, already: true };
  const there = await target.mark();
  let running = 0;
  if (there?.state !== "done") {
    if (mark.state === "draining") {
      ({ mark, running } = await close(options, mark));
    }
    const closed = mark;
    await copy(options, closed, there?.id === closed.id ? there : { id: closed.id, state: "copying", other: source.name, paused: [] });
    await verify(options, closed);
    await target.finish(await source.floors(), { id: closed.id, state: "done", other: source.name, paused: [] });
  }
  await source.setMark({ ...mark, state: "moved" });
  return { rows: await target.counts(), running, already: false };
}

/** Gives up a move that is not finished: the source works on. @throws StorageError `TRANSFER_REFUSED` */
export async function abort({ source, target }: Pick<TransferOptions, "source" | "target">): Promise<void> {
  const mark = await source.mark();
  if (mark === undefined) throw refused(`Expected a move from ${source.name} to be under way, but there is none`);
  const there = await target.mark();
  if (mark.state === "moved" || (there?.id === mark.id && there.state === "done"))
    throw refused(`Expected the move from ${source.name} to be unfinished, but it is done: move back with --from and --to exchanged`);
  if (there?.id === mark.id) await target.wipe();
  await source.unfence(mark);
}

/** The mark of the move: a new one, or the one that is under way. */
async function begun({ source, target, replace, newId }: TransferOptions): Promise<MoveMark> {
  const mark = await source.mark();
  const there = await target.mark();
  if (mark !== undefined && mark.state !== "done" && mark.state !== "copying") {
    if (mark.other !== target.name)
      throw refused(
        mark.state === "moved"
          ? `Expected ${source.name} to hold the tasks still, but it has moved to ${mark.other}`
          : `Expected ${source.name} to be moved to ${mark.other}, as was begun, got ${target.name}; go on there, or give it up with --abort`,
      );
    if (there !== undefined && there.id !== mark.id && mark.state !== "moved") await empty(target, replace);
    return mark;
  }
  if (mark?.state === "copying")
    throw refused(`Expected ${source.name} to be whole, but a move to it is not finished: go on with that one first`);
  const counts = await source.counts();
  if (COMPARED.every((table) => counts[table] === 0))
    throw refused(`Expected ${source.name} to hold something, but it is empty: is it the right one?`);
  if (there?.state === "draining" || there?.state === "closed" || there?.state === "moved")
    throw refused(`Expected ${target.name} to be where nothing is moved away from, but a move to ${there.other} was begun there`);
  await empty(target, replace);
  const fresh: MoveMark = { id: newId(), state: "draining", other: target.name, paused: [] };
  await source.setMark(fresh);
  return fresh;
}

async function empty(target: Mover, replace: boolean): Promise<void> {
  const counts = await target.counts();
  const held = COMPARED.filter((table) => counts[table] > 0).map((table) => `${counts[table]} ${table}`);
  if (held.length > 0 && !replace)
    throw new StorageError("TARGET_NOT_EMPTY", `Expected ${target.name} to be empty, got ${held.join(", ")}; --replace takes them away`);
  if (held.length > 0 || (await target.mark()) !== undefined) await target.wipe();
}

/** Starts nothing new, waits for what runs, then closes. */
async function close({ source, wait, clock, signal, onStep }: TransferOptions, begin: MoveMark) {
  const until = clock.monotonic() + wait;
  let mark = begin;
  for (;;) {
    signal.throwIfAborted();
    mark = await source.drain(mark);
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
function meant(table: MovedTable, rows: readonly MovedRow[], { paused }: MoveMark): readonly MovedRow[] {
  return table === "queues" ? rows.filter((row) => !paused.includes(String(row["name"]))) : rows;
}

async function copy({ source, target, signal, keyOf, onStep }: TransferOptions, closed: MoveMark, begin: MoveMark): Promise<void> {
  const all = sum(await source.counts());
  let done = begin.at === undefined ? 0 : sum(await target.counts());
  const first = begin.at === undefined ? 0 : MOVED_TABLES.indexOf(begin.at.table);
  if (begin.at === undefined) await target.setMark(begin);
  for (const table of MOVED_TABLES.slice(first)) {
    let key = begin.at?.table === table ? begin.at.key : null;
    for (;;) {
      signal.throwIfAborted();
      const rows = await source.read(table, key);
      const last = rows.at(-1);
      if (last === undefined) break;
      key = keyOf(table, last);
      await target.write(table, meant(table, rows, closed), { ...begin, at: { table, key } });
      onStep?.({ is: "copying", done: (done += rows.length), of: all });
    }
  }
}

/** @throws StorageError `TRANSFER_MISMATCH`, with the source still closed and the target counting for nobody. */
async function verify(options: TransferOptions, closed: MoveMark): Promise<void> {
  const { source, target, onStep } = options;
  const all = sum(await source.counts()) * 2;
  let done = 0;
  const seen = (rows: number): void => onStep?.({ is: "verifying", done: (done += rows), of: all });
  for (const table of COMPARED) {
    const [theirs, ours] = [await sumOf(options, source, table, closed, seen), await sumOf(options, target, table, closed, seen)];
    if (theirs.count === ours.count && theirs.digest === ours.digest) continue;
    throw new StorageError(
      "TRANSFER_MISMATCH",
      `Expected the ${table} of ${target.name} to be those of ${source.name} (${theirs.count}), got ${ours.count === theirs.count ? "others" : ours.count}: does anybody else write there? --abort gives the move up, and the source works on`,
    );
  }
}

/** Whatever the order: engines sort texts differently. */
async function sumOf(
  { keyOf, digest, signal }: TransferOptions,
  mover: Mover,
  table: MovedTable,
  closed: MoveMark,
  seen: (rows: number) => void,
) {
  let [count, total] = [0, 0n];
  let key: readonly Cell[] | null = null;
  for (;;) {
    signal.throwIfAborted();
    const rows = await mover.read(table, key);
    const last = rows.at(-1);
    if (last === undefined) return { count, digest: total };
    key = keyOf(table, last);
    for (const row of meant(table, rows, closed)) {
      count++;
      total = BigInt.asUintN(128, total + digest(table, row));
    }
    seen(rows.length);
  }
}

const sum = (counts: Readonly<Record<MovedTable, number>>): number => MOVED_TABLES.reduce((total, table) => total + counts[table], 0);

function refused(message: string): StorageError {
  return new StorageError("TRANSFER_REFUSED", message);
}
