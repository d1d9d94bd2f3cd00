/** Everything that is to be tortured, round by round; what was done is kept, so that it can be gone on with. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { contentionRound } from "./contention.ts";
import { freezeRound } from "./freezes.ts";
import { killRound } from "./kills.ts";
import { postgresPlace, sqlitePlace } from "./place.ts";
import type { Place } from "./place.ts";
import { powerRound } from "./power/power.ts";
import { makeLibrary } from "./power/record.ts";
import { addRounds, isSound, NO_ROUND } from "./round.ts";
import type { Round } from "./round.ts";

export const KINDS = ["kills", "freezes", "power", "contention"] as const;
export type Kind = (typeof KINDS)[number];

export interface Plan {
  readonly seed: number;
  /** How many of each kind. */
  readonly targets: Readonly<Record<Kind, number>>;
  readonly processes: number;
  /** The server on which processes are killed and frozen, instead of a file. */
  readonly postgres?: string | undefined;
}

/** What is done at a time; after it all is saved. */
const A_ROUND: Readonly<Record<Kind, number>> = { kills: 25, freezes: 50, power: 500, contention: Number.POSITIVE_INFINITY };
/** Of so many recordings one is of the durability that may lose the newest commits, and every other one is seen, where that can be. */
const NORMAL = 5;

export interface Progress {
  /** How many rounds, so that each has a seed of its own. */
  readonly rounds: number;
  readonly total: Round;
}

export type Saved = Partial<Record<string, Progress>>;

/** The file in which a campaign is kept. */
export class Ledger {
  readonly #path: string;
  readonly saved: Saved;

  constructor(path: string, fresh: boolean) {
    this.#path = path;
    if (fresh) rmSync(path, { force: true });
    this.saved = read(path);
  }

  of(key: string): Progress {
    return this.saved[key] ?? { rounds: 0, total: NO_ROUND };
  }

  add(key: string, round: Round): Progress {
    const { rounds, total } = this.of(key);
    const progress = { rounds: rounds + 1, total: addRounds(total, round) };
    this.saved[key] = progress;
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(this.#path, JSON.stringify(this.saved));
    return progress;
  }
}

function read(path: string): Saved {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Saved;
  } catch {
    return {};
  }
}

/** Under which name a kind is kept: its figures on a server are its own. */
export const keyOf = (kind: Kind, { postgres }: Pick<Plan, "postgres">): string =>
  postgres === undefined ? kind : `${kind} on PostgreSQL`;

export class Campaign {
  readonly #plan: Plan;
  readonly #ledger: Ledger;
  readonly #tools: string;
  readonly #library: string | undefined;

  constructor(plan: Plan, ledger: Ledger) {
    this.#plan = plan;
    this.#ledger = ledger;
    mkdirSync(".tmp", { recursive: true });
    this.#tools = mkdtempSync(join(".tmp", "torture-tools-"));
    this.#library = makeLibrary(this.#tools);
  }

  /** Whether writes are seen; otherwise they are derived. */
  get sees(): boolean {
    return this.#library !== undefined;
  }

  /** One round more. @param onDone how many are done by now. */
  async round(kind: Kind, onDone: (done: number) => void): Promise<Progress> {
    const key = keyOf(kind, this.#plan);
    const { rounds, total } = this.#ledger.of(key);
    const seed = 1_000 * this.#plan.seed + rounds;
    const count = Math.min(A_ROUND[kind], this.#plan.targets[kind] - total.done);
    let { done } = total;
    const one = (): void => {
      onDone(++done);
    };
    return this.#ledger.add(
      key,
      kind === "power" ? await this.#cutPower(seed, rounds, count, one) : await this.#torture(kind, seed, count, one, onDone),
    );
  }

  async #cutPower(seed: number, rounds: number, count: number, onDone: () => void): Promise<Round> {
    const durability = rounds % NORMAL === NORMAL - 1 ? "normal" : "full";
    return powerRound({ seed, count, durability, library: rounds % 2 === 0 ? this.#library : undefined, onDone });
  }

  async #torture(
    kind: Exclude<Kind, "power">,
    seed: number,
    count: number,
    onDone: () => void,
    onAll: (n: number) => void,
  ): Promise<Round> {
    const { postgres, processes } = this.#plan;
    if (kind === "contention") {
      const place = sqlitePlace();
      return keepBroken(place, await contentionRound({ place, processes, tasks: count, onStarted: onAll, judgesWaits: true }));
    }
    const place = postgres === undefined ? sqlitePlace() : postgresPlace(postgres);
    return keepBroken(place, await (kind === "kills" ? killRound : freezeRound)({ place, seed, count, onDone }));
  }

  end(): void {
    rmSync(this.#tools, { recursive: true, force: true });
  }
}

/** What was found to be broken can be looked at. */
async function keepBroken(place: Place, round: Round): Promise<Round> {
  if (isSound(round.faults)) await place.remove();
  else console.error(`It is kept: ${place.dir}`);
  return round;
}
