/**
 * The file behind a name. SQLite follows symbolic links and keeps WAL and shared memory beside what they lead to: whoever looks beside the
 * link sees neither.
 */
const fs = process.getBuiltinModule("node:fs");
const path = process.getBuiltinModule("node:path");

/** Without a symbolic link in it; what is not there yet, in the real folder. A link that leads nowhere stays as it is. */
export function realFile(file: string): string {
  if (file === ":memory:") return file;
  try {
    return fs.realpathSync(file);
  } catch {
    // Not there, or not to be seen: what is wrong with it says whoever opens it.
    const folder = path.dirname(file);
    return folder === file || isLink(file) ? file : path.join(realFile(folder), path.basename(file));
  }
}

function isLink(file: string): boolean {
  try {
    return fs.lstatSync(file).isSymbolicLink();
  } catch {
    return false;
  }
}

/** Whether two paths are one file, whatever they are called. */
export function isSameFile(a: string, b: string): boolean {
  const first = inodeOf(a);
  return first !== undefined && first === inodeOf(b);
}

/** What a path leads to, as a text that two paths to one file share; undefined where nothing is there. */
export function inodeOf(file: string): string | undefined {
  const found = fs.statSync(file, { throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.dev} ${found.ino}`;
}
