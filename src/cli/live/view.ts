/** The live view: a picture as lines that fit the terminal. */
import { isForMove } from "../../core/transfer.ts";
import { formatDuration } from "../../core/duration.ts";
import { lifeOf, styleOfLife } from "../life.ts";
import { styleOfPhase } from "../phase.ts";
import { OPEN } from "../queues.ts";
import { tableLines } from "../table.ts";
import type { Column, Rows } from "../table.ts";
import type { Style, Terminal } from "../terminal.ts";
import { count, cut, number, tally, plain, time } from "../text.ts";
import type { Picture } from "./picture.ts";
import { SPAN } from "./pulse.ts";
import type { Pulse } from "./pulse.ts";

export interface Frame {
  readonly columns: number;
  readonly rows: number;
  /** Which database, as it was named. */
  readonly title: string;
  /** What stands at the right of the first line. */
  readonly aside: string;
}

/** A table, or one line where there is nothing to show. */
interface Section {
  readonly columns: readonly Column[];
  readonly rows: Rows;
  /** All there are; the rows may be fewer. */
  readonly total: number;
  readonly empty: string;
}

export function viewOf(terminal: Terminal, picture: Picture, pulse: Pulse, frame: Frame): readonly string[] {
  const top = [titleOf(terminal, picture, frame), "", ...throughput(terminal, picture, pulse, frame.columns)];
  const room = frame.rows - top.length;
  const sections = fitting([queues(picture), running(picture), failing(picture), due(picture), workers(picture)], room);
  const heights = share(
    sections.map(({ rows }) => rows.length),
    room - 2 * sections.length,
  );
  const body = sections.flatMap((section, i) => [[""], sectionOf(terminal, section, heights[i] ?? 0, frame.columns)]);
  return [top, ...body].flat().slice(0, frame.rows);
}

/** The first of them that have room for their heads and two rows. */
function fitting(sections: readonly Section[], room: number): readonly Section[] {
  let left = room;
  return sections.filter(({ rows }) => {
    left -= 2 + Math.min(2, rows.length);
    return left >= 0;
  });
}

/** Gives rows to those that want some, one after another, until all have what they want or nothing is left. */
function share(wanted: readonly number[], room: number): readonly number[] {
  const given = wanted.map(() => 0);
  for (let left = room, before = -1; left > 0 && left !== before;) {
    before = left;
    for (const [i, want] of wanted.entries()) {
      if (left === 0 || (given[i] ?? 0) >= want) continue;
      given[i] = (given[i] ?? 0) + 1;
      left--;
    }
  }
  return given;
}

function titleOf(terminal: Terminal, { at, oldestReady, runningCount, workers }: Picture, { title, aside, columns }: Frame): string {
  const alive = workers.filter((worker) => worker.alive).length;
  const oldest = oldestReady === undefined ? "nothing waits" : `oldest waits ${age(oldestReady, at)}`;
  const left = `OmniQ${title === "" ? "" : ` ${plain(title)}`}`;
  const middle = `${number(runningCount)} running, ${count(alive, "worker")}, ${oldest}`;
  const space = columns - left.length - middle.length - aside.length - 2;
  if (space < 2) return terminal.paint("bold", cut(`${left}  ${middle}`, columns));
  return `${terminal.paint("bold", left)}  ${middle}${" ".repeat(space)}${terminal.paint("dim", aside)}`;
}

const BLOCKS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;
const LABEL = 10;
const RATE = 10;
const PEAK = 16;

function throughput(terminal: Terminal, { at, perSecond }: Picture, pulse: Pulse, columns: number): readonly string[] {
  const steps = Math.max(0, Math.min(SPAN / 5, columns - LABEL - RATE - PEAK - 4));
  const line = (kind: "enqueued" | "ended" | "failed", style: Style): string => {
    const known = steps === 0 ? [] : pulse.history(kind, at.getTime(), steps);
    const most = Math.max(0, ...known.map((value) => value ?? 0));
    const graph = known.map((value) => (value === undefined ? " " : (BLOCKS[Math.round((value / (most || 1)) * 7)] ?? " "))).join("");
    const rate = `${number(perSecond[kind])}/s`.padStart(RATE);
    const peak = most === 0 ? "" : terminal.paint("dim", `  peak ${number(most)}/s`);
    return `${kind.padEnd(LABEL)}${perSecond[kind] === 0 ? terminal.paint("dim", rate) : rate}  ${terminal.paint(most === 0 ? "dim" : style, graph)}${peak}`;
  };
  const head = `${terminal.paint("bold", "THROUGHPUT".padEnd(LABEL))}${terminal.paint("dim", "NOW".padStart(RATE))}`;
  const span = steps < "LAST 5 MINUTES".length ? "" : `  ${terminal.paint("dim", "LAST 5 MINUTES")}`;
  return [`${head}${span}`, line("enqueued", "cyan"), line("ended", "green"), line("failed", "red")];
}

