/** How far the run is, while it runs: a bar on a terminal, a plain line every second elsewhere. */
import { formatDuration } from "../../core/duration.ts";
import type { Style, Terminal } from "../terminal.ts";
import { cut, number } from "../text.ts";
import type { Board } from "./board.ts";

export interface View {
  /** Something has changed. */
  update(): void;
  /** The last word; what is printed next begins on a line of its own. A second call does nothing. */
  stop(): void;
}

const LINE_EVERY = 1_000;
const LONGEST_BAR = 30;
const SHORTEST_BAR = 5;
const GAP = "  ";

export async function openView(terminal: Terminal, board: Board): Promise<View> {
  const speed = new Speed(board);
  const view = terminal.isInteractive ? await barView(terminal, board, speed) : lineView(terminal, board, speed);
  let stopped = false;
  return {
    update: () => {
      if (!stopped) view.update();
    },
    stop: () => {
      if (!stopped) view.stop();
      stopped = true;
    },
  };
}

/** For `--json`: nothing but the summary is printed. */
export const noView: View = { update: () => {}, stop: () => {} };

/** Ends a second, of this process's own time. */
class Speed {
  readonly #board: Board;
  readonly #endedBefore: number;
  readonly #since = performance.now();

  constructor(board: Board) {
    this.#board = board;
    this.#endedBefore = board.ended;
  }

  get perSecond(): number {
    const seconds = (performance.now() - this.#since) / 1_000;
    return seconds < 0.2 ? 0 : (this.#board.ended - this.#endedBefore) / seconds;
  }

  get left(): string {
    const { perSecond } = this;
    return perSecond === 0 ? "" : formatDuration(Math.ceil((this.#board.total - this.#board.ended) / perSecond) * 1_000);
  }
}

async function barView(terminal: Terminal, board: Board, speed: Speed): Promise<View> {
  const { default: progress } = await import("cli-progress");
  const render = (): string => barLine(terminal, board, speed);
  // `null`: what is switched off in the terminal would stay off after `kill -9`.
  const bar = new progress.SingleBar({ format: render, stream: terminal.stdout, hideCursor: null, linewrap: null, fps: 12 });
  bar.start(board.total, board.ended);
  return {
    update: () => {
      bar.update(board.ended);
    },
    stop: () => {
      bar.update(board.ended);
      bar.stop();
    },
  };
}

function barLine(terminal: Terminal, board: Board, speed: Speed): string {
  const { total, ended, done, failed, retrying } = board;
  const share = total === 0 ? 1 : ended / total;
  const { left } = speed;
  const parts: readonly (readonly [style: Style, text: string])[] = [
    ["bold", `${String(Math.floor(share * 100)).padStart(3)}%`],
    ["green", `${number(done)} done`],
    [failed === 0 ? "dim" : "red", `${failed} failed`],
    [retrying === 0 ? "dim" : "yellow", `${retrying} retrying`],
    ["reset", `${number(speed.perSecond)}/s`],
    ...(left === "" || ended === total ? [] : [["dim", `${left} left`] as const]),
  ];
  // What does not fit is left out, from the right: a line that wraps cannot be drawn over.
  const widths = parts.map((_, i) => parts.slice(0, i + 1).reduce((sum, [, text]) => sum + GAP.length + text.length, 0));
  const fitting = Math.max(1, widths.filter((width) => width + SHORTEST_BAR < terminal.width).length);
  const length = Math.max(SHORTEST_BAR, Math.min(LONGEST_BAR, terminal.width - (widths[fitting - 1] ?? 0) - 1));
  const full = Math.round(share * length);
  const bar = terminal.paint("cyan", "█".repeat(full)) + terminal.paint("dim", "░".repeat(length - full));
  return [bar, ...parts.slice(0, fitting).map(([style, text]) => terminal.paint(style, text))].join(GAP);
}

function lineView(terminal: Terminal, board: Board, speed: Speed): View {
  const say = (): void => {
    const rate = speed.perSecond === 0 ? "" : `, ${number(speed.perSecond)} a second`;
    terminal.line(
      cut(
        `${number(board.ended)} of ${number(board.total)}: ${number(board.done)} done, ${board.failed} failed, ${board.retrying} retrying${rate}`,
        terminal.width,
      ),
    );
  };
  const timer = setInterval(say, LINE_EVERY);
  return {
    update: () => {},
    stop: () => {
      clearInterval(timer);
      say();
    },
  };
}
