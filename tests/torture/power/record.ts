/** Runs the writer and keeps what it did to its files. */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { FOLDER } from "./disk.ts";
import { readLog } from "./log.ts";
import type { Change } from "./log.ts";
import type { WriterOptions } from "./writer.ts";

const WRITER = fileURLToPath(new URL("writer.ts", import.meta.url));
const SOURCE = fileURLToPath(new URL("write-log.c", import.meta.url));

/** `seen`: by a library that stands before the system's. `derived`: from the files after each commit. */
export type Source = "seen" | "derived";

export interface Recording {
  readonly changes: readonly Change[];
  readonly source: Source;
  /** Where it lies until it is removed. */
  readonly log: string;
  remove(): void;
}

/** The library that logs what is written, made in this folder; undefined where there is no compiler for it. */
export function makeLibrary(folder: string): string | undefined {
  if (process.platform !== "linux") return undefined;
  const library = join(folder, "write-log.so");
  try {
    execFileSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], { stdio: "ignore" });
    return library;
  } catch {
    return undefined;
  }
}

/** @param library as `makeLibrary` made it; without one the log is derived. */
export async function record(options: Pick<WriterOptions, "seed" | "durability">, library: string | undefined): Promise<Recording> {
  const dir = mkdtempSync(join(tmpdir(), "omniq-power-"));
  const folder = join(dir, FOLDER) + sep;
  const log = join(dir, "log");
  mkdirSync(folder);
  const seen = { LD_PRELOAD: library, WRITE_LOG: log, WRITE_LOG_FOLDER: folder };
  const given: WriterOptions = library === undefined ? { ...options, folder, log } : { ...options, folder };
  await promisify(execFile)(process.execPath, [WRITER, JSON.stringify(given)], {
    env: { ...process.env, ...(library === undefined ? {} : seen) },
    timeout: 120_000,
  });
  const remove = (): void => {
    rmSync(dir, { recursive: true, force: true });
  };
  return { changes: readLog(log), source: library === undefined ? "derived" : "seen", log, remove };
}
