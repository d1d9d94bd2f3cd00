/** `SIGSTOP` past the lease: others take the tasks, and who wakes up again settles too late. */
import { setTimeout as sleep } from "node:timers/promises";
import { Dice } from "../../src/testing/conformance/dice.ts";
import { until } from "../fixtures/helpers.ts";
import { Fleet } from "./fleet.ts";
import type { Member } from "./fleet.ts";
import { micros } from "./journal.ts";
import type { Line } from "./journal.ts";
import { recoveryOf } from "./kills.ts";
import type { RoundOptions } from "./kills.ts";
import { faultsOf } from "./oracle.ts";
import { SIDES } from "./points.ts";
import type { Point } from "./points.ts";
import { addFaults, NO_FAULTS } from "./round.ts";
import type { Round } from "./round.ts";
import type { Faults } from "./oracle.ts";

const LEASE = 1_000;
/** So many are frozen at a time: that costs nothing while they are. */
const AT_A_TIME = 10;
/** So many stay awake and take over. */
const AWAKE = 2;
/** In one of so many times a process is frozen while it holds the database's lock. */
const LOCKED = 10;
const TO_ITS_POINT = 3_000;
const TO_LET_GO = 2_000;
/** Others look for the silent every 3 s, twice, and may be slow. */
const TO_TAKE_OVER = 60_000;

class Freezing {
  readonly fleet: Fleet;
  readonly freezes: { readonly pid: number; readonly at: number }[] = [];
  readonly #place: RoundOptions["place"];
  readonly #dice: Dice;

  constructor({ place, seed, count }: RoundOptions) {
    this.#place = place;
    this.#dice = new Dice(seed);
    this.fleet = new Fleet({ place, seed, lease: LEASE, handlerMs: 400, pauseMs: 200 });
    for (let i = 0; i < Math.min(AT_A_TIME, count) + AWAKE; i++) this.fleet.join();
  }

  async ready(): Promise<void> {
    await Promise.all(this.fleet.members.map(({ ready }) => ready));
  }

  /** Freezes so many at once, and thaws them when others have all that they held. */
  async together(count: number): Promise<readonly string[]> {
    const victims = this.#some(count);
    await Promise.all(victims.map(async (victim) => this.#freeze(victim)));
    await sleep(LEASE);
    const pids = victims.map(({ pid }) => pid);
    const took = await until(async () => (await this.#place.heldBy(pids)) === 0, TO_TAKE_OVER).then(
      () => [],
      () => ["what the frozen held was not taken over"],
    );
    // Others have just begun to run it: this is when a late outcome would do most harm.
    await sleep(this.#dice.below(100));
    await this.#thaw(victims);
    return took;
  }

  /** Nobody can write, nor take over, until it wakes: a longer sleep than its lease, and everything goes on. */
  async holdingTheLock(): Promise<void> {
    const [victim] = this.#some(1);
    if (victim === undefined) return;
    const at = await this.#freezeAt(victim, { signal: "SIGSTOP", at: ["claim", this.#dice.pick(SIDES[this.#place.engine])], nth: 1 });
    this.freezes.push({ pid: victim.pid, at: at ?? (await this.#freezeAnywhere(victim)) });
    await sleep(1.5 * LEASE);
    await this.#thaw([victim]);
  }

  #some(count: number): readonly Member[] {
    const from = [...this.fleet.members];
    return Array.from({ length: count }, () => from.splice(this.#dice.below(from.length), 1)).flat();
  }

  /** As the last thing that a handler does, so that its outcome is written at once when it wakes; or anywhere. */
  async #freeze(victim: Member): Promise<void> {
    const side = this.#dice.chance(75) ? "end" : "start";
    const inHandler = this.#dice.chance(80);
    let at = inHandler ? await this.#freezeAt(victim, { signal: "SIGSTOP", at: ["handler", side], nth: 1 }) : undefined;
    // Another thread of it may hold the lock all the same.
    if (at !== undefined && !(await this.#isFree())) at = undefined;
    this.freezes.push({ pid: victim.pid, at: at ?? (await this.#freezeAnywhere(victim)) });
  }

  /** Whether everybody can write: who runs lets go of the lock soon. */
  async #isFree(): Promise<boolean> {
    return until(() => !this.#place.isLocked(), TO_LET_GO).catch(() => false);
  }

  /** Answers when; undefined where it did not come to its point. */
  async #freezeAt(victim: Member, point: Point): Promise<number | undefined> {
    const { journal } = this.fleet;
    const since = micros();
    const told = (): Line | undefined => {
      journal.read();
      return journal.of("SIGSTOP").find(({ pid, at }) => pid === victim.pid && at >= since);
    };
    victim.tell({ point });
    await until(told, TO_ITS_POINT).catch(() => undefined);
    if (told() === undefined) await this.#disarm(victim, told);
    return told()?.at;
  }

  /** It must not come to its point later, when nobody expects it; unless it comes there before it hears. */
  async #disarm(victim: Member, told: () => Line | undefined): Promise<void> {
    const heard = new AbortController();
    victim.tell("disarm");
    void victim.answers().finally(() => {
      heard.abort();
    });
    await until(() => heard.signal.aborted || told(), TO_TAKE_OVER);
  }

  /** Anywhere but where it holds the lock: then nobody could take over. Answers when. */
  async #freezeAnywhere(victim: Member): Promise<number> {
    await until(() => {
      victim.child.kill("SIGSTOP");
      if (!this.#place.isLocked()) return true;
      victim.child.kill("SIGCONT");
      return false;
    }, TO_TAKE_OVER);
    return micros();
  }

  async #thaw(victims: readonly Member[]): Promise<void> {
    for (const { child } of victims) child.kill("SIGCONT");
    await Promise.all(victims.map(async (victim) => victim.answers()));
  }
}

/** So many freezes, ten at a time; then everybody stops, what is left is worked off, and everything is looked at. */
export async function freezeRound(options: RoundOptions): Promise<Round> {
  const { place, count, seed, onDone } = options;
  const freezing = new Freezing(options);
  const { fleet, freezes } = freezing;
  let faults: Faults = NO_FAULTS;
  const other = (lines: readonly string[]): void => {
    faults = addFaults(faults, { ...NO_FAULTS, other: lines });
  };
  try {
    await freezing.ready();
    while (freezes.length < count) {
      const before = freezes.length;
      if (place.engine === "sqlite" && (seed + before / AT_A_TIME) % LOCKED === 0) await freezing.holdingTheLock();
      other(await freezing.together(Math.min(AT_A_TIME, count - freezes.length)));
      for (let i = before; i < freezes.length; i++) onDone?.();
      fleet.journal.read();
      const journal = [...fleet.journal.lines];
      const facts = await place.look();
      if (facts !== undefined) faults = addFaults(faults, faultsOf({ facts, journal }));
    }
    other(await fleet.stop());
    const end = await fleet.drain();
    const { journal } = fleet;
    return {
      done: freezes.length,
      counts: { "claims lost": journal.of("lost").length, tasks: end.facts.tasks.size, runs: journal.of("start").length },
      recovery: recoveryOf(journal.lines, freezes),
      faults: addFaults(faults, end.faults),
    };
  } finally {
    fleet.end();
  }
}
