/** The demo from its first line to its last: enqueue, work, watch, sum up. */
import { formatDuration } from "../../core/duration.ts";
import type { OmniQ, TaskHandle } from "../../index.ts";
import type { Terminal } from "../terminal.ts";
import { count, cutStart, number, plain } from "../text.ts";
import { Board } from "./board.ts";
import type { Found } from "./files.ts";
import { failsAtFirst, handlers } from "./handlers.ts";
import { listenForInterrupts } from "../interrupt.ts";
import type { Interrupt } from "../interrupt.ts";
import { currentRun, fileTaskId, folderTag, reportTaskId, runTag } from "./runs.ts";
import type { DemoRun } from "./runs.ts";
import { printSummary, summaryJson } from "./summary.ts";
import { countWords, writeReport } from "./tasks.ts";
import type { Report } from "./tasks.ts";
import { eventsOf, timelineOf } from "./timeline.ts";
import { noView, openView } from "./view.ts";
import type { View } from "./view.ts";

/** Tasks enqueued in one transaction. */
const SET = 250;
/** How long what runs may take to end after Ctrl-C. */
const GRACE = "20s";
/** Names of files that are shown in one line. */
const NAMED = 3;
const NAME_WIDTH = 32;

type Stoppable = Pick<ReturnType<OmniQ["worker"]>, "stop">;

export interface DemoOptions {
  readonly folder: string;
  readonly found: Found;
  readonly reportPath: string;
  readonly database: string;
  /** The options that name the database to the other commands. */
  readonly flags: string;
  /** How many handlers run at a time. */
  readonly slots: number;
  /** The least time that a file takes, in milliseconds. */
  readonly pace: number;
  readonly json: boolean;
}

export class Demo {
  readonly #omniq: OmniQ;
  readonly #terminal: Terminal;
  readonly #options: DemoOptions;
  /** Ends the view when the process is to end at once. */
  #view: View = noView;

  constructor(omniq: OmniQ, terminal: Terminal, options: DemoOptions) {
    this.#omniq = omniq;
    this.#terminal = terminal;
    this.#options = options;
  }

  /** @throws Interrupted after Ctrl-C, when all that ran has ended. */
  async run(): Promise<void> {
    const interrupt = listenForInterrupts(() => {
      this.#view.stop();
      this.#say("Stopped at once. Start it again, and it carries on.");
    });
    try {
      const run = await this.#begin();
      const report = await this.#enqueue(run, interrupt);
      await this.#work(run, report, interrupt);
    } finally {
      interrupt.end();
    }
  }

