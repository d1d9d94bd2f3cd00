/** What random commands are thrown with. */
import type { Backend, Claim } from "../../core/backend.ts";
import type { Clock } from "../../core/clock.ts";
import type { NewTask } from "../../core/task.ts";
import type { TestClock } from "../clock.ts";
import { newTask } from "./bench.ts";
import type { Dice } from "./dice.ts";

/** Where commands run, and what it has answered so far. */
export interface Place {
  readonly backend: Backend;
  readonly clock: TestClock;
  /** Every claim that was handed out, oldest first: also those that are no longer current. */
  readonly claims: Claim[];
  /** How far the event log was read. */
  cursor: string | undefined;
}

/** `what` tells it in a report. */
export interface Command {
  readonly what: string;
  readonly run: (place: Place) => Promise<unknown>;
}

/** What a sequence has so far: the ids of its tasks, and the workers that may act. */
export interface Cast {
  readonly ids: string[];
  readonly workers: readonly [string, ...string[]];
  /** Put before the number of each new task. Default `t`. */
  readonly prefix?: string;
}

/** The throws of one sequence: chance, and who is there. */
export class Throws {
  readonly dice: Dice;
  readonly #cast: Cast;

  constructor(dice: Dice, cast: Cast = { ids: [], workers: ["w1", "w2", "w3"] }) {
    this.dice = dice;
    this.#cast = cast;
  }

  get ids(): string[] {
    return this.#cast.ids;
  }

  newId(): string {
    const id = `${this.#cast.prefix ?? "t"}${this.ids.length}`;
    this.ids.push(id);
    return id;
  }

  /** Rather a young one; sometimes one that was never there. */
  oldId(): string {
    const { dice, ids } = this;
    return (dice.chance(95) ? ids.at(-1 - dice.below(Math.min(ids.length, 6))) : undefined) ?? "nobody";
  }

  worker(): string {
    return this.dice.pick(this.#cast.workers);
  }

  queue(): string {
    return this.dice.pick(["q", "q", "q2", "q3"]);
  }
}

/** A length of time that often meets another: 0 to 50 ms, in steps of 10. */
export const span = (dice: Dice): number => 10 * dice.below(6);

export function thrownTask(t: Throws): (clock: Clock) => NewTask {
  const { dice } = t;
  const due = dice.pick(["none", "none", "in", "at"]);
  const offset = span(dice) - 10;
  const until = dice.pick(["finished", "started", span(dice)]);
  const unique = { key: dice.pick(["k1", "k2"]), until, onConflict: dice.pick(["keep", "replace", "refuse"]) };
  const id = dice.chance(90) ? t.newId() : t.oldId();
  const dependsOn = dice.chance(30) ? [...new Set(dice.some(2, () => t.oldId()))].filter((parent) => parent !== id) : [];
  const edges = dependsOn.map((parent) => ({ id: parent, ifFailed: dice.pick(["cancel", "run"]) }));
  const given: Partial<NewTask> = {
    func: dice.pick(["f", "g"]),
    args: dice.pick(["1", "1", "2"]),
    queue: t.queue(),
    priority: dice.below(3),
    maxRetries: dice.below(3),
    retryDelay: span(dice),
    maxCrashes: 1 + dice.below(3),
    atMostOnce: dice.chance(15),
    storeResult: dice.chance(85),
    tags: dice.chance(30) ? [dice.pick(["x", "y"])] : [],
    dependsOn: edges,
    ...(dice.chance(20) ? { ttl: span(dice) } : {}),
    ...(dice.chance(20) ? { resultTtl: span(dice) } : {}),
    ...(dice.chance(20) ? { unique } : {}),
    ...(dice.chance(15) ? { callback: { func: "done", queue: t.queue() } } : {}),
    ...(dice.chance(20) ? { scheduleId: dice.pick(["s1", "s2"]) } : {}),
  };
  return (clock) =>
    newTask(id, {
      ...given,
      ...(due === "none" ? {} : { due: due === "at" ? { at: clock.now() + offset } : { in: Math.max(0, offset) } }),
    });
}
