/**
 * Which SQLite library this process has a file open with, for all of its threads to see: they share no memory that nobody handed over,
 * but they share open descriptors. A sign is a descriptor of a file that is deleted already: its name tells, no other process sees it,
 * and it ends with the process. Where there is no /proc, there are no signs.
 */
import type { Library } from "./library.ts";

const fs = process.getBuiltinModule("node:fs");
const os = process.getBuiltinModule("node:os");
const path = process.getBuiltinModule("node:path");
const crypto = process.getBuiltinModule("node:crypto");

const DESCRIPTORS = "/proc/self/fd";
const nothing = (): void => {};

/** Puts a sign up; returns the function that takes it down. `inode` is what `inodeOf` tells of the file. */
export function putSign(inode: string, library: Library["name"]): () => void {
  if (!fs.existsSync(DESCRIPTORS)) return nothing;
  const name = path.join(os.tmpdir(), `omniq ${inode} ${library} ${crypto.randomUUID()}`);
  let descriptor: number;
  try {
    descriptor = fs.openSync(name, "wx", 0o600);
    fs.unlinkSync(name);
  } catch {
    // No room there, or no right to write: as where there is no /proc.
    return nothing;
  }
  return () => {
    fs.closeSync(descriptor);
  };
}

/** The libraries that this process has the file open with, by the signs of all of its threads. */
export function signsFor(inode: string): string[] {
  const sign = new RegExp(`/omniq ${inode} (\\S+) \\S+ \\(deleted\\)$`);
  return openFiles().flatMap((name) => sign.exec(name)?.[1] ?? []);
}

function openFiles(): string[] {
  if (!fs.existsSync(DESCRIPTORS)) return [];
  return fs.readdirSync(DESCRIPTORS).flatMap((descriptor) => {
    try {
      return [fs.readlinkSync(path.join(DESCRIPTORS, descriptor))];
    } catch {
      // Closed since: that of the listing itself always is.
      return [];
    }
  });
}
