/** A terminal that keeps what is written: with columns it is one that people look at. */
import { PassThrough } from "node:stream";
import { Terminal } from "../../../src/cli/terminal.ts";

export interface FakeTerminal {
  readonly terminal: Terminal;
  /** All that was written, to stdout and stderr. */
  readonly lines: () => readonly string[];
  /** Only the answer. */
  readonly answer: () => string;
}

/** @param typed what somebody types; without it nobody is there. */
export function fakeTerminal({ columns, typed }: { readonly columns?: number; readonly typed?: string } = {}): FakeTerminal {
  const chunks: string[] = [];
  const answers: string[] = [];
  const stream = (into?: string[]): NodeJS.WriteStream => {
    const sink = new PassThrough();
    sink.on("data", (chunk: Buffer) => {
      chunks.push(chunk.toString());
      into?.push(chunk.toString());
    });
    // A stream with the three facts of a terminal that are asked for.
    return Object.assign(sink, {
      isTTY: columns !== undefined,
      columns: columns ?? 0,
      getColorDepth: () => 8,
    }) as unknown as NodeJS.WriteStream;
  };
  const stdin = Object.assign(new PassThrough(), { isTTY: typed !== undefined }) as unknown as NodeJS.ReadStream;
  if (typed !== undefined) stdin.push(typed);
  const terminal = new Terminal({ stdin, stdout: stream(answers), stderr: stream(), env: {} });
  return { terminal, lines: () => chunks.join("").trimEnd().split("\n"), answer: () => answers.join("") };
}
