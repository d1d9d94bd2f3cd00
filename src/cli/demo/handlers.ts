/** The worker's half of the demo's tasks. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate, setTimeout } from "node:timers/promises";
import { FatalError } from "../../index.ts";
import type { TaskDefinition } from "../../index.ts";
import { saveReport } from "./report.ts";
import { countWords, writeReport } from "./tasks.ts";
import type { CountArgs, FileCount, Report, ReportArgs } from "./tasks.ts";
import { piecesOf, WordCounter } from "./words.ts";

/** Characters that are counted before others get their turn. */
const PIECE = 200_000;
const TOP = 50;

/** One file in so many fails at its first attempt, on purpose. */
const ONE_IN = 60;

/** Whether a file is one of those that fail at first: told by its name, so that it is the same in each run. */
export function failsAtFirst(file: string): boolean {
  let sum = 0;
  for (const character of file) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003;
  return sum % ONE_IN === 0;
}

export interface HandlerOptions {
  /** The least time that a file takes, in milliseconds. */
  readonly pace: number;
  readonly reportPath: string;
}

/** What the worker of the demo can run. */
export function handlers({
  pace,
  reportPath,
}: HandlerOptions): readonly [TaskDefinition<CountArgs, FileCount>, TaskDefinition<ReportArgs, Report>] {
  const count = countWords.implement(async ({ folder, file }, ctx) => {
    if (ctx.attempt === 1 && failsAtFirst(file)) throw new Error("fails on purpose at the first attempt");
    if (pace > 0) await setTimeout(pace, undefined, { signal: ctx.signal });
    const text = await readFile(join(folder, file), { encoding: "utf8", signal: ctx.signal }).catch(gone);
    const counter = new WordCounter();
    let done = 0;
    for (const piece of piecesOf(text, PIECE)) {
      counter.add(piece);
      done += piece.length;
      // A long file tells how far it is, lets others have their turn, and stops when it is asked to.
      if (done < text.length) {
        ctx.progress(done / text.length);
        await setImmediate(undefined, { signal: ctx.signal });
      }
    }
    return { file, bytes: Buffer.byteLength(text), words: counter.total, top: counter.top(TOP) };
  });

  // A handler may run again after a crash: the report is written beside its place and put there in one step.
  const report = writeReport.implement(async (args, ctx) => saveReport(reportPath, args, await ctx.parentResults()));
  return [count, report];
}

/** Trying again does not bring a file back. */
function gone(error: NodeJS.ErrnoException): never {
  if (error.code === "ENOENT") throw new FatalError("the file is gone");
  throw error;
}
