/** Where a command writes: lines to stdout, complaints to stderr; colours only where they are wanted. */
import { styleText } from "node:util";
import { jsonLine } from "./text.ts";

export type Style = Parameters<typeof styleText>[0];

/** Columns of a terminal that does not tell. */
const USUAL_WIDTH = 80;

export class Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;

  #gone: () => void = () => process.exit();

  constructor({ stdout, stderr, env }: Pick<Terminal, "stdout" | "stderr" | "env">) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.env = env;
    // Whoever reads has gone (`omniq events | head`): that is no failure, and what still runs would only write on.
    for (const stream of [stdout, stderr]) {
      stream.on("error", (error: NodeJS.ErrnoException) => {
        if (error.code !== "EPIPE") throw error;
        this.#gone();
      });
    }
  }

  /** Whether people look at stdout as it is written, on a terminal that can move its cursor. */
  get isInteractive(): boolean {
    return this.stdout.isTTY && this.env["TERM"] !== "dumb";
  }

  /** The columns there are; elsewhere than on a terminal nothing is cut. */
  get width(): number {
    if (!this.isInteractive) return Number.POSITIVE_INFINITY;
    return this.stdout.columns > 0 ? this.stdout.columns : USUAL_WIDTH;
  }

  /** Instead of ending at once, for those who have something to end first; called once. */
  whenNobodyReads(fn: () => void): void {
    this.#gone = () => {
      this.#gone = () => {};
      fn();
    };
  }

  line(text = ""): void {
    this.stdout.write(`${text}\n`);
  }

  /** One value as one line of JSON. */
  json(value: unknown): void {
    this.line(jsonLine(value));
  }

  /** To stderr: what is no part of the answer. */
  note(text: string): void {
    this.stderr.write(`${text}\n`);
  }

  /** Coloured where stdout is a terminal and neither `NO_COLOR` nor `TERM=dumb` speaks against it. */
  paint(style: Style, text: string): string {
    return this.env["TERM"] === "dumb" ? text : styleText(style, text, { stream: this.stdout });
  }

  /** The same for stderr. */
  paintNote(style: Style, text: string): string {
    return this.env["TERM"] === "dumb" ? text : styleText(style, text, { stream: this.stderr });
  }
}
