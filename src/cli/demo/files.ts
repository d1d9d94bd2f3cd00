/** Which files the demo works on. */
import { readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";

const WANTED = /\.(?:md|d\.ts)$/;

export interface Found {
  /** Paths below the folder, with `/`, in the order of the alphabet. */
  readonly files: readonly string[];
  /** How many there are; more than `files` when the limit was reached. */
  readonly total: number;
}

/** The Markdown and type-declaration files below a folder; folders that cannot be read are left out. Links are not followed. */
export async function findFiles(folder: string, limit: number): Promise<Found> {
  const paths = await filesBelow(folder);
  const all = paths.map((path) => relative(folder, path).split(sep).join("/")).toSorted();
  return { files: all.slice(0, limit), total: all.length };
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return filesBelow(path);
      return entry.isFile() && WANTED.test(entry.name) ? [path] : [];
    }),
  );
  return found.flat();
}

export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
