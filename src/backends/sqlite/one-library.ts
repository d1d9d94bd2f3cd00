/** One file, one SQLite library in a process: a second one would not see the locks of the first, and drop them when it closes. */
import { ConnectionError } from "../../core/errors.ts";
import type { Library } from "./library.ts";

const fs = process.getBuiltinModule("node:fs");

interface Users {
  readonly library: Library;
  count: number;
}
/** By the file itself, whatever it is called. */
const used = new Map<string, Users>();

/**
 * Notes that this library is about to open a file that is there; returns the function that takes the note back.
 * @throws ConnectionError `TWO_LIBRARIES`
 */
export function useOneLibrary(path: string, library: Library): () => void {
  if (path === ":memory:") return () => {};
  const { dev, ino } = fs.statSync(path);
  const key = `${dev} ${ino}`;
  const users = used.get(key) ?? { library, count: 0 };
  if (users.library.maker !== library.maker) {
    const two = users.library.name === library.name ? `two copies of ${library.name}` : `${users.library.name} and ${library.name}`;
    throw new ConnectionError(
      "TWO_LIBRARIES",
      `Expected ${path} to be opened by one SQLite library in this process, got ${two}: they do not see each other's locks, and commits get lost; give all backends of the file handles of one`,
    );
  }
  users.count++;
  used.set(key, users);
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    users.count--;
    if (users.count === 0) used.delete(key);
  };
}
