/** The report: what all the files came to, as Markdown. */
import { rename, writeFile } from "node:fs/promises";
import type { ParentResult } from "../../index.ts";
import { count, number } from "../text.ts";
import type { FileCount, Report, ReportArgs } from "./tasks.ts";
import { mostFrequent, sumOf } from "./words.ts";

const TOP = 20;

/** Adds up the results of the files and writes the report. */
export async function saveReport(path: string, args: ReportArgs, parents: readonly ParentResult[]): Promise<Report> {
  const counted = parents.flatMap(({ result }) => (isFileCount(result) ? [result] : []));
  const report: Report = {
    path,
    files: counted.length,
    failed: parents.length - counted.length,
    bytes: counted.reduce((sum, { bytes }) => sum + bytes, 0),
    words: counted.reduce((sum, { words }) => sum + words, 0),
    top: mostFrequent(sumOf(counted.map(({ top }) => top)), TOP),
  };
  await writeFile(`${path}.part`, markdown(args, report, counted));
  await rename(`${path}.part`, path);
  return report;
}

function isFileCount(value: unknown): value is FileCount {
  return typeof value === "object" && value !== null && "file" in value && "words" in value && "bytes" in value && "top" in value;
}

function markdown({ run, folder }: ReportArgs, report: Report, counted: readonly FileCount[]): string {
  const most = counted.toSorted((a, b) => b.words - a.words).slice(0, TOP);
  return [
    `# Words under ${folder}`,
    "",
    `Run ${run}: ${count(report.words, "word")} in ${count(report.files, "file")} (${number(report.bytes)} bytes); ${report.failed} could not be read.`,
    "",
    ...section("Most frequent words", ["word", "count"], report.top),
    ...section(
      "Files with the most words",
      ["file", "words"],
      most.map(({ file, words }) => [file, words]),
    ),
    ...section(
      "All files",
      ["file", "words", "bytes"],
      counted.map(({ file, words, bytes }) => [file, words, bytes]),
    ),
  ].join("\n");
}

type Cells = readonly (string | number)[];

function section(title: string, heads: readonly string[], rows: readonly Cells[]): readonly string[] {
  const line = (cells: Cells): string =>
    `| ${cells.map((cell) => (typeof cell === "number" ? number(cell) : cell.replaceAll("|", String.raw`\|`))).join(" | ")} |`;
  const rule = `| ${heads.map((_, i) => (i === 0 ? "---" : "---:")).join(" | ")} |`;
  return [`## ${title}`, "", line(heads), rule, ...rows.map((row) => line(row)), ""];
}
