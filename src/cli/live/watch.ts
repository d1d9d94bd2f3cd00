/** `omniq stats --watch`: looks again and again, and draws what it sees or prints it as JSON. */
import { setTimeout as sleep } from "node:timers/promises";
import { withoutSecrets } from "../../config/url.ts";
import { StorageError } from "../../core/errors.ts";
import type { OmniQ } from "../../index.ts";
import { EXIT } from "../command.ts";
import type { ExitCode, Given } from "../command.ts";
import { listenForInterrupts } from "../interrupt.ts";
import type { Terminal } from "../terminal.ts";
import { Board } from "./board.ts";
import { look } from "./picture.ts";
import type { Picture } from "./picture.ts";
import { Screen } from "./screen.ts";
import { viewOf } from "./view.ts";

/** Looking takes at most this part of the time. */
const SHARE = 1 / 5;

export async function watch(omniq: OmniQ, given: Given, terminal: Terminal): Promise<ExitCode> {
  const every = (given.whole("watch") ?? 1) * 1_000;
  const interrupt = listenForInterrupts(() => {});
  const quit = new AbortController();
  const signal = AbortSignal.any([interrupt.signal, quit.signal]);
  const out =
    given.flag("json") || !terminal.isInteractive
      ? printed(terminal)
      : drawn(terminal, titleOf(given, terminal), every, () => {
          quit.abort();
        });
  try {
    const board = await Board.open(omniq);
    const following = board.follow(omniq, signal).catch((error: unknown) => {
      quit.abort(error);
    });
    await repeat(omniq, board, out, { every, signal });
    await following;
  } finally {
    out.close();
    interrupt.end();
  }
  const { reason }: { reason: unknown } = quit.signal;
  if (interrupt.signal.aborted) return EXIT.interrupted;
  if (reason instanceof Error && reason.name !== "AbortError") throw reason;
  return EXIT.fine;
}

interface Out {
  show(picture: Picture, board: Board): void;
  /** The store is too busy to be looked at: what was seen last stays. */
  busy(): void;
  close(): void;
}

async function repeat(
  omniq: OmniQ,
  board: Board,
  out: Out,
  { every, signal }: { readonly every: number; readonly signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    const began = performance.now();
    try {
      out.show(await look(omniq, board), board);
    } catch (error) {
      if (!(error instanceof StorageError && error.code === "STORAGE_BUSY")) throw error;
      out.busy();
    }
    const took = performance.now() - began;
    await sleep(Math.max(every - took, took / SHARE - took), undefined, { signal }).catch(() => {});
  }
}

/** One JSON value a tick. */
function printed(terminal: Terminal): Out {
  return {
    show(picture) {
      terminal.json(picture);
    },
    busy: () => {},
    close: () => {},
  };
}

function drawn(terminal: Terminal, title: string, every: number, quit: () => void): Out {
  let last: { readonly picture: Picture; readonly board: Board } | undefined;
  let isBusy = false;
  const draw = (): void => {
    const { columns, rows } = screen;
    if (last === undefined) return;
    const aside = `${isBusy ? "the database is busy, " : ""}every ${every / 1_000}s, q quits`;
    screen.draw(viewOf(terminal, last.picture, last.board.pulse, { columns, rows, title, aside }));
  };
  const screen = new Screen(terminal, {
    key: (key) => {
      if (key === "q" || key === "Q") quit();
      // In raw mode the terminal makes no signal of it.
      else if (key === "\u0003") process.kill(process.pid, "SIGINT");
    },
    resize: draw,
  });
  screen.open();
  return {
    show(picture, board) {
      [last, isBusy] = [{ picture, board }, false];
      draw();
    },
    busy() {
      isBusy = true;
      draw();
    },
    close() {
      screen.close();
    },
  };
}

/** How the database was named. */
function titleOf(given: Given, { env }: Terminal): string {
  const named = given.text("url") ?? given.text("project") ?? given.text("baseDir") ?? env["OMNIQ_URL"] ?? env["OMNIQ_PROJECT_NAME"];
  return withoutSecrets(named ?? "");
}
