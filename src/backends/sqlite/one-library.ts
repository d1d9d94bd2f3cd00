/** One file, one SQLite library in a process: a second one would not see the locks of the first, and drop them when it closes. */
import { ConnectionError } from "../../core/errors.ts";
import type { Library } from "./library.ts";
import { putSign, signsFor } from "./library-sign.ts";
import { inodeOf } from "./real-file.ts";

interface Users {
  readonly library: Library;
  /** What other threads see. */
  readonly takeSignDown: () => void;
  count: number;
}
/** Of this thread, by the file itself, whatever it is called. */
const used = new Map<string, Users>();

/**
 * Notes that this library is about to open a file that is there; returns the function that takes the note back.
 * @throws ConnectionError `TWO_LIBRARIES`
 */
export function useOneLibrary(file: string, library: Library): () => void {
  const inode = file === ":memory:" ? undefined : inodeOf(file);
  if (inode === undefined) return () => {};
  const users = used.get(inode) ?? firstUser(file, inode, library);
  if (users.library.maker !== library.maker) throw two(file, users.library.name, library.name);
  users.count++;
  used.set(inode, users);
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    users.count--;
    if (users.count > 0) return;
    used.delete(inode);
    users.takeSignDown();
  };
}

/** The sign is up before the others are looked at: of two threads that come at once, one at least sees the other. */
function firstUser(file: string, inode: string, library: Library): Users {
  const takeSignDown = putSign(inode, library.name);
  const other = signsFor(inode).find((name) => name !== library.name);
  if (other === undefined) return { library, takeSignDown, count: 0 };
  takeSignDown();
  throw two(file, other, library.name);
}

function two(file: string, first: string, second: string): ConnectionError {
  const both = first === second ? `two copies of ${first}` : `${first} and ${second}`;
  return new ConnectionError(
    "TWO_LIBRARIES",
    `Expected ${file} to be opened by one SQLite library in this process, got ${both}: they do not see each other's locks, and commits get lost; give all backends of the file handles of one`,
  );
}
