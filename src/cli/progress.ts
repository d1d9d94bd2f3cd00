/** How far long work is: a bar on stderr where people look at it, nothing elsewhere. */
import type { Terminal } from "./terminal.ts";
import { number } from "./text.ts";

export interface Progress {
  /** So many are done in all. */
  update(done: number): void;
  stop(): void;
}

/** Work that is done sooner shows no bar. */
const PATIENCE = 300;
const NONE: Progress = { update: () => {}, stop: () => {} };

/** @param total how many there are to do; undefined: nobody knows. @param what they are, such as `tasks`. */
export async function openProgress(terminal: Terminal, total: number | undefined, what: string): Promise<Progress> {
  if (!terminal.showsProgress) return NONE;
  const { default: progress } = await import("cli-progress");
  const bar = new progress.SingleBar({
    stream: terminal.stderr,
    clearOnComplete: true,
    // `null`: what is switched off in the terminal would stay off after `kill -9`.
    hideCursor: null,
    linewrap: null,
    fps: 12,
    format: (_, { progress: share, value, total: all }) => {
      if (total === undefined) return `${number(value)} ${what} …`;
      const full = Math.round(share * BAR);
      const bar = terminal.paintNote("cyan", "█".repeat(full)) + terminal.paintNote("dim", "░".repeat(BAR - full));
      return `${bar}  ${number(value)} of ${number(all)} ${what}`;
    },
  });
  const since = performance.now();
  let begun = false;
  return {
    update(done) {
      if (!begun && performance.now() - since > PATIENCE) bar.start(total ?? 0, done);
      begun ||= performance.now() - since > PATIENCE;
      if (begun) bar.update(done);
    },
    stop() {
      if (begun) bar.stop();
    },
  };
}

const BAR = 30;
