/** Changing many tasks at once: which are meant, whether that is wanted, and what became of each. */
import type { Phase } from "../core/task.ts";
import type { OmniQ, Task } from "../index.ts";
import { EXIT, UsageError } from "./command.ts";
import type { ExitCode, Given, Run } from "./command.ts";
import { withDatabase } from "./database.ts";
import { filterOf, isEmpty } from "./filter.ts";
import { listenForInterrupts } from "./interrupt.ts";
import { openProgress } from "./progress.ts";
import { roundsOf } from "./rounds.ts";
import type { Dependent } from "./rounds.ts";
import type { Terminal } from "./terminal.ts";
import { count, plain } from "./text.ts";

/** What a command does to a task. */
export interface Change {
  /** In the question: `Cancel 12 tasks?` */
  readonly verb: "cancel" | "retry" | "delete";
  /** The phases in which it can be done. */
  readonly from: readonly Phase[];
  /** Answers an outcome, with its reason where that is not always the same. */
  readonly act: (omniq: OmniQ, id: string, given: Given) => Promise<string | Omit<Outcome, "id">>;
  /** The outcomes that were wanted. */
  readonly done: readonly string[];
  /** Every outcome in words: `{tasks} cancelled`. */
  readonly words: Readonly<Record<string, string>>;
  /** Whether a task that has changed its phase since it was counted is left alone. */
  readonly onlyUnchanged?: true;
  /** Whether what a filter means is changed parents first. */
  readonly parentsFirst?: true;
}

/** Calls under way at a time: they share their commits. */
const AT_ONCE = 200;
/** Tasks of one page of the search. */
const PAGE = 1_000;

/** A command that makes this change to the tasks that are named or, after a question, to those that a filter means. */
export function changing(change: Change): Run {
  return async (given, terminal) => {
    const ids = [...new Set(given.arguments)];
    const filtered = !isEmpty(filterOf(given));
    if (ids.length > 0 && filtered) throw new UsageError(`Expected ids or options that say which tasks to ${change.verb}, got both`);
    if (ids.length === 0 && !filtered) {
      throw new UsageError(`Expected the ids of the tasks to ${change.verb}, or options that say which, such as --queue or --phase`);
    }
    return withDatabase(given, terminal, (omniq) =>
      ids.length > 0 ? changeNamed({ change, given, terminal, omniq }, ids) : changeFound({ change, given, terminal, omniq }),
    );
  };
}

interface Asked {
  readonly change: Change;
  readonly given: Given;
  readonly terminal: Terminal;
  readonly omniq: OmniQ;
}
interface Outcome {
  readonly id: string;
  readonly outcome: string;
  readonly reason?: string;
}

async function changeNamed(asked: Asked, ids: readonly string[]): Promise<ExitCode> {
  const { change, given, terminal, omniq } = asked;
  if (given.flag("dryRun")) return dryRun(asked, await known(omniq, ids));
  const { outcomes, interrupted } = await changeAll(
    asked,
    ids.map((id) => ({ id })),
  );
  const refused = outcomes.filter(({ outcome }) => !change.done.includes(outcome));
  if (given.flag("json")) terminal.json({ outcomes: counted(outcomes), tasks: outcomes });
  else {
    const done = outcomes.filter(({ outcome }) => change.done.includes(outcome));
    if (done.length > 0) terminal.line(`${sentence(change, done)}.`);
    for (const { id, outcome, reason = reasonOf(outcome) } of refused)
      terminal.note(`${terminal.paintNote("red", plain(id))}: ${plain(reason)}`);
  }
  if (interrupted) return EXIT.interrupted;
  return refused.length === 0 ? EXIT.fine : EXIT.failed;
}

async function changeFound(asked: Asked): Promise<ExitCode> {
  const { change, given, terminal } = asked;
  const found = await meant(asked);
  if (given.flag("dryRun")) return dryRun(asked, found);
  if (found.length === 0) {
    if (given.flag("json")) terminal.json({ outcomes: {} });
    else terminal.note(`No task that could be ${change.words[change.done[0] ?? ""] ?? change.verb} is like this.`);
    return EXIT.fine;
  }
  if (!(await wanted(asked, `${capital(change.verb)} ${described(found)}?`))) return EXIT.failed;
  const { outcomes, interrupted } = await changeAll(asked, found);
  if (given.flag("json")) terminal.json({ outcomes: counted(outcomes) });
  else if (outcomes.length > 0) terminal.line(`${sentence(change, outcomes)}.`);
  if (interrupted) terminal.note(`Interrupted: ${count(found.length - outcomes.length, "task")} not looked at.`);
  return interrupted ? EXIT.interrupted : EXIT.fine;
}

/**
 * Whether what was asked for is to be done: the answer to a question, or `--yes`.
 * @throws UsageError when nobody is there to answer.
 */
export async function wanted({ given, terminal }: Pick<Asked, "given" | "terminal">, question: string): Promise<boolean> {
  if (given.flag("yes")) return true;
  if (!terminal.canAsk)
    throw new UsageError(`${question} Nobody is there to answer: --yes does it, --dry-run only tells; nothing was done`);
  if (await terminal.confirm(question)) return true;
  terminal.note("Nothing was done.");
  return false;
}

