/**
 * A copy of the file while others write. `VACUUM INTO` reads one snapshot and ends, whoever writes meanwhile; SQLite's own backup steps
 * start again at each commit of another process and may never end. It blocks its thread, so it has one of its own.
 */
import { startThread } from "../../entry.ts";
import type { BackedUp, BackupOptions } from "../../core/backend.ts";
import { expected, OmniQError, StorageError } from "../../core/errors.ts";
import { refuseUnknown } from "../../core/nearest.ts";
import { refuseHollow } from "./open.ts";
import { isSameFile, realFile } from "./real-file.ts";

const fs = process.getBuiltinModule("node:fs");
const path = process.getBuiltinModule("node:path");

/** The database that is copied. */
export interface BackupSource {
  readonly path: string;
  readonly tablePrefix: string;
  readonly busyTimeout: number;
}
/** What the thread is told. Plain data: it is cloned. */
export interface BackupPlan extends BackupSource {
  /** Where the copy is written: there, empty. */
  readonly copy: string;
}
/** What it tells. */
export type BackupReport = { readonly tasks: number } | { readonly code: string; readonly message: string };

/** How often `onProgress` is told the size. */
const LOOK_EVERY = 100;
/** A copy that was given up so long ago, by a process that was killed, is taken away by the next one. */
const STALE = 86_400_000;

/**
 * Writes the copy beside `file`, brings it safely to disk, checks it, and only then gives it its name.
 * @throws InvalidOptionError; StorageError `BACKUP_REFUSED` for a `file` that is there or is the database, and what the file system says.
 */
export async function backUp(source: BackupSource, file: string, options: BackupOptions = {}): Promise<BackedUp> {
  refuseUnknown(options, ["overwrite", "onProgress", "signal"], "the options of backup()");
  if (typeof file !== "string" || file === "") throw expected("file", "the path of a file", file);
  const target = path.resolve(file);
  refuseTarget(source.path, target, options.overwrite ?? false);
  refuseHollow(source.path);
  options.signal?.throwIfAborted();
  const began = performance.now();
  const { bytes, made: tasks } = await writtenAs(source.path, target, options.overwrite ?? false, (copy) =>
    copied({ ...source, copy }, options),
  );
  return { file: target, bytes, tasks, took: Math.round(performance.now() - began) };
}

/**
 * Lets `make` fill an empty file beside it and bring it to disk, and only then gives it its name.
 * @throws StorageError `BACKUP_REFUSED`, and whatever `make` throws: then nothing is left of it.
 */
export async function writtenAs<T>(
  database: string,
  file: string,
  overwrite: boolean,
  make: (copy: string) => Promise<T>,
): Promise<{ readonly file: string; readonly bytes: number; readonly made: T }> {
  const target = path.resolve(file);
  refuseTarget(database, target, overwrite);
  const copy = makeEmpty(target);
  try {
    const made = await make(copy);
    const bytes = fs.statSync(copy).size;
    refuseTarget(database, target, overwrite);
    fs.renameSync(copy, target);
    syncFolder(path.dirname(target));
    return { file: target, bytes, made };
  } finally {
    forget(copy);
  }
}

/** SQLite keeps a journal beside what it writes. */
function forget(copy: string): void {
  for (const ending of ["", "-journal"]) fs.rmSync(`${copy}${ending}`, { force: true });
}

/** @throws StorageError `BACKUP_REFUSED` where the copy of a database must not be written. */
export function refuseTarget(database: string, target: string, overwrite: boolean): void {
  const no = (why: string): StorageError =>
    new StorageError("BACKUP_REFUSED", `Expected ${target} to be the name of a new file, but ${why}`);
  if (isPartOf(realFile(database), realFile(target))) throw no("it belongs to the database itself");
  const there = fs.statSync(target, { throwIfNoEntry: false });
  if (there?.isFile() === false) throw no("it is a folder or a device");
  if (there !== undefined && !overwrite) throw no("it is there already");
  // SQLite would take them for those of the copy, and break it.
  const left = ["-wal", "-journal"].map((ending) => `${target}${ending}`).find((each) => fs.existsSync(each));
  if (left !== undefined) throw no(`${left} is there: it belongs to another database of this name`);
}

