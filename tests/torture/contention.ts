/** A crowd of processes on one file: who gets how much, who waits how long, and whether anybody hears of the lock. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { OmniQ } from "../../src/index.ts";
import { until } from "../fixtures/helpers.ts";
import type { ContenderOptions, Experience } from "./contender.ts";
import { forked } from "./forked.ts";
import { tortureTasks } from "./job.ts";
import { Journal, Witness } from "./journal.ts";
import { faultsAtTheEnd } from "./oracle.ts";
import type { FilePlace } from "./place.ts";
import type { Round } from "./round.ts";

const SCRIPT = fileURLToPath(new URL("contender.ts", import.meta.url));
/** The worker's default. */
const LEASE = 12_000;
/** The part of the tasks that the crowd enqueues while it works. */
const ENQUEUED = 0.2;
/** Tasks of one call when the rest is enqueued before. */
const BATCH = 500;
const PATIENCE = 600_000;

export interface ContentionOptions {
  readonly place: FilePlace;
  readonly processes: number;
  readonly tasks: number;
  /** Whether a wait can be too long: on a machine that is busy with other things it says nothing. */
  readonly judgesWaits?: boolean;
  /** So many have been started. */
  readonly onStarted?: (tasks: number) => void;
}

const isExperience = (message: unknown): message is Experience => typeof message === "object" && message !== null && "longest" in message;

class Crowd {
  readonly #children: readonly ChildProcess[];

  constructor({ place, processes }: ContentionOptions, enqueues: number) {
    this.#children = Array.from({ length: processes }, (_, i) => {
      const { file, journal } = place;
      const given: ContenderOptions = { path: file, journal, lease: LEASE, enqueues, name: `c${i}` };
      return forked(SCRIPT, given);
    });
  }

  async ready(): Promise<void> {
    await Promise.all(this.#children.map(async (child) => Promise.race([once(child, "message"), once(child, "exit")])));
    this.expectAll();
  }

  /** @throws Error when one has ended that was not told to. */
  expectAll(): true {
    if (this.#children.every(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) return true;
    throw new Error("Expected all of the crowd to work, but a process has ended");
  }

  /** They sign off and tell how it was. */
  async stop(): Promise<readonly Experience[]> {
    return Promise.all(
      this.#children.map(async (child) => {
        const said = once(child, "message");
        child.send("stop");
        const [message]: unknown[] = await said;
        if (!isExperience(message)) throw new Error(`Expected an experience, got ${JSON.stringify(message)}`);
        if (child.exitCode === null) await once(child, "exit");
        return message;
      }),
    );
  }

  end(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }
}

/** All begin at once: their queue is paused until everybody is there. */
export async function contentionRound(options: ContentionOptions): Promise<Round> {
  const { place, processes, tasks, onStarted } = options;
  const omniq = new OmniQ(place.options);
  const { job } = tortureTasks(new Witness(place.journal));
  const journal = new Journal(place.journal);
  const own = Math.floor((tasks * ENQUEUED) / processes);
  await omniq.queues.pause("default");
  for (let n = processes * own; n < tasks; n += BATCH) {
    const ids = Array.from({ length: Math.min(BATCH, tasks - n) }, (_, i) => `d-${n + i}`);
    await omniq.enqueueMany(ids.map((id) => job.with({ ms: 1, goes: "well", child: false }, { id })));
  }
  const crowd = new Crowd(options, own);
  try {
    await crowd.ready();
    const began = performance.now();
    await omniq.queues.resume("default");
    await until(() => {
      journal.read();
      onStarted?.(journal.of("start").length);
      return crowd.expectAll() && journal.of("end").length + journal.of("refused").length >= tasks;
    }, PATIENCE);
    const seconds = (performance.now() - began) / 1_000;
    const experiences = await crowd.stop();
    const facts = await place.look();
    if (facts === undefined) throw new Error("Expected a database to be there, found none");
    // Nobody tells here which tasks were asked for: they are counted.
    const tried = { at: 0, pid: 0, what: "try", words: [...facts.tasks.keys()] };
    const faults = faultsAtTheEnd({ facts, journal: [...journal.lines, tried] });
    const { counts, broken } = judge(journal, experiences, options);
    return { done: tasks, counts: { ...counts, seconds }, recovery: [], faults: { ...faults, other: [...faults.other, ...broken] } };
  } finally {
    crowd.end();
    await omniq.close();
  }
}

interface Verdict {
  readonly counts: Readonly<Record<string, number>>;
  readonly broken: readonly string[];
}

function judge(
  journal: Journal,
  experiences: readonly Experience[],
  { processes, tasks, judgesWaits = false }: ContentionOptions,
): Verdict {
  const shares = new Map<number, number>();
  for (const { pid } of journal.of("start")) shares.set(pid, (shares.get(pid) ?? 0) + 1);
  const smallest = shares.size < processes ? 0 : Math.min(...shares.values());
  const smallestShare = smallest / (tasks / processes);
  const verbs = ["enqueue", "claim", "settle", "beat"];
  const waits = verbs.map((verb) => Math.max(...experiences.map((each) => each.longest[verb] ?? 0)));
  const longest = Math.max(...waits);
  const errors = experiences.flatMap((each) => each.errors);
  const starts = journal.of("start").length;
  const broken = [
    ...(starts === tasks ? [] : [`${tasks} tasks were started ${starts} times`]),
    ...(smallestShare >= 0.25 ? [] : [`a process got ${smallest} of ${tasks} tasks, less than a quarter of the mean of ${processes}`]),
    ...(!judgesWaits || longest <= LEASE / 3 ? [] : [`a call waited ${Math.round(longest)} ms, more than a third of the lease`]),
    ...[...new Set(errors)].map((code) => `${code} reached the user`),
  ];
  const of = Object.fromEntries(verbs.map((verb, i) => [`longest ${verb}, ms`, Math.round(waits[i] ?? 0)]));
  return { counts: { processes, starts, "smallest share of the mean": smallestShare, ...of, errors: errors.length }, broken };
}
