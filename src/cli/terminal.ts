/** Where a command writes: lines to stdout, complaints and questions to stderr; colours only where they are wanted. */
import { createInterface } from "node:readline/promises";
import { styleText } from "node:util";
import { Interrupted } from "./interrupt.ts";
import { jsonLine } from "./text.ts";

export type Style = Parameters<typeof styleText>[0];

/** Columns of a terminal that does not tell. */
const USUAL_WIDTH = 80;

export interface Streams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export class Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;

  readonly #streams: Streams;
  #gone: () => void = () => process.exit();

  constructor(streams: Streams) {
    const { stdout, stderr, env } = streams;
    this.#streams = streams;
    this.stdout = stdout;
    this.stderr = stderr;
    this.env = env;
    // Whoever reads has gone (`omniq events | head`): that is no failure, and what still runs would only write on.
    for (const [stream, path] of [
      [stdout, "the standard output"],
      [stderr, "the standard error"],
    ] as const) {
      stream.on("error", (error: NodeJS.ErrnoException) => {
        if (error.code !== "EPIPE") throw Object.assign(error, { path });
        this.#gone();
      });
    }
  }

  /** Opened when it is first looked at. */
  get stdin(): NodeJS.ReadStream {
    return this.#streams.stdin;
  }

  /** Whether somebody is there to answer a question. */
  get canAsk(): boolean {
    return this.stdin.isTTY && this.stderr.isTTY;
  }

  /** Whether people look at stderr: then long work shows there how far it is. */
  get showsProgress(): boolean {
    return this.stderr.isTTY && this.env["TERM"] !== "dumb";
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

  /** Asks on stderr; anything but yes is no, also the end of the input. @throws Interrupted on Ctrl-C. */
  async confirm(question: string): Promise<boolean> {
    const asking = createInterface({ input: this.stdin, output: this.stderr, terminal: this.stdin.isTTY });
    try {
      const answer = await new Promise<string>((resolve, reject) => {
        asking.once("close", () => {
          resolve("");
        });
        asking.once("SIGINT", () => {
          this.note("");
          reject(new Interrupted());
        });
        void asking.question(`${question} [y/N] `).then(resolve, reject);
      });
      return /^y(?:es)?$/i.test(answer.trim());
    } finally {
      asking.close();
    }
  }
}
