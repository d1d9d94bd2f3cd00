/** Which run of the demo this is: the one that was interrupted, as long as it has not ended, else a new one. */
import { createHash } from "node:crypto";
import type { OmniQ } from "../../index.ts";
import { countWords, writeReport } from "./tasks.ts";

export interface DemoRun {
  readonly number: number;
  readonly folder: string;
  /** It was begun before, and has not ended. */
  readonly continued: boolean;
}

/** Ids are made of the run and the file, so that enqueueing a file again finds the task that is there already. */
export function fileTaskId({ number, folder }: Omit<DemoRun, "continued">, file: string): string {
  return `run${number}-${digest(`${folder}\n${file}`)}`;
}

export function reportTaskId({ number }: Pick<DemoRun, "number">): string {
  return `run${number}-report`;
}

/** Every task of a run has this tag. */
export function runTag({ number }: Pick<DemoRun, "number">): string {
  return `run${number}`;
}

/** Finds the last run over this folder; one whose report is not written yet is carried on. */
export async function currentRun(omniq: OmniQ, folder: string): Promise<DemoRun> {
  const { items } = await omniq.tasks.find({ func: countWords.name, tags: [folderTag(folder)], limit: 1 });
  const last = numberOf(items[0]?.id);
  if (last > 0 && !(await hasEnded(omniq, last))) return { number: last, folder, continued: true };
  return { number: (await highest(omniq)) + 1, folder, continued: false };
}

/** Tells the runs over one folder from those over others. */
export function folderTag(folder: string): string {
  return `folder-${digest(folder)}`;
}

async function hasEnded(omniq: OmniQ, number: number): Promise<boolean> {
  const report = await omniq.tasks.get(reportTaskId({ number }));
  if (report === undefined || report.func !== writeReport.name) return false;
  return report.completedAt !== undefined && report.nextRetryAt === undefined;
}

/** The highest number so far. Old tasks are cleaned up after a while; their events stay longer. */
async function highest(omniq: OmniQ): Promise<number> {
  const { items } = await omniq.tasks.find({ limit: 1 });
  const [event] = await omniq.events.find({ limit: 1 });
  return Math.max(numberOf(items[0]?.id), numberOf(event?.taskId));
}

function numberOf(id: string | undefined): number {
  return Number(/^run(\d+)-/.exec(id ?? "")?.[1] ?? 0);
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 10);
}