/** A task, with where it stood when it was found. */
interface Target extends Dependent {
  readonly phase?: Phase;
}
type Found = Target & Required<Pick<Target, "phase">>;

/** All that the filter means and that the change can be made to: newest first, or oldest first where parents have to be. */
async function meant({ omniq, given, terminal, change: { from, parentsFirst } }: Asked): Promise<readonly Found[]> {
  const targets: Found[] = [];
  const filter = filterOf(given);
  const progress = await openProgress(terminal, undefined, "tasks found");
  try {
    let after: string | undefined;
    do {
      const page = await omniq.tasks.find({ ...filter, limit: PAGE, after });
      for (const { id, phase, dependsOn } of page.items) {
        if (!from.includes(phase)) continue;
        const parents = parentsFirst === true ? dependsOn.map((each) => (typeof each === "string" ? each : each.on)) : [];
        targets.push(parents.length === 0 ? { id, phase } : { id, phase, parents });
      }
      after = page.next;
      progress.update(targets.length);
    } while (after !== undefined);
  } finally {
    progress.stop();
  }
  return parentsFirst === true ? targets.toReversed() : targets;
}

async function known(omniq: OmniQ, ids: readonly string[]): Promise<readonly Task[]> {
  const tasks = await Promise.all(ids.map((id) => omniq.tasks.get(id)));
  return tasks.filter((task) => task !== undefined);
}

/** Many at a time; after Ctrl-C what is under way is waited for, and nothing more is begun. */
async function changeAll(
  { change, given, terminal, omniq }: Asked,
  targets: readonly Target[],
): Promise<{ readonly outcomes: readonly Outcome[]; readonly interrupted: boolean }> {
  const interrupt = listenForInterrupts(() => {});
  const progress = await openProgress(terminal, targets.length, "tasks");
  const outcomes: Outcome[] = [];
  try {
    for (let i = 0; i < targets.length && !interrupt.signal.aborted; i += AT_ONCE) {
      for (const round of roundsOf(targets.slice(i, i + AT_ONCE))) {
        if (interrupt.signal.aborted) break;
        outcomes.push(...(await Promise.all(round.map((target) => changeOne(omniq, given, change, target)))));
        progress.update(outcomes.length);
      }
    }
  } finally {
    progress.stop();
    interrupt.end();
  }
  return { outcomes, interrupted: outcomes.length < targets.length };
}

async function changeOne(omniq: OmniQ, given: Given, change: Change, { id, phase }: Target): Promise<Outcome> {
  if (change.onlyUnchanged === true && phase !== undefined) {
    const now = await omniq.tasks.get(id);
    if (now !== undefined && now.phase !== phase) return { id, outcome: "changed" };
  }
  const answer = await change.act(omniq, id, given);
  return typeof answer === "string" ? { id, outcome: answer } : { id, ...answer };
}

function dryRun({ change, given, terminal }: Asked, tasks: readonly { readonly phase: Phase }[]): ExitCode {
  const possible = tasks.filter(({ phase }) => change.from.includes(phase));
  if (given.flag("json")) terminal.json({ dryRun: true, tasks: possible.length, phases: phasesOf(possible) });
  else terminal.line(`Would ${change.verb} ${described(possible)}.`);
  return EXIT.fine;
}

function phasesOf(tasks: readonly { readonly phase: Phase }[]): Readonly<Record<string, number>> {
  return tally(tasks.map(({ phase }) => phase));
}

/** `12 tasks (8 failed, 4 cancelled)`. */
function described(tasks: readonly { readonly phase: Phase }[]): string {
  const phases = Object.entries(phasesOf(tasks));
  const [only] = phases;
  if (phases.length === 1 && only !== undefined) return count(tasks.length, `${only[0]} task`);
  return `${count(tasks.length, "task")}${phases.length === 0 ? "" : ` (${phases.map(([phase, n]) => `${n} ${phase}`).join(", ")})`}`;
}

function counted(outcomes: readonly Outcome[]): Readonly<Record<string, number>> {
  return tally(outcomes.map(({ outcome }) => outcome));
}

/** How often each word is there. */
function tally(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

/** `8 tasks deleted, 1 running and kept`. */
function sentence({ words }: Change, outcomes: readonly Outcome[]): string {
  const parts = Object.entries(counted(outcomes));
  return parts.map(([outcome, n], i) => `${i === 0 ? count(n, "task") : n} ${words[outcome] ?? reasonOf(outcome)}`).join(", ");
}

const REASONS: Readonly<Record<string, string>> = {
  missing: "there is no such task (any more)",
  final: "has ended before",
  "not-final": "has not ended, or has completed: only what failed, was cancelled or expired can run again",
  running: "runs and is kept; cancel it first",
  "has-dependents": "is kept: others wait for it",
  changed: "changed meanwhile and left alone",
};

function reasonOf(outcome: string): string {
  return REASONS[outcome] ?? outcome;
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
