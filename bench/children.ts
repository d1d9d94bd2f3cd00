/** Starting the other processes, and what they answer. */
import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { built } from "./built.ts";
import type { Answer, Ask, Word } from "./child.ts";
import type { Contender } from "./queue.ts";
import { ROOT } from "./scratch.ts";
import type { Scratch } from "./scratch.ts";

const exec = promisify(execFile);

/** What starts a process in a role: Node runs what was compiled, another runtime the sources as they are. */
function commandOf(scratch: Scratch | undefined, { module, name, runtime }: Contender, ask: Ask): readonly [string, ...string[]] {
  if (scratch === undefined && runtime === undefined) throw new Error("Expected a folder for what Node is to run, got none");
  const script = scratch !== undefined && runtime === undefined ? fileURLToPath(built(scratch, "bench/child.js")) : `${ROOT}bench/child.ts`;
  const flags = runtime === undefined ? ["--disable-warning=ExperimentalWarning"] : [];
  return [runtime ?? process.execPath, ...flags, script, module, name, JSON.stringify(ask)];
}

export class Child {
  readonly #process: ChildProcess;
  readonly #answers: Answer[] = [];
  #wake: (() => void) | undefined;
  #gone = false;
  #heard: ((values: Readonly<Record<string, number>>) => void) | undefined;

  constructor(scratch: Scratch | undefined, contender: Contender, ask: Ask) {
    const [program, ...args] = commandOf(scratch, contender, ask);
    this.#process = spawn(program, args, { stdio: ["ignore", "inherit", "inherit", "ipc"], serialization: "json" });
    this.#process.on("message", (answer: Answer) => {
      if (answer.values !== undefined && this.#heard !== undefined) return this.#heard(answer.values);
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
      if (answer?.failed !== undefined) throw new Error(answer.failed);
      if (answer !== undefined) return answer;
      if (this.#gone) throw new Error("Expected an answer of the other process, but it has ended");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** What it measures goes there from now on, and is no answer. */
  hear(heard: (values: Readonly<Record<string, number>>) => void): void {
    this.#heard = heard;
  }

  say(word: Word): void {
    this.#process.send(word);
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
export async function askOnce(scratch: Scratch, contender: Contender, ask: Ask): Promise<Readonly<Record<string, number>>> {
  const child = new Child(scratch, contender, ask);
  const { values = {} } = await child.next();
  await child.end();
  return values;
}

/** How long a process takes from its start to its end, in milliseconds: in a role that ends by itself. */
export async function timeOfRole(scratch: Scratch, contender: Contender, ask: Ask): Promise<number> {
  const [program, ...args] = commandOf(scratch, contender, ask);
  return timeOf(program, args);
}

/** The same for a module of code in Node. */
export async function timeOfCode(code: string): Promise<number> {
  return timeOf(process.execPath, ["--input-type=module", "--disable-warning=ExperimentalWarning", "-e", code]);
}

async function timeOf(program: string, args: readonly string[]): Promise<number> {
  const began = performance.now();
  await exec(program, args);
  return performance.now() - began;
}