  async #begin(): Promise<DemoRun> {
    const { found, folder } = this.#options;
    const left = found.total - found.files.length;
    const run = await currentRun(this.#omniq, folder);
    this.#say(
      `${count(found.files.length, "file")} (*.md, *.d.ts) under ${folder}${left === 0 ? "." : `; ${number(left)} more are left out.`}`,
    );
    if (run.continued) this.#say(this.#terminal.paint("yellow", `Run ${run.number} was interrupted: it carries on where it was.`));
    return run;
  }

  /** A file that is enqueued again, after an interruption, finds its task by its id: nothing is done twice. */
  async #enqueue(run: DemoRun, { signal }: Interrupt): Promise<TaskHandle<Report>> {
    const { folder, found } = this.#options;
    const tags = [runTag(run), folderTag(folder)];
    const began = performance.now();
    const handles: TaskHandle[] = [];
    for (let i = 0; i < found.files.length; i += SET) {
      if (signal.aborted) this.#say("Stopped while tasks were enqueued. Start it again, and it carries on.");
      signal.throwIfAborted();
      const set = found.files.slice(i, i + SET);
      const calls = set.map((file) => countWords.with({ folder, file }, { id: fileTaskId(run, file), label: file, tags }));
      handles.push(...(await this.#omniq.enqueueMany(calls)));
    }
    const report = await this.#omniq.enqueue(
      writeReport,
      { run: run.number, folder },
      { id: reportTaskId(run), tags, dependsOn: handles.map((on) => ({ on, ifFailed: "run" })) },
    );
    const known = handles.filter(({ created }) => !created).length;
    const took = formatDuration(performance.now() - began);
    const made = handles.length - known;
    const again = known === 0 ? "" : `, ${number(known)} were there already`;
    this.#say(`Run ${run.number}: ${count(made, "task")} enqueued in ${took}${again}, and one that depends on all of them.`);
    const failing = found.files.filter((file) => failsAtFirst(file)).length;
    if (failing > 0 && !run.continued)
      this.#say(`${count(failing, "task")} will fail at the first attempt, on purpose, and be tried again.`);
    return report;
  }

  async #work(run: DemoRun, report: TaskHandle<Report>, interrupt: Interrupt): Promise<void> {
    const { slots, pace, reportPath, found, json } = this.#options;
    const board = new Board(run, found.files.length + 1);
    const over = new AbortController();
    // Nothing but the view depends on it.
    const following = this.#follow(board, over.signal).catch(() => {});
    await board.load(this.#omniq, run);
    if (run.continued) this.#say(`${count(board.ended, "task")} had ended before.`);
    if (!json) this.#view = await openView(this.#terminal, board);
    const since = new Date();
    const worker = this.#omniq.worker({ tasks: handlers({ pace, reportPath }), concurrency: slots });
    const broken = giveUpOn(worker);
    try {
      await worker.start();
      const summary = await report.result({ signal: AbortSignal.any([interrupt.signal, broken]) });
      await board.load(this.#omniq, run);
      this.#view.stop();
      await worker.stop();
      await this.#sumUp(run, summary, since);
    } catch (error) {
      if (interrupt.signal.aborted) await this.#stop(run, worker, board);
      else if (broken.aborted) await worker.stop({ timeout: 0 });
      throw error;
    } finally {
      this.#view.stop();
      over.abort();
      await following;
    }
  }

  /** Shows what the event log tells, whoever wrote it. */
  async #follow(board: Board, signal: AbortSignal): Promise<void> {
    for await (const event of this.#omniq.events.follow({ after: "now", signal })) {
      board.note(event);
      this.#view.update();
    }
  }

  async #stop(run: DemoRun, worker: Stoppable, board: Board): Promise<void> {
    this.#view.stop();
    const { running } = board;
    const waits =
      running.length === 0
        ? "Nothing runs any more."
        : `Waiting for ${count(running.length, "task")} to end: ${await this.#namesOf(running)}.`;
    this.#say(`\n${this.#terminal.paint("yellow", "Stopping.")} ${waits} Ctrl-C again stops at once.`);
    await worker.stop({ timeout: GRACE });
    await board.load(this.#omniq, run);
    this.#say(`Stopped with ${number(board.ended)} of ${count(board.total, "task")} done. Start it again, and it carries on.`);
  }

  async #namesOf(ids: readonly string[]): Promise<string> {
    const tasks = await Promise.all(ids.slice(0, NAMED).map((id) => this.#omniq.tasks.get(id)));
    const names = tasks.flatMap((task) => (task === undefined ? [] : [cutStart(plain(task.name), NAME_WIDTH)]));
    return ids.length > NAMED ? `${names.join(", ")} and ${ids.length - NAMED} more` : names.join(", ");
  }

  async #sumUp(run: DemoRun, report: Report, since: Date): Promise<void> {
    const { folder, found, database, flags } = this.#options;
    const first = await this.#omniq.tasks.get(fileTaskId(run, found.files[0] ?? ""));
    const events = await eventsOf(this.#omniq, run, first?.createdAt ?? since);
    const timeline = timelineOf(
      events.filter(({ taskId }) => taskId !== reportTaskId(run)),
      since,
    );
    const fileOf = new Map(found.files.map((file) => [fileTaskId({ number: run.number, folder }, file), file]));
    const summary = { run, report, timeline, database, fileOf, flags };
    if (this.#options.json) this.#terminal.json(summaryJson(summary));
    else await printSummary(this.#terminal, summary);
  }

  #say(text: string): void {
    if (!this.#options.json) this.#terminal.line(text);
  }
}

/** Errors of the store in a row, with growing waits between them (about 20 s), after which nobody should go on watching. */
const PATIENCE = 8;

/** Aborts when the store fails again and again and nothing gets done: a full disk, say. A worker of a service would wait it out. */
function giveUpOn(worker: ReturnType<OmniQ["worker"]>): AbortSignal {
  const controller = new AbortController();
  let failures = 0;
  worker.on("completed", () => {
    failures = 0;
  });
  worker.on("error", (error) => {
    failures++;
    if (failures >= PATIENCE) controller.abort(error);
  });
  return controller.signal;
}
