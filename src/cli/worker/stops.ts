/** How a worker that runs in the foreground is asked to stop: once for gracefully, again for at once. */
import type { Worker } from "../../index.ts";
import { EXIT } from "../command.ts";
import type { ExitCode } from "../command.ts";
import { Interrupted } from "../interrupt.ts";

/** Who asks: calls `ask` each time, with a word for who it was; returns the function that ends it. */
export type Stops = (ask: (by: string) => void) => () => void;

export const signalStops: Stops = (ask) => {
  process.on("SIGINT", ask).on("SIGTERM", ask);
  return () => {
    process.off("SIGINT", ask).off("SIGTERM", ask);
  };
};

/** npm passes on the Ctrl-C that the terminal has sent already: so soon after the first, the second is the same. */
const SAME = 250;
/** What a handler leaves behind after the second signal has so long, then the process ends whatever it does. */
const AT_ONCE = 3_000;

export interface StoppingOptions {
  readonly grace: number;
  readonly say: (text: string) => void;
  /** Milliseconds that only grow. */
  readonly now: () => number;
  /** Ends the process. */
  readonly exit: (code: ExitCode) => void;
}

/** The two steps of a stop. */
export class Stopping {
  readonly #options: StoppingOptions;
  readonly #done: Promise<void>;
  #resolve: () => void = () => {};
  #worker: Pick<Worker, "running" | "stop"> | undefined;
  #asked = 0;
  #at = 0;

  constructor(options: StoppingOptions) {
    this.#options = options;
    this.#done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** How often it was asked for. */
  get asked(): number {
    return this.#asked;
  }

  /** Resolves when the worker has stopped because it was asked to. */
  get done(): Promise<void> {
    return this.#done;
  }

  /**
   * A step before there is a worker: the import of a module, its `setup`. Whoever asks to stop waits for none of them, however long it
   * takes; what it still comes to is not heard.
   * @throws Interrupted when it was asked to stop before the step has ended.
   */
  async unlessAsked<T>(step: Promise<T>): Promise<T> {
    step.catch(() => {});
    const asked = this.#done.then((): never => {
      throw new Interrupted();
    });
    return Promise.race([step, asked]);
  }

  /** From now on it is this worker that is stopped, also if that was asked for before. */
  watch(worker: Pick<Worker, "running" | "stop">): void {
    this.#worker = worker;
  }

  ask(): void {
    const now = this.#options.now();
    if (this.#asked > 0 && now - this.#at < SAME) return;
    this.#at = now;
    this.#asked++;
    if (this.#asked === 1) this.#soon();
    else if (this.#asked === 2) this.#atOnce();
    else this.#options.exit(EXIT.interrupted);
  }

  #soon(): void {
    const { say, grace } = this.#options;
    const running = this.#worker?.running ?? [];
    const names = running.slice(0, NAMED).map(({ func, id }) => `${func} ${id}`);
    const more = running.length > NAMED ? ` and ${running.length - NAMED} more` : "";
    if (running.length === 0) say("Stopping: nothing runs.");
    else {
      const what = `${running.length} task${running.length === 1 ? "" : "s"}`;
      say(`Stopping: waiting up to ${seconds(grace)} for ${what} to end (${names.join(", ")}${more}). A second signal stops at once.`);
    }
    this.#stop(grace);
  }

  #atOnce(): void {
    this.#options.say("Stopping at once: what runs goes back to its queue.");
    if (this.#worker === undefined) this.#options.exit(EXIT.interrupted);
    this.#stop(0);
    setTimeout(() => {
      this.#options.exit(EXIT.interrupted);
    }, AT_ONCE).unref();
  }

  #stop(timeout: number): void {
    void Promise.resolve(this.#worker?.stop({ timeout })).then(this.#resolve, this.#resolve);
  }
}

const NAMED = 3;

function seconds(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`;
}
