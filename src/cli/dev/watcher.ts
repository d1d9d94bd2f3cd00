/** Which of some files have changed. Asked again and again: it works for every editor, mount and number of files, and costs nothing. */
import { statSync } from "node:fs";

const LOOK_EVERY = 200;

export class Watcher {
  readonly #seen = new Map<string, string>();
  readonly #changed = new Set<string>();
  readonly #timer: NodeJS.Timeout;

  /** @param onChange told when files have changed, and then not for a moment: editors write several times. */
  constructor(onChange: (files: readonly string[]) => void) {
    this.#timer = setInterval(() => {
      const before = this.#changed.size;
      for (const file of this.changes()) this.#changed.add(file);
      if (this.#changed.size === 0 || this.#changed.size > before) return;
      const files = [...this.#changed];
      this.#changed.clear();
      onChange(files);
    }, LOOK_EVERY);
  }

  /** Also one that is not there: it may come. */
  add(file: string): void {
    if (!this.#seen.has(file)) this.#seen.set(file, stampOf(file));
  }

  get files(): readonly string[] {
    return [...this.#seen.keys()];
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Since the last look. */
  changes(): readonly string[] {
    return this.files.filter((file) => {
      const stamp = stampOf(file);
      const isChanged = this.#seen.get(file) !== stamp;
      this.#seen.set(file, stamp);
      return isChanged;
    });
  }
}

function stampOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? "" : `${found.mtimeMs} ${found.size} ${found.ino}`;
}
