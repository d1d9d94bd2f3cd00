/** The demo's two tasks, as typed references: all that whoever enqueues them needs. Their handlers are in handlers.ts. */
import { defineTask } from "../../index.ts";
import type { WordCount } from "./words.ts";

export interface CountArgs {
  /** The folder, absolute. */
  readonly folder: string;
  /** The file, relative to it. */
  readonly file: string;
}
export interface FileCount {
  readonly file: string;
  readonly bytes: number;
  readonly words: number;
  readonly top: readonly WordCount[];
}

/** Killing the demo is part of the demo: a task that was running then must not be taken for the cause. */
const maxCrashes = 1_000;

export const countWords = defineTask<CountArgs, FileCount>({
  name: "demo.count-words",
  maxRetries: 3,
  retryDelay: "400ms",
  timeout: "1m",
  maxCrashes,
});

export interface ReportArgs {
  readonly run: number;
  readonly folder: string;
}
export interface Report {
  readonly path: string;
  readonly files: number;
  readonly failed: number;
  readonly bytes: number;
  readonly words: number;
  readonly top: readonly WordCount[];
}

/** Depends on all the others, and runs when the last of them has ended. */
export const writeReport = defineTask<ReportArgs, Report>({ name: "demo.write-report", retryDelay: "1s", maxCrashes });