/** Also one that is not there yet, and in a folder that is mounted at two places. */
function isPartOf(database: string, target: string): boolean {
  const inFolder = isSameFile(path.dirname(database), path.dirname(target));
  return ["", "-wal", "-shm", "-journal"]
    .map((ending) => `${database}${ending}`)
    .some((each) => isSameFile(each, target) || (inFolder && path.basename(each) === path.basename(target)));
}

/** An empty file that only this user can read: SQLite fills it. */
function makeEmpty(target: string): string {
  const [folder, base] = [path.dirname(target), path.basename(target)];
  const isPartial = (name: string): boolean => name.startsWith(base) && /^\.[\da-z-]+\.partial(?:-journal)?$/.test(name.slice(base.length));
  try {
    for (const name of fs.readdirSync(folder).filter((each) => isPartial(each))) {
      const old = path.join(folder, name);
      if (Date.now() - (fs.statSync(old, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > STALE) fs.rmSync(old, { force: true });
    }
    const copy = `${target}.${process.pid}-${Date.now().toString(36)}.partial`;
    fs.closeSync(fs.openSync(copy, "wx", 0o600));
    return copy;
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown reason";
    const why = code === "ENOENT" || code === "ENOTDIR" ? "there is no such folder" : `it cannot be written (${code})`;
    throw new StorageError("BACKUP_REFUSED", `Expected a folder for ${target}, but ${why}`, { cause });
  }
}

/** Runs the thread; answers how many tasks the copy holds. */
async function copied(plan: BackupPlan, { onProgress, signal }: BackupOptions): Promise<number> {
  const thread = startThread("backends/sqlite/backup-thread", { workerData: plan });
  const ended = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve, reject) => {
      const giveUp = (why: unknown): void => {
        thread.unref();
        // What SQLite does cannot be interrupted: the thread ends behind it. It may have made the file anew.
        thread.once("exit", () => {
          forget(plan.copy);
        });
        void thread.terminate();
        reject(why);
      };
      const stop = (): void =>
        giveUp(signal?.reason instanceof Error ? signal.reason : new OmniQError("BACKUP_STOPPED", "The backup was stopped"));
      signal?.addEventListener("abort", stop, { once: true, signal: ended.signal });
      if (onProgress !== undefined) timer = setInterval(() => tell(plan, onProgress, giveUp), LOOK_EVERY);
      thread.on("message", (report: BackupReport) => {
        if ("tasks" in report) resolve(report.tasks);
        else reject(new StorageError(report.code, report.message));
      });
      thread.on("error", reject);
      thread.on("exit", () => {
        reject(new OmniQError("THREAD_ENDED", "Expected the thread of the backup to write it, but it ended"));
      });
    });
  } finally {
    clearInterval(timer);
    ended.abort();
  }
}

/** Whoever throws there gives up the whole: nobody else would hear of it. */
function tell({ copy }: BackupPlan, onProgress: (bytes: number) => void, giveUp: (reason: unknown) => void): void {
  try {
    onProgress(fs.statSync(copy, { throwIfNoEntry: false })?.size ?? 0);
  } catch (error) {
    giveUp(error);
  }
}

/** So that the new name survives a power cut, too. Where a folder cannot be opened (Windows) there is nothing to do. */
function syncFolder(folder: string): void {
  let handle: number | undefined;
  try {
    handle = fs.openSync(folder, "r");
    fs.fsyncSync(handle);
  } catch {
    // Not known to this file system.
  } finally {
    if (handle !== undefined) fs.closeSync(handle);
  }
}
