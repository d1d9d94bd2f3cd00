/** A line that says how far long work is, drawn over again and again; nowhere but on a terminal. */
import type { Terminal } from "./terminal.ts";
import { cut, plain } from "./text.ts";

export interface StatusLine {
  say(text: string): void;
  /** Takes it away. */
  end(): void;
}

/** On stderr: it is no part of the answer. */
export function statusLine({ stderr, env }: Terminal): StatusLine {
  if (!stderr.isTTY || env["TERM"] === "dumb") return { say: () => {}, end: () => {} };
  return {
    say: (text) => {
      stderr.write(`\r\u001b[2K${cut(plain(text), (stderr.columns > 0 ? stderr.columns : 80) - 1)}`);
    },
    end: () => {
      stderr.write("\r\u001b[2K");
    },
  };
}
