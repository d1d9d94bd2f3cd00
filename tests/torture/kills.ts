/** `kill -9`, at random and at named points, of processes that work and enqueue on one database. */
import { setTimeout as sleep } from "node:timers/promises";
import { Dice } from "../../src/testing/conformance/dice.ts";
import { Fleet } from "./fleet.ts";
import type { Member } from "./fleet.ts";
import type { Line } from "./journal.ts";
import { faultsOf } from "./oracle.ts";
import type { Place } from "./place.ts";
import { nameOf, SIDES, VERBS } from "./points.ts";
import type { Point } from "./points.ts";
import { addFaults, NO_FAULTS } from "./round.ts";
import type { Round } from "./round.ts";

/** Processes at a time, and how many of them die at a time: on a server one needs longer until it has done something. */
const SIZE = 4;
const DYING = { sqlite: 3, postgres: 1 } as const;
/** Milliseconds that it works, at most, until it dies at random. */
const LIFE = { sqlite: 120, postgres: 500 } as const;
/** So long a process may take to come to the point at which it is to die; then it dies where it is. */
const TO_ITS_POINT = 1_500;

export interface RoundOptions {
  readonly place: Place;
  readonly seed: number;
  readonly count: number;
  /** After each one, for a bar. */
  readonly onDone?: () => void;
}

interface Death {
  readonly pid: number;
  readonly at: number;
  readonly point?: string;
}

function pointOf(dice: Dice, engine: Place["engine"]): Point {
  const nth = 1 + dice.below(3);
  if (dice.chance(20)) return { signal: "SIGKILL", at: ["handler", dice.pick(["start", "end"])], nth };
  return { signal: "SIGKILL", at: [dice.pick(VERBS[engine]), dice.pick(SIDES[engine])], nth };
}

/** What a process does when it starts, and seldom later: a new one comes to it. */
const isOfStart = ({ at: [what] }: Point): boolean => what === "schema" || what === "arrive" || what === "takeover";

class Killing {
  readonly fleet: Fleet;
  readonly deaths: Death[] = [];
  readonly #dice: Dice;
  readonly #place: Place;
  /** Somebody has them die already. */
  readonly #doomed = new Set<Member>();

  constructor({ place, seed }: RoundOptions) {
    this.#place = place;
    this.#dice = new Dice(seed);
    this.fleet = new Fleet({ place, seed, lease: 2_000, handlerMs: 40, pauseMs: 10 });
  }

  /** One process dies. @param first of all: it makes the tables, so it dies while it makes them. */
  async kill(first: boolean): Promise<void> {
    const dice = this.#dice;
    const { engine } = this.#place;
    const atPoint = first || dice.chance(60);
    if (first && atPoint) return this.#killAt({ signal: "SIGKILL", at: ["schema", dice.pick(SIDES[engine])], nth: 1 });
    while (this.fleet.alive.length < SIZE) this.fleet.join();
    return atPoint ? this.#killAt(pointOf(dice, engine)) : this.#killAtRandom();
  }

  async #killAtRandom(): Promise<void> {
    const victim = this.#some();
    if (this.#dice.chance(80)) await victim.ready;
    await sleep(this.#dice.below(LIFE[this.#place.engine]));
    await this.#killNow(victim);
  }

  async #killNow(member: Member): Promise<void> {
    this.deaths.push({ pid: member.pid, at: await this.fleet.kill(member) });
  }

  async #killAt(point: Point): Promise<void> {
    const victim = isOfStart(point) ? this.fleet.join({ ...point, nth: 1 }) : this.#some();
    this.#doomed.add(victim);
    await victim.ready;
    if (!isOfStart(point)) victim.tell({ point });
    const late = new AbortController();
    await Promise.race([victim.gone, sleep(TO_ITS_POINT, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
    if (!victim.isGone) return this.#killNow(victim);
    this.fleet.journal.read();
    const told = this.fleet.journal.of("SIGKILL").findLast(({ pid }) => pid === victim.pid);
    this.deaths.push({ pid: victim.pid, at: told?.at ?? 0, point: nameOf(point) });
  }

  /** One that nobody has chosen yet. */
  #some(): Member {
    const free = this.fleet.alive.filter((member) => !this.#doomed.has(member));
    const member = free[this.#dice.below(free.length)] ?? this.fleet.join();
    this.#doomed.add(member);
    return member;
  }
}

/** Milliseconds from each death until what the dead one ran was started again. */
export function recoveryOf(journal: readonly Line[], deaths: readonly Pick<Death, "pid" | "at">[]): readonly number[] {
  const ended = new Set(journal.filter(({ what }) => what === "end").map(({ words }) => words.join(" ")));
  const starts = journal.filter(({ what }) => what === "start");
  return deaths.flatMap(({ pid, at }) =>
    starts
      .filter((line) => line.pid === pid && line.at <= at && !ended.has(line.words.join(" ")))
      .flatMap(({ words: [id] }) => {
        const again = starts.find((line) => line.words[0] === id && line.at > at && line.pid !== pid);
        return again === undefined ? [] : [(again.at - at) / 1_000];
      }),
  );
}

/** So many processes are killed while others go on; then what is left is worked off, and everything is looked at. */
export async function killRound(options: RoundOptions): Promise<Round> {
  const { place, count, onDone } = options;
  const killing = new Killing(options);
  const { fleet, deaths } = killing;
  let faults = NO_FAULTS;
  const left = Array.from({ length: count }, (_, i) => i);
  const killOne = async (): Promise<void> => {
    await killing.kill(left.shift() === 0);
    onDone?.();
    fleet.journal.read();
    const journal = [...fleet.journal.lines];
    const facts = await place.look();
    if (facts !== undefined) faults = addFaults(faults, faultsOf({ facts, journal }));
  };
  const goOn = async (): Promise<void> => {
    while (left.length > 0) await killOne();
  };
  try {
    await killOne();
    await Promise.all(Array.from({ length: DYING[place.engine] }, goOn));
    fleet.end();
    await Promise.all(fleet.members.map(({ gone }) => gone));
    const end = await fleet.drain();
    return {
      done: deaths.length,
      counts: { ...pointsOf(deaths), tasks: end.facts.tasks.size, runs: fleet.journal.of("start").length },
      recovery: recoveryOf(fleet.journal.lines, deaths),
      faults: addFaults(faults, end.faults),
    };
  } finally {
    fleet.end();
  }
}

function pointsOf(deaths: readonly Death[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { point = "at random" } of deaths) counts[point] = (counts[point] ?? 0) + 1;
  return counts;
}
