/** Where the bench's files lie: beside the checkout, so that they are on its disk (the system's folder for temporary files may be memory). */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../", import.meta.url));

export class Scratch {
  readonly folder: string;
  #files = 0;

  constructor() {
    mkdirSync(join(ROOT, ".tmp"), { recursive: true });
    this.folder = mkdtempSync(join(ROOT, ".tmp", "bench-"));
  }

  /** The path of a database that is not there yet. */
  file(): string {
    return join(this.folder, `${this.#files++}.db`);
  }

  /** Takes a database away again, so that a long run needs little room. */
  drop(file: string): void {
    for (const end of ["", "-wal", "-shm"]) rmSync(`${file}${end}`, { recursive: true, force: true });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
