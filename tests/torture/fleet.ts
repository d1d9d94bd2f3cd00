/** The processes of a round, as the one who tortures them sees them. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { OmniQ } from "../../src/index.ts";
import { until } from "../fixtures/helpers.ts";
import { forked } from "./forked.ts";
import { tortureTasks } from "./job.ts";
import { Journal, micros, Witness } from "./journal.ts";
import type { MemberOptions, Message } from "./member.ts";
import { faultsAtTheEnd } from "./oracle.ts";
import type { Faults } from "./oracle.ts";
import type { Facts, Place } from "./place.ts";
import type { Point } from "./points.ts";

const SCRIPT = fileURLToPath(new URL("member.ts", import.meta.url));
/** Milliseconds that a process may take for what it does at once when all is well. */
const PATIENCE = 60_000;

export class Member {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Resolves when it works. */
  readonly ready: Promise<void>;
  /** Resolves when its process is gone. */
  readonly gone: Promise<void>;
  isGone = false;

  constructor(options: MemberOptions) {
    this.child = forked(SCRIPT, options);
    this.pid = this.child.pid ?? 0;
    // A message may meet a process that was killed.
    this.child.on("error", () => undefined);
    this.gone = this.#ends();
    this.ready = this.#says("ready");
  }

  tell(message: Message): void {
    if (this.child.connected) this.child.send(message, () => undefined);
  }

  /** Resolves when it runs, and hears. */
  async answers(): Promise<void> {
    const pong = this.#says("pong");
    this.tell("ping");
    await pong;
  }

  async #ends(): Promise<void> {
    await once(this.child, "exit");
    this.isGone = true;
  }

  /** Also when it is gone. */
  async #says(wanted: Message): Promise<void> {
    await Promise.race([
      this.gone,
      new Promise<void>((resolve) => {
        this.child.on("message", (message) => {
          if (message === wanted) resolve();
        });
      }),
    ]);
  }
}

export interface FleetOptions {
  readonly place: Place;
  readonly seed: number;
  readonly lease: number;
  readonly handlerMs: number;
  readonly pauseMs: number;
}

export class Fleet {
  readonly members: Member[] = [];
  readonly journal: Journal;
  readonly #options: FleetOptions;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.journal = new Journal(options.place.journal);
  }

  get alive(): readonly Member[] {
    return this.members.filter(({ isGone }) => !isGone);
  }

  join(point?: Point): Member {
    const { place, seed, lease, handlerMs, pauseMs } = this.#options;
    const { options, journal } = place;
    const own = { options, journal, seed: 10_000 * seed + this.members.length, lease, handlerMs, pauseMs };
    const member = new Member(point === undefined ? own : { ...own, point });
    this.members.push(member);
    return member;
  }

  /** Answers when, by the clock of the journal. */
  async kill(member: Member): Promise<number> {
    member.child.kill("SIGKILL");
    const at = micros();
    await member.gone;
    return at;
  }

  /** They sign off. Whoever does not is killed and told of, as is whoever ended before. */
  async stop(): Promise<readonly string[]> {
    for (const member of this.alive) member.tell("stop");
    const late = setTimeout(() => {
      this.end();
    }, PATIENCE);
    await Promise.all(this.members.map(({ gone }) => gone));
    clearTimeout(late);
    return this.members
      .filter(({ child }) => child.exitCode !== 0)
      .map(({ child }) => `a process ended with ${child.exitCode ?? child.signalCode}`);
  }

  /** Whatever happens: nobody is left behind. */
  end(): void {
    for (const { child } of this.alive) child.kill("SIGKILL");
  }

  /** Ends all that is left in this process, and looks whether everything holds. */
  async drain(): Promise<{ readonly facts: Facts; readonly faults: Faults }> {
    const { place, lease } = this.#options;
    const witness = new Witness(place.journal);
    const quiet = (): void => undefined;
    const omniq = new OmniQ({ ...place.options, logger: { debug: quiet, info: quiet, warn: quiet, error: quiet } });
    await omniq.worker({ tasks: Object.values(tortureTasks(witness)), concurrency: 20, lease }).start();
    const isOver = async (): Promise<boolean> => [...((await place.look())?.tasks.values() ?? [])].every((task) => task.isOver);
    await until(isOver, PATIENCE).catch(() => undefined);
    await omniq.close();
    witness.close();
    this.journal.read();
    const facts = await place.look();
    if (facts === undefined) throw new Error("Expected a database to be there, found none");
    return { facts, faults: faultsAtTheEnd({ facts, journal: this.journal.lines }) };
  }
}
