/** What the parts of one OmniQ share: the way to the stores and what the composition root hands in. */
import type { Clock, Random } from "../core/clock.ts";
import type { TaskId } from "../core/record.ts";
import type { Access } from "./access.ts";
import type { IsGone } from "./lookout.ts";
import type { Resolving } from "./options.ts";
import type { Logger } from "./signatures.ts";

/** What tells a process from every other one, also after a restart that reuses its pid. */
export interface HostIdentity {
  readonly host: string;
  readonly boot: string;
  readonly pid: number;
  readonly started: string;
}

export interface Shared extends Resolving {
  readonly access: Access;
  readonly clock: Clock;
  readonly random: Random;
  /** The id of a task's n-th child, the same on every attempt. */
  readonly childId: (parent: TaskId, call: number) => TaskId;
  readonly identity: () => HostIdentity;
  readonly isGone: IsGone;
  readonly logger: Logger;
  /** Resolves in a later turn of the event loop. */
  readonly yieldTurn: () => Promise<void>;
}
