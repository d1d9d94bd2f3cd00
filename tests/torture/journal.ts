/**
 * What the torture's processes witness, in a file beside the database: who was told what, and which handler ran under which fence. A line
 * is one write to the end of the file, so it survives `kill -9`; one that a kill cut off lacks its end mark and counts as never written.
 */
import { closeSync, existsSync, fdatasyncSync, openSync, readSync, writeSync } from "node:fs";

export interface Line {
  /** Microseconds on a clock that all processes of the machine share and nobody sets. */
  readonly at: number;
  readonly pid: number;
  readonly what: string;
  readonly words: readonly string[];
}

export const micros = (): number => Number(process.hrtime.bigint() / 1_000n);

/** The writing end. */
export class Witness {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "a");
  }

  tell(what: string, ...words: readonly (string | number)[]): void {
    this.write(what, ...words);
  }

  /** Answers what was written. */
  protected write(what: string, ...words: readonly (string | number)[]): string {
    const text = `\n${[micros(), process.pid, what, ...words].join(" ")};`;
    writeSync(this.#file, text);
    return text;
  }

  /** The same for what was acknowledged: it is on the disk before anything follows. */
  keep(what: string, ...words: readonly (string | number)[]): void {
    this.tell(what, ...words);
    fdatasyncSync(this.#file);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** The reading end: reads on where it has stopped. */
export class Journal {
  readonly path: string;
  readonly lines: Line[] = [];
  #offset = 0;
  #rest = "";

  constructor(path: string) {
    this.path = path;
  }

  /** What was written since the last call. */
  read(): void {
    const text = this.#text();
    // What lacks its end may still get it.
    const end = text.lastIndexOf(";") + 1;
    this.#rest = text.slice(end);
    this.lines.push(...linesOf(text.slice(0, end)));
  }

  of(what: string): readonly Line[] {
    return this.lines.filter((line) => line.what === what);
  }

  #text(): string {
    if (!existsSync(this.path)) return "";
    const file = openSync(this.path, "r");
    const part = Buffer.alloc(1_048_576);
    let text = this.#rest;
    for (let length = -1; length !== 0; this.#offset += length) {
      length = readSync(file, part, 0, part.length, this.#offset);
      text += part.toString("latin1", 0, length);
    }
    closeSync(file);
    return text;
  }
}

/** The whole lines of a journal. */
export function linesOf(text: string): readonly Line[] {
  return text
    .split("\n")
    .filter((line) => line.endsWith(";"))
    .map((line) => lineOf(line.slice(0, -1)));
}

function lineOf(text: string): Line {
  const [at = "", pid = "", what = "", ...words] = text.split(" ");
  return { at: Number(at), pid: Number(pid), what, words };
}