function sectionOf(terminal: Terminal, { columns, rows, total, empty }: Section, height: number, width: number): readonly string[] {
  if (rows.length === 0) {
    const [head = ""] = columns.map((column) => column.head);
    return [`${terminal.paint("bold", head)}  ${terminal.paint("dim", cut(empty, Math.max(1, width - head.length - 2)))}`];
  }
  const fits = total <= height;
  const shown = fits ? rows : rows.slice(0, Math.max(0, height - 1));
  const lines = tableLines(terminal, columns, shown, width);
  return fits || height === 0 ? lines : [...lines, terminal.paint("dim", `… and ${number(total - shown.length)} more`)];
}

const grey = (value: string): Style | undefined => (value === "0" ? "dim" : undefined);
const right = { align: "right" } as const;

function queues({ queues: all, at }: Picture): Section {
  return {
    columns: [
      { head: "QUEUES", cut: "end" },
      ...OPEN.map((phase) => ({
        head: phase.toUpperCase(),
        align: "right" as const,
        style: (value: string) => (value === "0" ? ("dim" as const) : styleOfPhase(phase)),
      })),
      { head: "OLDEST", ...right },
      { head: "WORKERS", ...right, style: (value) => (value === "0" ? "yellow" : undefined) },
      { head: "", cut: "end", style: () => "yellow" },
    ],
    rows: all.map(({ name, tasks, readySince, workers, pausedAt }) => [
      name,
      ...OPEN.map((phase) => tally(tasks[phase] ?? 0)),
      readySince === undefined ? "" : age(readySince, at),
      String(workers),
      pausedAt === undefined ? "" : isForMove(pausedAt) ? "paused by a move" : `paused ${age(pausedAt, at)}`,
    ]),
    total: all.length,
    empty: "nothing waits, nobody serves",
  };
}

function running({ running: all, runningCount, at }: Picture): Section {
  return {
    columns: [
      { head: "RUNNING", cut: "end" },
      { head: "TASK", cut: "end" },
      { head: "QUEUE", cut: "end" },
      { head: "FOR", ...right, style: () => "blueBright" },
      { head: "DONE", ...right },
      { head: "ABOUT", cut: "end", style: () => "dim" },
    ],
    rows: all.map(({ id, func, queue = "", since, fraction, note, worker }) => [
      id,
      func,
      queue,
      age(since, at),
      fraction === undefined ? "" : `${Math.round(fraction * 100)} %`,
      note ?? (worker === undefined ? "" : `on ${worker}`),
    ]),
    total: Math.max(runningCount, all.length),
    empty: "nothing",
  };
}

function failing({ failing: all, at }: Picture): Section {
  return {
    columns: [
      { head: "FAILING", cut: "end" },
      { head: "FAILED", ...right, style: (value) => grey(value) ?? "red" },
      { head: "RETRIED", ...right, style: (value) => grey(value) ?? "yellow" },
      { head: "LAST", ...right },
      { head: "ERROR", cut: "end", style: () => "dim" },
    ],
    rows: all.map(({ func, failed, retried, lastAt, lastError }) => [
      func,
      number(failed),
      number(retried),
      `${age(lastAt, at)} ago`,
      lastError,
    ]),
    total: all.length,
    empty: "nothing in the last 15 minutes",
  };
}

function due({ due: all, at }: Picture): Section {
  return {
    columns: [
      { head: "DUE NEXT", cut: "end" },
      { head: "RULE", cut: "end", style: () => "dim" },
      { head: "IN", ...right, style: (value) => (value.endsWith(" late") ? "red" : undefined) },
      { head: "AT" },
    ],
    rows: all.map(({ id, name, rule, nextRunAt }) => [name ?? id, rule, until(nextRunAt, at), time(nextRunAt).slice(0, -4)]),
    total: all.length,
    empty: "no schedule is active",
  };
}

function workers({ workers: all, at }: Picture): Section {
  return {
    columns: [
      { head: "WORKERS", cut: "end" },
      { head: "HOST", cut: "end" },
      { head: "PID", ...right },
      { head: "QUEUES", cut: "end" },
      { head: "SLOTS", ...right },
      { head: "UP", ...right },
      { head: "SEEN", ...right },
      { head: "", style: styleOfLife },
    ],
    rows: all.map(({ id, host, pid, queues, concurrency, startedAt, seenAt, alive, gone }) => [
      id,
      host,
      String(pid),
      queues.join(", "),
      String(concurrency),
      age(startedAt, at),
      `${age(seenAt, at)} ago`,
      lifeOf({ alive, gone }),
    ]),
    total: all.length,
    empty: "none",
  };
}

/** A schedule that is a moment late is just being fired. */
const PROMPT = 5_000;

function until(then: Date, now: Date): string {
  const ms = then.getTime() - now.getTime();
  if (ms > 0) return whole(ms);
  return ms > -PROMPT ? "now" : `${whole(-ms)} late`;
}

function age(then: Date, now: Date): string {
  return whole(Math.max(0, now.getTime() - then.getTime()));
}

/** To the second: a view that is redrawn each second need not flicker with less. */
function whole(ms: number): string {
  return ms < 1_000 ? "0s" : formatDuration(Math.floor(ms / 1_000) * 1_000);
}
