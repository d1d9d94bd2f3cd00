/** What the demo says at its end: tables for people, one JSON value for programs. */
import { formatDuration } from "../../core/duration.ts";
import { printFields, printTable } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { count, number, plain } from "../text.ts";
import type { DemoRun } from "./runs.ts";
import type { Report } from "./tasks.ts";
import type { Spread, Timeline } from "./timeline.ts";

export interface Summary {
  readonly run: DemoRun;
  readonly report: Report;
  readonly timeline: Timeline;
  readonly database: string;
  /** Told by the id of their task. */
  readonly fileOf: ReadonlyMap<string, string>;
  /** The options that name the database to the other commands. */
  readonly flags: string;
}

const TOP = 6;
const RETRIES = 3;

export async function printSummary(terminal: Terminal, summary: Summary): Promise<void> {
  const { report } = summary;
  heading(terminal, "Words");
  printFields(terminal, [
    ["files", number(report.files)],
    ["words", number(report.words)],
    ["bytes", number(report.bytes)],
    ["failed", report.failed === 0 ? undefined : number(report.failed)],
  ]);
  terminal.line();
  await printTable(
    terminal,
    [{ head: "MOST FREQUENT (4+ LETTERS)" }, { head: "COUNT", align: "right" }],
    report.top.slice(0, TOP).map(([word, times]) => [word, number(times)]),
  );
  await printTimes(terminal, summary);
  printNext(terminal, summary);
}

async function printTimes(terminal: Terminal, { run, timeline, fileOf }: Summary): Promise<void> {
  heading(terminal, "Slowest files");
  await printTable(
    terminal,
    [
      { head: "FILE", cut: "start" },
      { head: "TOOK", align: "right" },
    ],
    timeline.slowest.map(({ taskId, ms }) => [fileOf.get(taskId) ?? taskId, formatDuration(ms)]),
  );
  if (timeline.retries.length > 0) {
    heading(terminal, `Retries: ${timeline.retries.length}, which failed once on purpose`);
    await printTable(
      terminal,
      [
        { head: "FILE", cut: "start" },
        { head: "ERROR", cut: "end" },
      ],
      timeline.retries.slice(0, RETRIES).map(({ taskId, error }) => [fileOf.get(taskId) ?? taskId, error]),
    );
    if (timeline.retries.length > RETRIES) terminal.line(terminal.paint("dim", `and ${timeline.retries.length - RETRIES} more`));
  }
  heading(terminal, "Times, from the event log");
  await printTable(
    terminal,
    [
      { head: "", cut: "end" },
      { head: "P50", align: "right" },
      { head: "P95", align: "right" },
      { head: "MAX", align: "right" },
    ],
    [spreadRow("waited, from enqueued to executing", timeline.waited), spreadRow("ran", timeline.ran)],
  );
  if (run.continued) terminal.line(terminal.paint("dim", "The time between the interruption and this start counts as waiting."));
  terminal.line();
  const { tasks, ms } = timeline.recent;
  const rate = ms === 0 ? "" : `, ${number((tasks / ms) * 1_000)} a second`;
  terminal.line(`${count(tasks, "task")} completed in ${formatDuration(ms)}${rate}.`);
  if (timeline.crashes > 0) terminal.line(`${count(timeline.crashes, "attempt")} cut off by the end of an earlier process, and run again.`);
}

function spreadRow(name: string, { p50, p95, max }: Spread): readonly string[] {
  return [name, ...[p50, p95, max].map((ms) => formatDuration(ms))];
}

function printNext(terminal: Terminal, { report, timeline, database, flags }: Summary): void {
  const id = timeline.retries[0]?.taskId ?? timeline.slowest[0]?.taskId ?? "";
  heading(terminal, "What is left behind");
  // Never cut: they are there to be copied.
  for (const [name, path] of [
    ["report", report.path],
    ["database", database],
  ] as const) {
    terminal.line(`${terminal.paint("dim", name.padEnd("database".length))}  ${plain(path)}`);
  }
  heading(terminal, "Look into it");
  const commands = [
    [`npx omniq tasks list ${flags}`, "every task"],
    [`npx omniq tasks show ${id} ${flags}`, "one of them, with its history"],
    [`npx omniq events ${flags} --type retrying`, "what was tried again"],
    [`npx omniq stats ${flags}`, "how the database stands"],
  ] as const;
  const width = Math.max(...commands.map(([command]) => command.length));
  for (const [command, about] of commands)
    terminal.line(`  ${terminal.paint("cyan", command.padEnd(width))}  ${terminal.paint("dim", about)}`);
}

function heading(terminal: Terminal, text: string): void {
  terminal.line();
  terminal.line(terminal.paint("bold", text));
}

/** The same for programs. */
export function summaryJson({ run, report, timeline, database, fileOf }: Summary): Record<string, unknown> {
  return {
    run: run.number,
    continued: run.continued,
    folder: run.folder,
    database,
    report: report.path,
    files: report.files,
    failed: report.failed,
    words: report.words,
    bytes: report.bytes,
    mostFrequent: report.top.map(([word, times]) => ({ word, count: times })),
    slowest: timeline.slowest.map(({ taskId, ms }) => ({ taskId, file: fileOf.get(taskId), ms })),
    retries: timeline.retries.length,
    crashes: timeline.crashes,
    waitedMs: timeline.waited,
    ranMs: timeline.ran,
    completed: timeline.recent.tasks,
    tookMs: timeline.recent.ms,
  };
}
