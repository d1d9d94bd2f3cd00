/** A log of what a process did to the files of a folder, in the form that `write-log.c` writes. */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { basename } from "node:path";

/** W writes, T truncates, S brings to the disk, U removes. */
export type Operation = "W" | "T" | "S" | "U";

export interface Change {
  readonly operation: Operation;
  /** The name of the file in its folder. */
  readonly file: string;
  /** Where it is written, or the new length. */
  readonly offset: number;
  readonly data: Buffer;
}

const NOTHING = Buffer.alloc(0);

function isOperation(letter: string): letter is Operation {
  return ["W", "T", "S", "U"].includes(letter);
}

export function readLog(path: string): readonly Change[] {
  const log = readFileSync(path);
  const changes: Change[] = [];
  for (let at = 0; at < log.length;) {
    const operation = String.fromCodePoint(log.readUInt8(at));
    if (!isOperation(operation)) throw new Error(`Expected an operation at byte ${at} of ${path}, got ${operation}`);
    const name = at + 3;
    const numbers = name + log.readUInt16LE(at + 1);
    const [offset, length] = [Number(log.readBigUInt64LE(numbers)), Number(log.readBigUInt64LE(numbers + 8))];
    const file = basename(log.toString("utf8", name, numbers));
    at = numbers + 16 + length;
    changes.push({ operation, file, offset, data: length === 0 ? NOTHING : log.subarray(numbers + 16, at) });
  }
  return changes;
}

/** Writes one where there is no compiler to make `write-log.c` into a library. */
export class LogWriter {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "a");
  }

  add(operation: Operation, path: string, offset = 0, data: Uint8Array = NOTHING): void {
    const name = Buffer.from(path);
    const head = Buffer.alloc(3 + name.length + 16);
    head.write(operation);
    head.writeUInt16LE(name.length, 1);
    name.copy(head, 3);
    head.writeBigUInt64LE(BigInt(offset), 3 + name.length);
    head.writeBigUInt64LE(BigInt(data.length), 11 + name.length);
    writeSync(this.#file, Buffer.concat([head, data]));
  }

  close(): void {
    closeSync(this.#file);
  }
}
