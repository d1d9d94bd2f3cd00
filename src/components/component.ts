import type { Backend } from "../core/backend.ts";
import type { Clock, Random } from "../core/clock.ts";
import { DEFAULTS } from "../models/defaults.ts";
import type { ModelTools } from "../models/defaults.ts";
import { atOnce, later, syncStore } from "./steps.ts";
import type { Steps, Store } from "./steps.ts";

/** Whatever a component counts, it counts up to here. */
export const COUNTED = 1_000_000;

export interface ComponentOptions {
  readonly backend: Backend;
  /** Default: the backend's. */
  readonly projectName?: string;
  /** What the models that are read look at. Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: the machine's chance. */
  readonly random?: Random;
  /** Default: UUIDv7. */
  readonly newId?: () => string;
}

/** What the three components share: a backend, and each verb in an asynchronous and a synchronous form. */
export class Component {
  readonly projectName: string;
  readonly backend: Backend;
  protected readonly tools: Required<ModelTools> & { readonly clock: Clock; readonly random: Random; readonly newId: () => string };

  constructor(options: ComponentOptions) {
    this.backend = options.backend;
    this.projectName = options.projectName ?? options.backend.projectName;
    this.tools = {
      clock: options.clock ?? DEFAULTS.clock,
      random: options.random ?? DEFAULTS.random,
      newId: options.newId ?? DEFAULTS.newId,
    };
  }

  protected async later<T>(verb: (store: Store) => Steps<T>): Promise<T> {
    return later(verb(this.backend));
  }

  /** @throws SyncUnsupportedError when the backend has no synchronous verbs. */
  protected atOnce<T>(verb: (store: Store) => Steps<T>): T {
    return atOnce(verb(syncStore(this.backend)));
  }
}
