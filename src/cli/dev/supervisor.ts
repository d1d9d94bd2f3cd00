/** Runs the worker in a child process, and another one after each change. Ends only when it is told to. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { entry } from "../../entry.ts";
import { CONFIG_FILES } from "../../config/find.ts";
import { EXIT } from "../command.ts";
import type { ExitCode, Given } from "../command.ts";
import type { Terminal } from "../terminal.ts";
import { plain } from "../text.ts";
import { TASK_FILES } from "../worker/modules.ts";
import { Watcher } from "./watcher.ts";

const GRACE = 2_000;
/** A child that has not ended so long after its grace (it computes without an end, say) is killed. */
const AFTER_GRACE = 3_000;
/** npm passes on the Ctrl-C that the terminal has sent already. */
const SAME = 250;
const NAMED = 3;

export class Supervisor {
  readonly #given: Given;
  readonly #terminal: Terminal;
  readonly #watcher: Watcher;
  #child: ChildProcess | undefined;
  #killing: NodeJS.Timeout | undefined;
  #stopped: (code: ExitCode) => void = () => {};
  /** Whether another child takes the place of the one that was asked to stop. */
  #restart = false;
  #asked = 0;
  #at = 0;

  constructor(given: Given, terminal: Terminal) {
    this.#given = given;
    this.#terminal = terminal;
    this.#watcher = new Watcher((files) => {
      this.#changed(files);
    });
    for (const file of this.#alwaysWatched()) this.#watcher.add(resolve(file));
  }

  async run(): Promise<ExitCode> {
    const onSignal = (): void => {
      this.#ask();
    };
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
    try {
      return await new Promise((resolve) => {
        this.#stopped = resolve;
        this.#start();
      });
    } finally {
      this.#watcher.close();
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    }
  }

  get #grace(): number {
    return this.#given.duration("grace") ?? GRACE;
  }

  /** What the child does not tell: configurations that are not modules, and files that are not there yet. */
  #alwaysWatched(): readonly string[] {
    const named = [this.#given.text("config"), this.#terminal.env["OMNIQ_CONFIG"], this.#given.text("env")];
    const tasks = this.#given.texts("tasks");
    return [
      ...named.flatMap((file) => (file === undefined || file === "" ? [] : [file])),
      ...CONFIG_FILES,
      ...(tasks.length > 0 ? tasks : TASK_FILES),
    ];
  }

  #start(): void {
    const args = [process.pid, this.#grace + AFTER_GRACE, ...argumentsOf(this.#given)].map(String);
    const child = fork(fileURLToPath(entry("cli/dev/child")), args, { stdio: ["inherit", "inherit", "inherit", "ipc"] });
    this.#child = child;
    child.on("message", (message) => {
      if (typeof message === "object" && "loaded" in message && typeof message.loaded === "string") this.#watcher.add(message.loaded);
    });
    child.on("error", (error) => {
      this.#say("red", `The worker cannot be reached: ${error.message}`);
      // One that never was does not end either.
      if (child.pid === undefined) this.#child = undefined;
    });
    child.on("exit", (code, signal) => {
      clearTimeout(this.#killing);
      this.#child = undefined;
      this.#ended(code, signal);
    });
  }

  /** By itself, or because it was to be. */
  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#asked > 0) this.#stopped(this.#asked === 1 ? EXIT.fine : EXIT.interrupted);
    else if (this.#restart) {
      this.#restart = false;
      this.#start();
    } else {
      const how = code === 0 ? "has ended" : `has failed (${signal ?? `exit code ${String(code)}`})`;
      this.#say(code === 0 ? "yellow" : "red", `The worker ${how}. It starts again when a file changes.`);
    }
  }

  #changed(files: readonly string[]): void {
    if (this.#asked > 0) return;
    const names = files.slice(0, NAMED).map((file) => `${relative(process.cwd(), file)}${existsSync(file) ? "" : " (gone)"}`);
    const more = files.length > NAMED ? ` and ${files.length - NAMED} more` : "";
    this.#say("cyan", `Changed: ${names.join(", ")}${more}. The worker starts again.`);
    if (this.#child === undefined) this.#start();
    else if (!this.#restart) {
      this.#restart = true;
      this.#stopChild(this.#grace);
    }
  }

  #ask(): void {
    const now = performance.now();
    if (this.#asked > 0 && now - this.#at < SAME) return;
    this.#at = now;
    this.#asked++;
    if (this.#child === undefined) this.#stopped(this.#asked === 1 ? EXIT.fine : EXIT.interrupted);
    else if (this.#asked > 2) this.#child.kill("SIGKILL");
    else this.#stopChild(this.#asked === 1 ? this.#grace : 0);
  }

  #stopChild(grace: number): void {
    const child = this.#child;
    if (child?.connected === true) child.send("stop");
    clearTimeout(this.#killing);
    this.#killing = setTimeout(() => {
      this.#say("yellow", "The worker did not stop in time and was killed; its tasks run again.");
      child?.kill("SIGKILL");
    }, grace + AFTER_GRACE);
  }

  #say(style: "cyan" | "yellow" | "red", text: string): void {
    this.#terminal.note(this.#terminal.paintNote(style, plain(text)));
  }
}

/** The options of the worker, as they are typed. */
function argumentsOf(given: Given): readonly string[] {
  const flag = (name: string): string => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const texts = ["config", "env", "url", "schema", "project", "baseDir", "queues"].flatMap((name) => {
    const value = given.text(name);
    return value === undefined ? [] : [`${flag(name)}=${value}`];
  });
  const tasks = given.texts("tasks").map((file) => `--tasks=${file}`);
  const wholes = ["concurrency", "lease"].flatMap((name) => {
    const value = given.whole(name);
    return value === undefined ? [] : [`${flag(name)}=${value}`];
  });
  const flags = ["quiet", "verbose", "debug"].filter((name) => given.flag(name)).map((name) => flag(name));
  return [...texts, ...tasks, ...wholes, ...flags, `--grace=${given.duration("grace") ?? GRACE}`];
}
