/** Starting the other processes, and what they answer. */
import { execFile, fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { built } from "./built.ts";
import type { Answer, Ask } from "./child.ts";
import type { Scratch } from "./scratch.ts";

const exec = promisify(execFile);

export class Child {
  readonly #process: ChildProcess;
  readonly #answers: Answer[] = [];
  #wake: (() => void) | undefined;
  #gone = false;

  constructor(scratch: Scratch, ask: Ask) {
    this.#process = fork(fileURLToPath(built(scratch, "bench/child.js")), [JSON.stringify(ask)], {
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    this.#process.on("message", (answer: Answer) => {
      this.#answers.push(answer);
      this.#wake?.();
    });
    this.#process.on("exit", () => {
      this.#gone = true;
      this.#wake?.();
    });
  }

  /** Its next answer. */
  async next(): Promise<Answer> {
    for (;;) {
      const answer = this.#answers.shift();
      if (answer !== undefined) return answer;
      if (this.#gone) throw new Error("Expected an answer of the other process, but it has ended");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Ends it; resolves when it is gone. */
  async end(): Promise<void> {
    if (this.#gone) return;
    const gone = new Promise((resolve) => {
      this.#process.once("exit", resolve);
    });
    this.#process.kill();
    await gone;
  }
}

/** Asks once and ends the process. */
export async function askOnce(scratch: Scratch, ask: Ask): Promise<Readonly<Record<string, number>>> {
  const child = new Child(scratch, ask);
  const { values = {} } = await child.next();
  await child.end();
  return values;
}

/** How long a process takes from start to end that runs this module, in milliseconds. */
export async function timeOf(code: string): Promise<number> {
  const began = performance.now();
  await exec(process.execPath, ["--input-type=module", "--disable-warning=ExperimentalWarning", "-e", code]);
  return performance.now() - began;
}
