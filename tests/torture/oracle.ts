/**
 * What must hold of a database after any torture. The truth is the journal: what producers were told, and what handlers did. A rule
 * takes what was found and answers what is wrong with it, a line each.
 */
import type { Line } from "./journal.ts";
import type { Facts } from "./place.ts";

interface Found {
  readonly facts: Facts;
  readonly journal: readonly Line[];
}
type Rule = (found: Found) => Iterable<string>;

const FINAL: ReadonlySet<string> = new Set(["completed", "failed", "cancelled", "expired"]);

/** What is broken, by its name in the report. */
export interface Faults {
  readonly lost: readonly string[];
  readonly settledTwice: readonly string[];
  readonly lateAccepted: readonly string[];
  readonly corrupt: readonly string[];
  /** Anything else that must not be. */
  readonly other: readonly string[];
}

function idsOf(journal: readonly Line[], what: string): Set<string> {
  return new Set(journal.filter((line) => line.what === what).flatMap(({ words }) => words));
}

function finalsOf({ events }: Facts): ReadonlyMap<string, number> {
  const finals = new Map<string, number>();
  for (const { task, type } of events) if (FINAL.has(type)) finals.set(task, (finals.get(task) ?? 0) + 1);
  return finals;
}

const lost: Rule = function* lost({ facts, journal }) {
  for (const id of idsOf(journal, "ack")) if (!facts.tasks.has(id)) yield `${id} was acknowledged and is gone`;
  for (const id of idsOf(journal, "done"))
    if (facts.tasks.get(id)?.isOver !== true) yield `${id} was acknowledged to have ended and has not`;
};

const settledTwice: Rule = function* settledTwice({ facts }) {
  for (const [id, times] of finalsOf(facts)) if (times > 1) yield `${id} has ${times} final events`;
};

/** The outcome that is stored is that of the last claim, and nobody ran the task after its end. */
const lateAccepted: Rule = function* lateAccepted({ facts }) {
  for (const [id, { fence, status, isOver }] of facts.tasks) {
    const result = facts.results.get(id);
    if (!isOver || status !== "completed" || result === undefined) continue;
    if (result.fence !== fence || result.value !== JSON.stringify({ fence }))
      yield `${id} was last claimed under ${fence}, its result is of ${result.fence}: ${result.value}`;
  }
  const claimants = new Map<string, string>();
  for (const { task, type, worker } of facts.events) {
    if (type === "executing") claimants.set(task, worker);
    else if (type === "completed" && claimants.get(task) !== worker)
      yield `${task} was ended by ${worker}, but ${claimants.get(task)} had it`;
  }
};

const corrupt: Rule = function* corrupt({ facts }) {
  if (facts.integrity !== "ok") yield facts.integrity;
};

/** State, event and result are written together, and so are a task and the event of its enqueue. */
const whole: Rule = function* whole({ facts }) {
  const finals = finalsOf(facts);
  const enqueued = new Set(facts.events.filter(({ type }) => type === "enqueued").map(({ task }) => task));
  for (const [id, { isOver, status }] of facts.tasks) {
    if (isOver !== finals.has(id)) yield `${id} is ${status} and has ${finals.get(id) ?? 0} final events`;
    if ((isOver && status === "completed") !== (facts.results.get(id)?.status === "completed"))
      yield `${id} is ${status}, its result differs`;
    if (!enqueued.has(id)) yield `${id} was never enqueued`;
  }
  for (const id of enqueued) if (!facts.tasks.has(id)) yield `${id} has an event and no row`;
};

/** Nobody but the producers, their tasks and their callbacks made a task; what was tried in one call is there or not as a whole. */
const asTried: Rule = function* asTried({ facts, journal }) {
  const tried = idsOf(journal, "try");
  for (const id of facts.tasks.keys()) if (!tried.has(id.split(".")[0] ?? "")) yield `${id} was never asked for`;
  for (const { what, words } of journal) {
    const there = words.filter((id) => facts.tasks.has(id)).length;
    if (what === "try" && there !== 0 && there !== words.length) yield `${there} of ${words.join(", ")} are there`;
  }
};

/** A claim runs once, and under a fence that was handed out. */
const claimed: Rule = function* claimed({ facts, journal }) {
  const starts = new Set<string>();
  for (const { words } of journal.filter(({ what }) => what === "start")) {
    const [id = "", fence = ""] = words;
    if (starts.has(words.join(" "))) yield `${id} started twice under ${fence}`;
    starts.add(words.join(" "));
    const task = facts.tasks.get(id);
    if (task !== undefined && task.fence < Number(fence)) yield `${id} started under ${fence}, but was only handed out up to ${task.fence}`;
  }
};

const by = (found: Found, ...rules: readonly Rule[]): readonly string[] => rules.flatMap((rule) => Array.from(rule(found)));

/** Holds at any moment. @param facts read after the journal: what it tells of must be there. */
export function faultsOf(found: Found): Faults {
  return { ...faultsAfterLoss(found), lost: by(found, lost), other: by(found, whole, claimed) };
}

/** Holds when all is over: then the journal tells everything, too. */
export function faultsAtTheEnd(found: Found): Faults {
  const faults = faultsOf(found);
  const open = [...found.facts.tasks].filter(([, { isOver }]) => !isOver).map(([id, { status }]) => `${id} is ${status} to the end`);
  return { ...faults, other: [...faults.other, ...by(found, asTried), ...open] };
}

/** Holds even where the newest commits are gone, as after a power cut with `durability: "normal"`: what is left is sound. */
function faultsAfterLoss(found: Found): Faults {
  return {
    lost: [],
    settledTwice: by(found, settledTwice),
    lateAccepted: by(found, lateAccepted),
    corrupt: by(found, corrupt),
    other: by(found, whole),
  };
}

/** The same, of a journal that tells of all calls up to the cut. */
export function faultsAfterCut(found: Found, isDurable: boolean): Faults {
  const faults = isDurable ? faultsOf(found) : faultsAfterLoss(found);
  return { ...faults, other: [...faults.other, ...by(found, asTried)] };
}
