/**
 * `node bench/report/report.ts`: writes the figures of `docs/bench/*.json` into docs/performance.md and draws the charts beside them. The bench
 * itself writes those files with `--json`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chartOf } from "./chart.ts";
import { COMMITTED, committedRuns } from "../check.ts";
import type { Run } from "../check.ts";
import { ROOT } from "../scratch.ts";
import { behindOf, peersTableOf, tableOf } from "../table.ts";

const PAGE = join(ROOT, "docs/performance.md");
const [BEGIN, END] = ["<!-- figures: written by bench/report/report.ts -->", "<!-- end of figures -->"];

const CHARTS = [
  { file: "enqueue", title: "Enqueued a second, on a file", rows: /^enqueue, / },
  { file: "drain", title: "Drained a second, on a file", rows: /^drain, \d+ slots?$/ },
  { file: "latency", title: "From enqueue to handler, 99 of 100 tasks, worker idle", rows: /^enqueue to handler, .*p99$/ },
  { file: "postgres-enqueue", title: "Enqueued a second, on PostgreSQL", rows: /^PostgreSQL: enqueue, / },
  { file: "postgres-drain", title: "Drained a second, on PostgreSQL", rows: /^PostgreSQL: drain, / },
] as const;

const runs = committedRuns();

function sectionOf({ where, command, notes, lines }: Run): string {
  const noted = Object.entries(notes).map(([name, note]) => `- **${name}**: ${note}.`);
  return [
    `### ${where}\n\n\`${command}\``,
    tableOf(lines),
    peersTableOf(lines),
    behindOf(lines),
    noted.length === 0 ? "" : `What each keeps and promises:\n\n${noted.join("\n")}`,
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

const drawn = CHARTS.flatMap(({ file, title, rows }) => {
  const lines = runs.flatMap((run) => run.lines.filter(({ what }) => rows.test(what))).slice(0, 3);
  if (lines.length === 0) return [];
  writeFileSync(join(COMMITTED, `${file}.svg`), chartOf(title, lines));
  return [`![${title}](bench/${file}.svg)`];
});

const page = readFileSync(PAGE, "utf8");
const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
if (from < 0 || to < from) throw new Error(`Expected ${PAGE} to have "${BEGIN}" and "${END}", got neither or one`);
const figures = [...drawn, ...runs.map((run) => sectionOf(run))].join("\n\n");
writeFileSync(PAGE, `${page.slice(0, from)}${BEGIN}\n\n${figures}\n\n${page.slice(to)}`);
