/** Hints between processes: `LISTEN` on a connection of its own, `NOTIFY` gathered for a few milliseconds. Either may be lost without harm. */
import type { Hint } from "../../core/backend.ts";
import type { Clock, Random } from "../../core/clock.ts";
import type { Names } from "./names.ts";
import { connect, linkTo } from "./pool.ts";
import type { LinkOptions, Notified, PoolClient, PoolLike } from "./pool.ts";

/** What is told within so many milliseconds goes as one notification: each takes a lock of the whole server when it commits. */
const GATHER = 5;
/** While there is always more to tell: at 5 ms, notifications took a tenth of what a busy worker got done. */
const LONGEST_GATHER = 20;
/**
 * A connection that carries nothing is asked for a sign of life so often; one that gives none is opened anew. And so often everybody looks
 * without being told: a pooler may lose a `LISTEN` without a word.
 */
const ALIVE_EVERY = 5_000;
const SHORTEST_WAIT = 250;
const LONGEST_WAIT = 10_000;

/** A hint may be lost, so its commit waits for no disk. */
const NOTIFY = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)";

/** Of one schema; names of schemas are short enough to be whole in it. */
export const channelOf = ({ schema }: Names): string => `omniq_${schema}`;

const HINTS: readonly Hint[] = ["task", "end", "cancel", "schedule", "any"];

export interface ListenerOptions {
  readonly pool: PoolLike;
  readonly names: Names;
  readonly clock: Clock;
  readonly random: Random;
  readonly deadline: number;
  /** Told what others have done. */
  readonly onHint: (hint: Hint) => void;
  /** Tells one backend from another: its own notifications come back to it, too. */
  readonly sender: string;
}

export class Listener {
  readonly #options: ListenerOptions;
  readonly #channel: string;
  readonly #link: LinkOptions;
  #client: PoolClient | undefined;
  #stopped = true;
  #failures = 0;
  #cancelTimer: (() => void) | undefined;
  readonly #gathered = new Set<Hint>();
  #gathering = false;
  #starting: Promise<void> | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#link = { deadline: options.deadline, prepare: false };
    // An identifier has 63 bytes at most.
    this.#channel = channelOf(options.names);
  }

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#starting = this.#connect();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    await this.#starting;
    const client = this.#client;
    this.#client = undefined;
    client?.release(true);
  }

  async #connect(): Promise<void> {
    try {
      const client = await connect(this.#options.pool);
      const lost = (): void => {
        if (this.#client === client) this.#lost();
      };
      client.on("error", lost);
      client.on("end", lost);
      client.on("notification", (message) => {
        if (this.#client === client) this.#heard(message);
      });
      this.#client = client;
      await linkTo(client, this.#link).query(`LISTEN ${this.#options.names.quoted(this.#channel)}`, []);
      if (this.#failures > 0) this.#options.onHint("any");
      this.#failures = 0;
      this.#later(ALIVE_EVERY, () => this.#stillThere());
    } catch {
      this.#lost();
    }
  }

  async #stillThere(): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    try {
      await linkTo(client, this.#link).query("SELECT 1", []);
      this.#options.onHint("any");
      this.#later(ALIVE_EVERY, () => this.#stillThere());
    } catch {
      this.#lost();
    }
  }

  #later(ms: number, fn: () => Promise<void>): void {
    this.#cancelTimer?.();
    if (this.#stopped) return;
    this.#cancelTimer = this.#options.clock.after(ms, () => {
      this.#starting = fn();
    });
  }

  /** Opened anew after a while, longer each time, and not by all processes in the same moment. */
  #lost(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.release(true);
    if (this.#stopped) return;
    this.#failures++;
    const wait = Math.min(LONGEST_WAIT, SHORTEST_WAIT * 2 ** Math.min(this.#failures, 10));
    this.#later(wait * (0.5 + this.#options.random() / 2), () => this.#connect());
  }

  #heard({ payload = "" }: Notified): void {
    const [sender, ...names] = payload.split(" ");
    if (sender === this.#options.sender) return;
    for (const hint of HINTS) if (names.includes(hint)) this.#options.onHint(hint);
  }

  /** Tells the other processes, the first at once and what follows together. */
  tell(hints: Iterable<Hint>): void {
    for (const hint of hints) this.#gathered.add(hint);
    if (this.#gathering || this.#gathered.size === 0) return;
    this.#gathering = true;
    void this.#send();
  }

  async #send(): Promise<void> {
    for (let gather = GATHER; this.#gathered.size > 0; gather = Math.min(2 * gather, LONGEST_GATHER)) {
      const payload = `${this.#options.sender} ${[...this.#gathered].join(" ")}`;
      this.#gathered.clear();
      try {
        const client = await connect(this.#options.pool);
        try {
          await linkTo(client, this.#link).query(NOTIFY, [this.#channel, payload]);
          client.release();
        } catch (error) {
          client.release(true);
          throw error;
        }
      } catch {
        // Lost without harm: the others look by themselves now and then.
      }
      await new Promise<void>((resolve) => {
        this.#options.clock.after(gather, resolve);
      });
    }
    this.#gathering = false;
  }
}
